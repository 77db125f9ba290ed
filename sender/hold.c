/*
 * hold.c - completes or refuses a connect() that the shim holds open.
 *
 * Theory of operation.  A is in SYN_SENT towards L, which drops its SYNs.  When B,
 * bound to L's address, connects to A's address, both are in SYN_SENT and TCP
 * completes by simultaneous open: A never learns that L was there.  To refuse,
 * the errno is left on A itself, in TCP_USER_TIMEOUT, which means nothing to a socket that never
 * connects, and shutdown() wakes the program with ECONNRESET; the shim reads the
 * errno back.  The program's flags on A are never touched: they are shared.
 */
#include "hold.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hybridge/local.h>
#include <hybridge/loopback.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* asm-generic/socket.h, Linux 5.14 */
#endif

#define STRANGERS_PER_LOOK 64

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int int_option(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, &value, &len) == 0 ? value : -1;
}

static int tcp_state(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0
		       ? info.tcpi_state
		       : -1;
}

static void reset_on_close(int fd)
{
	static const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

static int make_nonblocking(int fd)
{
	int on = 1;

	return ioctl(fd, FIONBIO, &on);
}

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

/* Address as IPv6, IPv4 mapped into it, so that both kinds of socket compare. */
static bool to_address(const struct sockaddr_storage *from,
		       struct hold_address *out)
{
	const struct sockaddr_in6 *v6 = (const void *)from;
	const struct sockaddr_in *v4 = (const void *)from;

	memset(out, 0, sizeof(*out));
	if (from->ss_family == AF_INET6) {
		memcpy(out->ip, &v6->sin6_addr, sizeof(out->ip));
		out->port = ntohs(v6->sin6_port);
	} else if (from->ss_family == AF_INET) {
		memcpy(out->ip, mapped, sizeof(mapped));
		memcpy(out->ip + sizeof(mapped), &v4->sin_addr, 4);
		out->port = ntohs(v4->sin_port);
	}
	return out->port != 0;
}

static bool local_address(int fd, struct hold_address *out)
{
	struct sockaddr_storage at = {0};
	socklen_t len = sizeof(at);

	return getsockname(fd, (struct sockaddr *)&at, &len) == 0 &&
	       to_address(&at, out);
}

uint64_t hold_netns(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) == 0
		       ? cookie
		       : 0;
}

uint64_t hold_cookie(const struct hold *hold)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(hold->app, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0
		       ? cookie
		       : 0;
}

bool hold_address(struct hold *hold, struct hold_address *out)
{
	if (!hold->started &&
	    (hold->app < 0 || hold_look(hold) != HOLD_PENDING))
		return false;
	if (hold->netns == 0)
		hold->netns = hold_netns(hold->app);
	*out = hold->seen_at;
	out->netns = hold->netns;
	return true;
}

/* What is wrong with a stream socket for TCP over IP, or NULL. */
static const char *why_not_tcp(int fd, bool mptcp_too)
{
	int domain = int_option(fd, SOL_SOCKET, SO_DOMAIN);
	int protocol = int_option(fd, SOL_SOCKET, SO_PROTOCOL);

	if (domain != AF_INET && domain != AF_INET6)
		return "not an IP socket";
	if (int_option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM)
		return "not a stream socket";
	if (protocol != IPPROTO_TCP &&
	    !(mptcp_too && protocol == IPPROTO_MPTCP))
		return "not a TCP socket";
	return NULL;
}

