/*
 * door.c - accepts connections, a fair number from each address.
 *
 * Theory of operation.  A caller is a stranger until its request is known.  So
 * many strangers of one address are served at the same time; the next
 * ones wait in line with nothing but a descriptor, and beyond that are dropped.  A
 * sender keeps connections ready that say nothing for a while: when there is
 * a line, the one that has been silent for longest makes room.
 */
#include "door.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utlist.h>

#include <hybridge/address.h>
#include <hybridge/log.h>
#include <hybridge/loopback.h>
#include <hybridge/table.h>

#include "origin.h"
#include "request.h"

#define ACCEPTS_PER_TURN   64
#define STRANGERS_MAX      64   /* of one address, served at the same time */
#define LINE_MAX_LEN       1024 /* of one address, waiting for that */
#define SPARE_MS           2000 /* silent for so long: a spare connection */
#define USHER_MS           500  /* how often a line looks for one */
#define RETRY_MS           1000
#define ACTIVATED_FD       3 /* sd_listen_fds(3) */
#define KEEPALIVE_SECONDS  60
#define KEEPALIVE_INTERVAL 15
#define KEEPALIVE_PROBES   4

/* A caller, being served when @request is set, else in line. */
struct stranger {
	struct peer *peer;
	struct request *request;
	int fd;
	struct hybridge_ip ip;
	uint16_t port;
	struct stranger *prev;
	struct stranger *next;
};

struct peer {
	struct origin origin;
	struct door *door;
	struct stranger *served;
	size_t num_served;
	struct stranger *line;
	size_t len_line;
	UT_hash_handle hh;
};

struct door {
	struct relay *relay;
	struct hybridge_source listener;
	struct hybridge_timer retry; /* we had run out of descriptors */
	struct hybridge_timer usher; /* armed while there may be a line */
	struct peer *peers;
	char address[HYBRIDGE_IP_TEXT + 10];
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage storage;
};

/* IPv4 callers of a dual-stack listener are IPv4 callers. */
static void read_address(const union address *from, struct hybridge_ip *ip,
			 uint16_t *port)
{
	*ip = (struct hybridge_ip){.family = 4};
	*port = ntohs(from->v4.sin_port); /* at the same place in both */
	if (from->any.sa_family != AF_INET6) {
		memcpy(ip->bytes, &from->v4.sin_addr, 4);
	} else if (IN6_IS_ADDR_V4MAPPED(&from->v6.sin6_addr)) {
		memcpy(ip->bytes, from->v6.sin6_addr.s6_addr + 12, 4);
	} else {
		ip->family = 6;
		memcpy(ip->bytes, &from->v6.sin6_addr, 16);
	}
}

static bool is_loopback(const struct hybridge_ip *ip)
{
	static const uint8_t v6[16] = {[15] = 1};

	return ip->family == 4 ? ip->bytes[0] == 127
			       : memcmp(ip->bytes, v6, sizeof(v6)) == 0;
}

static struct peer *get_peer(struct door *door, const struct hybridge_ip *ip)
{
	struct origin origin = origin_of(ip);
	struct peer *peer;

	HASH_FIND(hh, door->peers, &origin, sizeof(origin), peer);
	if (peer)
		return peer;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	peer->origin = origin;
	peer->door = door;
	HASH_ADD(hh, door->peers, origin, sizeof(peer->origin), peer);
	if (peer->hh.tbl)
		return peer;
	free(peer);
	return NULL;
}

static void forget_peer_if_empty(struct peer *peer)
{
	if (peer->served || peer->line)
		return;
	HASH_DEL(peer->door->peers, peer);
	free(peer);
}

static void on_left(struct request *request, void *owner);

/* Serves a stranger that is in no list; frees it on failure. */
static void serve(struct peer *peer, struct stranger *stranger)
{
	stranger->request =
		request_start(peer->door->relay, stranger->fd, &stranger->ip,
			      stranger->port, on_left, stranger);
	if (!stranger->request) {
		free(stranger);
		return;
	}
	DL_APPEND(peer->served, stranger);
	peer->num_served++;
}

static void serve_line(struct peer *peer)
{
	while (peer->line && peer->num_served < STRANGERS_MAX) {
		struct stranger *first = peer->line;

		DL_DELETE(peer->line, first);
		peer->len_line--;
		serve(peer, first);
	}
}

