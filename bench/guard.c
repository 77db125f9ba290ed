/*
 * guard.c - work whose instructions are counted (bench/guard runs it under callgrind).
 *
 *	guard codec|relay			frames alone, without I/O
 *	guard path|ping				sender's pump, relay's splice and agent's pump in one loop
 *	guard path|ping CERT KEY CA		the same with TLS between them
 *
 * What counts happens within guard_measure().  Deterministic: fixed data, one thread, unix
 * sockets with buffers of one size.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hybridge/loop.h>
#include <hybridge/pump.h>
#include <hybridge/tls.h>
#include <hybridge/ws.h>

#include "../relay/splice.h"
#include "../relay/transform.h"
#include "sockets.h"

#define CODEC_BYTES    ((size_t)8 << 20)
#define PATH_BYTES     ((size_t)8 << 20)
#define PINGS          1000u
#define FRAME          ((size_t)64 * 1024)
#define BATCH          ((size_t)128 * 1024)
#define SMALL          ((size_t)100)
#define SOCKET_BUF     (208 * 1024) /* what every kernel lets everybody have */
#define PING_MS        60000
#define ENDS_OF_A_PATH 3 /* two pumps, one splice */

/* One direction of frames, masked as a client's are; every eighth batch is of small ones. */
struct frames {
	uint8_t *buf;
	size_t len;
};

static void add_frame(struct frames *frames, size_t len)
{
	static const uint8_t key[4] = {0x12, 0x34, 0x56, 0x78};

	frames->len += hybridge_ws_header(frames->buf + frames->len,
					  HYBRIDGE_WS_BINARY, true, len, key);
	memset(frames->buf + frames->len, 'x', len);
	hybridge_ws_mask(frames->buf + frames->len, len, key, 0);
	frames->len += len;
}

static struct frames make_frames(void)
{
	struct frames frames = {.buf = malloc(2 * CODEC_BYTES)};
	size_t batch = 0;

	if (!frames.buf)
		bench_die("malloc");
	frames.len = TRANSFORM_ROOM;
	while (frames.len < CODEC_BYTES) {
		size_t size = ++batch % 8 ? FRAME : SMALL;

		for (size_t have = 0; have < FRAME; have += size)
			add_frame(&frames, size);
	}
	return frames;
}

/* The measured function: callgrind's switch is its name, so it must remain one. */
__attribute__((noinline)) static void guard_measure(void (*work)(void *arg),
						    void *arg)
{
	work(arg);
	__asm__ volatile(""); /* no tail call */
}

static void read_frames(void *arg)
{
	struct frames *frames = arg;
	struct hybridge_ws_reader reader;
	struct hybridge_ws_piece piece;
	uint8_t *at = frames->buf + TRANSFORM_ROOM;
	size_t left = frames->len - TRANSFORM_ROOM;

	hybridge_ws_reader_init(&reader, true);
	while (left > 0) {
		size_t len = left < BATCH ? left : BATCH;

		left -= len;
		while (hybridge_ws_next(&reader, &at, &len, &piece) ==
		       HYBRIDGE_WS_DATA)
			;
	}
}

static void transform_frames(void *arg)
{
	struct frames *frames = arg;
	struct transform transform;
	struct transform_out out;
	uint8_t *at = frames->buf + TRANSFORM_ROOM;
	size_t left = frames->len - TRANSFORM_ROOM;

	transform_init(&transform);
	while (left > 0) {
		size_t len = left < BATCH ? left : BATCH;

		left -= len;
		while (transform_next(&transform, &at, &len, &out) ==
		       TRANSFORM_RUN)
			;
	}
}

/* The whole path in one loop. */

static struct {
	struct hybridge_loop *loop;
	struct hybridge_source near; /* the program */
	struct hybridge_source far;  /* the service */
	size_t sent, got;
	unsigned int pings_left;
	unsigned int shaken;
	unsigned int ends;
	_Atomic uint64_t totals[SPLICE_SIDES];
	char *data;
} path;

