/*
 * test_conn.c - plain connections: bytes, back-pressure, and every kind of end.
 */
#include "engine_flow.h"

#define MANY     (3u << 20)
#define SLOWLY   ((uint64_t)64 * 1024)
#define SLICE    4096
#define SLICE_MS 500  /* 16 slices: 8 s, while a standstill is given 5 */
#define SMALL    4096 /* the kernel makes it a little more */

static void streams_cross_byte_for_byte_both_ways(void **state)
{
	static const int buffers[] = {0, 1, SMALL};
	struct fixture *fx = *state;

	for (uint32_t i = 0; i < 9; i++) {
		struct flow flows[2] = {{.total = MANY}, {.total = MANY}};
		int fds[2];

		print_message("case: buffers of %d, seed %u\n", buffers[i % 3],
			      i);
		fixture_tcp_pair(fds, buffers[i % 3]);
		flow_open(fx, &flows[0], fds[0], i, NULL);
		flow_open(fx, &flows[1], fds[1], i + 100, NULL);
		FIXTURE_UNTIL(fx, flow_over(&flows[0]) && flow_over(&flows[1]));
		flow_check(&flows[0]);
		flow_check(&flows[1]);
	}
}

static void a_unix_socket_carries_as_well(void **state)
{
	struct fixture *fx = *state;
	struct flow flows[2] = {{.total = MANY}, {.total = MANY}};
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	flow_open(fx, &flows[0], fds[0], 1, NULL);
	flow_open(fx, &flows[1], fds[1], 2, NULL);
	FIXTURE_UNTIL(fx, flow_over(&flows[0]) && flow_over(&flows[1]));
	flow_check(&flows[0]);
	flow_check(&flows[1]);
}

static void an_owner_that_stops_early_comes_back_by_again(void **state)
{
	struct fixture *fx = *state;
	struct end end;
	unsigned int calls;
	int fds[2];

	fixture_tcp_pair(fds, 0);
	end_open(fx, &end, fds[0]);
	end.limit = 3;
	fixture_send(fx, fds[1], "abcdef", 6);
	FIXTURE_UNTIL(fx, end.len == 3);
	calls = end.calls;
	/* cppcheck-suppress redundantAssignment ; end_read() has seen the old one */
	end.limit = SIZE_MAX;
	fixture_step(fx, 20);
	assert_int_equal(end.calls, calls); /* edge-triggered: nothing new */
	hybridge_conn_again(end.conn);
	FIXTURE_UNTIL(fx, end.len == 6);
	assert_memory_equal(end.got, "abcdef", 6);
	end_close(&end, HYBRIDGE_CONN_RESET);
	close(fds[1]);
}

static void unread_bytes_come_first_and_in_order(void **state)
{
	struct fixture *fx = *state;
	struct end end;
	char buf[16];
	int fds[2];

	fixture_tcp_pair(fds, 0);
	end_open(fx, &end, fds[0]);
	fixture_send(fx, fds[1], "ghi", 3);
	end.limit = 0;
	FIXTURE_UNTIL(fx, end.calls > 0);
	assert_int_equal(hybridge_conn_unread(end.conn, "def", 3), 0);
	assert_int_equal(hybridge_conn_unread(end.conn, "", 0), 0);
	assert_int_equal(hybridge_conn_unread(end.conn, "abc", 3), 0);
	assert_int_equal(hybridge_conn_read(end.conn, buf, 2), 2);
	assert_memory_equal(buf, "ab", 2);
	assert_int_equal(hybridge_conn_unread(end.conn, "AB", 2), 0);
	end.limit = SIZE_MAX;
	hybridge_conn_again(end.conn);
	FIXTURE_UNTIL(fx, end.len == 9);
	assert_memory_equal(end.got, "ABcdefghi", 9);
	end_close(&end, HYBRIDGE_CONN_RESET);
	close(fds[1]);
}

/* Writes a known stream that the kernel cannot take at once. */
static void write_known(struct hybridge_conn *conn, size_t len)
{
	uint8_t *buf = malloc(len);

	assert_non_null(buf);
	for (size_t i = 0; i < len; i++)
		buf[i] = fixture_byte(i);
	assert_int_equal(hybridge_conn_write(conn, buf, len), 0);
	free(buf);
}

static void expect_known(struct fixture *fx, int fd, size_t len)
{
	uint8_t *buf = malloc(len);

	assert_non_null(buf);
	for (size_t i = 0; i < len; i++)
		buf[i] = fixture_byte(i);
	fixture_expect(fx, fd, buf, len);
	free(buf);
}

