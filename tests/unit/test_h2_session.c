/*
 * test_h2_session.c - HTTP/2 sessions: limits, ends, fairness, hostile clients.
 */
#include "h2_raw.h"

#define RST_STREAM 3
#define PING       6
#define GOAWAY     7

static void a_foreign_client_may_speak_it_too(void **state)
{
	struct raw raw;

	raw_open(*state, &raw);
	raw_ask(&raw, 1);
	FIXTURE_UNTIL(raw.pair.fx, raw.pair.num_opened == 1);
	assert_non_null(strstr(raw.pair.seen, "GET /$hc/x\n"));
	FIXTURE_UNTIL(raw.pair.fx, raw_has(&raw, 1, 1));
	raw_close(&raw);
	assert_int_equal(raw.pair.server_err.code, HYBRIDGE_EUNREACH);
}

static void plain_requests_are_told_apart(void **state)
{
	uint8_t block[512];
	struct raw raw;
	size_t at = 0;

	raw_open(*state, &raw);
	at += hpack(block + at, ":method", "GET");
	at += hpack(block + at, ":scheme", "https");
	at += hpack(block + at, ":path", "/");
	at += hpack(block + at, ":authority", "relay.example");
	raw_frame(&raw, 1, 5, 1, block, at);
	FIXTURE_UNTIL(raw.pair.fx, raw.pair.num_opened == 1);
	assert_non_null(strstr(raw.pair.seen, "GET /\n"));
	assert_null(strstr(raw.pair.seen, "Upgrade"));
	raw_close(&raw);
}

static void requests_that_are_too_large_are_refused(void **state)
{
	uint8_t block[512];
	uint8_t line[300];
	char value[101];
	struct raw raw;
	size_t at = raw_request(block);

	memset(value, 'v', 100);
	value[100] = '\0';
	raw_open(*state, &raw);
	raw.pair.answer = 0;
	/* HEADERS and 6 CONTINUATIONs of some 6 KiB. */
	raw_frame(&raw, 1, 0, 1, block, at);
	for (int i = 0; i < 6; i++) {
		static uint8_t many[60 * 300];
		size_t len = 0;

		for (int j = 0; j < 60; j++) {
			size_t n = hpack(line, "x-filler", value);

			memcpy(many + len, line, n);
			len += n;
		}
		raw_frame(&raw, 9, i == 5 ? 4 : 0, 1, many, len);
	}
	FIXTURE_UNTIL(raw.pair.fx, raw_has(&raw, 1, 1));
	assert_int_equal(raw.pair.requests, 0);
	assert_true(raw_has(&raw, 0, 1)); /* END_STREAM */
	raw_close(&raw);
}

/* What a hostile client may do, and all of it ends the session. */
static void flood_continuations(struct raw *raw)
{
	uint8_t block[512];

	raw_frame(raw, 1, 0, 1, block, raw_request(block));
	for (int i = 0; i < 100; i++)
		raw_frame(raw, 9, 0, 1, NULL, 0);
}

static void reset_rapidly(struct raw *raw)
{
	raw->pair.answer = 0;
	for (uint32_t i = 0; i < 1500 && !raw->pair.server_overs; i++) {
		raw_ask(raw, 2 * i + 1);
		raw_frame(raw, RST_STREAM, 0, 2 * i + 1, "\0\0\0\10", 4);
		if (i % 50 != 0)
			continue;
		fixture_step(raw->pair.fx, 0);
		for (size_t j = 0; j < raw->pair.num_opened; j++)
			hybridge_conn_close(raw->pair.opened[j],
					    HYBRIDGE_CONN_RESET);
		raw->pair.num_opened = 0;
	}
}

static void flood_pings(struct raw *raw)
{
	for (int i = 0; i < 4000 && !raw->pair.server_overs; i++)
		raw_frame(raw, PING, 0, 0, "12345678", 8);
}

static void flood_settings(struct raw *raw)
{
	for (int i = 0; i < 4000 && !raw->pair.server_overs; i++)
		raw_frame(raw, 4, 0, 0, NULL, 0);
}

