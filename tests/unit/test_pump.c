/*
 * test_pump.c - streams between TCP and WebSocket: every byte, every kind of end.
 *
 * The program's end is a plain socket, the peer a scripted WebSocket server on
 * another one; both are in the test's hands, the pump is in between.
 */
#include "engine_fixture.h"

#include <openssl/evp.h>

#include <hybridge/pump.h>
#include <hybridge/ws.h>

#define LONG_MS 600000u

/* A pump with both far ends. */
struct stream {
	struct fixture *fx;
	struct hybridge_pump *pump;
	int app;
	int peer;
	struct hybridge_ws_reader reader; /* the peer's */
	unsigned int ends;
	enum hybridge_end end;
	uint16_t close_code;
	struct hybridge_pump_stats stats;
};

static void ignore(void *owner, struct hybridge_conn *conn)
{
	(void)owner;
	(void)conn;
}

static void stream_done(void *owner, enum hybridge_end end, uint16_t close_code,
			const struct hybridge_pump_stats *stats)
{
	struct stream *stream = owner;

	stream->ends++;
	stream->end = end;
	stream->close_code = close_code;
	stream->stats = *stats;
	stream->pump = NULL;
}

static void stream_open(struct fixture *fx, struct stream *stream,
			uint32_t ping_ms, int buffer)
{
	struct hybridge_conn *tcp, *ws;
	int fds[2];

	*stream = (struct stream){.fx = fx};
	hybridge_ws_reader_init(&stream->reader, true);
	fixture_tcp_pair(fds, buffer);
	stream->app = fds[0];
	tcp = hybridge_conn_new(fx->loop, fds[1], ignore, NULL);
	fixture_tcp_pair(fds, buffer);
	stream->peer = fds[0];
	ws = hybridge_conn_new(fx->loop, fds[1], ignore, NULL);
	assert_non_null(tcp);
	assert_non_null(ws);
	stream->pump = hybridge_pump_start(fx->loop, tcp, ws, ping_ms,
					   stream_done, stream);
	assert_non_null(stream->pump);
}

static void stream_close(struct stream *stream)
{
	if (stream->app >= 0)
		close(stream->app);
	if (stream->peer >= 0)
		close(stream->peer);
	if (stream->pump)
		hybridge_pump_stop(stream->pump);
	fixture_step(stream->fx, 2);
	assert_int_equal(stream->ends, 1);
}

/* Waits for the end, and says what the program saw after what was left to read. */
static int app_sees(struct stream *stream)
{
	char buf[4096];
	ssize_t n;

	while ((n = fixture_recv(stream->fx, stream->app, buf, sizeof(buf))) >
	       0)
		;
	return n == 0 ? 0 : errno;
}

/* What the peer saw: 0 for a FIN, or an errno. */
static int peer_sees(struct stream *stream)
{
	char buf[4096];
	ssize_t n;

	while ((n = fixture_recv(stream->fx, stream->peer, buf, sizeof(buf))) >
	       0)
		;
	return n == 0 ? 0 : errno;
}

static void assert_end(struct stream *stream, enum hybridge_end end,
		       uint16_t close_code)
{
	FIXTURE_UNTIL(stream->fx, stream->ends);
	assert_string_equal(hybridge_end_name(stream->end),
			    hybridge_end_name(end));
	assert_int_equal(stream->close_code, close_code);
}

static void peer_sends(struct stream *stream, uint8_t opcode, bool fin,
		       const void *data, size_t len)
{
	uint8_t header[HYBRIDGE_WS_HEADER_MAX];
	size_t size = hybridge_ws_header(header, opcode, fin, len, NULL);

	fixture_send(stream->fx, stream->peer, header, size);
	fixture_send(stream->fx, stream->peer, data, len);
}

static void peer_closes(struct stream *stream, uint16_t code)
{
	uint8_t data[2] = {(uint8_t)(code >> 8), (uint8_t)code};

	peer_sends(stream, HYBRIDGE_WS_CLOSE, true, data, code ? 2 : 0);
}

/* Reads the peer's next whole frame. */
static struct hybridge_ws_piece peer_frame(struct stream *stream, uint8_t *buf,
					   size_t size)
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

