/*
 * test_h2.c - streams of HTTP/2: every byte, every kind of end.
 */
#include "h2_fixture.h"

#include "engine_flow.h"

static void stream_end_open(struct end *end, struct hybridge_conn *conn)
{
	*end = (struct end){.limit = SIZE_MAX, .chunk = 65536, .conn = conn};
	hybridge_conn_set_owner(conn, end_ready, end);
}

/* Both ends of a new stream, that remember what they read. */
static void two_ends(struct pair *pair, struct end ends[2])
{
	struct hybridge_conn *conns[2];

	pair_stream(pair, conns);
	stream_end_open(&ends[0], conns[0]);
	stream_end_open(&ends[1], conns[1]);
}

static void a_request_looks_like_an_upgrade(void **state)
{
	static const char *const lines[] = {
		"GET /$hc/orders?sb-hc-action=connect\n",
		"\nHost: relay.example:8443\n",
		"\nConnection: Upgrade\n",
		"\nUpgrade: websocket\n",
		"\nSec-WebSocket-Version: 13\n",
		"\nServicebusauthorization: SharedAccessSignature sr=x\n",
		"\nSec-WebSocket-Key: ",
	};
	struct pair pair;
	struct hybridge_conn *conns[2];

	pair_open(*state, &pair, true);
	pair_stream(&pair, conns);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (!strstr(pair.seen, lines[i]))
			fail_msg("not there: %s in %s", lines[i], pair.seen);
	assert_null(strstr(pair.seen, "\n:"));
	assert_true(hybridge_h2_is_stream(conns[0]));
	assert_false(hybridge_h2_is_stream(pair.conns[0]));
	hybridge_conn_close(conns[0], HYBRIDGE_CONN_RESET);
	hybridge_conn_close(conns[1], HYBRIDGE_CONN_RESET);
	pair_close(&pair);
}

static void a_refusal_tells_status_and_reason(void **state)
{
	struct pair pair;
	struct asked asked;

	pair_open(*state, &pair, true);
	pair.answer = 0;
	pair.reason = " nobody\nlistens ";
	pair_ask(&pair, &asked);
	FIXTURE_UNTIL(pair.fx, pair.num_opened);
	assert_int_equal(asked.answers, 0);
	pair_answer(&pair, pair.opened[0], 404);
	hybridge_conn_close(pair.opened[0], HYBRIDGE_CONN_ORDERLY);
	FIXTURE_UNTIL(pair.fx, asked.answers);
	assert_int_equal(asked.result.status, 404);
	assert_string_equal(asked.result.reason, "nobody?listens");
	assert_int_equal(asked.result.err.code, HYBRIDGE_EREFUSED);
	assert_null(asked.conn);
	FIXTURE_UNTIL(pair.fx, hybridge_h2_streams(pair.client) == 0 &&
				       hybridge_h2_streams(pair.server) == 0);
	pair_close(&pair);
}

static void bytes_cross_in_every_chunking(void **state)
{
	static const size_t sizes[] = {1,     2,     100,   16383, 16384,
				       16385, 65536, 65600, 65601, 200000};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (int tls = 0; tls <= 1; tls++) {
			size_t size = sizes[i];
			uint8_t *data = malloc(size);
			struct end ends[2];
			struct pair pair;

			print_message("case: %zu bytes, tls %d\n", size, tls);
			assert_non_null(data);
			for (size_t at = 0; at < size; at++)
				data[at] = fixture_byte(at);
			pair_open(*state, &pair, tls);
			two_ends(&pair, ends);
			assert_int_equal(
				hybridge_conn_write(ends[0].conn, data, size),
				0);
			FIXTURE_UNTIL(pair.fx, ends[1].len == size);
			assert_memory_equal(ends[1].got, data, size);
			/* What comes back is written in pieces. */
			for (size_t at = 0; at < size; at += 1000)
				assert_int_equal(
					hybridge_conn_write(
						ends[1].conn, data + at,
						size - at < 1000 ? size - at
								 : 1000),
					0);
			FIXTURE_UNTIL(pair.fx, ends[0].len == size);
			assert_memory_equal(ends[0].got, data, size);
			end_close(&ends[0], HYBRIDGE_CONN_RESET);
			end_close(&ends[1], HYBRIDGE_CONN_RESET);
			pair_close(&pair);
			free(data);
		}
}

#define FLOWS 24

static void many_streams_carry_their_own_bytes_both_ways(void **state)
{
	static struct flow flows[FLOWS][2];

	for (int tls = 0; tls <= 1; tls++) {
		struct pair pair;
		bool over = false;

		pair_open(*state, &pair, tls);
		memset(flows, 0, sizeof(flows));
		for (uint32_t i = 0; i < FLOWS; i++) {
			struct hybridge_conn *conns[2];

			pair_stream(&pair, conns);
			for (uint32_t end = 0; end < 2; end++) {
				struct flow *flow = &flows[i][end];

				flow->seed = 2 * i + end;
				flow->total = i % 4 ? 300000 : 3000000;
				flow->conn = conns[end];
				hybridge_conn_set_owner(flow->conn, flow_ready,
							flow);
			}
		}
		while (!over) {
			fixture_step(pair.fx, 1);
			over = true;
			for (size_t i = 0; i < FLOWS; i++)
				over = over && flow_over(&flows[i][0]) &&
				       flow_over(&flows[i][1]);
		}
		for (size_t i = 0; i < FLOWS; i++) {
			flow_check(&flows[i][0]);
			flow_check(&flows[i][1]);
		}
		fixture_step(pair.fx, 1);
		assert_int_equal(hybridge_h2_streams(pair.client), 0);
		assert_int_equal(hybridge_h2_streams(pair.server), 0);
		pair_close(&pair);
	}
}

