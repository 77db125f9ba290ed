/*
 * hold_fixture.h - a program's side of a held connect(): {A, B, L} as the library makes them.
 */
#ifndef HYBRIDGE_TESTS_HOLD_FIXTURE_H
#define HYBRIDGE_TESTS_HOLD_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELD_PATIENCE_MS 10000
#define HELD_TTL         255

/** struct held - Descriptors as they are handed over, and where A connects to */
struct held {
	int app;
	int peer;
	int listener;
	struct sockaddr_storage at;
	socklen_t at_len;
};

static inline void held_set_int(int fd, int level, int name, int value)
{
	assert_int_equal(setsockopt(fd, level, name, &value, sizeof(value)), 0);
}

static inline int held_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return fd;
}

/** held_open() - Make all three; A, of @app_family, does not block and is not yet connecting */
static inline struct held held_open(int hold_family, int app_family)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(0x7f400001)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
				  .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct held held = {.at_len = sizeof(held.at)};
	const void *addr = &v4;
	socklen_t len = sizeof(v4);

	if (hold_family == AF_INET6) {
		addr = &v6;
		len = sizeof(v6);
	}
	held.listener = held_socket(hold_family);
	held_set_int(held.listener, SOL_SOCKET, SO_REUSEPORT, 1);
	if (hold_family == AF_INET6)
		held_set_int(held.listener, IPPROTO_IPV6, IPV6_MINHOPCOUNT,
			     HELD_TTL);
	else
		held_set_int(held.listener, IPPROTO_IP, IP_MINTTL, HELD_TTL);
	assert_int_equal(bind(held.listener, addr, len), 0);
	assert_int_equal(listen(held.listener, 1), 0);
	assert_int_equal(getsockname(held.listener, (struct sockaddr *)&held.at,
				     &held.at_len),
			 0);
	held.peer = held_socket(hold_family);
	held_set_int(held.peer, SOL_SOCKET, SO_REUSEPORT, 1);
	assert_int_equal(
		bind(held.peer, (struct sockaddr *)&held.at, held.at_len), 0);
	held.app = held_socket(app_family);
	assert_int_equal(fcntl(held.app, F_SETFL, O_NONBLOCK), 0);
	return held;
}

/** held_open_early() - A, and L as an ordinary listener */
static inline struct held held_open_early(void)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(0x7f400001)};
	struct held held = {.peer = -1, .at_len = sizeof(held.at)};

	held.listener = held_socket(AF_INET);
	assert_int_equal(
		bind(held.listener, (struct sockaddr *)&v4, sizeof(v4)), 0);
	assert_int_equal(listen(held.listener, 8), 0);
	assert_int_equal(getsockname(held.listener, (struct sockaddr *)&held.at,
				     &held.at_len),
			 0);
	held.app = held_socket(AF_INET);
	assert_int_equal(fcntl(held.app, F_SETFL, O_NONBLOCK), 0);
	return held;
}

/** held_connect() - The program's connect(): to be held; @app may be another socket */
static inline void held_connect(const struct held *held, int app)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	socklen_t len = sizeof(struct sockaddr_storage);
	struct sockaddr_storage local = {0};

	assert_int_equal(getsockname(app, (struct sockaddr *)&local, &len), 0);
	if (local.ss_family == AF_INET6 && held->at.ss_family == AF_INET) {
		memcpy(&v4, &held->at, sizeof(v4));
		v6.sin6_port = v4.sin_port;
		v6.sin6_addr.s6_addr[10] = 0xff;
		v6.sin6_addr.s6_addr[11] = 0xff;
		memcpy(v6.sin6_addr.s6_addr + 12, &v4.sin_addr, 4);
		assert_int_equal(
			connect(app, (struct sockaddr *)&v6, sizeof(v6)), -1);
	} else {
		assert_int_equal(connect(app,
					 (const struct sockaddr *)&held->at,
					 held->at_len),
				 -1);
	}
	assert_int_equal(errno, EINPROGRESS);
}

/** held_fds() - Duplicates, as they arrive at the sender; returns how many */
static inline size_t held_fds(const struct held *held, int out[static 3])
{
	const int all[] = {held->app, held->peer, held->listener};
	size_t n = 0;

	for (size_t i = 0; i < 3; i++)
		if (all[i] >= 0)
			out[n++] = dup(all[i]);
	return n;
}

/** held_close_ours() - What the library does after the hand-over: only A is left */
static inline void held_close_ours(struct held *held)
{
	if (held->peer >= 0)
		close(held->peer);
	close(held->listener);
	held->peer = -1;
	held->listener = -1;
}

/** held_result() - SO_ERROR once poll() says that connect() is over */
static inline int held_result(int app)
{
	struct pollfd ready = {.fd = app, .events = POLLOUT};
	int error = -1;
	socklen_t len = sizeof(error);

	assert_int_equal(poll(&ready, 1, HELD_PATIENCE_MS), 1);
	assert_int_equal(getsockopt(app, SOL_SOCKET, SO_ERROR, &error, &len),
			 0);
	return error;
}

/** held_verdict() - What the mailbox says, whole */
static inline unsigned int held_verdict(int app)
{
	unsigned int mail = 0;
	socklen_t len = sizeof(mail);

	assert_int_equal(
		getsockopt(app, IPPROTO_TCP, TCP_USER_TIMEOUT, &mail, &len), 0);
	return mail;
}

#endif
