/*
 * test_pump.c - streams between TCP and WebSocket: every kind of end.
 */
#include <poll.h>

#include "pump_fixture.h"

#include <hybridge/turn.h>

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

/* So that bulk of others gives way. */
static void the_loop_knows_that_somebody_waits(void **state)
{
	struct hybridge_loop *loop;
	struct stream stream;

	stream_open(*state, &stream, LONG_MS, 0);
	loop = stream.fx->loop;
	assert_true(hybridge_turn_is_awaited(loop));
	FIXTURE_UNTIL(stream.fx, !hybridge_turn_is_awaited(loop));
	fixture_send(stream.fx, stream.app, "?", 1);
	FIXTURE_UNTIL(stream.fx, hybridge_turn_is_awaited(loop));
	FIXTURE_UNTIL(stream.fx, !hybridge_turn_is_awaited(loop));
	peer_sends(&stream, HYBRIDGE_WS_BINARY, true, "!", 1);
	FIXTURE_UNTIL(stream.fx, hybridge_turn_is_awaited(loop));
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

/* It has nothing more to say or to hear; the program has more to read. */
static void a_peer_may_leave_by_a_reset_behind_both_closes(void **state)
{
	static const uint8_t big[60000];
	struct stream stream;
	char buf[1000];
	size_t got = 0;
	ssize_t n;

	stream_open_with(*state, &stream, LONG_MS, 12000, 0);
	shutdown(stream.app, SHUT_WR);
	peer_expects(&stream, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	peer_sends(&stream, HYBRIDGE_WS_BINARY, true, big, sizeof(big));
	peer_closes(&stream, HYBRIDGE_WS_NORMAL);
	FIXTURE_UNTIL(stream.fx,
		      hybridge_pump_stats(stream.pump).from_ws == sizeof(big));
	assert_int_equal(stream.ends, 0);
	fixture_reset(stream.peer);
	stream.peer = -1;
	FIXTURE_UNTIL(stream.fx,
		      stream.ends || hybridge_conn_broken(stream.ws));
	while ((n = fixture_recv(stream.fx, stream.app, buf, sizeof(buf))) > 0)
		got += (size_t)n;
	assert_int_equal(n, 0);
	assert_int_equal(got, sizeof(big));
	assert_end(&stream, HYBRIDGE_END_ORDERLY, 0);
	stream_close(&stream);
}

static void bytes_for_a_peer_that_left_are_a_reset(void **state)
{
	struct stream stream;
	char c;

	stream_open(*state, &stream, LONG_MS, 0);
	peer_closes(&stream, HYBRIDGE_WS_NORMAL);
	assert_int_equal(fixture_recv(stream.fx, stream.app, &c, 1), 0);
	/* A stream of HTTP/2 may go on after the peer's end: it is left by a reset. */
	if (over_h2)
		fixture_reset(stream.peer);
	else
		close(stream.peer);
	stream.peer = -1;
	if (!over_h2)
		fixture_send(stream.fx, stream.app, "lost", 4);
	assert_end(&stream, HYBRIDGE_END_WS_LOST, 0);
	assert_int_equal(send(stream.app, "x", 1, MSG_NOSIGNAL), -1);
	stream_close(&stream);
}

/* The end of its connection is read behind the bytes that bring the reset. */
static void bytes_under_way_when_the_peer_left_are_a_reset(void **state)
{
	struct stream stream;
	char c;

	stream_open(*state, &stream, LONG_MS, 0);
	peer_closes(&stream, HYBRIDGE_WS_NORMAL);
	assert_int_equal(fixture_recv(stream.fx, stream.app, &c, 1), 0);
	assert_int_equal(send(stream.app, "lost", 4, MSG_NOSIGNAL), 4);
	close(stream.peer);
	stream.peer = -1;
	assert_end(&stream, HYBRIDGE_END_WS_LOST, 0);
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

/* Also behind an end, which a read would show instead. */
static void peer_is_reset(struct stream *stream)
{
	struct pollfd peer = {.fd = stream->peer};

	FIXTURE_UNTIL(stream->fx,
		      poll(&peer, 1, 0) == 1 && (peer.revents & POLLERR));
}

/* The peer's end comes with its Close; the program's bytes still get there, and its end. */
static void a_stream_that_the_peer_ended_goes_on(void **state)
{
	struct stream stream;
	char c;

	stream_open(*state, &stream, LONG_MS, 0);
	peer_closes(&stream, HYBRIDGE_WS_NORMAL);
	shutdown(stream.peer, SHUT_WR);
	assert_int_equal(fixture_recv(stream.fx, stream.app, &c, 1), 0);
	fixture_send(stream.fx, stream.app, "more", 4);
	peer_expects(&stream, HYBRIDGE_WS_BINARY, "more", 4);
	shutdown(stream.app, SHUT_WR);
	peer_expects(&stream, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	assert_end(&stream, HYBRIDGE_END_ORDERLY, 0);
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
	peer_is_reset(&stream);
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

static void a_peer_may_ping_and_pong_behind_its_close(void **state)
{
	struct stream stream;
	char c;

	stream_open(*state, &stream, LONG_MS, 0);
	peer_closes(&stream, HYBRIDGE_WS_NORMAL);
	assert_int_equal(fixture_recv(stream.fx, stream.app, &c, 1), 0);
	peer_sends(&stream, HYBRIDGE_WS_PONG, true, "", 0);
	peer_sends(&stream, HYBRIDGE_WS_PING, true, "still?", 6);
	peer_expects(&stream, HYBRIDGE_WS_PONG, "still?", 6);
	fixture_send(stream.fx, stream.app, "rest", 4);
	peer_expects(&stream, HYBRIDGE_WS_BINARY, "rest", 4);
	shutdown(stream.app, SHUT_WR);
	peer_expects(&stream, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	assert_end(&stream, HYBRIDGE_END_ORDERLY, 0);
	stream_close(&stream);
}

static void a_ping_behind_our_close_is_not_answered(void **state)
{
	struct stream stream;
	char c;

	stream_open(*state, &stream, LONG_MS, 0);
	shutdown(stream.app, SHUT_WR);
	peer_expects(&stream, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	peer_sends(&stream, HYBRIDGE_WS_PING, true, "still?", 6);
	peer_sends(&stream, HYBRIDGE_WS_BINARY, true, "rest", 4);
	fixture_expect(stream.fx, stream.app, "rest", 4);
	peer_closes(&stream, HYBRIDGE_WS_NORMAL);
	assert_int_equal(fixture_recv(stream.fx, stream.peer, &c, 1), 0);
	assert_end(&stream, HYBRIDGE_END_ORDERLY, 0);
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
		socklen_t len = sizeof(int);
		int on = 0;

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
		/* Nobody pings any more: the kernel watches over the relay. */
		assert_int_equal(getsockopt(hybridge_conn_fd(stream.ws),
					    SOL_SOCKET, SO_KEEPALIVE, &on,
					    &len),
				 0);
		assert_int_equal(on, 1);
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

static void a_lost_session_resets_the_program(void **state)
{
	for (int half = 0; half <= 1; half++) {
		struct stream stream;

		stream_open(*state, &stream, LONG_MS, 0);
		peer_sends(&stream, HYBRIDGE_WS_BINARY, true, "some", 4);
		fixture_expect(stream.fx, stream.app, "some", 4);
		if (half) {
			shutdown(stream.app, SHUT_WR);
			peer_expects(&stream, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
		}
		hybridge_h2_drop(stream.pair.server);
		stream.pair.server = NULL;
		assert_end(&stream, HYBRIDGE_END_WS_LOST, 0);
		assert_int_equal(app_sees(&stream), ECONNRESET);
		stream_close(&stream);
	}
}

static void a_stream_leaves_pinging_to_its_session(void **state)
{
	struct stream stream;

	stream_open(*state, &stream, 10, 0);
	fixture_step(stream.fx, 100);
	assert_int_equal(stream.ends, 0);
	fixture_send(stream.fx, stream.app, "late", 4);
	peer_expects(&stream, HYBRIDGE_WS_BINARY, "late", 4);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(messages_travel_both_ways),
		WITH_LOOP(the_loop_knows_that_somebody_waits),
		WITH_LOOP(the_program_may_end_first),
		WITH_LOOP(the_peer_may_end_first),
		WITH_LOOP(a_peer_that_closes_and_leaves_is_an_orderly_end),
		WITH_LOOP(a_peer_may_leave_by_a_reset_behind_both_closes),
		WITH_LOOP(bytes_for_a_peer_that_left_are_a_reset),
		WITH_LOOP(bytes_under_way_when_the_peer_left_are_a_reset),
		WITH_LOOP(a_reset_by_the_program_drops_the_websocket),
		WITH_LOOP(a_program_that_dies_half_closed_is_noticed),
		WITH_LOOP(whatever_else_ends_a_stream_resets_the_program),
		WITH_LOOP(data_behind_a_close_breaks_the_protocol),
		WITH_LOOP(a_stop_resets_both_sides),
		WITH_LOOP(even_the_death_of_the_process_would_reset),
		WITH_LOOP(pings_are_answered),
		WITH_LOOP(a_peer_may_ping_and_pong_behind_its_close),
		WITH_LOOP(a_ping_behind_our_close_is_not_answered),
		WITH_LOOP(a_silent_peer_is_pinged_and_then_dead),
		WITH_LOOP(a_peer_that_answers_lives),
		WITH_LOOP(a_half_closed_stream_may_be_silent_for_long),
		cmocka_unit_test(every_end_has_its_own_name),
		OVER_H2(messages_travel_both_ways),
		OVER_H2(the_program_may_end_first),
		OVER_H2(the_peer_may_end_first),
		OVER_H2(a_peer_that_closes_and_leaves_is_an_orderly_end),
		OVER_H2(a_peer_may_leave_by_a_reset_behind_both_closes),
		OVER_H2(bytes_for_a_peer_that_left_are_a_reset),
		OVER_H2(a_reset_by_the_program_drops_the_websocket),
		OVER_H2(a_program_that_dies_half_closed_is_noticed),
		OVER_H2(a_stream_that_the_peer_ended_goes_on),
		OVER_H2(whatever_else_ends_a_stream_resets_the_program),
		OVER_H2(data_behind_a_close_breaks_the_protocol),
		OVER_H2(a_stop_resets_both_sides),
		OVER_H2(pings_are_answered),
		OVER_H2(a_lost_session_resets_the_program),
		OVER_H2(a_stream_leaves_pinging_to_its_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