/* The same; only a stream of TCP over IP has both that state and that protocol. */
static const char *check_tcp(int fd, bool mptcp_too, int *state)
{
	*state = tcp_state(fd);
	if (*state >= 0 &&
	    int_option(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP)
		return NULL;
	return why_not_tcp(fd, mptcp_too);
}

static const char *check_app(const struct hold *hold)
{
	int state;
	const char *why = check_tcp(hold->app, hold->early, &state);

	if (why)
		return why;
	if (hold->early)
		return state == TCP_LISTEN ? "listening" : NULL;
	return state == TCP_CLOSE || state == TCP_SYN_SENT
		       ? NULL
		       : "neither closed nor connecting";
}

static const char *check_listener(struct hold *hold)
{
	struct hold_address at;
	int state;
	const char *why = check_tcp(hold->listener, false, &state);

	if (!why && state != TCP_LISTEN)
		why = "not listening";
	if (!why && !local_address(hold->listener, &at))
		why = "not bound";
	if (!why && hold->early && make_nonblocking(hold->listener) != 0)
		why = "not to be made non-blocking";
	if (!why)
		hold->at = at;
	return why;
}

static const char *check_peer(struct hold *hold)
{
	struct sockaddr_storage bound = {0};
	socklen_t len = sizeof(bound);
	struct hold_address at;
	int state;
	const char *why = check_tcp(hold->peer, false, &state);

	if (why)
		return why;
	if (state != TCP_CLOSE)
		return "in use";
	if (getsockname(hold->peer, (struct sockaddr *)&bound, &len) != 0 ||
	    !to_address(&bound, &at) || memcmp(&at, &hold->at, sizeof(at)) != 0)
		return "not bound to the hold's address";
	hold->peer_is_v6 = bound.ss_family == AF_INET6;
	return make_nonblocking(hold->peer) == 0
		       ? NULL
		       : "not to be made non-blocking";
}

static int refuse_to_take(struct hybridge_error *err, const char *which,
			  const char *why)
{
	hybridge_fail(err, HYBRIDGE_EPROTOCOL, "%s that was handed over is %s",
		      which, why);
	return -1;
}

int hold_take(const int *fds, size_t num_fds, bool early, struct hold *out,
	      struct hybridge_error *err)
{
	size_t wanted = early ? 2 : 3;
	const char *why;

	*out = HOLD_NONE;
	out->early = early;
	out->app = num_fds > 0 ? fds[0] : -1;
	if (num_fds == wanted) {
		out->peer = early ? -1 : fds[1];
		out->listener = fds[wanted - 1];
	} else {
		for (size_t i = 1; i < num_fds; i++)
			close(fds[i]);
	}
	why = out->app < 0 ? "missing" : check_app(out);
	if (why) {
		/* Whatever it is, it is not ours to shut down. */
		close_fd(&out->app);
		return refuse_to_take(err, "the program's socket", why);
	}
	why = out->listener < 0 ? "missing" : check_listener(out);
	if (why)
		return refuse_to_take(err, "the hold", why);
	why = early ? NULL : check_peer(out);
	if (why)
		return refuse_to_take(err, "the hold's peer", why);
	out->netns = hold_netns(out->app);
	/*
	 * What the program sends goes no further than to us.  Its socket, and ours, began with
	 * the same default; what a listener has is what it accepts with.
	 */
	if (hybridge_loopback_tune(early ? out->listener : out->peer))
		hybridge_loopback_tune(out->app);
	return 0;
}

/*
 * With another port, or another address, A has dissolved our connect(), connect(AF_UNSPEC), and
 * is on its way to somebody else.
 */
enum hold_state hold_look(struct hold *hold)
{
	struct hold_address at;
	int state = tcp_state(hold->app);

	if (state == TCP_CLOSE)
		return hold->started ? HOLD_OVER : HOLD_NOT_YET;
	if (!hold->early && state != TCP_SYN_SENT)
		return HOLD_OVER;
	if (!local_address(hold->app, &at))
		return hold->started ? HOLD_OVER : HOLD_NOT_YET;
	if (hold->started)
		return memcmp(&at, &hold->seen_at, sizeof(at)) == 0
			       ? HOLD_PENDING
			       : HOLD_OVER;
	hold->started = true;
	hold->seen_at = at;
	return HOLD_PENDING;
}

void hold_close(struct hold *hold)
{
	close_fd(&hold->listener);
	close_fd(&hold->peer);
	close_fd(&hold->app);
}

static enum hold_step give_out(struct hold *hold, int *from, int *fd)
{
	*fd = *from;
	*from = -1;
	reset_on_close(*fd);
	hold_close(hold);
	return HOLD_DONE;
}

/* B's connect() was called: has it come through? */
static enum hold_step check_opened(struct hold *hold, int *fd)
{
	int error;

	switch (tcp_state(hold->peer)) {
	case TCP_SYN_SENT:
	case TCP_SYN_RECV:
		return HOLD_WAIT;
	case TCP_ESTABLISHED:
	case TCP_CLOSE_WAIT:
		return give_out(hold, &hold->peer, fd);
	default:
		error = int_option(hold->peer, SOL_SOCKET, SO_ERROR);
		errno = error > 0 ? error : ECONNRESET;
		return HOLD_FAILED;
	}
}

/* connect() for B, in its own family, to an address of either. */
static int connect_peer(const struct hold *hold, const struct hold_address *to)
{
	int peer = hold->peer;
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
				  .sin6_port = htons((uint16_t)to->port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)to->port)};

	if (hold->peer_is_v6) {
		memcpy(&v6.sin6_addr, to->ip, sizeof(to->ip));
		return connect(peer, (struct sockaddr *)&v6, sizeof(v6));
	}
	if (memcmp(to->ip, mapped, sizeof(mapped)) != 0) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	memcpy(&v4.sin_addr, to->ip + sizeof(mapped), 4);
	return connect(peer, (struct sockaddr *)&v4, sizeof(v4));
}