static void flood_empty_data(struct raw *raw)
{
	raw_ask(raw, 1);
	for (int i = 0; i < 4000 && !raw->pair.server_overs; i++)
		raw_frame(raw, 0, 0, 1, NULL, 0);
}

static void say_nonsense(struct raw *raw)
{
	raw_send(raw, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
}

static void send_beyond_the_window(struct raw *raw)
{
	static uint8_t data[16384];

	raw_ask(raw, 1);
	for (int i = 0; i < 20; i++)
		raw_frame(raw, 0, 0, 1, data, sizeof(data));
}

static void send_too_large_a_frame(struct raw *raw)
{
	raw_send(raw, "\x7f\xff\xff\0\0\0\0\0\1", 9);
}

static void use_an_even_number(struct raw *raw)
{
	raw_ask(raw, 2);
}

static void what_a_hostile_client_does_ends_its_session_only(void **state)
{
	static void (*const cases[])(struct raw * raw) = {
		flood_continuations,    reset_rapidly,      flood_pings,
		flood_settings,         flood_empty_data,   say_nonsense,
		send_too_large_a_frame, use_an_even_number,
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct raw raw;

		print_message("case %zu\n", i);
		raw_open(*state, &raw);
		cases[i](&raw);
		FIXTURE_UNTIL(raw.pair.fx, raw.pair.server_overs);
		assert_int_equal(raw.pair.server_err.code, HYBRIDGE_EPROTOCOL);
		raw_close(&raw);
	}
}

/* A refusal may wait in line: meanwhile a stranger must not fill our memory. */
static void bulk_before_the_answer_breaks_the_stream_only(void **state)
{
	static uint8_t data[16384];
	struct raw raw;

	raw_open(*state, &raw);
	raw.pair.answer = 0;
	raw_ask(&raw, 1);
	raw_ask(&raw, 3);
	/* As much as may come with the request stays, and is read after the answer. */
	raw_frame(&raw, 0, 0, 3, data, sizeof(data));
	FIXTURE_UNTIL(raw.pair.fx, raw.pair.num_opened == 2);
	for (int i = 0; i < 8; i++)
		raw_frame(&raw, 0, 0, 1, data, sizeof(data));
	FIXTURE_UNTIL(raw.pair.fx, raw_has(&raw, RST_STREAM, 1));
	assert_true(hybridge_conn_hung_up(raw.pair.opened[0]));
	pair_answer(&raw.pair, raw.pair.opened[1], 200);
	FIXTURE_UNTIL(raw.pair.fx, raw_has(&raw, 1, 3));
	/* Answered, it has its window. */
	for (int i = 0; i < 8; i++)
		raw_frame(&raw, 0, 0, 3, data, sizeof(data));
	raw_frame(&raw, PING, 0, 0, "12345678", 8);
	FIXTURE_UNTIL(raw.pair.fx, raw_has(&raw, PING, 0));
	assert_false(raw_has(&raw, RST_STREAM, 3));
	assert_false(raw.pair.server_overs);
	raw_close(&raw);
}

static void bytes_beyond_the_window_break_the_stream_only(void **state)
{
	struct raw raw;

	/* Nobody reads: opened[] has no owner that does. */
	raw_open(*state, &raw);
	send_beyond_the_window(&raw);
	FIXTURE_UNTIL(raw.pair.fx,
		      raw.pair.num_opened == 1 &&
			      hybridge_conn_broken(raw.pair.opened[0]));
	assert_true(raw_has(&raw, RST_STREAM, 1));
	assert_int_equal(raw.pair.server_overs, 0);
	raw_close(&raw);
}

static void a_full_session_says_so(void **state)
{
	const struct pair_args args = {
		.tls = *state, .streams_max = 3, .ping_ms = 600000};
	struct hybridge_conn *ends[3][2];
	struct asked asked;
	struct pair pair;

	pair_open_with(&((struct world *)*state)->fx, &pair, &args);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(hybridge_h2_room(pair.client), 3 - i);
		pair_stream(&pair, ends[i]);
	}
	assert_int_equal(hybridge_h2_room(pair.client), 0);
	pair_ask(&pair, &asked);
	assert_null(asked.upgrade);
	assert_int_equal(errno, EAGAIN);
	/* One that has ended makes room. */
	hybridge_conn_close(ends[0][0], HYBRIDGE_CONN_RESET);
	hybridge_conn_close(ends[0][1], HYBRIDGE_CONN_RESET);
	fixture_step(pair.fx, 2);
	pair_stream(&pair, ends[0]);
	for (size_t i = 0; i < 3; i++)
		for (size_t j = 0; j < 2; j++)
			hybridge_conn_close(ends[i][j], HYBRIDGE_CONN_RESET);
	pair_close(&pair);
}

