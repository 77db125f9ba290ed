/*
 * pump_fixture.h - a pump between the two far ends that a test holds.
 *
 * The program's end is a plain socket, the peer a scripted WebSocket server on
 * another one; both are in the test's hands, the pump is in between.
 */
#ifndef HYBRIDGE_TESTS_PUMP_FIXTURE_H
#define HYBRIDGE_TESTS_PUMP_FIXTURE_H

#include "h2_fixture.h"

#include <hybridge/pump.h>
#include <hybridge/ws.h>

#define LONG_MS 600000u

/* Whether streams are opened over HTTP/2; then a bridge makes the peer a socket. */
static bool over_h2;

static inline int h2_setup(void **state)
{
	over_h2 = true;
	return fixture_setup(state);
}

static inline int h2_teardown(void **state)
{
	over_h2 = false;
	return fixture_teardown(state);
}

/** OVER_H2() - As WITH_LOOP(), and the pump's WebSocket is a stream of HTTP/2 */
#define OVER_H2(test)                                               \
	{                                                           \
#test "_over_h2", test, h2_setup, h2_teardown, NULL \
	}

/* A pump with both far ends. */
struct stream {
	struct pair pair;
	struct bridge bridge;
	struct fixture *fx;
	struct hybridge_pump *pump;
	struct hybridge_conn *ws; /* the pump's */
	int app;
	int peer;
	struct hybridge_ws_reader reader; /* the peer's */
	unsigned int ends;
	enum hybridge_end end;
	uint16_t close_code;
	struct hybridge_pump_stats stats;
};

static inline void ignore(void *owner, struct hybridge_conn *conn)
{
	(void)owner;
	(void)conn;
}

static inline void stream_done(void *owner, enum hybridge_end end,
			       uint16_t close_code,
			       const struct hybridge_pump_stats *stats)
{
	struct stream *stream = owner;

	stream->ends++;
	stream->end = end;
	stream->close_code = close_code;
	stream->stats = *stats;
	stream->pump = NULL;
}

/* The pump's end of a stream whose other end is the socket @far. */
static inline struct hybridge_conn *stream_over_h2(struct stream *stream,
						   int far)
{
	const struct pair_args args = {.streams_max = 1, .ping_ms = LONG_MS};
	struct hybridge_conn *conns[2], *conn;

	conn = hybridge_conn_new(stream->fx->loop, far, ignore, NULL);
	assert_non_null(conn);
	pair_open_with(stream->fx, &stream->pair, &args);
	pair_stream(&stream->pair, conns);
	bridge_join(&stream->bridge, conn, conns[1]);
	return conns[0];
}

/** stream_open_with() - A pump; sockets of each side with buffers of this size, or 0 */
static inline void stream_open_with(struct fixture *fx, struct stream *stream,
				    uint32_t ping_ms, int app_buffer,
				    int peer_buffer)
{
	struct hybridge_conn *tcp, *ws;
	int fds[2];

	*stream = (struct stream){.fx = fx};
	hybridge_ws_reader_init(&stream->reader, true);
	fixture_tcp_pair(fds, app_buffer);
	stream->app = fds[0];
	tcp = hybridge_conn_new(fx->loop, fds[1], ignore, NULL);
	fixture_tcp_pair(fds, peer_buffer);
	stream->peer = fds[0];
	ws = over_h2 ? stream_over_h2(stream, fds[1])
		     : hybridge_conn_new(fx->loop, fds[1], ignore, NULL);
	assert_non_null(tcp);
	assert_non_null(ws);
	stream->ws = ws;
	stream->pump = hybridge_pump_start(fx->loop, tcp, ws, ping_ms,
					   stream_done, stream);
	assert_non_null(stream->pump);
}

/** stream_open() - The same on both sides */
static inline void stream_open(struct fixture *fx, struct stream *stream,
			       uint32_t ping_ms, int buffer)
{
	stream_open_with(fx, stream, ping_ms, buffer, buffer);
}

static inline void stream_close(struct stream *stream)
{
	if (stream->app >= 0)
		close(stream->app);
	if (stream->peer >= 0)
		close(stream->peer);
	if (stream->pump)
		hybridge_pump_stop(stream->pump);
	fixture_step(stream->fx, 2);
	if (over_h2) {
		bridge_drop(&stream->bridge);
		pair_close(&stream->pair);
	}
	assert_int_equal(stream->ends, 1);
}

/* Waits for the end, and says what the program saw after what was left to read. */
static inline int app_sees(struct stream *stream)
{
	char buf[4096];
	ssize_t n;

	while ((n = fixture_recv(stream->fx, stream->app, buf, sizeof(buf))) >
	       0)
		;
	return n == 0 ? 0 : errno;
}

/* What the peer saw: 0 for a FIN, or an errno. */
static inline int peer_sees(struct stream *stream)
{
	char buf[4096];
	ssize_t n;

	while ((n = fixture_recv(stream->fx, stream->peer, buf, sizeof(buf))) >
	       0)
		;
	return n == 0 ? 0 : errno;
}

static inline void assert_end(struct stream *stream, enum hybridge_end end,
			      uint16_t close_code)
{
	FIXTURE_UNTIL(stream->fx, stream->ends);
	assert_string_equal(hybridge_end_name(stream->end),
			    hybridge_end_name(end));
	assert_int_equal(stream->close_code, close_code);
}

static inline void peer_sends(struct stream *stream, uint8_t opcode, bool fin,
			      const void *data, size_t len)
{
	uint8_t header[HYBRIDGE_WS_HEADER_MAX];
	size_t size = hybridge_ws_header(header, opcode, fin, len, NULL);

	fixture_send(stream->fx, stream->peer, header, size);
	fixture_send(stream->fx, stream->peer, data, len);
}

static inline void peer_closes(struct stream *stream, uint16_t code)
{
	uint8_t data[2] = {(uint8_t)(code >> 8), (uint8_t)code};

	peer_sends(stream, HYBRIDGE_WS_CLOSE, true, data, code ? 2 : 0);
}

/* Reads the peer's next whole frame. */
static inline struct hybridge_ws_piece peer_frame(struct stream *stream,
						  uint8_t *buf, size_t size)
{
	struct hybridge_ws_piece piece, all = {.data = buf};

	for (;;) {
		uint8_t byte;
		uint8_t *at = &byte;
		size_t len = 1;

		fixture_recv_all(stream->fx, stream->peer, &byte, 1);
		switch (hybridge_ws_next(&stream->reader, &at, &len, &piece)) {
		case HYBRIDGE_WS_MORE:
			continue;
		case HYBRIDGE_WS_ERROR:
			fail_msg("%s", piece.why);
			break;
		case HYBRIDGE_WS_DATA:
		case HYBRIDGE_WS_CONTROL:
			break;
		}
		assert_true(all.len + piece.len <= size);
		if (piece.len > 0)
			memcpy(buf + all.len, piece.data, piece.len);
		all.len += piece.len;
		all.opcode = piece.opcode;
		all.fin = piece.fin;
		if (piece.ends)
			return all;
	}
}

static inline void peer_expects(struct stream *stream, uint8_t opcode,
				const void *data, size_t len)
{
	uint8_t buf[1000];
	struct hybridge_ws_piece got = peer_frame(stream, buf, sizeof(buf));

	assert_int_equal(got.opcode, opcode);
	assert_true(got.fin);
	assert_int_equal(got.len, len);
	if (len > 0)
		assert_memory_equal(buf, data, len);
}

#endif