static void either_end_may_end_first(void **state)
{
	for (int first = 0; first <= 1; first++) {
		struct end ends[2];
		struct pair pair;
		struct end *a = &ends[first], *b = &ends[1 - first];

		pair_open(*state, &pair, true);
		two_ends(&pair, ends);
		assert_int_equal(hybridge_conn_write(a->conn, "last", 4), 0);
		assert_int_equal(hybridge_conn_end(a->conn), 0);
		FIXTURE_UNTIL(pair.fx, b->eof);
		assert_memory_equal(b->got, "last", 4);
		assert_true(hybridge_conn_ended(a->conn));
		assert_true(hybridge_conn_hung_up(b->conn));
		assert_false(hybridge_conn_broken(b->conn));
		/* The other direction goes on. */
		assert_int_equal(hybridge_conn_write(b->conn, "late", 4), 0);
		FIXTURE_UNTIL(pair.fx, a->len == 4);
		assert_false(a->eof);
		assert_int_equal(hybridge_conn_end(b->conn), 0);
		FIXTURE_UNTIL(pair.fx, a->eof);
		assert_int_equal(a->error, 0);
		end_close(a, HYBRIDGE_CONN_ORDERLY);
		end_close(b, HYBRIDGE_CONN_ORDERLY);
		fixture_step(pair.fx, 1);
		assert_int_equal(hybridge_h2_streams(pair.client), 0);
		assert_int_equal(hybridge_h2_streams(pair.server), 0);
		pair_close(&pair);
	}
}

static void a_reset_is_never_an_end(void **state)
{
	for (int who = 0; who <= 1; who++) {
		struct end ends[2];
		struct pair pair;
		struct end *a = &ends[who], *b = &ends[1 - who];

		pair_open(*state, &pair, true);
		two_ends(&pair, ends);
		assert_int_equal(hybridge_conn_write(a->conn, "lost?", 5), 0);
		fixture_step(pair.fx, 1);
		end_close(a, HYBRIDGE_CONN_RESET);
		FIXTURE_UNTIL(pair.fx, b->error);
		assert_int_equal(b->error, ECONNRESET);
		assert_false(b->eof);
		assert_true(hybridge_conn_broken(b->conn));
		assert_int_equal(hybridge_conn_write(b->conn, "x", 1), -1);
		assert_int_equal(errno, ECONNRESET);
		end_close(b, HYBRIDGE_CONN_RESET);
		assert_int_equal(pair.client_overs, 0);
		pair_close(&pair);
	}
}

static void an_orderly_close_delivers_everything_first(void **state)
{
	static uint8_t data[2000000];
	struct end ends[2];
	struct pair pair;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = fixture_byte(i);
	pair_open(*state, &pair, true);
	two_ends(&pair, ends);
	assert_int_equal(hybridge_conn_write(ends[0].conn, data, sizeof(data)),
			 0);
	/* More than a window: it waits, though its owner has left. */
	assert_true(hybridge_conn_pending(ends[0].conn) > 0);
	end_close(&ends[0], HYBRIDGE_CONN_ORDERLY);
	FIXTURE_UNTIL(pair.fx, ends[1].eof);
	assert_int_equal(ends[1].len, sizeof(data));
	assert_memory_equal(ends[1].got, data, sizeof(data));
	/* Nobody reads what still comes, and it harms nobody. */
	assert_int_equal(hybridge_conn_write(ends[1].conn, "late", 4), 0);
	end_close(&ends[1], HYBRIDGE_CONN_ORDERLY);
	FIXTURE_UNTIL(pair.fx, hybridge_h2_streams(pair.client) == 0 &&
				       hybridge_h2_streams(pair.server) == 0);
	pair_close(&pair);
}