static void what_the_kernel_does_not_take_is_pending_until_it_does(void **state)
{
	struct fixture *fx = *state;
	struct end end;
	int fds[2];

	fixture_tcp_pair(fds, SMALL);
	end_open(fx, &end, fds[0]);
	write_known(end.conn, MANY);
	fixture_step(fx, 20);
	assert_in_range(hybridge_conn_pending(end.conn), MANY / 2, MANY);
	assert_int_equal(end.calls, 1); /* the first readiness */
	expect_known(fx, fds[1], MANY);
	FIXTURE_UNTIL(fx, hybridge_conn_pending(end.conn) == 0);
	assert_true(end.calls > 1); /* room was announced */
	end_close(&end, HYBRIDGE_CONN_RESET);
	close(fds[1]);
}

/* Pieces of a known stream, one of them empty, in one call. */
static void write_known_pieces(struct hybridge_conn *conn, size_t len)
{
	const size_t ends[] = {1, len / 3, len / 3, len - 1, len};
	struct iovec pieces[5];
	uint8_t *buf = malloc(len);
	size_t at = 0;

	assert_non_null(buf);
	for (size_t i = 0; i < len; i++)
		buf[i] = fixture_byte(i);
	for (size_t i = 0; i < 5; i++) {
		pieces[i] = (struct iovec){buf + at, ends[i] - at};
		at = ends[i];
	}
	assert_int_equal(hybridge_conn_writev(conn, pieces, 5), 0);
	free(buf);
}

static void pieces_go_out_in_order_however_little_the_kernel_takes(void **state)
{
	struct fixture *fx = *state;
	const int buffers[] = {SMALL, 0};

	for (size_t i = 0; i < 2; i++) {
		struct end end;
		int fds[2];

		fixture_tcp_pair(fds, buffers[i]);
		end_open(fx, &end, fds[0]);
		/* Before the connection is known to be writable, and after. */
		for (size_t j = 0; j < 3; j++) {
			write_known_pieces(end.conn, MANY);
			expect_known(fx, fds[1], MANY);
		}
		assert_int_equal(hybridge_conn_pending(end.conn), 0);
		end_close(&end, HYBRIDGE_CONN_RESET);
		close(fds[1]);
	}
}

static void pieces_for_a_peer_that_left_fail(void **state)
{
	struct fixture *fx = *state;
	struct end end;
	int fds[2];

	fixture_tcp_pair(fds, 0);
	end_open(fx, &end, fds[0]);
	fixture_reset(fds[1]);
	FIXTURE_UNTIL(fx, end.error == ECONNRESET);
	for (size_t i = 0; i < 2; i++) {
		char a[] = "a", b[] = "b";
		struct iovec pieces[2] = {{a, 1}, {b, 1}};

		assert_int_equal(hybridge_conn_writev(end.conn, pieces, 2), -1);
		assert_int_equal(errno, EPIPE);
	}
	end_close(&end, HYBRIDGE_CONN_RESET);
}

static void bytes_written_before_the_first_turn_go_out(void **state)
{
	struct fixture *fx = *state;
	struct end end;
	int fds[2];

	fixture_tcp_pair(fds, 0);
	end_open(fx, &end, fds[0]);
	assert_int_equal(hybridge_conn_write(end.conn, "early", 5), 0);
	assert_int_equal(hybridge_conn_write(end.conn, "", 0), 0);
	fixture_expect(fx, fds[1], "early", 5);
	end_close(&end, HYBRIDGE_CONN_RESET);
	close(fds[1]);
}

static void an_end_follows_what_is_pending_and_reading_goes_on(void **state)
{
	struct fixture *fx = *state;
	struct end end;
	char c;
	int fds[2];

	fixture_tcp_pair(fds, SMALL);
	end_open(fx, &end, fds[0]);
	write_known(end.conn, MANY);
	assert_int_equal(hybridge_conn_end(end.conn), 0);
	fixture_step(fx, 20);
	assert_false(hybridge_conn_ended(end.conn));
	expect_known(fx, fds[1], MANY);
	assert_int_equal(fixture_recv(fx, fds[1], &c, 1), 0);
	assert_true(hybridge_conn_ended(end.conn));
	fixture_send(fx, fds[1], "still here", 10);
	FIXTURE_UNTIL(fx, end.len == 10);
	assert_false(end.eof);
	close(fds[1]);
	FIXTURE_UNTIL(fx, end.eof);
	end_close(&end, HYBRIDGE_CONN_ORDERLY);
}