static void nothing_is_asked_of_a_server_without_websockets(void **state)
{
	struct world *world = *state;
	struct pair pair = {.fx = &world->fx};
	struct hybridge_conn *conn;
	int fds[2];

	/* An HTTP/2 server that says nothing of RFC 8441. */
	fixture_tcp_pair(fds, 0);
	conn = hybridge_conn_new(world->fx.loop, fds[1], pair_ignore, NULL);
	assert_non_null(conn);
	pair.client =
		hybridge_h2_new(world->fx.loop, conn,
				&(struct hybridge_h2_args){.ping_ms = 600000},
				&pair_client_ops, &pair);
	assert_non_null(pair.client);
	assert_int_equal(hybridge_h2_room(pair.client), 0);
	fixture_send(pair.fx, fds[0], "\0\0\0\4\0\0\0\0\0", 9);
	FIXTURE_UNTIL(pair.fx, pair.client_overs);
	assert_false(pair.is_ready);
	close(fds[0]);
}

static void after_goaway_streams_go_on_and_new_ones_are_refused(void **state)
{
	for (int who = 0; who <= 1; who++) {
		struct hybridge_conn *conns[2];
		struct asked late;
		struct end end;
		struct pair pair;

		print_message("case: %s drains\n", who ? "server" : "client");
		pair_open(*state, &pair, true);
		pair_stream(&pair, conns);
		hybridge_h2_drain(who ? pair.server : pair.client);
		/* The client may not know of it yet. */
		pair_ask(&pair, &late);
		if (who) {
			assert_non_null(late.upgrade);
			FIXTURE_UNTIL(pair.fx, late.answers);
			assert_int_equal(late.result.status, 0);
			assert_int_equal(late.result.os_errno, EAGAIN);
			assert_int_equal(pair.requests, 1);
		} else {
			assert_null(late.upgrade);
		}
		assert_int_equal(hybridge_h2_room(pair.client), 0);
		end = (struct end){
			.limit = SIZE_MAX, .chunk = 100, .conn = conns[1]};
		hybridge_conn_set_owner(conns[1], end_ready, &end);
		assert_int_equal(hybridge_conn_write(conns[0], "still", 5), 0);
		FIXTURE_UNTIL(pair.fx, end.len == 5);
		assert_int_equal(pair.client_overs + pair.server_overs, 0);
		hybridge_conn_close(conns[0], HYBRIDGE_CONN_ORDERLY);
		FIXTURE_UNTIL(pair.fx, end.eof);
		end_close(&end, HYBRIDGE_CONN_ORDERLY);
		FIXTURE_UNTIL(pair.fx, pair.client_overs && pair.server_overs);
		if (who)
			assert_string_equal(pair.server_err.what, "");
		else
			assert_string_equal(pair.client_err.what, "");
	}
}

