/*
 * test_relay_splice.c - two clients whose WebSockets the relay has joined:
 * what passes, how each direction ends, and what a broken one does to the other.
 */
#include "engine_fixture.h"

#include <hybridge/turn.h>

#include "../../relay/splice.h"
#include "../../relay/transform.h"

#define PING_MS  30000
#define HASTY_MS 20
#define CALM_MS  250
#define BULK     (4u << 20)

/* A splice and the far ends of its legs. */
struct pair {
	struct fixture *fx;
	struct splice *splice; /* NULL: over */
	int far[SPLICE_SIDES];
	enum splice_end end;
	uint64_t bytes[SPLICE_SIDES];
	_Atomic uint64_t totals[SPLICE_SIDES];
};

static void on_done(void *owner, const struct splice_report *report)
{
	struct pair *pair = owner;

	pair->splice = NULL;
	pair->end = report->end;
	memcpy(pair->bytes, report->bytes, sizeof(pair->bytes));
}

static void never(void *owner, struct hybridge_conn *conn)
{
	(void)owner;
	(void)conn;
	fail_msg("called before the splice took the connection");
}

static void open_pair(struct pair *pair, struct fixture *fx, uint32_t ping_ms,
		      int buffer)
{
	struct splice_args args = {
		.ping_ms = ping_ms,
		.done = on_done,
		.owner = pair,
	};

	*pair = (struct pair){.fx = fx};
	args.totals = pair->totals;
	for (size_t i = 0; i < SPLICE_SIDES; i++) {
		int fds[2];

		fixture_tcp_pair(fds, buffer);
		pair->far[i] = fds[0];
		args.conns[i] =
			hybridge_conn_new(fx->loop, fds[1], never, NULL);
		assert_non_null(args.conns[i]);
	}
	pair->splice = splice_start(fx->loop, &args);
	assert_non_null(pair->splice);
}

static void close_pair(struct pair *pair)
{
	if (pair->splice)
		splice_stop(pair->splice);
	FIXTURE_UNTIL(pair->fx, !pair->splice);
	for (size_t i = 0; i < SPLICE_SIDES; i++)
		if (pair->far[i] >= 0)
			close(pair->far[i]);
}

static size_t make_frame(uint8_t *out, uint8_t opcode, bool fin,
			 const void *payload, size_t len, bool masked)
{
	static const uint8_t key[4] = {1, 200, 3, 4};
	size_t at =
		hybridge_ws_header(out, opcode, fin, len, masked ? key : NULL);

	if (len > 0)
		memcpy(out + at, payload, len);
	if (masked)
		hybridge_ws_mask(out + at, len, key, 0);
	return at + len;
}

static void say(struct pair *pair, enum splice_side side, uint8_t opcode,
		const char *payload, size_t len)
{
	uint8_t frame[256];

	fixture_send(pair->fx, pair->far[side], frame,
		     make_frame(frame, opcode, true, payload, len, true));
}

static void hear(struct pair *pair, enum splice_side side, uint8_t opcode,
		 const char *payload, size_t len)
{
	uint8_t frame[256];

	fixture_expect(pair->fx, pair->far[side], frame,
		       make_frame(frame, opcode, true, payload, len, false));
}

static void hear_end(struct pair *pair, enum splice_side side)
{
	char byte;

	assert_int_equal(fixture_recv(pair->fx, pair->far[side], &byte, 1), 0);
}

static void hear_reset(struct pair *pair, enum splice_side side)
{
	char byte;

	assert_int_equal(fixture_recv(pair->fx, pair->far[side], &byte, 1), -1);
	assert_int_equal(errno, ECONNRESET);
}

