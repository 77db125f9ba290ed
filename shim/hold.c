/*
 * hold.c - the sockets that keep a connect() pending.
 *
 * Theory of operation: the hold L listens on the loopback address that stands
 * for the host, but drops every SYN: IP_MINTTL 255 discards packets with a
 * smaller TTL, and the default TTL is 64.  So the program's socket A stays in
 * SYN_SENT.  The peer B is bound to the same address (SO_REUSEPORT); when the
 * far side is ready the sender lets B connect to A's address, and both ends
 * complete by simultaneous open.
 *
 * In early mode L is an ordinary listener that the sender accepts from: for
 * sockets whose own TTL passes the hold, for MPTCP (where a simultaneous open
 * loses the first byte), and for kernels that do not hold.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <string.h>

#include "debug.h"
#include "hold.h"
#include "sys.h"

#define HOLD_TTL 255
#define TEST_MS  100
#define V6_MARK  1 /* IPV6_MINHOPCOUNT that every packet has: marks the socket */

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

enum mode {
	MODE_UNKNOWN,
	MODE_HOLD,
	MODE_EARLY,
};

static _Atomic enum mode mode;

static int get_int(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);
	int ret = sys_getsockopt(fd, level, name, &value, &len);

	return ret < 0 ? ret : value;
}

static int set_int(int fd, int level, int name, int value)
{
	return sys_setsockopt(fd, level, name, &value, sizeof(value));
}

static int tcp_state(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);
	int ret = sys_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);

	return ret < 0 ? ret : info.tcpi_state;
}

bool shim_socket_inspect(int fd, struct shim_socket *out)
{
	int protocol = get_int(fd, SOL_SOCKET, SO_PROTOCOL);

	if (protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP)
		return false;
	if (get_int(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM)
		return false;
	out->domain = get_int(fd, SOL_SOCKET, SO_DOMAIN);
	out->is_mptcp = protocol == IPPROTO_MPTCP;
	out->state = tcp_state(fd);
	/* Before Linux 5.16 an MPTCP socket does not tell. */
	if (out->state < 0)
		out->state = TCP_CLOSE;
	return out->domain == AF_INET || out->domain == AF_INET6;
}

bool shim_socket_is_elsewhere(int fd)
{
	char device[IFNAMSIZ] = "";
	socklen_t len = sizeof(device);

	if (sys_getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &len) < 0)
		return false;
	return device[0] != '\0' && strcmp(device, "lo") != 0;
}

static int open_socket(int domain)
{
	int fd = sys_above_stdio(
		sys_socket(domain, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));

	if (fd >= 0 && domain == AF_INET6)
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	return fd;
}

static socklen_t set_address(struct sockaddr_storage *out, int domain,
			     uint32_t v4, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(v4)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_port = htons(port),
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	memset(out, 0, sizeof(*out));
	if (domain == AF_INET) {
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}

/*
 * Binds L where the program wants to go, so that getpeername() and ss(8) tell
 * the truth; else to another port of it, and of a configured range that is
 * not loopback, to 127.0.0.1.  Leaves the address bound to in @hold.
 */
static int bind_listener(struct shim_hold *hold, int domain, uint32_t v4,
			 uint16_t port)
{
	const struct {
		uint32_t v4;
		uint16_t port;
	} tries[] = {{v4, port}, {v4, 0}, {INADDR_LOOPBACK, 0}};
	socklen_t len = sizeof(hold->addr);
	int ret = -EADDRNOTAVAIL;

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		hold->addr_len = set_address(&hold->addr, domain, tries[i].v4,
					     tries[i].port);
		ret = sys_bind(hold->listener, &hold->addr, hold->addr_len);
		if (ret != -EACCES && ret != -EADDRINUSE &&
		    ret != -EADDRNOTAVAIL)
			break;
	}
	if (ret < 0)
		return ret;
	return sys_getsockname(hold->listener, &hold->addr, &len);
}

/* Must be set before listen(): no SYN may ever pass. */
static int set_hold(int fd, int domain)
{
	if (domain == AF_INET)
		return set_int(fd, IPPROTO_IP, IP_MINTTL, HOLD_TTL);
	return set_int(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, HOLD_TTL);
}

static int open_listener(struct shim_hold *hold, int domain, uint32_t v4,
			 uint16_t port)
{
	int ret;

	hold->listener = open_socket(domain);
	if (hold->listener < 0)
		return hold->listener;
	/* An early listener shares with nobody: it accepts, and only its own. */
	ret = hold->is_early
		      ? 0
		      : set_int(hold->listener, SOL_SOCKET, SO_REUSEPORT, 1);
	if (ret == 0)
		ret = bind_listener(hold, domain, v4, port);
	if (ret == 0 && !hold->is_early)
		ret = set_hold(hold->listener, domain);
	return ret < 0 ? ret : sys_listen(hold->listener, 1);
}

static int open_peer(struct shim_hold *hold, int domain)
{
	int ret;

	hold->peer = open_socket(domain);
	if (hold->peer < 0)
		return hold->peer;
	ret = set_int(hold->peer, SOL_SOCKET, SO_REUSEPORT, 1);
	if (ret == 0)
		ret = sys_bind(hold->peer, &hold->addr, hold->addr_len);
	/* A server may have 0.0.0.0:port while a stream, or its TIME_WAIT, lives. */
	return ret < 0 ? ret : set_int(hold->peer, SOL_SOCKET, SO_REUSEADDR, 1);
}

