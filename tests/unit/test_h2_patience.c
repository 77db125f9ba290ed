/*
 * test_h2_patience.c - how long the last bytes of a stream wait behind an orderly close.
 */
#include "h2_fixture.h"

#include "fake_clock.h"

#define WINDOW  ((size_t)256 * 1024)
#define BATCH   ((size_t)64 * 1024 - 1) /* leaves a little of a window */
#define MINUTES 5

/* Far beyond what a connection of its own is given without progress. */
static void minutes_pass(struct fixture *fx)
{
	for (int i = 1; i <= MINUTES; i++) {
		ahead_s += (time_t)60 * i;
		for (int turn = 0; turn < 3; turn++)
			take_turn(fx->loop);
		ahead_s -= (time_t)60 * i;
	}
}

/* Reads a stream to its end; how much there was. */
static size_t read_all(struct fixture *fx, struct hybridge_conn *conn)
{
	static uint8_t buf[BATCH];
	time_t end = time(NULL) + FIXTURE_PATIENCE_S;
	size_t got = 0;
	ssize_t n;

	while ((n = hybridge_conn_read(conn, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno != EAGAIN)
			fail_msg("%s behind %zu bytes", strerror(errno), got);
		assert_true(time(NULL) <= end);
		if (n > 0)
			got += (size_t)n;
		else
			fixture_step(fx, 1);
	}
	return got;
}

/* The far end has said its last, and has a whole window that it has not read. */
static size_t fill_window(struct pair *pair, struct hybridge_conn *ends[2])
{
	static uint8_t bytes[BATCH];
	size_t sent = 0;

	assert_int_equal(hybridge_conn_end(ends[1]), 0);
	FIXTURE_UNTIL(pair->fx, hybridge_conn_hung_up(ends[0]));
	for (; sent + BATCH <= WINDOW; sent += BATCH) {
		assert_int_equal(hybridge_conn_write(ends[0], bytes, BATCH), 0);
		FIXTURE_UNTIL(pair->fx, hybridge_conn_pending(ends[0]) == 0);
	}
	return sent;
}

static void a_reader_may_pause_before_the_last_bytes(void **state)
{
	const struct pair_args args = {.streams_max = 10, .ping_ms = 600000};
	static uint8_t bytes[BATCH];
	struct fixture *fx = *state;
	struct hybridge_conn *ends[2];
	struct pair pair;
	size_t sent;

	pair_open_with(fx, &pair, &args);
	pair_stream(&pair, ends);
	sent = fill_window(&pair, ends);
	/* More than the window has room for, and in a turn with the end. */
	assert_int_equal(hybridge_conn_write(ends[0], bytes, BATCH), 0);
	hybridge_conn_close(ends[0], HYBRIDGE_CONN_ORDERLY);
	fixture_step(fx, 1);
	assert_int_equal(hybridge_h2_streams(pair.client), 1);
	minutes_pass(fx);
	assert_int_equal(read_all(fx, ends[1]), sent + BATCH);
	hybridge_conn_close(ends[1], HYBRIDGE_CONN_ORDERLY);
	FIXTURE_UNTIL(fx, hybridge_h2_streams(pair.client) == 0);
	pair_close(&pair);
}

static void a_peer_that_does_not_end_is_not_waited_for(void **state)
{
	const struct pair_args args = {.streams_max = 10, .ping_ms = 600000};
	struct fixture *fx = *state;
	struct hybridge_conn *ends[2];
	struct pair pair;

	pair_open_with(fx, &pair, &args);
	pair_stream(&pair, ends);
	assert_int_equal(hybridge_conn_write(ends[0], "all", 3), 0);
	hybridge_conn_close(ends[0], HYBRIDGE_CONN_ORDERLY);
	fixture_step(fx, 1);
	minutes_pass(fx);
	FIXTURE_UNTIL(fx, hybridge_h2_streams(pair.server) == 0);
	/* It has got all that there was, with its end. */
	assert_int_equal(read_all(fx, ends[1]), 3);
	hybridge_conn_close(ends[1], HYBRIDGE_CONN_ORDERLY);
	pair_close(&pair);
}

static void the_last_bytes_end_with_their_session(void **state)
{
	const struct pair_args args = {.streams_max = 10, .ping_ms = 600000};
	static uint8_t bytes[BATCH];
	struct fixture *fx = *state;
	struct hybridge_conn *ends[2];
	struct pair pair;

	pair_open_with(fx, &pair, &args);
	pair_stream(&pair, ends);
	fill_window(&pair, ends);
	assert_int_equal(hybridge_conn_write(ends[0], bytes, BATCH), 0);
	hybridge_conn_close(ends[0], HYBRIDGE_CONN_ORDERLY);
	hybridge_h2_drop(pair.client);
	pair.client = NULL;
	FIXTURE_UNTIL(fx, pair.server_overs);
	assert_true(hybridge_conn_broken(ends[1]));
	hybridge_conn_close(ends[1], HYBRIDGE_CONN_RESET);
	pair_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(a_reader_may_pause_before_the_last_bytes),
		WITH_LOOP(a_peer_that_does_not_end_is_not_waited_for),
		WITH_LOOP(the_last_bytes_end_with_their_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
