/*
 * test_pump_tls.c - many streams over TLS in one loop, whose connections all
 * share the same scratch buffers.
 */
#include "tls_fixture.h"

#include <hybridge/pump.h>
#include <hybridge/ws.h>

#define STREAMS ((size_t)12)
#define TOTAL   ((uint64_t)1 << 20)

/* The peer of one stream: a WebSocket server that sends every byte back. */
struct echo {
	struct hybridge_conn *conn;
	struct hybridge_ws_reader reader;
	bool shaking;
};

/* One stream from the program's socket to the echo and back. */
struct round_trip {
	struct world *world;
	struct echo echo;
	struct hybridge_conn *ws; /* until the pump has it */
	bool ws_shaking;
	int app;
	uint32_t seed;
	uint64_t sent;
	uint64_t got;
	bool eof;
	unsigned int ends;
	enum hybridge_end end;
};

static void echo_send(struct echo *echo, uint8_t opcode, const void *data,
		      size_t len)
{
	uint8_t header[HYBRIDGE_WS_HEADER_MAX];
	size_t size = hybridge_ws_header(header, opcode, true, len, NULL);

	assert_int_equal(hybridge_conn_write(echo->conn, header, size), 0);
	assert_int_equal(hybridge_conn_write(echo->conn, data, len), 0);
}

static void echo_answer(struct echo *echo, uint8_t *at, size_t len)
{
	struct hybridge_ws_piece piece;

	for (;;)
		switch (hybridge_ws_next(&echo->reader, &at, &len, &piece)) {
		case HYBRIDGE_WS_MORE:
			return;
		case HYBRIDGE_WS_ERROR:
			fail_msg("%s", piece.why);
			return;
		case HYBRIDGE_WS_DATA:
			echo_send(echo, HYBRIDGE_WS_BINARY, piece.data,
				  piece.len);
			break;
		case HYBRIDGE_WS_CONTROL:
			echo_send(echo, piece.opcode, piece.data, piece.len);
			break;
		}
}

static void echo_ready(void *owner, struct hybridge_conn *conn)
{
	struct echo *echo = owner;
	struct hybridge_error err = {0};
	static uint8_t buf[30000];

	if (echo->shaking) {
		int ret = hybridge_conn_handshake(conn, "client", &err);

		assert_int_not_equal(ret, -1);
		if (ret == 0)
			return;
		echo->shaking = false;
	}
	while (echo->conn && hybridge_conn_pending(conn) == 0) {
		ssize_t n = hybridge_conn_read(conn, buf, sizeof(buf));

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			assert_int_equal(n, 0);
			hybridge_conn_close(conn, HYBRIDGE_CONN_ORDERLY);
			echo->conn = NULL;
			return;
		}
		echo_answer(echo, buf, (size_t)n);
		(void)hybridge_conn_flush(conn);
	}
}

static void trip_over(void *owner, enum hybridge_end end, uint16_t close_code,
		      const struct hybridge_pump_stats *stats)
{
	struct round_trip *trip = owner;

	trip->ends++;
	trip->end = end;
	assert_int_equal(close_code, 0);
	assert_int_equal(stats->to_ws, TOTAL);
	assert_int_equal(stats->from_ws, TOTAL);
}

/* The client's handshake; then the pump takes over. */
static void ws_ready(void *owner, struct hybridge_conn *conn)
{
	struct round_trip *trip = owner;
	struct hybridge_loop *loop = trip->world->fx.loop;
	struct hybridge_error err = {0};
	struct hybridge_conn *tcp;
	int fds[2], ret;

	ret = hybridge_conn_handshake(conn, "relay.example", &err);
	assert_int_not_equal(ret, -1);
	if (ret == 0)
		return;
	fixture_tcp_pair(fds, 16384);
	trip->app = fds[0];
	tcp = hybridge_conn_new(loop, fds[1], ws_ready, NULL);
	assert_non_null(tcp);
	assert_non_null(
		hybridge_pump_start(loop, tcp, conn, 30000, trip_over, trip));
}

static void trip_start(struct world *world, struct round_trip *trip,
		       uint32_t seed)
{
	int fds[2];

	*trip = (struct round_trip){.world = world, .app = -1, .seed = seed};
	fixture_tcp_pair(fds, 16384);
	trip->echo.shaking = true;
	hybridge_ws_reader_init(&trip->echo.reader, true);
	trip->echo.conn = hybridge_conn_new(world->fx.loop, fds[0], echo_ready,
					    &trip->echo);
	trip->ws = hybridge_conn_new(world->fx.loop, fds[1], ws_ready, trip);
	assert_non_null(trip->echo.conn);
	assert_non_null(trip->ws);
	assert_int_equal(
		hybridge_conn_start_tls(trip->echo.conn, server_ssl(world)), 0);
	assert_int_equal(hybridge_conn_start_tls(trip->ws, client_ssl(world)),
			 0);
}

/* The program writes and reads what it can now. */
static void trip_move(struct round_trip *trip)
{
	static uint8_t buf[20000];
	uint64_t base = (uint64_t)trip->seed << 32;
	uint32_t draw = (uint32_t)trip->got + trip->seed;
	size_t len = 1 + fixture_random(&draw) % sizeof(buf);
	ssize_t n;

	if (trip->sent < TOTAL) {
		if (len > TOTAL - trip->sent)
			len = (size_t)(TOTAL - trip->sent);
		for (size_t i = 0; i < len; i++)
			buf[i] = fixture_byte(base + trip->sent + i);
		n = send(trip->app, buf, len, MSG_NOSIGNAL);
		trip->sent += n > 0 ? (uint64_t)n : 0;
		if (trip->sent == TOTAL)
			shutdown(trip->app, SHUT_WR);
	}
	n = recv(trip->app, buf, sizeof(buf), 0);
	if (n < 0) {
		assert_int_equal(errno, EAGAIN);
		return;
	}
	trip->eof = n == 0;
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] != fixture_byte(base + trip->got + (uint64_t)i))
			fail_msg("stream %u differs", trip->seed);
	trip->got += (uint64_t)n;
}

static bool all_back(struct round_trip trips[STREAMS])
{
	bool all = true;

	for (size_t i = 0; i < STREAMS; i++) {
		if (trips[i].app >= 0 && !trips[i].eof)
			trip_move(&trips[i]);
		all = all && trips[i].eof;
	}
	return all;
}

static bool all_over(const struct round_trip trips[STREAMS])
{
	for (size_t i = 0; i < STREAMS; i++)
		if (!trips[i].ends || trips[i].echo.conn)
			return false;
	return true;
}

static void every_stream_gets_its_own_bytes_back(void **state)
{
	static struct round_trip trips[STREAMS];
	struct world *world = *state;

	for (uint32_t i = 0; i < STREAMS; i++)
		trip_start(world, &trips[i], i);
	FIXTURE_UNTIL(&world->fx, all_back(trips));
	for (size_t i = 0; i < STREAMS; i++) {
		assert_int_equal(trips[i].got, TOTAL);
		close(trips[i].app);
	}
	FIXTURE_UNTIL(&world->fx, all_over(trips));
	for (size_t i = 0; i < STREAMS; i++)
		assert_int_equal(trips[i].end, HYBRIDGE_END_ORDERLY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(every_stream_gets_its_own_bytes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
