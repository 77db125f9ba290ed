/*
 * h2_raw.h - an HTTP/2 client that is only what a test writes, at a server of ours.
 */
#ifndef HYBRIDGE_TESTS_H2_RAW_H
#define HYBRIDGE_TESTS_H2_RAW_H

#include "h2_fixture.h"

/** struct raw - A client of the test's own, which sends just these bytes */
struct raw {
	struct pair pair;
	int fd;
	uint8_t got[65536];
	size_t len;
};

static inline void raw_send(struct raw *raw, const void *data, size_t len)
{
	/* A server that has had enough does not hear the rest. */
	if (!raw->pair.server_overs &&
	    send(raw->fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		fixture_step(raw->pair.fx, 1);
}

static inline void raw_frame(struct raw *raw, uint8_t type, uint8_t flags,
			     uint32_t id, const void *payload, size_t len)
{
	uint8_t head[9] = {
		(uint8_t)(len >> 16),
		(uint8_t)(len >> 8),
		(uint8_t)len,
		type,
		flags,
		(uint8_t)(id >> 24),
		(uint8_t)(id >> 16),
		(uint8_t)(id >> 8),
		(uint8_t)id,
	};

	raw_send(raw, head, sizeof(head));
	raw_send(raw, payload, len);
}

static inline void raw_open(struct world *world, struct raw *raw)
{
	const struct hybridge_h2_args args = {
		.is_server = true, .streams_max = 100, .ping_ms = 600000};
	struct hybridge_conn *conn;
	int fds[2];

	memset(raw, 0, sizeof(*raw));
	raw->pair.fx = &world->fx;
	raw->pair.answer = 200;
	fixture_tcp_pair(fds, 0);
	raw->fd = fds[0];
	conn = hybridge_conn_new(world->fx.loop, fds[1], pair_ignore, NULL);
	assert_non_null(conn);
	/* As the relay does it: what looked like a head is put back. */
	assert_int_equal(hybridge_conn_unread(conn, HYBRIDGE_H2_PREFACE,
					      strlen(HYBRIDGE_H2_PREFACE)),
			 0);
	raw->pair.server = hybridge_h2_new(world->fx.loop, conn, &args,
					   &pair_server_ops, &raw->pair);
	assert_non_null(raw->pair.server);
	raw_send(raw, "SM\r\n\r\n", 6);
	raw_frame(raw, 4, 0, 0, NULL, 0); /* SETTINGS */
}

/* Takes in what the server sends; whether such a frame is among it. */
static inline bool raw_has(struct raw *raw, uint8_t type, uint32_t id)
{
	ssize_t n = recv(raw->fd, raw->got + raw->len,
			 sizeof(raw->got) - raw->len, 0);
	size_t at = 0;

	raw->len += n > 0 ? (size_t)n : 0;
	while (at + 9 <= raw->len) {
		const uint8_t *head = raw->got + at;
		size_t len =
			(size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];

		if (head[3] == type && head[8] == id)
			return true;
		at += 9 + len;
	}
	return false;
}

static inline void raw_close(struct raw *raw)
{
	close(raw->fd);
	for (size_t i = 0; i < raw->pair.num_opened; i++)
		hybridge_conn_close(raw->pair.opened[i], HYBRIDGE_CONN_RESET);
	FIXTURE_UNTIL(raw->pair.fx, raw->pair.server_overs);
}

/* HPACK: a literal that is not put into the table (RFC 7541 6.2.2). */
static inline size_t hpack(uint8_t *out, const char *name, const char *value)
{
	size_t at = 0;

	out[at++] = 0;
	out[at++] = (uint8_t)strlen(name);
	memcpy(out + at, name, strlen(name));
	at += strlen(name);
	out[at++] = (uint8_t)strlen(value);
	memcpy(out + at, value, strlen(value));
	return at + strlen(value);
}

static inline size_t raw_request(uint8_t *out)
{
	size_t at = 0;

	at += hpack(out + at, ":method", "CONNECT");
	at += hpack(out + at, ":protocol", "websocket");
	at += hpack(out + at, ":scheme", "https");
	at += hpack(out + at, ":path", "/$hc/x");
	at += hpack(out + at, ":authority", "relay.example");
	return at + hpack(out + at, "sec-websocket-version", "13");
}

static inline void raw_ask(struct raw *raw, uint32_t id)
{
	uint8_t block[512];

	raw_frame(raw, 1, 4, id, block, raw_request(block));
}

#endif