static void a_lost_session_resets_every_stream(void **state)
{
	for (int who = 0; who <= 1; who++) {
		struct end ends[3][2];
		struct asked asked;
		struct pair pair;

		pair_open(*state, &pair, true);
		for (size_t i = 0; i < 3; i++)
			two_ends(&pair, ends[i]);
		/* One that has ended in good order before is no loss. */
		assert_int_equal(hybridge_conn_end(ends[0][who].conn), 0);
		FIXTURE_UNTIL(pair.fx, ends[0][1 - who].eof);
		pair.answer = 0;
		pair_ask(&pair, &asked);
		FIXTURE_UNTIL(pair.fx, pair.num_opened == 1);
		if (who)
			hybridge_h2_drop(pair.server);
		else
			hybridge_h2_drop(pair.client);
		if (who)
			pair.server = NULL;
		else
			pair.client = NULL;
		FIXTURE_UNTIL(pair.fx, pair.client_overs + pair.server_overs);
		for (size_t i = 0; i < 3; i++)
			for (size_t end = 0; end < 2; end++) {
				bool ended = i == 0 && end == (size_t)!who;

				fixture_step(pair.fx, 1);
				assert_int_equal(ends[i][end].error,
						 ended ? 0 : ECONNRESET);
				assert_int_equal(ends[i][end].eof, ended);
				assert_true(hybridge_conn_broken(
					ends[i][end].conn));
				end_close(&ends[i][end], HYBRIDGE_CONN_ORDERLY);
			}
		assert_int_equal(asked.answers, 1);
		assert_int_equal(asked.result.status, 0);
		assert_int_equal(asked.result.os_errno, ECONNRESET);
		hybridge_conn_close(pair.opened[0], HYBRIDGE_CONN_RESET);
		pair_close(&pair);
	}
}

static void a_peer_that_does_not_read_holds_back_its_stream_only(void **state)
{
	static uint8_t bulk[65536];
	struct end slow[2], quick[2];
	struct pair pair;
	size_t sent = 0;

	pair_open(*state, &pair, true);
	two_ends(&pair, slow);
	two_ends(&pair, quick);
	slow[1].limit = 0;
	for (int idle = 0; idle < 20;) {
		if (hybridge_conn_pending(slow[0].conn) > 0) {
			idle++;
		} else {
			idle = 0;
			assert_int_equal(hybridge_conn_write(slow[0].conn, bulk,
							     sizeof(bulk)),
					 0);
			sent += sizeof(bulk);
		}
		fixture_step(pair.fx, 1);
	}
	/* A window, and one batch. */
	assert_in_range(sent, 256 << 10, 512 << 10);
	assert_int_equal(hybridge_conn_write(quick[0].conn, "hello", 5), 0);
	FIXTURE_UNTIL(pair.fx, quick[1].len == 5);
	slow[1].limit = SIZE_MAX;
	hybridge_conn_again(slow[1].conn);
	FIXTURE_UNTIL(pair.fx, slow[1].len == sent);
	assert_int_equal(hybridge_conn_pending(slow[0].conn), 0);
	for (size_t i = 0; i < 2; i++) {
		end_close(&slow[i], HYBRIDGE_CONN_RESET);
		end_close(&quick[i], HYBRIDGE_CONN_RESET);
	}
	pair_close(&pair);
}

static void a_request_may_be_taken_back(void **state)
{
	for (int sent = 0; sent <= 1; sent++) {
		struct asked asked;
		struct end end;
		struct pair pair;

		print_message("case: %s\n", sent ? "later" : "at once");
		pair_open(*state, &pair, true);
		pair.answer = 0;
		pair_ask(&pair, &asked);
		if (sent)
			FIXTURE_UNTIL(pair.fx, pair.num_opened);
		hybridge_upgrade_cancel(asked.upgrade);
		fixture_step(pair.fx, 5);
		assert_int_equal(asked.answers, 0);
		assert_int_equal(pair.num_opened, sent);
		assert_int_equal(hybridge_h2_streams(pair.client), 0);
		if (sent) {
			/* The one who holds it sees that it went away. */
			stream_end_open(&end, pair.opened[0]);
			assert_true(hybridge_conn_hung_up(end.conn));
			FIXTURE_UNTIL(pair.fx, end.error == ECONNRESET);
			end_close(&end, HYBRIDGE_CONN_RESET);
		}
		assert_int_equal(hybridge_h2_streams(pair.server), 0);
		pair_close(&pair);
	}
}

static void what_is_put_back_is_read_first(void **state)
{
	struct hybridge_conn *conns[2];
	struct pair pair;
	struct end end;

	pair_open(*state, &pair, false);
	pair_stream(&pair, conns);
	assert_int_equal(hybridge_conn_write(conns[0], "world", 5), 0);
	fixture_step(pair.fx, 2);
	assert_int_equal(hybridge_conn_unread(conns[1], "hello ", 6), 0);
	stream_end_open(&end, conns[1]);
	FIXTURE_UNTIL(pair.fx, end.len == 11);
	assert_memory_equal(end.got, "hello world", 11);
	end_close(&end, HYBRIDGE_CONN_RESET);
	hybridge_conn_close(conns[0], HYBRIDGE_CONN_RESET);
	pair_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(a_request_looks_like_an_upgrade),
		WITH_WORLD(a_refusal_tells_status_and_reason),
		WITH_WORLD(bytes_cross_in_every_chunking),
		WITH_WORLD(many_streams_carry_their_own_bytes_both_ways),
		WITH_WORLD(either_end_may_end_first),
		WITH_WORLD(a_reset_is_never_an_end),
		WITH_WORLD(an_orderly_close_delivers_everything_first),
		WITH_WORLD(a_lost_session_resets_every_stream),
		WITH_WORLD(
			a_peer_that_does_not_read_holds_back_its_stream_only),
		WITH_WORLD(a_request_may_be_taken_back),
		WITH_WORLD(what_is_put_back_is_read_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