static void a_silent_peer_is_pinged_and_then_dead(void **state)
{
	const struct pair_args args = {
		.tls = NULL, .streams_max = 10, .ping_ms = 20};
	struct hybridge_conn *conns[2];
	struct pair pair;

	/* One that answers lives. */
	pair_open_with(&((struct world *)*state)->fx, &pair, &args);
	pair_stream(&pair, conns);
	fixture_step(pair.fx, 200);
	assert_int_equal(pair.client_overs + pair.server_overs, 0);
	/* What lies below the server is in other hands: it answers no more. */
	hybridge_conn_set_owner(pair.conns[1], pair_ignore, NULL);
	FIXTURE_UNTIL(pair.fx, pair.client_overs);
	assert_int_equal(pair.client_err.code, HYBRIDGE_ETIMEOUT);
	assert_true(hybridge_conn_broken(conns[0]));
	hybridge_conn_close(conns[0], HYBRIDGE_CONN_RESET);
	hybridge_conn_close(conns[1], HYBRIDGE_CONN_RESET);
	pair_close(&pair);
}

/* Keeps a stream full. */
static void bulk_ready(void *owner, struct hybridge_conn *conn)
{
	static uint8_t data[65536];
	size_t *sent = owner;

	for (int i = 0; i < 4 && hybridge_conn_pending(conn) == 0; i++) {
		assert_int_equal(hybridge_conn_write(conn, data, sizeof(data)),
				 0);
		*sent += sizeof(data);
	}
	if (hybridge_conn_pending(conn) == 0)
		hybridge_conn_again(conn);
}

#define BULKS 4

static void small_messages_do_not_wait_for_large_ones(void **state)
{
	const struct pair_args args = {.tls = *state,
				       .buffer = 65536,
				       .streams_max = 100,
				       .ping_ms = 600000};
	struct hybridge_conn *bulk[BULKS][2], *small[2];
	struct end sinks[BULKS], echo, back;
	size_t sent[BULKS] = {0};
	struct pair pair;
	size_t before = 0;

	pair_open_with(&((struct world *)*state)->fx, &pair, &args);
	pair_stream(&pair, small);
	for (size_t i = 0; i < BULKS; i++) {
		pair_stream(&pair, bulk[i]);
		sinks[i] = (struct end){
			.limit = SIZE_MAX, .chunk = 65536, .conn = bulk[i][1]};
		hybridge_conn_set_owner(bulk[i][1], end_ready, &sinks[i]);
		hybridge_conn_set_owner(bulk[i][0], bulk_ready, &sent[i]);
	}
	echo = (struct end){.limit = SIZE_MAX, .chunk = 100, .conn = small[1]};
	back = (struct end){.limit = SIZE_MAX, .chunk = 100, .conn = small[0]};
	hybridge_conn_set_owner(small[1], end_ready, &echo);
	hybridge_conn_set_owner(small[0], end_ready, &back);
	fixture_step(pair.fx, 50);
	for (size_t i = 0; i < 20; i++) {
		size_t most = 0, all = 0;

		for (size_t j = 0; j < BULKS; j++)
			before += sinks[j].len;
		assert_int_equal(hybridge_conn_write(small[0], "x", 1), 0);
		while (echo.len == i)
			fixture_step(pair.fx, 0);
		for (size_t j = 0; j < BULKS; j++) {
			all += sinks[j].len;
			most = sinks[j].len > most ? sinks[j].len : most;
		}
		/* Sockets' buffers, what was committed, a frame of each. */
		assert_in_range(all - before, 0, 2 << 20);
		before = 0;
		for (size_t j = 0; j < BULKS; j++)
			sinks[j].len = 0;
	}
	hybridge_conn_close(small[0], HYBRIDGE_CONN_RESET);
	hybridge_conn_close(small[1], HYBRIDGE_CONN_RESET);
	for (size_t i = 0; i < BULKS; i++) {
		hybridge_conn_close(bulk[i][0], HYBRIDGE_CONN_RESET);
		free(sinks[i].got);
		hybridge_conn_close(bulk[i][1], HYBRIDGE_CONN_RESET);
	}
	free(echo.got);
	free(back.got);
	pair_close(&pair);
}