static void one_end(void)
{
	if (++path.ends == ENDS_OF_A_PATH)
		hybridge_loop_stop(path.loop);
}

static void pump_done(void *owner, enum hybridge_end end, uint16_t code,
		      const struct hybridge_pump_stats *stats)
{
	(void)owner;
	(void)code;
	(void)stats;
	if (end != HYBRIDGE_END_ORDERLY) {
		fprintf(stderr, "guard: a pump ended %s\n",
			hybridge_end_name(end));
		exit(1);
	}
	one_end();
}

static void splice_done(void *owner, const struct splice_report *report)
{
	(void)owner;
	if (report->end != SPLICE_ORDERLY) {
		fprintf(stderr, "guard: the splice ended %s\n",
			splice_end_name(report->end));
		exit(1);
	}
	one_end();
}

static void feed(struct hybridge_source *source, uint32_t events)
{
	(void)events;
	while (path.sent < PATH_BYTES) {
		size_t left = PATH_BYTES - path.sent;
		ssize_t n = send(source->fd, path.data,
				 left < BATCH ? left : BATCH, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			bench_die("send");
		path.sent += (size_t)n;
		if (path.sent == PATH_BYTES)
			shutdown(source->fd, SHUT_WR);
	}
}

static void drain(struct hybridge_source *source, uint32_t events)
{
	(void)events;
	for (;;) {
		ssize_t n = recv(source->fd, path.data, BATCH, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			hybridge_loop_unwatch(path.loop, source);
			shutdown(source->fd, SHUT_WR);
			return;
		}
		path.got += (size_t)n;
	}
}

/* Sends a byte for each that came, until there were enough. */
static void ask(struct hybridge_source *source, uint32_t events)
{
	char byte;

	(void)events;
	if (path.pings_left == PINGS || recv(source->fd, &byte, 1, 0) == 1) {
		if (path.pings_left-- == 0)
			shutdown(source->fd, SHUT_WR);
		else if (send(source->fd, "x", 1, MSG_NOSIGNAL) != 1)
			bench_die("send");
	}
}

static void answer(struct hybridge_source *source, uint32_t events)
{
	char byte;
	ssize_t n = recv(source->fd, &byte, 1, 0);

	(void)events;
	if (n == 1 && send(source->fd, &byte, 1, MSG_NOSIGNAL) != 1)
		bench_die("send");
	path.got += n == 1;
	if (n == 0)
		shutdown(source->fd, SHUT_WR);
}

static void make_pair(int fds[static 2])
{
	int size = SOCKET_BUF / 2; /* the kernel doubles it */

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		       fds) != 0)
		bench_die("socketpair");
	for (int i = 0; i < 2; i++)
		if (setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size,
			       sizeof(size)) != 0)
			bench_die("setsockopt");
}

static void shake(void *owner, struct hybridge_conn *conn)
{
	struct hybridge_error err = {0};
	bool *shaken = owner;
	int ret = *shaken ? 0 : hybridge_conn_handshake(conn, "peer", &err);

	if (ret < 0) {
		fprintf(stderr, "guard: %s\n", err.what);
		exit(1);
	}
	*shaken = *shaken || ret == 1;
	path.shaken += ret == 1;
	if (ret == 1 && path.shaken == 4)
		hybridge_loop_stop(path.loop);
}