/* Takes the program's connection, and nobody else's, off the early listener. */
static enum hold_step accept_app(struct hold *hold, int *fd)
{
	struct hold_address app, from;

	if (!local_address(hold->app, &app))
		return hold_look(hold) == HOLD_OVER ? HOLD_GONE : HOLD_WAIT;
	for (int i = 0; i < STRANGERS_PER_LOOK; i++) {
		struct sockaddr_storage at = {0};
		socklen_t len = sizeof(at);
		int got = accept4(hold->listener, (struct sockaddr *)&at, &len,
				  SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (got < 0 && errno == EAGAIN)
			return hold_look(hold) == HOLD_OVER ? HOLD_GONE
							    : HOLD_WAIT;
		if (got < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (got < 0)
			return HOLD_FAILED;
		if (to_address(&at, &from) &&
		    memcmp(&from, &app, sizeof(app)) == 0) {
			hold->started = true;
			hold->seen_at = app;
			return give_out(hold, &got, fd);
		}
		reset_on_close(got);
		close(got);
	}
	return HOLD_WAIT;
}

enum hold_step hold_complete(struct hold *hold, int *fd)
{
	if (hold->early)
		return accept_app(hold, fd);
	if (hold->opening)
		return check_opened(hold, fd);
	switch (hold_look(hold)) {
	case HOLD_NOT_YET:
		return HOLD_WAIT;
	case HOLD_OVER:
		return HOLD_GONE;
	case HOLD_PENDING:
		break;
	}
	if (connect_peer(hold, &hold->seen_at) != 0 && errno != EINPROGRESS)
		return HOLD_FAILED;
	hold->opening = true;
	return check_opened(hold, fd);
}

static void leave_verdict(int app, int verdict)
{
	unsigned int mail = HYBRIDGE_VERDICT_MAGIC | (unsigned int)verdict;

	setsockopt(app, IPPROTO_TCP, TCP_USER_TIMEOUT, &mail, sizeof(mail));
}

/*
 * The program is, or will be, connected to the listener.  Closing the listener alone
 * would do, but where net.ipv4.tcp_migrate_req is set a waiting connection would move to another.
 */
static void refuse_early(struct hold *hold)
{
	for (int i = 0; hold->listener >= 0 && i < STRANGERS_PER_LOOK; i++) {
		int got = accept4(hold->listener, NULL, NULL, SOCK_CLOEXEC);

		if (got < 0)
			break;
		reset_on_close(got);
		close(got);
	}
	close_fd(&hold->listener);
}

enum hold_step hold_refuse(struct hold *hold, int verdict)
{
	if (hold->app < 0)
		return HOLD_GONE;
	switch (hold_look(hold)) {
	case HOLD_NOT_YET:
		if (!hold->early)
			return HOLD_WAIT;
		break;
	case HOLD_OVER:
		return HOLD_GONE;
	case HOLD_PENDING:
		break;
	}
	/* Gone before A can hear from it: its end must not look orderly. */
	close_fd(&hold->peer);
	leave_verdict(hold->app, verdict);
	if (hold->early)
		refuse_early(hold);
	else
		shutdown(hold->app, SHUT_RDWR);
	hold_close(hold);
	return HOLD_DONE;
}