static void peer_expects(struct stream *stream, uint8_t opcode,
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

static void messages_travel_both_ways(void **state)
{
	struct stream stream;

	stream_open(*state, &stream, LONG_MS, 0);
	fixture_send(stream.fx, stream.app, "question", 8);
	peer_expects(&stream, HYBRIDGE_WS_BINARY, "question", 8);
	/* Text and fragments are bytes like any. */
	peer_sends(&stream, HYBRIDGE_WS_BINARY, true, "ans", 3);
	peer_sends(&stream, HYBRIDGE_WS_TEXT, false, "we", 2);
	peer_sends(&stream, HYBRIDGE_WS_CONTINUATION, false, "", 0);
	peer_sends(&stream, HYBRIDGE_WS_CONTINUATION, true, "r", 1);
	fixture_expect(stream.fx, stream.app, "answer", 6);
	assert_int_equal(hybridge_pump_stats(stream.pump).to_ws, 8);
	assert_int_equal(hybridge_pump_stats(stream.pump).from_ws, 6);
	stream_close(&stream);
}

static void the_program_may_end_first(void **state)
{
	struct stream stream;

	stream_open(*state, &stream, LONG_MS, 0);
	fixture_send(stream.fx, stream.app, "last", 4);
	shutdown(stream.app, SHUT_WR);
	peer_expects(&stream, HYBRIDGE_WS_BINARY, "last", 4);
	peer_expects(&stream, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	/* The other direction goes on. */
	peer_sends(&stream, HYBRIDGE_WS_BINARY, true, "late answer", 11);
	fixture_expect(stream.fx, stream.app, "late answer", 11);
	assert_int_equal(stream.ends, 0);
	peer_closes(&stream, HYBRIDGE_WS_NORMAL);
	assert_int_equal(app_sees(&stream), 0);
	assert_end(&stream, HYBRIDGE_END_ORDERLY, 0);
	assert_int_equal(peer_sees(&stream), 0);
	assert_int_equal(stream.stats.to_ws, 4);
	assert_int_equal(stream.stats.from_ws, 11);
	stream_close(&stream);
}

static void the_peer_may_end_first(void **state)
{
	static const uint16_t codes[] = {HYBRIDGE_WS_NORMAL, 0};

	for (size_t i = 0; i < 2; i++) {
		struct stream stream;
		char c;

		print_message("case: code %u\n", codes[i]);
		stream_open(*state, &stream, LONG_MS, 0);
		peer_sends(&stream, HYBRIDGE_WS_BINARY, true, "last", 4);
		peer_closes(&stream, codes[i]);
		fixture_expect(stream.fx, stream.app, "last", 4);
		assert_int_equal(fixture_recv(stream.fx, stream.app, &c, 1), 0);
		assert_int_equal(stream.ends, 0);
		fixture_send(stream.fx, stream.app, "still", 5);
		peer_expects(&stream, HYBRIDGE_WS_BINARY, "still", 5);
		close(stream.app);
		stream.app = -1;
		peer_expects(&stream, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
		assert_int_equal(peer_sees(&stream), 0);
		assert_end(&stream, HYBRIDGE_END_ORDERLY, 0);
		stream_close(&stream);
	}
}

static void a_peer_that_closes_and_leaves_is_an_orderly_end(void **state)
{
	struct stream stream;

	/* One that cannot keep its other direction open. */
	stream_open(*state, &stream, LONG_MS, 0);
	peer_sends(&stream, HYBRIDGE_WS_BINARY, true, "all", 3);
	peer_closes(&stream, HYBRIDGE_WS_NORMAL);
	close(stream.peer);
	stream.peer = -1;
	assert_int_equal(app_sees(&stream), 0);
	close(stream.app);
	stream.app = -1;
	assert_end(&stream, HYBRIDGE_END_ORDERLY, 0);
	stream_close(&stream);
}

static void bytes_for_a_peer_that_left_are_a_reset(void **state)
{
	struct stream stream;
	char c;

	stream_open(*state, &stream, LONG_MS, 0);
	peer_closes(&stream, HYBRIDGE_WS_NORMAL);
	close(stream.peer);
	stream.peer = -1;
	assert_int_equal(fixture_recv(stream.fx, stream.app, &c, 1), 0);
	fixture_send(stream.fx, stream.app, "lost", 4);
	assert_end(&stream, HYBRIDGE_END_WS_LOST, 0);
	assert_int_equal(send(stream.app, "x", 1, MSG_NOSIGNAL), -1);
	stream_close(&stream);
}

static void a_reset_by_the_program_drops_the_websocket(void **state)
{
	struct stream stream;

	stream_open(*state, &stream, LONG_MS, 0);
	fixture_send(stream.fx, stream.app, "abc", 3);
	peer_expects(&stream, HYBRIDGE_WS_BINARY, "abc", 3);
	fixture_reset(stream.app);
	stream.app = -1;
	/* No Close: that would be an orderly end to the peer. */
	assert_int_equal(peer_sees(&stream), ECONNRESET);
	assert_end(&stream, HYBRIDGE_END_TCP_RESET, 0);
	stream_close(&stream);
}

static void a_program_that_dies_half_closed_is_noticed(void **state)
{
	struct stream stream;

	stream_open(*state, &stream, LONG_MS, 0);
	shutdown(stream.app, SHUT_WR);
	peer_expects(&stream, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	fixture_reset(stream.app);
	stream.app = -1;
	assert_int_equal(peer_sees(&stream), ECONNRESET);
	assert_end(&stream, HYBRIDGE_END_TCP_RESET, 0);
	stream_close(&stream);
}

/* How a peer or a network can break off, and what the end is then called. */
static void lose_fin(struct stream *stream)
{
	close(stream->peer);
}

static void lose_reset(struct stream *stream)
{
	fixture_reset(stream->peer);
}

static void lose_inside_a_frame(struct stream *stream)
{
	fixture_send(stream->fx, stream->peer, "\x82\x05Hel", 5);
	close(stream->peer);
}

static void lose_by_code(struct stream *stream)
{
	peer_closes(stream, HYBRIDGE_WS_INTERNAL);
	close(stream->peer);
}

static void lose_by_going_away(struct stream *stream)
{
	peer_closes(stream, HYBRIDGE_WS_GOING_AWAY);
	close(stream->peer);
}

static void lose_by_mask(struct stream *stream)
{
	fixture_send(stream->fx, stream->peer, "\x82\x80\0\0\0\0", 6);
	close(stream->peer);
}

static void whatever_else_ends_a_stream_resets_the_program(void **state)
{
	static const struct {
		void (*lose)(struct stream *stream);
		enum hybridge_end end;
		uint16_t code;
	} cases[] = {
		{lose_fin, HYBRIDGE_END_WS_LOST, 0},
		{lose_reset, HYBRIDGE_END_WS_LOST, 0},
		{lose_inside_a_frame, HYBRIDGE_END_WS_LOST, 0},
		{lose_by_code, HYBRIDGE_END_WS_CLOSED, 1011},
		{lose_by_going_away, HYBRIDGE_END_WS_CLOSED, 1001},
		{lose_by_mask, HYBRIDGE_END_WS_PROTOCOL, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (int half = 0; half <= 1; half++) {
			struct stream stream;

			print_message("case %zu, half closed %d\n", i, half);
			stream_open(*state, &stream, LONG_MS, 0);
			peer_sends(&stream, HYBRIDGE_WS_BINARY, true, "some",
				   4);
			fixture_expect(stream.fx, stream.app, "some", 4);
			if (half) {
				shutdown(stream.app, SHUT_WR);
				peer_expects(&stream, HYBRIDGE_WS_CLOSE,
					     "\x03\xe8", 2);
			}
			cases[i].lose(&stream);
			stream.peer = -1;
			assert_end(&stream, cases[i].end, cases[i].code);
			assert_int_equal(app_sees(&stream), ECONNRESET);
			stream_close(&stream);
		}
}

static void data_behind_a_close_breaks_the_protocol(void **state)
{
	struct stream stream;

	stream_open(*state, &stream, LONG_MS, 0);
	peer_closes(&stream, HYBRIDGE_WS_NORMAL);
	peer_sends(&stream, HYBRIDGE_WS_BINARY, true, "more", 4);
	assert_end(&stream, HYBRIDGE_END_WS_PROTOCOL, 0);
	assert_int_equal(peer_sees(&stream), ECONNRESET);
	/* Its orderly end may have been passed on, what came behind it not. */
	assert_int_equal(app_sees(&stream), 0);
	assert_int_equal(stream.stats.from_ws, 0);
	assert_int_equal(send(stream.app, "x", 1, MSG_NOSIGNAL), -1);
	stream_close(&stream);
}

static void a_stop_resets_both_sides(void **state)
{
	struct stream stream;

	stream_open(*state, &stream, LONG_MS, 0);
	fixture_step(stream.fx, 1);
	hybridge_pump_stop(stream.pump);
	assert_int_equal(stream.ends, 0); /* told from the loop */
	assert_end(&stream, HYBRIDGE_END_STOPPED, 0);
	assert_int_equal(app_sees(&stream), ECONNRESET);
	assert_int_equal(peer_sees(&stream), ECONNRESET);
	stream_close(&stream);
}

static void even_the_death_of_the_process_would_reset(void **state)
{
	struct hybridge_conn *tcp, *ws;
	struct fixture *fx = *state;
	struct stream stream = {.fx = fx};
	int app[2], peer[2];
	char c;

	/* What a death leaves behind: the descriptor, closed as it is. */
	fixture_tcp_pair(app, 0);
	fixture_tcp_pair(peer, 0);
	tcp = hybridge_conn_new(fx->loop, dup(app[1]), ignore, NULL);
	ws = hybridge_conn_new(fx->loop, peer[1], ignore, NULL);
	stream.pump = hybridge_pump_start(fx->loop, tcp, ws, LONG_MS,
					  stream_done, &stream);
	assert_non_null(stream.pump);
	close(hybridge_conn_fd(tcp));
	close(app[1]);
	assert_int_equal(recv(app[0], &c, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	/* The number is the pump's again before it closes it. */
	assert_true(dup(app[0]) >= 0);
	hybridge_pump_stop(stream.pump);
	FIXTURE_UNTIL(fx, stream.ends);
	close(app[0]);
	close(peer[0]);
}

static void pings_are_answered(void **state)
{
	struct stream stream;
	char data[125];

	memset(data, 'p', sizeof(data));
	stream_open(*state, &stream, LONG_MS, 0);
	peer_sends(&stream, HYBRIDGE_WS_PING, true, data, sizeof(data));
	peer_expects(&stream, HYBRIDGE_WS_PONG, data, sizeof(data));
	peer_sends(&stream, HYBRIDGE_WS_PING, true, "", 0);
	peer_expects(&stream, HYBRIDGE_WS_PONG, "", 0);
	/* Also one inside a message. */
	peer_sends(&stream, HYBRIDGE_WS_BINARY, false, "a", 1);
	peer_sends(&stream, HYBRIDGE_WS_PING, true, "x", 1);
	peer_sends(&stream, HYBRIDGE_WS_CONTINUATION, true, "b", 1);
	peer_expects(&stream, HYBRIDGE_WS_PONG, "x", 1);
	fixture_expect(stream.fx, stream.app, "ab", 2);
	stream_close(&stream);
}

static void a_silent_peer_is_pinged_and_then_dead(void **state)
{
	struct stream stream;

	stream_open(*state, &stream, 20, 0);
	peer_expects(&stream, HYBRIDGE_WS_PING, "", 0);
	assert_end(&stream, HYBRIDGE_END_WS_SILENT, 0);
	assert_int_equal(app_sees(&stream), ECONNRESET);
	assert_int_equal(peer_sees(&stream), ECONNRESET);
	stream_close(&stream);
}

static void a_peer_that_answers_lives(void **state)
{
	struct stream stream;

	stream_open(*state, &stream, 20, 0);
	for (int i = 0; i < 10; i++) {
		peer_expects(&stream, HYBRIDGE_WS_PING, "", 0);
		peer_sends(&stream, HYBRIDGE_WS_PONG, true, "", 0);
	}
	assert_int_equal(stream.ends, 0);
	stream_close(&stream);
}

static void a_half_closed_stream_may_be_silent_for_long(void **state)
{
	for (int who = 0; who <= 1; who++) {
		struct stream stream;

		print_message("case: %s ended\n", who ? "peer" : "program");
		stream_open(*state, &stream, 10, 0);
		if (who) {
			peer_closes(&stream, HYBRIDGE_WS_NORMAL);
		} else {
			shutdown(stream.app, SHUT_WR);
			peer_expects(&stream, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
		}
		fixture_step(stream.fx, 100);
		assert_int_equal(stream.ends, 0);
		if (who) {
			fixture_send(stream.fx, stream.app, "late", 4);
			peer_expects(&stream, HYBRIDGE_WS_BINARY, "late", 4);
		} else {
			peer_sends(&stream, HYBRIDGE_WS_BINARY, true, "late",
				   4);
			fixture_expect(stream.fx, stream.app, "late", 4);
		}
		stream_close(&stream);
	}
}

/* Sends until nothing more is taken for a while; how much went in. */
static size_t fill(struct stream *stream, int fd, bool frames)
{
	static uint8_t buf[60000];
	size_t total = 0;

	if (frames) {
		/* One endless frame. */
		uint8_t header[HYBRIDGE_WS_HEADER_MAX];
		size_t size = hybridge_ws_header(header, HYBRIDGE_WS_BINARY,
						 true, 1u << 30, NULL);

		fixture_send(stream->fx, fd, header, size);
	}
	for (int idle = 0; idle < 30;) {
		ssize_t n = send(fd, buf, sizeof(buf), MSG_NOSIGNAL);

		idle = n > 0 ? 0 : idle + 1;
		total += n > 0 ? (size_t)n : 0;
		fixture_step(stream->fx, 1);
	}
	return total;
}

static void a_peer_that_does_not_read_stops_the_program(void **state)
{
	struct stream stream;

	stream_open(*state, &stream, 20, 8192);
	/* Nothing grows: socket buffers, and one batch. */
	assert_in_range(fill(&stream, stream.app, false), 1000, 400000);
	/* It cannot be asked either, so it is not dead. */
	fixture_step(stream.fx, 200);
	assert_int_equal(stream.ends, 0);
	stream_close(&stream);
}

static void a_program_that_does_not_read_stops_the_peer(void **state)
{
	struct stream stream;

	stream_open(*state, &stream, 20, 8192);
	assert_in_range(fill(&stream, stream.peer, true), 1000, 600000);
	fixture_step(stream.fx, 200);
	assert_int_equal(stream.ends, 0);
	stream_close(&stream);
}

static void a_program_that_dies_while_all_is_stuck_is_noticed(void **state)
{
	for (int both = 0; both <= 1; both++) {
		struct stream stream;

		print_message("case: %s\n", both ? "both ways" : "one way");
		stream_open(*state, &stream, LONG_MS, 8192);
		if (both)
			fill(&stream, stream.peer, true);
		fill(&stream, stream.app, false);
		fixture_reset(stream.app);
		stream.app = -1;
		assert_end(&stream, HYBRIDGE_END_TCP_RESET, 0);
		assert_int_equal(peer_sees(&stream), ECONNRESET);
		stream_close(&stream);
	}
}

static void a_peer_that_dies_while_all_is_stuck_is_noticed(void **state)
{
	for (int closed = 0; closed <= 1; closed++) {
		struct stream stream;

		print_message("case: %s Close\n", closed ? "after" : "without");
		stream_open(*state, &stream, LONG_MS, 8192);
		fill(&stream, stream.app, false);
		if (closed)
			peer_closes(&stream, HYBRIDGE_WS_NORMAL);
		fixture_step(stream.fx, 5);
		fixture_reset(stream.peer);
		stream.peer = -1;
		assert_end(&stream, HYBRIDGE_END_WS_LOST, 0);
		stream_close(&stream);
	}
}

static void an_end_waits_for_what_is_stuck(void **state)
{
	struct stream stream;
	uint8_t header[HYBRIDGE_WS_HEADER_MAX];
	static uint8_t data[500000];
	size_t size = hybridge_ws_header(header, HYBRIDGE_WS_BINARY, true,
					 sizeof(data), NULL);
	size_t sent = 0, got = 0;
	static uint8_t buf[sizeof(data)];
	char c;

	/* More than fits, then Close and FIN: all of it still arrives. */
	stream_open(*state, &stream, LONG_MS, 8192);
	shutdown(stream.app, SHUT_WR);
	peer_expects(&stream, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = fixture_byte(i);
	fixture_send(stream.fx, stream.peer, header, size);
	while (got < sizeof(data)) {
		ssize_t n;

		if (sent < sizeof(data)) {
			n = send(stream.peer, data + sent, sizeof(data) - sent,
				 MSG_NOSIGNAL);
			sent += n > 0 ? (size_t)n : 0;
			if (sent == sizeof(data)) {
				peer_closes(&stream, HYBRIDGE_WS_NORMAL);
				shutdown(stream.peer, SHUT_WR);
			}
		}
		fixture_step(stream.fx, 1);
		n = recv(stream.app, buf + got,
			 sizeof(buf) - got < 3000 ? sizeof(buf) - got : 3000,
			 0);
		assert_true(n != 0);
		got += n > 0 ? (size_t)n : 0;
	}
	assert_memory_equal(buf, data, sizeof(data));
	assert_int_equal(fixture_recv(stream.fx, stream.app, &c, 1), 0);
	assert_end(&stream, HYBRIDGE_END_ORDERLY, 0);
	stream_close(&stream);
}

/* One direction of a long transfer, hashed on both ends. */
struct transfer {
	uint64_t sent;
	uint64_t got;
	EVP_MD_CTX *in;
	EVP_MD_CTX *out;
};

static void transfer_open(struct transfer *transfer)
{
	*transfer = (struct transfer){.in = EVP_MD_CTX_new(),
				      .out = EVP_MD_CTX_new()};
	assert_int_equal(EVP_DigestInit_ex(transfer->in, EVP_sha256(), NULL),
			 1);
	assert_int_equal(EVP_DigestInit_ex(transfer->out, EVP_sha256(), NULL),
			 1);
}

static void transfer_check(struct transfer *transfer, uint64_t total)
{
	uint8_t in[EVP_MAX_MD_SIZE], out[EVP_MAX_MD_SIZE];
	unsigned int len;

	assert_int_equal(transfer->got, total);
	assert_int_equal(EVP_DigestFinal_ex(transfer->in, in, &len), 1);
	assert_int_equal(EVP_DigestFinal_ex(transfer->out, out, &len), 1);
	assert_memory_equal(in, out, len);
	EVP_MD_CTX_free(transfer->in);
	EVP_MD_CTX_free(transfer->out);
}

/* Sends a part of the random stream @bulk; false when nothing was taken. */
static bool transfer_send(struct transfer *transfer, int fd,
			  const uint8_t *bulk, size_t most, uint32_t *seed)
{
	size_t len = 1 + fixture_random(seed) % most;
	ssize_t n;

	bulk += fixture_random(seed) % 5000;
	n = send(fd, bulk, len, MSG_NOSIGNAL);
	if (n <= 0)
		return false;
	EVP_DigestUpdate(transfer->in, bulk, (size_t)n);
	transfer->sent += (uint64_t)n;
	return true;
}

/* Reads frames as they come; false when there was nothing. */
static bool peer_collects(struct stream *stream, struct transfer *transfer)
{
	static uint8_t buf[100000];
	struct hybridge_ws_piece piece;
	uint8_t *at = buf;
	ssize_t n = recv(stream->peer, buf, sizeof(buf), 0);
	size_t len = n > 0 ? (size_t)n : 0;

	while (len > 0 && hybridge_ws_next(&stream->reader, &at, &len,
					   &piece) == HYBRIDGE_WS_DATA) {
		assert_true(piece.frame_len > 0 && piece.frame_len <= 65536);
		EVP_DigestUpdate(transfer->out, piece.data, piece.len);
		transfer->got += piece.len;
	}
	assert_int_equal(len, 0);
	return n > 0;
}

static void a_long_transfer_both_ways_is_the_same_on_both_ends(void **state)
{
	static const uint64_t total = 64u << 20;
	static uint8_t bulk[200000], buf[100000];
	struct transfer up, down;
	struct stream stream;
	uint8_t header[HYBRIDGE_WS_HEADER_MAX];
	uint32_t seed = 5;

	for (size_t i = 0; i < sizeof(bulk); i++)
		bulk[i] = (uint8_t)fixture_random(&seed);
	stream_open(*state, &stream, LONG_MS, 0);
	transfer_open(&up);
	transfer_open(&down);
	fixture_send(stream.fx, stream.peer, header,
		     hybridge_ws_header(header, HYBRIDGE_WS_BINARY, true, total,
					NULL));
	while (up.got < total || down.got < total) {
		bool busy = false;
		ssize_t n;

		if (up.sent < total)
			busy |= transfer_send(
				&up, stream.app, bulk,
				total - up.sent < 150000
					? (size_t)(total - up.sent)
					: 150000,
				&seed);
		if (down.sent < total)
			busy |= transfer_send(
				&down, stream.peer, bulk,
				total - down.sent < 150000
					? (size_t)(total - down.sent)
					: 150000,
				&seed);
		busy |= peer_collects(&stream, &up);
		n = recv(stream.app, buf, sizeof(buf), 0);
		if (n > 0) {
			EVP_DigestUpdate(down.out, buf, (size_t)n);
			down.got += (uint64_t)n;
			busy = true;
		}
		fixture_step(stream.fx, busy ? 0 : 1);
	}
	transfer_check(&up, total);
	transfer_check(&down, total);
	assert_int_equal(hybridge_pump_stats(stream.pump).to_ws, total);
	assert_int_equal(hybridge_pump_stats(stream.pump).from_ws, total);
	stream_close(&stream);
}

static void every_end_has_its_own_name(void **state)
{
	(void)state;
	for (enum hybridge_end a = 0; a < HYBRIDGE_END_NUM; a++)
		for (enum hybridge_end b = 0; b < a; b++)
			assert_string_not_equal(hybridge_end_name(a),
						hybridge_end_name(b));
	assert_string_equal(hybridge_end_name(HYBRIDGE_END_ORDERLY), "orderly");
}

#define WITH_LOOP(test) \
	cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(messages_travel_both_ways),
		WITH_LOOP(the_program_may_end_first),
		WITH_LOOP(the_peer_may_end_first),
		WITH_LOOP(a_peer_that_closes_and_leaves_is_an_orderly_end),
		WITH_LOOP(bytes_for_a_peer_that_left_are_a_reset),
		WITH_LOOP(a_reset_by_the_program_drops_the_websocket),
		WITH_LOOP(a_program_that_dies_half_closed_is_noticed),
		WITH_LOOP(whatever_else_ends_a_stream_resets_the_program),
		WITH_LOOP(data_behind_a_close_breaks_the_protocol),
		WITH_LOOP(a_stop_resets_both_sides),
		WITH_LOOP(even_the_death_of_the_process_would_reset),
		WITH_LOOP(pings_are_answered),
		WITH_LOOP(a_silent_peer_is_pinged_and_then_dead),
		WITH_LOOP(a_peer_that_answers_lives),
		WITH_LOOP(a_half_closed_stream_may_be_silent_for_long),
		WITH_LOOP(a_peer_that_does_not_read_stops_the_program),
		WITH_LOOP(a_program_that_does_not_read_stops_the_peer),
		WITH_LOOP(a_program_that_dies_while_all_is_stuck_is_noticed),
		WITH_LOOP(a_peer_that_dies_while_all_is_stuck_is_noticed),
		WITH_LOOP(an_end_waits_for_what_is_stuck),
		WITH_LOOP(a_long_transfer_both_ways_is_the_same_on_both_ends),
		cmocka_unit_test(every_end_has_its_own_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