static void on_left(struct request *request, void *owner)
{
	struct stranger *stranger = owner;
	struct peer *peer = stranger->peer;

	(void)request;
	DL_DELETE(peer->served, stranger);
	peer->num_served--;
	free(stranger);
	serve_line(peer);
	forget_peer_if_empty(peer);
}

/* The one that has been ready, and silent, for longest; NULL: all are busy. */
static struct stranger *find_spare(const struct peer *peer)
{
	struct stranger *spare = NULL;
	struct stranger *at;
	int64_t longest = SPARE_MS;

	DL_FOREACH (peer->served, at) {
		int64_t idle_ms = request_idle_ms(at->request);

		if (idle_ms < longest)
			continue;
		longest = idle_ms;
		spare = at;
	}
	return spare;
}

/* Silent ones go, one for each that waits; whether a line is left. */
static bool make_room(struct peer *peer)
{
	struct stranger *spare = peer->line ? find_spare(peer) : NULL;

	while (spare) {
		request_drop(spare->request); /* serves the first in line */
		spare = peer->line ? find_spare(peer) : NULL;
	}
	return peer->line != NULL;
}

static void arm_usher(struct door *door)
{
	/* Failing that, the line moves on when somebody leaves. */
	if (door->usher.slot == 0 &&
	    hybridge_timer_set(door->relay->loop, &door->usher, USHER_MS) != 0)
		hybridge_log_fields(HYBRIDGE_LOG_WARNING, "out of memory",
				    NULL);
}

static void on_usher(struct hybridge_timer *timer)
{
	struct door *door = hybridge_container(timer, struct door, usher);
	bool waiting = false;
	struct peer *peer;
	struct peer *next;

	HASH_ITER (hh, door->peers, peer, next) {
		waiting = make_room(peer) || waiting;
	}
	if (waiting)
		arm_usher(door);
}

static void keep_alive(int fd)
{
	static const int probes = KEEPALIVE_PROBES;
	static const int interval = KEEPALIVE_INTERVAL;
	static const int idle = KEEPALIVE_SECONDS;
	static const int on = 1;

	/* A half-closed stream cannot be pinged: the kernel asks instead. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

static void admit(struct door *door, int fd, const union address *from)
{
	struct stranger *stranger = calloc(1, sizeof(*stranger));
	struct peer *peer;

	if (stranger)
		read_address(from, &stranger->ip, &stranger->port);
	peer = stranger ? get_peer(door, &stranger->ip) : NULL;
	if (!peer || peer->len_line >= LINE_MAX_LEN) {
		free(stranger);
		close(fd);
		return;
	}
	if (is_loopback(&stranger->ip))
		hybridge_loopback_tune(fd);
	stranger->peer = peer;
	stranger->fd = fd;
	DL_APPEND(peer->line, stranger);
	peer->len_line++;
	serve_line(peer);
	if (peer->line && make_room(peer))
		arm_usher(door);
	forget_peer_if_empty(peer);
}

static void on_connection(struct hybridge_source *source, uint32_t events);

static void on_retry(struct hybridge_timer *timer)
{
	struct door *door = hybridge_container(timer, struct door, retry);

	door->listener.ready = on_connection;
	if (hybridge_loop_watch_level(door->relay->loop, &door->listener) == 0)
		return;
	door->listener.ready = NULL;
	if (hybridge_timer_set(door->relay->loop, &door->retry, RETRY_MS) != 0)
		abort(); /* cannot be: its place in the heap was just freed */
}

/* The listener stays readable, so without a pause the loop would spin. */
static void pause_accepting(struct door *door)
{
	hybridge_log(HYBRIDGE_LOG_WARNING, "cannot accept connections",
		     HYBRIDGE_STR("error", strerror(errno)));
	if (hybridge_timer_set(door->relay->loop, &door->retry, RETRY_MS) == 0)
		hybridge_loop_unwatch(door->relay->loop, &door->listener);
}

static void on_connection(struct hybridge_source *source, uint32_t events)
{
	struct door *door = hybridge_container(source, struct door, listener);

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		union address from = {0};
		socklen_t len = sizeof(from);
		int fd = accept4(source->fd, &from.any, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE ||
			       errno == ENOBUFS || errno == ENOMEM))
			pause_accepting(door);
		if (fd < 0)
			return;
		keep_alive(fd);
		admit(door, fd, &from);
	}
}

