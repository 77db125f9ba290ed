/*
 * connect.c - connect(): foreign addresses go to libc, mapped ones are held.
 *
 * Nothing is remembered: the program's socket is the state.  If it is not in
 * TCP_CLOSE, this is a second connect(), by which many programs learn the
 * result of the first: the kernel answers it.
 *
 * The state may change between our look and the kernel's: a refusal ends the
 * held connect(), and then the kernel takes the second one for a new one.  So
 * the program's own address never gets there, only one that leads nowhere.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <string.h>

#include "connect.h"
#include "debug.h"
#include "hold.h"
#include "libc.h"
#include "talk.h"
#include "verdict.h"

static int fail(int error)
{
	errno = error;
	return -1;
}

static int pass_on(int fd, const struct sockaddr *addr, socklen_t len)
{
	int ret = shim_libc.connect(fd, addr, len);

	return ret < 0 ? fail(shim_verdict_translate(fd, errno)) : ret;
}

/*
 * Has the kernel answer a second connect(): it looks at the address only if
 * the socket is free by then, and says ENETUNREACH to broadcast and multicast
 * before it does anything; a held connect() never ends so by itself.  The port
 * is the program's, as what confines it (Landlock, SELinux) may look first.
 */
static int ask_kernel(int fd, int domain, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = INADDR_BROADCAST};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_port = htons(port)};

	if (domain == AF_INET)
		return shim_libc.connect(fd, (struct sockaddr *)&in,
					 sizeof(in));
	memset(&in6.sin6_addr, 0xff, sizeof(in6.sin6_addr));
	return shim_libc.connect(fd, (struct sockaddr *)&in6, sizeof(in6));
}

/* Refuses by ourselves, and lets the sender's log know. */
static int refuse(const struct shim_config *config,
		  const struct shim_target *target, int error, const char *why)
{
	struct hybridge_local_msg msg =
		shim_message(HYBRIDGE_LOCAL_REFUSED, target->host,
			     &target->asked, target->port);

	msg.detail = error;
	shim_talk(config, &msg, NULL, 0, SHIM_START_NEVER);
	shim_debug(config, why, target->host, target->port);
	return fail(error);
}

/* What connect(2) may say when we could not do our part. */
static int own_failure(const struct shim_config *config,
		       const struct shim_target *target, int error)
{
	shim_debug(config, "connect refused, the sender cannot be reached",
		   target->host, error);
	if (error == EMFILE || error == ENFILE || error == ENOMEM ||
	    error == ENOBUFS)
		return fail(error);
	return fail(ECONNREFUSED);
}

/* The sender may have been started for another file, which means another service. */
static uint16_t file_len(const struct shim_config *config)
{
	size_t len = config->env_file ? strlen(config->env_file) : 0;

	return len < HYBRIDGE_LOCAL_FILE_MAX ? (uint16_t)len : 0;
}

static int hold_and_connect(const struct shim_config *config, int fd,
			    const struct shim_socket *socket,
			    const struct shim_target *target)
{
	struct hybridge_local_msg msg =
		shim_message(HYBRIDGE_LOCAL_CONNECT, target->host,
			     &target->asked, target->port);
	struct shim_hold hold;
	int fds[HYBRIDGE_LOCAL_MAX_FDS] = {fd};
	size_t num_fds = 1;
	int ret = shim_hold_open(fd, socket, target, &hold);

	if (ret < 0)
		return own_failure(config, target, -ret);
	msg.file_len = file_len(config);
	if (hold.is_early)
		msg.flags = HYBRIDGE_LOCAL_EARLY;
	else
		fds[num_fds++] = hold.peer;
	fds[num_fds++] = hold.listener;
	ret = shim_talk(config, &msg, fds, num_fds, SHIM_START_SENDER);
	shim_hold_close(&hold);
	if (ret < 0)
		return own_failure(config, target, -ret);
	return pass_on(fd, (const struct sockaddr *)&hold.addr, hold.addr_len);
}

int shim_connect(int fd, const struct sockaddr *addr, socklen_t len,
		 enum shim_whose whose, const struct shim_target *target)
{
	const struct shim_config *config = shim_config();
	struct shim_socket socket;
	int verdict;

	if (!shim_socket_inspect(fd, &socket) ||
	    socket.domain != addr->sa_family)
		return shim_libc.connect(fd, addr, len);
	if (socket.state != TCP_CLOSE) {
		int ret = ask_kernel(fd, socket.domain, target->port);

		if (ret == 0)
			return ret;
		if (errno != ENETUNREACH)
			return fail(shim_verdict_translate(fd, errno));
		/* It has become free since we looked: go on as if seen so. */
	}
	verdict = shim_verdict_take(fd);
	if (verdict)
		return fail(verdict);
	if (whose == SHIM_UNMAPPED_PORT)
		return refuse(config, target, ECONNREFUSED,
			      "host is known, port is not configured");
	if (shim_socket_is_elsewhere(fd))
		return refuse(config, target, ENETUNREACH,
			      "socket is bound to a device other than lo");
	return hold_and_connect(config, fd, &socket, target);
}

SHIM_EXPORT int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct shim_target target;
	enum shim_whose whose = shim_match(shim_config(), addr, len, &target);

	if (whose == SHIM_FOREIGN)
		return shim_libc.connect(fd, addr, len);
	return shim_connect(fd, addr, len, whose, &target);
}