/* Counts what it reads. */
static void sink_ready(void *owner, struct hybridge_conn *conn)
{
	static uint8_t data[65536];
	size_t *got = owner;
	ssize_t n;

	while ((n = hybridge_conn_read(conn, data, sizeof(data))) > 0)
		*got += (size_t)n;
}

static size_t sum_of(const size_t counts[BULKS])
{
	size_t sum = 0;

	for (size_t i = 0; i < BULKS; i++)
		sum += counts[i];
	return sum;
}

static void no_stream_of_a_session_starves(void **state)
{
	const struct pair_args args = {.tls = *state,
				       .buffer = 65536,
				       .streams_max = 100,
				       .ping_ms = 600000};
	struct hybridge_conn *bulk[BULKS][2];
	size_t sent[BULKS] = {0}, got[BULKS] = {0};
	struct pair pair;

	pair_open_with(&((struct world *)*state)->fx, &pair, &args);
	for (size_t i = 0; i < BULKS; i++) {
		pair_stream(&pair, bulk[i]);
		hybridge_conn_set_owner(bulk[i][1], sink_ready, &got[i]);
		hybridge_conn_set_owner(bulk[i][0], bulk_ready, &sent[i]);
	}
	/* Windows find their size first, not all in the same turn. */
	while (sum_of(got) < 64u << 20)
		fixture_step(pair.fx, 1);
	memset(got, 0, sizeof(got));
	while (sum_of(got) < 128u << 20)
		fixture_step(pair.fx, 1);
	for (size_t i = 0; i < BULKS; i++)
		assert_in_range(got[i], sum_of(got) / BULKS / 2,
				sum_of(got) / BULKS * 2);
	assert_true(hybridge_h2_pressed(pair.server));
	for (size_t i = 0; i < BULKS; i++) {
		hybridge_conn_close(bulk[i][0], HYBRIDGE_CONN_RESET);
		hybridge_conn_close(bulk[i][1], HYBRIDGE_CONN_RESET);
	}
	pair_close(&pair);
}

static void hundreds_at_once_all_open(void **state)
{
	static struct asked asked[PAIR_STREAMS];
	struct pair pair;
	size_t open = 0;

	pair_open(*state, &pair, true);
	for (size_t i = 0; i < PAIR_STREAMS; i++)
		pair_ask(&pair, &asked[i]);
	while (open < PAIR_STREAMS) {
		fixture_step(pair.fx, 1);
		open = 0;
		for (size_t i = 0; i < PAIR_STREAMS; i++)
			open += asked[i].conn != NULL;
	}
	assert_int_equal(pair.num_opened, PAIR_STREAMS);
	for (size_t i = 0; i < PAIR_STREAMS; i++) {
		hybridge_conn_close(asked[i].conn, HYBRIDGE_CONN_ORDERLY);
		hybridge_conn_close(pair.opened[i], HYBRIDGE_CONN_ORDERLY);
	}
	FIXTURE_UNTIL(pair.fx, hybridge_h2_streams(pair.client) == 0 &&
				       hybridge_h2_streams(pair.server) == 0);
	pair_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(a_foreign_client_may_speak_it_too),
		WITH_WORLD(plain_requests_are_told_apart),
		WITH_WORLD(requests_that_are_too_large_are_refused),
		WITH_WORLD(what_a_hostile_client_does_ends_its_session_only),
		WITH_WORLD(bulk_before_the_answer_breaks_the_stream_only),
		WITH_WORLD(bytes_beyond_the_window_break_the_stream_only),
		WITH_WORLD(a_full_session_says_so),
		WITH_WORLD(nothing_is_asked_of_a_server_without_websockets),
		WITH_WORLD(after_goaway_streams_go_on_and_new_ones_are_refused),
		WITH_WORLD(a_silent_peer_is_pinged_and_then_dead),
		WITH_WORLD(small_messages_do_not_wait_for_large_ones),
		WITH_WORLD(no_stream_of_a_session_starves),
		WITH_WORLD(hundreds_at_once_all_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
