/*
 * test_pump_shared.c - pumps whose streams share a connection: what came for one of them lies
 * beside what came for the others.
 */
#include "pump_fixture.h"

#define PUMPS 4
#define EACH  ((size_t)4 << 20)

/* One stream: the test writes WebSocket frames to @peer, and reads @app. */
struct lane {
	struct hybridge_conn *peer;
	int app;
	struct stream stream;
	size_t sent;
	size_t got;
};

static unsigned int roll(unsigned int *dice)
{
	*dice = *dice * 1103515245u + 12345u;
	return *dice >> 16;
}

static void lane_open(struct lane *lane, struct pair *pair)
{
	struct hybridge_conn *ends[2], *tcp;
	int fds[2];

	*lane = (struct lane){0};
	pair_stream(pair, ends);
	/* So little that much waits in the session. */
	fixture_tcp_pair(fds, 16384);
	tcp = hybridge_conn_new(pair->fx->loop, fds[0], ignore, NULL);
	assert_non_null(tcp);
	lane->app = fds[1];
	lane->peer = ends[1];
	lane->stream.pump =
		hybridge_pump_start(pair->fx->loop, tcp, ends[0], LONG_MS,
				    stream_done, &lane->stream);
	assert_non_null(lane->stream.pump);
}

/* A frame of so many known bytes, as a server sends it. */
static void lane_send(struct lane *lane, size_t len)
{
	uint8_t *frame = malloc(HYBRIDGE_WS_HEADER_MAX + len);
	size_t size;

	assert_non_null(frame);
	size = hybridge_ws_header(frame, HYBRIDGE_WS_BINARY, true, len, NULL);
	for (size_t i = 0; i < len; i++)
		frame[size + i] = fixture_byte(lane->sent + i);
	assert_int_equal(hybridge_conn_write(lane->peer, frame, size + len), 0);
	lane->sent += len;
	free(frame);
}

static void lane_receive(struct lane *lane)
{
	static uint8_t buf[100000];
	ssize_t n = recv(lane->app, buf, sizeof(buf), 0);

	assert_int_equal(lane->stream.ends, 0);
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] != fixture_byte(lane->got + (size_t)i))
			fail_msg("byte %zu is wrong", lane->got + (size_t)i);
	lane->got += n > 0 ? (size_t)n : 0;
}

static bool all_came(const struct lane *lanes)
{
	for (size_t i = 0; i < PUMPS; i++)
		if (lanes[i].got < EACH || lanes[i].got < lanes[i].sent)
			return false;
	return true;
}

static void close_all(struct lane *lanes, const struct pair *pair)
{
	static const uint8_t normal[2] = {HYBRIDGE_WS_NORMAL >> 8,
					  HYBRIDGE_WS_NORMAL & 0xff};
	uint8_t close_frame[16];
	size_t size = hybridge_ws_control_frame(close_frame, HYBRIDGE_WS_CLOSE,
						normal, sizeof(normal), false);

	for (size_t i = 0; i < PUMPS; i++) {
		struct lane *lane = &lanes[i];

		assert_int_equal(
			hybridge_conn_write(lane->peer, close_frame, size), 0);
		assert_int_equal(shutdown(lane->app, SHUT_WR), 0);
		FIXTURE_UNTIL(pair->fx, lane->stream.ends == 1);
		assert_int_equal(lane->stream.end, HYBRIDGE_END_ORDERLY);
		assert_int_equal(lane->stream.stats.from_ws, lane->sent);
		close(lane->app);
		hybridge_conn_close(lane->peer, HYBRIDGE_CONN_RESET);
	}
}

/* Sizes of every kind, so that little and much of all of them come in one read. */
static void every_pump_delivers_its_own_bytes(void **state)
{
	struct world *world = *state;
	struct lane lanes[PUMPS];
	unsigned int dice = 7;
	struct pair pair;

	pair_open(world, &pair, true);
	for (size_t i = 0; i < PUMPS; i++)
		lane_open(&lanes[i], &pair);
	while (!all_came(lanes)) {
		struct lane *lane = &lanes[roll(&dice) % PUMPS];
		size_t most = roll(&dice) % 3 ? 5000 : 60000;

		if (lane->sent < EACH && hybridge_conn_pending(lane->peer) == 0)
			lane_send(lane, 1 + roll(&dice) % most);
		if (roll(&dice) % 4 == 0)
			lane_receive(&lanes[roll(&dice) % PUMPS]);
		if (roll(&dice) % 4 == 0)
			fixture_step(pair.fx, 0);
	}
	close_all(lanes, &pair);
	pair_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(every_pump_delivers_its_own_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