/* A client's and a server's end of a leg. */
static void make_leg(struct hybridge_conn *ends[static 2], SSL_CTX *client,
		     SSL_CTX *server, bool *shaken)
{
	struct hybridge_error err = {0};
	int fds[2];
	SSL *ssl[2];

	make_pair(fds);
	for (int i = 0; i < 2; i++) {
		ends[i] =
			hybridge_conn_new(path.loop, fds[i], shake, &shaken[i]);
		if (!ends[i])
			bench_die("connection");
	}
	if (!client)
		return;
	ssl[0] = hybridge_tls_client(client, "localhost", &err);
	ssl[1] = SSL_new(server);
	if (!ssl[0] || !ssl[1])
		bench_die("TLS");
	SSL_set_accept_state(ssl[1]);
	for (int i = 0; i < 2; i++)
		if (hybridge_conn_start_tls(ends[i], ssl[i]) != 0)
			bench_die("TLS");
}

static void start_pump(struct hybridge_conn *ws, struct hybridge_source *end,
		       void (*ready)(struct hybridge_source *, uint32_t))
{
	struct hybridge_conn *tcp;
	int fds[2];

	make_pair(fds);
	*end = (struct hybridge_source){fds[1], ready};
	tcp = hybridge_conn_new(path.loop, fds[0], shake, NULL);
	if (!tcp ||
	    !hybridge_pump_start(path.loop, tcp, ws, PING_MS, pump_done, NULL))
		bench_die("pump");
}

static void run_path(void *arg)
{
	(void)arg;
	if (hybridge_loop_watch(path.loop, &path.near) != 0 ||
	    hybridge_loop_watch(path.loop, &path.far) != 0)
		bench_die("watch");
	hybridge_loop_run(path.loop);
}

static void measure_path(bool bulk, char **pem)
{
	/* Whose instructions a machine has must not change what is counted. */
	const enum hybridge_fast_crypto fast = HYBRIDGE_FAST_CRYPTO_OFF;
	static bool shaken[4];
	struct hybridge_error err = {0};
	struct hybridge_conn *near[2], *far[2];
	SSL_CTX *server =
		pem ? hybridge_tls_server_ctx(pem[0], pem[1], fast, &err)
		    : NULL;
	SSL_CTX *client =
		pem ? hybridge_tls_client_ctx(pem[2], fast, &err) : NULL;
	struct splice_args args = {
		.ping_ms = PING_MS, .totals = path.totals, .done = splice_done};

	path.loop = hybridge_loop_new(&err);
	path.data = calloc(1, BATCH);
	path.pings_left = PINGS;
	if (!path.loop || !path.data || (pem && (!server || !client))) {
		fprintf(stderr, "guard: %s\n", err.what);
		exit(1);
	}
	memset(shaken, !pem, sizeof(shaken));
	make_leg(near, client, server, shaken);
	make_leg(far, client, server, shaken + 2);
	if (pem)
		hybridge_loop_run(path.loop);
	args.conns[SPLICE_SENDER] = near[1];
	args.conns[SPLICE_LISTENER] = far[1];
	start_pump(near[0], &path.near, bulk ? feed : ask);
	start_pump(far[0], &path.far, bulk ? drain : answer);
	if (!splice_start(path.loop, &args))
		bench_die("splice");
	guard_measure(run_path, NULL);
	if (path.got != (bulk ? PATH_BYTES : PINGS)) {
		fprintf(stderr, "guard: %zu arrived\n", path.got);
		exit(1);
	}
	hybridge_loop_free(path.loop);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	free(path.data);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	char **pem = argc == 5 ? argv + 2 : NULL;
	struct frames frames = {0};

	if (argc == 2 && strcmp(what, "codec") == 0) {
		frames = make_frames();
		guard_measure(read_frames, &frames);
	} else if (argc == 2 && strcmp(what, "relay") == 0) {
		frames = make_frames();
		guard_measure(transform_frames, &frames);
	} else if ((pem || argc == 2) && strcmp(what, "path") == 0) {
		measure_path(true, pem);
	} else if ((pem || argc == 2) && strcmp(what, "ping") == 0) {
		measure_path(false, pem);
	} else {
		fputs("usage: guard codec|relay | path|ping [CERT KEY CA]\n",
		      stderr);
		return 64;
	}
	free(frames.buf);
	return 0;
}
