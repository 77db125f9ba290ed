/* talk.c - one request to the sender over its unix socket, every wait bounded. */
#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "spawn.h"
#include "sys.h"
#include "talk.h"

#define RETRY_MS 1 /* pause before another try while the sender is behind */

struct hybridge_local_msg shim_message(enum hybridge_local_kind kind,
				       struct hybridge_span host,
				       const struct hybridge_ip *addr,
				       uint16_t port)
{
	struct hybridge_local_msg msg = {
		.magic = HYBRIDGE_LOCAL_MAGIC,
		.kind = (uint8_t)kind,
		.port = port,
	};

	if (host.len < sizeof(msg.host)) {
		msg.host_len = (uint16_t)host.len;
		memcpy(msg.host, host.text, host.len);
	}
	if (addr)
		msg.addr = *addr;
	return msg;
}

/* Descriptors go only to a sender that runs as we do, or as root. */
static int check_peer(int fd)
{
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t len = sizeof(peer);
	int ret = sys_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);

	if (ret < 0)
		return ret;
	return peer.uid == 0 || peer.uid == sys_geteuid() ? 0 : -EPERM;
}

int shim_talk_connect(const struct shim_config *config)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = SHIM_TALK_MS / 1000};
	int64_t give_up = sys_now_ms() + SHIM_TALK_MS;
	int ret, fd;

	if (config->socket[0] == '\0')
		return -ENAMETOOLONG;
	memcpy(at.sun_path, config->socket, sizeof(at.sun_path));
	fd = sys_above_stdio(
		sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	if (fd < 0)
		return fd;
	/* Bounds connect(), which waits while the backlog is full, and sendmsg(). */
	ret = sys_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit,
			     sizeof(limit));
	while (ret == 0) {
		ret = sys_connect(fd, &at, sizeof(at));
		if (ret != -EINTR || sys_now_ms() >= give_up)
			break;
		ret = 0;
	}
	if (ret == 0)
		ret = check_peer(fd);
	if (ret == 0)
		return fd;
	sys_close(fd);
	return ret;
}

static int send_message(int fd, const struct hybridge_local_msg *msg,
			const char *file, const int *fds, size_t num_fds)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * HYBRIDGE_LOCAL_MAX_FDS)];
		struct cmsghdr align;
	} control = {.buf = {0}};
	struct iovec iov[2] = {
		{.iov_len = hybridge_local_size(msg) - msg->file_len},
		{.iov_len = msg->file_len},
	};
	struct msghdr header = {.msg_iov = iov, .msg_iovlen = 2};
	int64_t give_up = sys_now_ms() + SHIM_TALK_MS;

	/* sendmsg() does not write to what it sends. */
	memcpy(&iov[0].iov_base, &msg, sizeof(iov[0].iov_base));
	memcpy(&iov[1].iov_base, &file, sizeof(iov[1].iov_base));
	if (num_fds > 0) {
		size_t len = num_fds * sizeof(*fds);

		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(len);
		memcpy(CMSG_DATA(&control.align), fds, len);
		header.msg_control = control.buf;
		header.msg_controllen = CMSG_SPACE(len);
	}
	for (;;) {
		long ret = sys_sendmsg(fd, &header, MSG_NOSIGNAL);

		if (ret >= 0)
			return 0;
		if (sys_now_ms() >= give_up)
			return (int)ret;
		/*
		 * Too many of this user's descriptors are under way to senders
		 * (unix(7)): they come free as the sender takes them.
		 */
		if (ret == -ETOOMANYREFS)
			sys_poll(NULL, 0, RETRY_MS);
		else if (ret != -EINTR)
			return (int)ret;
	}
}

static bool nobody_listens(int error)
{
	return error == -ENOENT || error == -ECONNREFUSED || error == -ENOTDIR;
}

int shim_talk(const struct shim_config *config,
	      const struct hybridge_local_msg *msg, const int *fds,
	      size_t num_fds, enum shim_start start)
{
	int fd = shim_talk_connect(config);
	int ret;

	if (start == SHIM_START_SENDER && nobody_listens(fd))
		fd = shim_spawn(config);
	if (fd < 0)
		return fd;
	ret = send_message(fd, msg, config->env_file, fds, num_fds);
	sys_close(fd);
	return ret;
}

static int receive_answer(int fd, struct hybridge_local_msg *msg)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	int64_t give_up = sys_now_ms() + SHIM_ANSWER_MS;
	long got;

	for (;;) {
		int64_t left = give_up - sys_now_ms();
		int ret = sys_poll(&ready, 1, left > 0 ? left : 0);

		if (ret == 0)
			return -ETIMEDOUT;
		if (ret > 0)
			break;
		if (ret != -EINTR)
			return ret;
	}
	memset(msg, 0, sizeof(*msg));
	got = sys_recv(fd, msg, sizeof(*msg), MSG_DONTWAIT);
	if (got < 0)
		return (int)got;
	return hybridge_local_valid(msg, (size_t)got) ? -EBADMSG : 0;
}

int shim_ask(const struct shim_config *config, struct hybridge_local_msg *msg)
{
	int fd = shim_talk_connect(config);
	int ret;

	if (fd < 0)
		return fd;
	ret = send_message(fd, msg, NULL, NULL, 0);
	if (ret == 0)
		ret = receive_answer(fd, msg);
	sys_close(fd);
	return ret;
}