static int listen_on(const struct addrinfo *to)
{
	int one = 1;
	int fd = socket(to->ai_family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    bind(fd, to->ai_addr, to->ai_addrlen) == 0 &&
	    listen(fd, SOMAXCONN) == 0)
		return fd;
	close(fd);
	return -1;
}

static int open_socket(const struct relay_config *config,
		       struct hybridge_error *err)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	struct addrinfo *found = NULL;
	int failed = getaddrinfo(config->listen_host, config->listen_port,
				 &hints, &found);
	int fd = -1;

	if (failed) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "HYBRIDGE_RELAY_LISTEN: '%s': %s",
			      config->listen_host, gai_strerror(failed));
		return -1;
	}
	for (const struct addrinfo *at = found; at && fd < 0; at = at->ai_next)
		fd = listen_on(at);
	if (fd < 0) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM,
			      "cannot listen on %s port %s: %s",
			      config->listen_host, config->listen_port,
			      strerror(errno));
		hybridge_hint(err, errno == EACCES ? "ports below 1024 need "
						     "CAP_NET_BIND_SERVICE"
				   : errno == EADDRINUSE
					   ? "see who has it: ss -ltnp"
					   : "HYBRIDGE_RELAY_LISTEN names an "
					     "address of this machine");
	}
	freeaddrinfo(found);
	return fd;
}

/* Where we listen now, and whether that is allowed. */
static int check_address(struct door *door, struct hybridge_error *err)
{
	union address bound = {0};
	socklen_t len = sizeof(bound);
	char text[HYBRIDGE_IP_TEXT];
	struct hybridge_ip ip;
	uint16_t port;

	if (getsockname(door->listener.fd, &bound.any, &len) != 0) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "no listening socket: %s",
			      strerror(errno));
		return -1;
	}
	read_address(&bound, &ip, &port);
	hybridge_ip_format(&ip, text);
	snprintf(door->address, sizeof(door->address),
		 ip.family == 6 ? "[%s]:%u" : "%s:%u", text, port);
	if (door->relay->tls || is_loopback(&ip))
		return 0;
	hybridge_fail(err, HYBRIDGE_ECONFIG,
		      "no TLS, but %s is not a loopback address", text);
	hybridge_hint(err, "set HYBRIDGE_RELAY_CERT and HYBRIDGE_RELAY_KEY, "
			   "or listen on 127.0.0.1");
	return -1;
}

struct door *door_open(struct relay *relay, bool activated,
		       struct hybridge_error *err)
{
	struct door *door = calloc(1, sizeof(*door));

	if (!door) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return NULL;
	}
	door->relay = relay;
	door->retry.fire = on_retry;
	door->usher.fire = on_usher;
	door->listener.fd =
		activated ? ACTIVATED_FD : open_socket(&relay->config, err);
	if (door->listener.fd < 0 || check_address(door, err) != 0)
		goto fail;
	door->listener.ready = on_connection;
	if (hybridge_loop_watch_level(relay->loop, &door->listener) == 0)
		return door;
	door->listener.ready = NULL;
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "cannot poll: %s",
		      strerror(errno));
fail:
	door_close(door);
	return NULL;
}

const char *door_address(const struct door *door)
{
	return door->address;
}

void door_shut(struct door *door)
{
	hybridge_timer_clear(door->relay->loop, &door->retry);
	hybridge_timer_clear(door->relay->loop, &door->usher);
	hybridge_loop_unwatch(door->relay->loop, &door->listener);
	if (door->listener.fd >= 0)
		close(door->listener.fd);
	door->listener.fd = -1;
}

void door_close(struct door *door)
{
	struct peer *peer;
	struct peer *next;

	if (!door)
		return;
	door_shut(door);
	HASH_ITER (hh, door->peers, peer, next) {
		struct stranger *stranger;
		struct stranger *after;

		DL_FOREACH_SAFE (peer->line, stranger, after) {
			DL_DELETE(peer->line, stranger);
			close(stranger->fd);
			free(stranger);
		}
		/* Dropping the last one frees the peer. */
		DL_FOREACH_SAFE (peer->served, stranger, after) {
			request_drop(stranger->request);
		}
	}
	free(door);
}