static int open_hold(struct shim_hold *hold, int domain, uint32_t v4,
		     uint16_t port)
{
	int ret;

	hold->listener = -1;
	hold->peer = -1;
	ret = open_listener(hold, domain, v4, port);
	if (ret == 0 && !hold->is_early)
		ret = open_peer(hold, domain);
	if (ret < 0)
		shim_hold_close(hold);
	return ret;
}

void shim_hold_close(struct shim_hold *hold)
{
	if (hold->listener >= 0)
		sys_close(hold->listener);
	if (hold->peer >= 0)
		sys_close(hold->peer);
	hold->listener = -1;
	hold->peer = -1;
}

/* A socket of IPv6 alone, or bound to an address of it, cannot go to 127.x. */
static bool needs_v6(int fd)
{
	struct sockaddr_in6 at = {0};
	socklen_t len = sizeof(at);

	if (get_int(fd, IPPROTO_IPV6, IPV6_V6ONLY) > 0)
		return true;
	return sys_getsockname(fd, &at, &len) == 0 &&
	       !IN6_IS_ADDR_UNSPECIFIED(&at.sin6_addr) &&
	       !IN6_IS_ADDR_V4MAPPED(&at.sin6_addr);
}

static bool passes_hold(int fd, int domain)
{
	if (domain == AF_INET)
		return get_int(fd, IPPROTO_IP, IP_TTL) >= HOLD_TTL;
	return get_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS) >= HOLD_TTL;
}

/* 127.x as an AF_INET6 socket names it. */
static void map_address(struct shim_hold *hold)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	memcpy(&in, &hold->addr, sizeof(in));
	in6.sin6_port = in.sin_port;
	in6.sin6_addr.s6_addr[10] = 0xff;
	in6.sin6_addr.s6_addr[11] = 0xff;
	memcpy(in6.sin6_addr.s6_addr + 12, &in.sin_addr, 4);
	memcpy(&hold->addr, &in6, sizeof(in6));
	hold->addr_len = sizeof(in6);
}

int shim_hold_open(int fd, const struct shim_socket *socket,
		   const struct shim_target *target, struct shim_hold *out)
{
	bool is_v6 = socket->domain == AF_INET6;
	int domain = is_v6 && needs_v6(fd) ? AF_INET6 : AF_INET;
	int ret;

	out->is_early = socket->is_mptcp || passes_hold(fd, domain) ||
			!shim_hold_works();
	ret = open_hold(out, domain, target->hold, target->port);
	if (ret < 0)
		return ret;
	if (domain == AF_INET6)
		set_int(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, V6_MARK);
	else if (is_v6)
		map_address(out);
	return 0;
}

bool shim_hold_was_v6(int fd)
{
	return get_int(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT) == V6_MARK;
}

static int test_completion(const struct shim_hold *hold, int fd)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);
	struct pollfd ready = {.fd = hold->peer, .events = POLLOUT};
	int ret = sys_getsockname(fd, &at, &len);

	if (ret == 0)
		ret = sys_fcntl(hold->peer, F_SETFL, O_NONBLOCK);
	if (ret == 0)
		ret = sys_connect(hold->peer, &at, len);
	if (ret == 0 || ret == -EINPROGRESS)
		ret = sys_poll(&ready, 1, TEST_MS);
	if (ret < 0)
		return ret;
	return tcp_state(fd) == TCP_ESTABLISHED &&
			       tcp_state(hold->peer) == TCP_ESTABLISHED
		       ? 0
		       : -EPROTO;
}

/* Only a kernel that behaves otherwise says early: a lack of descriptors does not. */
static enum mode test_hold(void)
{
	struct linger at_once = {.l_onoff = 1};
	struct shim_hold hold = {.is_early = false};
	enum mode found = MODE_UNKNOWN;
	int ret = open_hold(&hold, AF_INET, INADDR_LOOPBACK, 0);
	int fd;

	if (ret == -ENOPROTOOPT || ret == -EINVAL)
		return MODE_EARLY;
	if (ret < 0)
		return MODE_UNKNOWN;
	fd = sys_above_stdio(sys_socket(
		AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	/* Nothing of the test stays behind in TIME_WAIT. */
	if (fd >= 0)
		sys_setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once,
			       sizeof(at_once));
	ret = fd < 0 ? fd : sys_connect(fd, &hold.addr, hold.addr_len);
	if (ret == 0)
		found = MODE_EARLY;
	if (ret == -EINPROGRESS && tcp_state(fd) != TCP_SYN_SENT)
		found = MODE_EARLY;
	if (ret == -EINPROGRESS && found == MODE_UNKNOWN)
		found = test_completion(&hold, fd) == 0 ? MODE_HOLD
							: MODE_EARLY;
	if (fd >= 0)
		sys_close(fd);
	shim_hold_close(&hold);
	return found;
}

bool shim_hold_works(void)
{
	enum mode now = mode;

	if (now == MODE_UNKNOWN) {
		now = test_hold();
		mode = now;
		if (now == MODE_EARLY)
			shim_debug(shim_config(),
				   "this kernel does not hold a connect(): "
				   "connecting early",
				   shim_span(""), 0);
	}
	return now != MODE_EARLY;
}