static void hear_nothing(struct pair *pair, enum splice_side side)
{
	char byte;

	/* Whatever is on its way has had every chance to come. */
	for (int i = 0; i < 20; i++)
		fixture_step(pair->fx, 1);
	assert_int_equal(recv(pair->far[side], &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void messages_pass_both_ways_and_are_counted(void **state)
{
	struct pair pair;

	open_pair(&pair, *state, PING_MS, 0);
	say(&pair, SPLICE_SENDER, HYBRIDGE_WS_BINARY, "question", 8);
	hear(&pair, SPLICE_LISTENER, HYBRIDGE_WS_BINARY, "question", 8);
	say(&pair, SPLICE_LISTENER, HYBRIDGE_WS_TEXT, "answer", 6);
	hear(&pair, SPLICE_SENDER, HYBRIDGE_WS_TEXT, "answer", 6);
	assert_int_equal(pair.totals[SPLICE_SENDER], 8);
	assert_int_equal(pair.totals[SPLICE_LISTENER], 6);
	close_pair(&pair);
	assert_int_equal(pair.end, SPLICE_STOPPED);
	assert_int_equal(pair.bytes[SPLICE_SENDER], 8);
}

/* So that bulk of others gives way. */
static void the_loop_knows_that_somebody_waits(void **state)
{
	struct fixture *fx = *state;
	struct pair pair;

	open_pair(&pair, fx, PING_MS, 0);
	assert_true(hybridge_turn_is_awaited(fx->loop));
	for (size_t i = 0; i < SPLICE_SIDES; i++) {
		FIXTURE_UNTIL(fx, !hybridge_turn_is_awaited(fx->loop));
		say(&pair, (enum splice_side)i, HYBRIDGE_WS_BINARY, "?", 1);
		FIXTURE_UNTIL(fx, hybridge_turn_is_awaited(fx->loop));
	}
	close_pair(&pair);
}

static void each_direction_ends_with_its_own_close(void **state)
{
	struct pair pair;

	open_pair(&pair, *state, PING_MS, 0);
	say(&pair, SPLICE_SENDER, HYBRIDGE_WS_CLOSE,
	    "\x03\xe8"
	    "done",
	    6);
	hear(&pair, SPLICE_LISTENER, HYBRIDGE_WS_CLOSE,
	     "\x03\xe8"
	     "done",
	     6);
	hear_nothing(&pair, SPLICE_SENDER);
	say(&pair, SPLICE_LISTENER, HYBRIDGE_WS_BINARY, "rest", 4);
	hear(&pair, SPLICE_SENDER, HYBRIDGE_WS_BINARY, "rest", 4);
	say(&pair, SPLICE_LISTENER, HYBRIDGE_WS_CLOSE, "\x0b\xb9", 2);
	hear(&pair, SPLICE_SENDER, HYBRIDGE_WS_CLOSE, "\x0b\xb9", 2);
	hear_end(&pair, SPLICE_SENDER);
	hear_end(&pair, SPLICE_LISTENER);
	FIXTURE_UNTIL(pair.fx, !pair.splice);
	assert_int_equal(pair.end, SPLICE_ORDERLY);
	close_pair(&pair);
}

static void close_without_a_code_is_passed_on_as_1000(void **state)
{
	struct pair pair;

	open_pair(&pair, *state, PING_MS, 0);
	say(&pair, SPLICE_LISTENER, HYBRIDGE_WS_CLOSE, "", 0);
	hear(&pair, SPLICE_SENDER, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	close_pair(&pair);
}

static void leg_that_breaks_without_close_resets_the_other(void **state)
{
	for (enum splice_side side = SPLICE_SENDER; side < SPLICE_SIDES;
	     side++) {
		enum splice_side other =
			side == SPLICE_SENDER ? SPLICE_LISTENER : SPLICE_SENDER;
		struct pair pair;

		for (int hard = 0; hard < 2; hard++) {
			print_message("side %d, %s\n", (int)side,
				      hard ? "reset" : "end of file");
			open_pair(&pair, *state, PING_MS, 0);
			say(&pair, side, HYBRIDGE_WS_BINARY, "part", 4);
			hear(&pair, other, HYBRIDGE_WS_BINARY, "part", 4);
			if (hard)
				fixture_reset(pair.far[side]);
			else
				close(pair.far[side]);
			pair.far[side] = -1;
			hear_reset(&pair, other);
			FIXTURE_UNTIL(pair.fx, !pair.splice);
			assert_int_equal(pair.end,
					 side == SPLICE_SENDER
						 ? SPLICE_SENDER_LOST
						 : SPLICE_LISTENER_LOST);
			close_pair(&pair);
		}
	}
}

static void
leg_that_left_after_its_close_still_gets_an_orderly_end(void **state)
{
	struct pair pair;

	open_pair(&pair, *state, PING_MS, 0);
	say(&pair, SPLICE_SENDER, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	hear(&pair, SPLICE_LISTENER, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	close(pair.far[SPLICE_SENDER]);
	pair.far[SPLICE_SENDER] = -1;
	hear_nothing(&pair, SPLICE_LISTENER);
	say(&pair, SPLICE_LISTENER, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	hear_end(&pair, SPLICE_LISTENER);
	FIXTURE_UNTIL(pair.fx, !pair.splice);
	assert_int_equal(pair.end, SPLICE_ORDERLY);
	close_pair(&pair);
}

static void
bytes_for_a_leg_that_left_are_never_taken_for_delivered(void **state)
{
	struct pair pair;

	open_pair(&pair, *state, PING_MS, 0);
	say(&pair, SPLICE_SENDER, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	hear(&pair, SPLICE_LISTENER, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	close(pair.far[SPLICE_SENDER]);
	pair.far[SPLICE_SENDER] = -1;
	hear_nothing(&pair, SPLICE_LISTENER);
	say(&pair, SPLICE_LISTENER, HYBRIDGE_WS_BINARY, "too late", 8);
	hear_reset(&pair, SPLICE_LISTENER);
	FIXTURE_UNTIL(pair.fx, !pair.splice);
	assert_int_equal(pair.end, SPLICE_SENDER_LOST);
	close_pair(&pair);
}

/* The end of its connection is read behind the bytes that bring the reset. */
static void bytes_under_way_when_a_leg_left_are_a_reset(void **state)
{
	uint8_t frame[64];
	size_t len =
		make_frame(frame, HYBRIDGE_WS_BINARY, true, "late", 4, true);
	struct pair pair;

	open_pair(&pair, *state, PING_MS, 0);
	say(&pair, SPLICE_SENDER, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	hear(&pair, SPLICE_LISTENER, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	assert_int_equal(
		send(pair.far[SPLICE_LISTENER], frame, len, MSG_NOSIGNAL), len);
	close(pair.far[SPLICE_SENDER]);
	pair.far[SPLICE_SENDER] = -1;
	hear_reset(&pair, SPLICE_LISTENER);
	FIXTURE_UNTIL(pair.fx, !pair.splice);
	assert_int_equal(pair.end, SPLICE_SENDER_LOST);
	close_pair(&pair);
}

static void pings_are_answered_here_and_not_passed_on(void **state)
{
	struct pair pair;

	open_pair(&pair, *state, PING_MS, 0);
	say(&pair, SPLICE_SENDER, HYBRIDGE_WS_PING, "are you there", 13);
	hear(&pair, SPLICE_SENDER, HYBRIDGE_WS_PONG, "are you there", 13);
	say(&pair, SPLICE_SENDER, HYBRIDGE_WS_PONG, "unasked", 7);
	say(&pair, SPLICE_SENDER, HYBRIDGE_WS_BINARY, "x", 1);
	hear(&pair, SPLICE_LISTENER, HYBRIDGE_WS_BINARY, "x", 1);
	close_pair(&pair);
}

/* As .NET's clients do it: Close, go on reading, go on keeping alive. */
static void leg_may_ping_and_pong_behind_its_close(void **state)
{
	struct pair pair;

	open_pair(&pair, *state, PING_MS, 0);
	say(&pair, SPLICE_SENDER, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	hear(&pair, SPLICE_LISTENER, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	say(&pair, SPLICE_SENDER, HYBRIDGE_WS_PONG, "", 0);
	say(&pair, SPLICE_SENDER, HYBRIDGE_WS_PING, "still?", 6);
	hear(&pair, SPLICE_SENDER, HYBRIDGE_WS_PONG, "still?", 6);
	say(&pair, SPLICE_LISTENER, HYBRIDGE_WS_BINARY, "rest", 4);
	hear(&pair, SPLICE_SENDER, HYBRIDGE_WS_BINARY, "rest", 4);
	/* Where our Close went, nothing goes any more, no answer either. */
	say(&pair, SPLICE_LISTENER, HYBRIDGE_WS_PING, "and you?", 8);
	hear_nothing(&pair, SPLICE_LISTENER);
	say(&pair, SPLICE_LISTENER, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	hear(&pair, SPLICE_SENDER, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	hear_end(&pair, SPLICE_SENDER);
	FIXTURE_UNTIL(pair.fx, !pair.splice);
	assert_int_equal(pair.end, SPLICE_ORDERLY);
	close_pair(&pair);
}

static void pong_waits_for_the_end_of_a_forwarded_frame(void **state)
{
	static const char payload[] = "one frame in two parts";
	uint8_t frame[64];
	size_t len = make_frame(frame, HYBRIDGE_WS_BINARY, true, payload,
				sizeof(payload), true);
	struct pair pair;
	uint8_t got[2 + 4];

	open_pair(&pair, *state, PING_MS, 0);
	/* Header, masking key and four bytes of payload. */
	fixture_send(pair.fx, pair.far[SPLICE_LISTENER], frame, 10);
	fixture_recv_all(pair.fx, pair.far[SPLICE_SENDER], got, sizeof(got));
	assert_memory_equal(got + 2, "one ", 4);
	say(&pair, SPLICE_SENDER, HYBRIDGE_WS_PING, "old", 3);
	say(&pair, SPLICE_SENDER, HYBRIDGE_WS_PING, "new", 3);
	hear_nothing(&pair, SPLICE_SENDER);
	fixture_send(pair.fx, pair.far[SPLICE_LISTENER], frame + 10, len - 10);
	fixture_expect(pair.fx, pair.far[SPLICE_SENDER], payload + 4,
		       sizeof(payload) - 4);
	hear(&pair, SPLICE_SENDER, HYBRIDGE_WS_PONG, "new", 3);
	close_pair(&pair);
}

static void offender_gets_1002_and_the_other_a_reset(void **state)
{
	uint8_t head[4];
	char rest[128];
	struct pair pair;

	open_pair(&pair, *state, PING_MS, 0);
	/* A frame from a client must be masked. */
	fixture_send(pair.fx, pair.far[SPLICE_LISTENER], "\x82\x01x", 3);
	fixture_recv_all(pair.fx, pair.far[SPLICE_LISTENER], head,
			 sizeof(head));
	assert_int_equal(head[0], 0x88);
	assert_int_equal(head[2] << 8 | head[3], HYBRIDGE_WS_PROTOCOL_ERROR);
	fixture_recv_all(pair.fx, pair.far[SPLICE_LISTENER], rest,
			 head[1] - 2u);
	hear_end(&pair, SPLICE_LISTENER);
	hear_reset(&pair, SPLICE_SENDER);
	FIXTURE_UNTIL(pair.fx, !pair.splice);
	assert_int_equal(pair.end, SPLICE_PROTOCOL);
	close_pair(&pair);
}

static void silent_leg_is_pinged_and_then_dead(void **state)
{
	struct pair pair;

	open_pair(&pair, *state, HASTY_MS, 0);
	hear(&pair, SPLICE_SENDER, HYBRIDGE_WS_PING, "", 0);
	hear(&pair, SPLICE_LISTENER, HYBRIDGE_WS_PING, "", 0);
	FIXTURE_UNTIL(pair.fx, !pair.splice);
	assert_int_equal(pair.end, SPLICE_SILENT);
	close_pair(&pair);
}

/* Answers whatever ping has come to a far end. */
static void answer_pings(struct pair *pair, enum splice_side side,
			 unsigned int *count)
{
	uint8_t ping[2];

	while (recv(pair->far[side], ping, sizeof(ping), 0) == sizeof(ping)) {
		assert_int_equal(ping[0], 0x80 | HYBRIDGE_WS_PING);
		say(pair, side, HYBRIDGE_WS_PONG, "", 0);
		++*count;
	}
}

static void leg_that_answers_pings_lives(void **state)
{
	unsigned int count[SPLICE_SIDES] = {0};
	struct pair pair;

	open_pair(&pair, *state, CALM_MS, 0);
	while (count[SPLICE_SENDER] < 4 || count[SPLICE_LISTENER] < 4) {
		fixture_step(pair.fx, 1);
		answer_pings(&pair, SPLICE_SENDER, &count[SPLICE_SENDER]);
		answer_pings(&pair, SPLICE_LISTENER, &count[SPLICE_LISTENER]);
		assert_non_null(pair.splice);
	}
	close_pair(&pair);
}

/* Sends what the sockets take; how much that was. */
static size_t stuff(struct pair *pair, const uint8_t *buf, size_t len)
{
	size_t sent = 0;

	for (int idle = 0; idle < 50 && sent < len;) {
		ssize_t n = send(pair->far[SPLICE_SENDER], buf + sent,
				 len - sent, MSG_NOSIGNAL);

		if (n > 0) {
			sent += (size_t)n;
			idle = 0;
			continue;
		}
		assert_int_equal(errno, EAGAIN);
		fixture_step(pair->fx, 1);
		idle++;
	}
	return sent;
}

static void full_leg_stops_the_other_and_nothing_is_lost(void **state)
{
	uint8_t *payload = malloc(BULK);
	uint8_t *frame = malloc(BULK + HYBRIDGE_WS_HEADER_MAX);
	uint8_t *got = malloc(BULK + HYBRIDGE_WS_HEADER_MAX);
	struct pair pair;
	size_t sent;
	size_t have = 0;
	size_t len;

	assert_true(payload && frame && got);
	for (size_t i = 0; i < BULK; i++)
		payload[i] = fixture_byte(i);
	len = make_frame(frame, HYBRIDGE_WS_BINARY, true, payload, BULK, true);
	open_pair(&pair, *state, PING_MS, 65536);
	sent = stuff(&pair, frame, len);
	print_message("%zu of %zu bytes were taken\n", sent, len);
	/* Sockets of 64 KiB, one batch, and what the kernel adds. */
	assert_true(sent < BULK / 2);
	assert_int_equal(pair.totals[SPLICE_LISTENER], 0);
	while (have < len - 4) {
		ssize_t n = recv(pair.far[SPLICE_LISTENER], got + have,
				 len - 4 - have, 0);

		if (n > 0)
			have += (size_t)n;
		n = send(pair.far[SPLICE_SENDER], frame + sent, len - sent,
			 MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		fixture_step(pair.fx, 0);
	}
	assert_memory_equal(got + (len - 4 - BULK), payload, BULK);
	close_pair(&pair);
	assert_int_equal(pair.bytes[SPLICE_SENDER], BULK);
	free(payload);
	free(frame);
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(messages_pass_both_ways_and_are_counted),
		WITH_LOOP(the_loop_knows_that_somebody_waits),
		WITH_LOOP(each_direction_ends_with_its_own_close),
		WITH_LOOP(close_without_a_code_is_passed_on_as_1000),
		WITH_LOOP(leg_that_breaks_without_close_resets_the_other),
		WITH_LOOP(
			leg_that_left_after_its_close_still_gets_an_orderly_end),
		WITH_LOOP(
			bytes_for_a_leg_that_left_are_never_taken_for_delivered),
		WITH_LOOP(bytes_under_way_when_a_leg_left_are_a_reset),
		WITH_LOOP(pings_are_answered_here_and_not_passed_on),
		WITH_LOOP(leg_may_ping_and_pong_behind_its_close),
		WITH_LOOP(pong_waits_for_the_end_of_a_forwarded_frame),
		WITH_LOOP(offender_gets_1002_and_the_other_a_reset),
		WITH_LOOP(silent_leg_is_pinged_and_then_dead),
		WITH_LOOP(leg_that_answers_pings_lives),
		WITH_LOOP(full_leg_stops_the_other_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