static void an_orderly_close_loses_nothing(void **state)
{
	struct fixture *fx = *state;
	struct end end;
	char c;
	int fds[2];

	fixture_tcp_pair(fds, SMALL);
	end_open(fx, &end, fds[0]);
	end.limit = 0;
	/* Bytes that nobody reads would turn a plain close() into a reset. */
	fixture_send(fx, fds[1], "ignored", 7);
	write_known(end.conn, MANY);
	end_close(&end, HYBRIDGE_CONN_ORDERLY);
	fixture_send(fx, fds[1], "ignored too", 11);
	expect_known(fx, fds[1], MANY);
	assert_int_equal(fixture_recv(fx, fds[1], &c, 1), 0);
	close(fds[1]);
	FIXTURE_UNTIL(fx, fcntl(fds[0], F_GETFD) == -1);
}

static void an_orderly_close_waits_for_a_peer_that_ended_first(void **state)
{
	struct fixture *fx = *state;
	struct end end;
	char c;
	int fds[2];

	fixture_tcp_pair(fds, SMALL);
	end_open(fx, &end, fds[0]);
	write_known(end.conn, MANY);
	shutdown(fds[1], SHUT_WR);
	FIXTURE_UNTIL(fx, end.eof);
	end_close(&end, HYBRIDGE_CONN_ORDERLY);
	expect_known(fx, fds[1], MANY);
	assert_int_equal(fixture_recv(fx, fds[1], &c, 1), 0);
	close(fds[1]);
	FIXTURE_UNTIL(fx, fcntl(fds[0], F_GETFD) == -1);
}

/* It takes longer than a connection that stands still is waited for. */
static void an_orderly_close_behind_the_peers_end_is_over_at_once(void **state)
{
	struct fixture *fx = *state;
	struct end end;
	char buf[8];
	int fds[2];

	fixture_tcp_pair(fds, 0);
	end_open(fx, &end, fds[0]);
	hybridge_conn_arm_reset(end.conn);
	fixture_send(fx, fds[1], "ask", 3);
	shutdown(fds[1], SHUT_WR);
	FIXTURE_UNTIL(fx, end.eof);
	assert_int_equal(hybridge_conn_write(end.conn, "answer", 6), 0);
	end_close(&end, HYBRIDGE_CONN_ORDERLY);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	assert_int_equal(fixture_recv(fx, fds[1], buf, 6), 6);
	assert_memory_equal(buf, "answer", 6);
	assert_int_equal(fixture_recv(fx, fds[1], buf, 1), 0);
	close(fds[1]);
}

static void an_orderly_close_loses_nothing_to_a_slow_peer(void **state)
{
	struct fixture *fx = *state;
	struct end end;
	char buf[SLICE];
	uint64_t got = 0;
	ssize_t n;
	int fds[2];

	fixture_tcp_pair(fds, SMALL);
	end_open(fx, &end, fds[0]);
	end.limit = 0;
	write_known(end.conn, SLOWLY);
	end_close(&end, HYBRIDGE_CONN_ORDERLY);
	while ((n = fixture_recv(fx, fds[1], buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if ((uint8_t)buf[i] != fixture_byte(got + (uint64_t)i))
				fail_msg("byte %zu", (size_t)got + (size_t)i);
		got += (uint64_t)n;
		fixture_step(fx, SLICE_MS);
	}
	assert_int_equal(n, 0);
	assert_int_equal(got, SLOWLY);
	close(fds[1]);
	FIXTURE_UNTIL(fx, fcntl(fds[0], F_GETFD) == -1);
}

static void a_reset_reaches_the_peer_as_econnreset(void **state)
{
	struct fixture *fx = *state;
	struct end end;
	char c;
	int fds[2];

	fixture_tcp_pair(fds, 0);
	end_open(fx, &end, fds[0]);
	fixture_step(fx, 1);
	end_close(&end, HYBRIDGE_CONN_RESET);
	assert_int_equal(fixture_recv(fx, fds[1], &c, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fds[1]);
}

static void a_reset_by_the_peer_is_an_error_behind_its_bytes(void **state)
{
	struct fixture *fx = *state;
	struct end end;
	int fds[2];

	fixture_tcp_pair(fds, 0);
	end_open(fx, &end, fds[0]);
	fixture_step(fx, 1);
	fixture_send(fx, fds[1], "last", 4);
	fixture_reset(fds[1]);
	FIXTURE_UNTIL(fx, end.error);
	assert_int_equal(end.error, ECONNRESET);
	assert_int_equal(end.len, 4);
	assert_false(end.eof);
	assert_true(hybridge_conn_broken(end.conn));
	assert_int_equal(hybridge_conn_write(end.conn, "x", 1), -1);
	end_close(&end, HYBRIDGE_CONN_ORDERLY);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1); /* nothing to wait for */
}

static void a_reset_is_known_while_nobody_reads(void **state)
{
	struct fixture *fx = *state;
	struct end end;
	int fds[2];

	fixture_tcp_pair(fds, 0);
	end_open(fx, &end, fds[0]);
	end.limit = 0;
	fixture_step(fx, 1);
	assert_false(hybridge_conn_broken(end.conn));
	fixture_reset(fds[1]);
	FIXTURE_UNTIL(fx, hybridge_conn_broken(end.conn));
	end_close(&end, HYBRIDGE_CONN_RESET);
}

static void a_peer_that_hung_up_is_known_while_nobody_reads(void **state)
{
	struct fixture *fx = *state;
	struct end end;
	int fds[2];

	fixture_tcp_pair(fds, 0);
	end_open(fx, &end, fds[0]);
	end.limit = 0;
	fixture_send(fx, fds[1], "abc", 3);
	fixture_step(fx, 5);
	assert_false(hybridge_conn_hung_up(end.conn));
	close(fds[1]);
	FIXTURE_UNTIL(fx, hybridge_conn_hung_up(end.conn));
	assert_false(hybridge_conn_broken(end.conn));
	end.limit = SIZE_MAX;
	hybridge_conn_again(end.conn);
	FIXTURE_UNTIL(fx, end.eof);
	assert_int_equal(end.len, 3);
	end_close(&end, HYBRIDGE_CONN_ORDERLY);
}

static void the_last_word_of_a_peer_that_left_is_still_read(void **state)
{
	struct fixture *fx = *state;
	struct end end;
	int fds[2];

	fixture_tcp_pair(fds, 0);
	end_open(fx, &end, fds[0]);
	end.limit = 0;
	fixture_step(fx, 1);
	fixture_send(fx, fds[1], "bye", 3);
	close(fds[1]);
	/* Its kernel answers this with a reset. */
	assert_int_equal(hybridge_conn_write(end.conn, "hello?", 6), 0);
	FIXTURE_UNTIL(fx, hybridge_conn_write(end.conn, "?", 1) != 0);
	end.limit = SIZE_MAX;
	hybridge_conn_again(end.conn);
	FIXTURE_UNTIL(fx, end.error || end.eof);
	assert_int_equal(end.len, 3);
	end_close(&end, HYBRIDGE_CONN_RESET);
}

static void a_new_owner_is_called_though_nothing_changed(void **state)
{
	struct fixture *fx = *state;
	struct end end, other = {.limit = SIZE_MAX, .chunk = 100};
	unsigned int calls;
	int fds[2];

	fixture_tcp_pair(fds, 0);
	end_open(fx, &end, fds[0]);
	end.limit = 0;
	fixture_send(fx, fds[1], "abc", 3);
	fixture_step(fx, 5);
	calls = end.calls;
	other.conn = end.conn;
	hybridge_conn_set_owner(end.conn, end_ready, &other);
	FIXTURE_UNTIL(fx, other.len == 3);
	assert_int_equal(end.calls, calls);
	end_close(&other, HYBRIDGE_CONN_RESET);
	close(fds[1]);
}

static void close_at_once(void *owner, struct hybridge_conn *conn)
{
	unsigned int *calls = owner;

	(*calls)++;
	hybridge_conn_again(conn);
	hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
}

/* Which of two connections was called first. */
struct caller {
	struct end end;
	char name;
	char *calls;
};

static void note_call(void *owner, struct hybridge_conn *conn)
{
	struct caller *caller = owner;
	size_t len = strlen(caller->calls);

	caller->calls[len] = caller->name;
	end_ready(&caller->end, conn);
}

static void who_has_little_is_served_before_who_has_much(void **state)
{
	static char much[100000];
	struct fixture *fx = *state;
	char calls[64] = "";
	struct caller callers[2] = {{.name = 'b', .calls = calls},
				    {.name = 'l', .calls = calls}};
	int fds[2][2];

	for (int i = 0; i < 2; i++) {
		fixture_tcp_pair(fds[i], 0);
		end_open(fx, &callers[i].end, fds[i][0]);
		hybridge_conn_set_owner(callers[i].end.conn, note_call,
					&callers[i]);
	}
	fixture_send(fx, fds[0][1], much, sizeof(much));
	FIXTURE_UNTIL(fx, callers[0].end.len == sizeof(much));
	memset(calls, '\0', sizeof(calls));
	/* As the kernel tells them, in the order in which they came. */
	assert_int_equal(send(fds[0][1], "x", 1, 0), 1);
	assert_int_equal(send(fds[1][1], "x", 1, 0), 1);
	FIXTURE_UNTIL(fx, callers[0].end.len > sizeof(much) &&
				  callers[1].end.len == 1);
	assert_int_equal(calls[0], 'l');
	assert_int_equal(calls[1], 'b');
	for (int i = 0; i < 2; i++) {
		end_close(&callers[i].end, HYBRIDGE_CONN_RESET);
		close(fds[i][1]);
	}
}

static void a_connection_closes_inside_its_own_callback(void **state)
{
	struct fixture *fx = *state;
	unsigned int calls = 0;
	int fds[2];

	fixture_tcp_pair(fds, 0);
	assert_non_null(
		hybridge_conn_new(fx->loop, fds[0], close_at_once, &calls));
	FIXTURE_UNTIL(fx, calls > 0);
	fixture_step(fx, 20);
	assert_int_equal(calls, 1);
	close(fds[1]);
}

static void
a_peer_that_never_stops_sending_does_not_hold_up_a_close(void **state)
{
	struct fixture *fx = *state;
	static uint8_t flood[100000];
	struct end end;
	time_t begun = time(NULL);
	int fds[2];

	fixture_tcp_pair(fds, 0);
	end_open(fx, &end, fds[0]);
	fixture_step(fx, 1);
	end_close(&end, HYBRIDGE_CONN_ORDERLY);
	while (fcntl(fds[0], F_GETFD) != -1) {
		(void)send(fds[1], flood, sizeof(flood), MSG_NOSIGNAL);
		fixture_step(fx, 1);
		assert_true(time(NULL) - begun < 10);
	}
	assert_true(time(NULL) - begun >= 4); /* 5 s of patience */
	close(fds[1]);
}

static void a_loop_that_ends_lets_go_of_what_still_drains(void **state)
{
	struct fixture *fx;
	struct end end;
	int fds[2];

	(void)state;
	assert_int_equal(fixture_setup((void **)&fx), 0);
	fixture_tcp_pair(fds, SMALL);
	end_open(fx, &end, fds[0]);
	write_known(end.conn, MANY);
	end_close(&end, HYBRIDGE_CONN_ORDERLY);
	fixture_step(fx, 5);
	fixture_teardown((void **)&fx);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	close(fds[1]);
}

static void closing_nothing_is_fine(void **state)
{
	(void)state;
	hybridge_conn_close(NULL, HYBRIDGE_CONN_RESET);
	hybridge_conn_close(NULL, HYBRIDGE_CONN_ORDERLY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(streams_cross_byte_for_byte_both_ways),
		WITH_LOOP(a_unix_socket_carries_as_well),
		WITH_LOOP(an_owner_that_stops_early_comes_back_by_again),
		WITH_LOOP(unread_bytes_come_first_and_in_order),
		WITH_LOOP(
			what_the_kernel_does_not_take_is_pending_until_it_does),
		WITH_LOOP(
			pieces_go_out_in_order_however_little_the_kernel_takes),
		WITH_LOOP(pieces_for_a_peer_that_left_fail),
		WITH_LOOP(bytes_written_before_the_first_turn_go_out),
		WITH_LOOP(an_end_follows_what_is_pending_and_reading_goes_on),
		WITH_LOOP(an_orderly_close_loses_nothing),
		WITH_LOOP(an_orderly_close_waits_for_a_peer_that_ended_first),
		WITH_LOOP(
			an_orderly_close_behind_the_peers_end_is_over_at_once),
		WITH_LOOP(an_orderly_close_loses_nothing_to_a_slow_peer),
		WITH_LOOP(a_reset_reaches_the_peer_as_econnreset),
		WITH_LOOP(a_reset_by_the_peer_is_an_error_behind_its_bytes),
		WITH_LOOP(a_reset_is_known_while_nobody_reads),
		WITH_LOOP(a_peer_that_hung_up_is_known_while_nobody_reads),
		WITH_LOOP(the_last_word_of_a_peer_that_left_is_still_read),
		WITH_LOOP(a_new_owner_is_called_though_nothing_changed),
		WITH_LOOP(who_has_little_is_served_before_who_has_much),
		WITH_LOOP(a_connection_closes_inside_its_own_callback),
		WITH_LOOP(
			a_peer_that_never_stops_sending_does_not_hold_up_a_close),
		cmocka_unit_test(a_loop_that_ends_lets_go_of_what_still_drains),
		cmocka_unit_test(closing_nothing_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
