/*
 * test_conn_tls.c - TLS connections: many in one loop, and ends that must not
 * pass for one another.
 */
#include "engine_flow.h"
#include "tls_fixture.h"

#define PAIRS ((size_t)6)

static bool all_over(const struct flow flows[2 * PAIRS])
{
	for (size_t i = 0; i < 2 * PAIRS; i++)
		if (!flow_over(&flows[i]))
			return false;
	return true;
}

static void many_streams_cross_in_one_loop(void **state)
{
	static const int buffers[] = {1, 4096, 0};
	struct world *world = *state;

	for (uint32_t round = 0; round < 3; round++) {
		struct flow flows[2 * PAIRS] = {0};

		print_message("case: buffers of %d\n", buffers[round]);
		for (uint32_t i = 0; i < PAIRS; i++) {
			struct flow *two = &flows[(size_t)2 * i];
			bool tls = i != 0; /* one plain pair among them */
			int fds[2];

			fixture_tcp_pair(fds, buffers[round]);
			two[0].total = two[1].total = 1u << 20;
			flow_open(&world->fx, &two[0], fds[0], 10 * round + i,
				  tls ? client_ssl(world) : NULL);
			flow_open(&world->fx, &two[1], fds[1],
				  1000 + 10 * round + i,
				  tls ? server_ssl(world) : NULL);
		}
		FIXTURE_UNTIL(&world->fx, all_over(flows));
		for (size_t i = 0; i < 2 * PAIRS; i++)
			flow_check(&flows[i]);
	}
}

static void another_implementation_is_understood(void **state)
{
	static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
	struct world *world = *state;

	for (size_t i = 0; i < 2; i++) {
		struct session session;
		static uint8_t out[100000], in[100000];
		size_t got = 0;

		print_message("case: %#x\n", (unsigned int)versions[i]);
		open_session(world, &session, versions[i]);
		start_reading(&session);
		for (size_t k = 0; k < sizeof(out); k++)
			out[k] = fixture_byte(k);
		assert_int_equal(
			hybridge_conn_write(session.end.conn, out, sizeof(out)),
			0);
		while (got < sizeof(in)) {
			int n = tls_far_recv(&world->fx, session.far, in + got,
					     sizeof(in) - got);

			assert_true(n > 0);
			got += (size_t)n;
		}
		assert_memory_equal(in, out, sizeof(in));
		tls_far_send(&world->fx, session.far, out, sizeof(out));
		FIXTURE_UNTIL(&world->fx, session.end.len == sizeof(out));
		assert_memory_equal(session.end.got, out, sizeof(out));
		close_session(&session);
	}
}

static void key_updates_disturb_nobody(void **state)
{
	struct world *world = *state;
	struct session sessions[3];
	static uint8_t buf[20000];

	for (size_t i = 0; i < 3; i++) {
		open_session(world, &sessions[i], TLS1_3_VERSION);
		start_reading(&sessions[i]);
	}
	for (size_t round = 0; round < 50; round++)
		for (size_t i = 0; i < 3; i++) {
			struct session *session = &sessions[i];

			for (size_t k = 0; k < sizeof(buf); k++)
				buf[k] = fixture_byte(round * sizeof(buf) + k);
			/* Its answer is written while the next one has output. */
			assert_int_equal(
				SSL_key_update(session->far,
					       SSL_KEY_UPDATE_REQUESTED),
				1);
			tls_far_send(&world->fx, session->far, buf,
				     sizeof(buf));
			for (size_t k = 0; k < 3; k++)
				assert_int_equal(hybridge_conn_write(
							 sessions[k].end.conn,
							 "ping", 4),
						 0);
			for (size_t k = 0; k < 3; k++) {
				char ping[4];

				assert_int_equal(tls_far_recv(&world->fx,
							      sessions[k].far,
							      ping, 4),
						 4);
				assert_memory_equal(ping, "ping", 4);
			}
		}
	for (size_t i = 0; i < 3; i++) {
		struct end *end = &sessions[i].end;

		FIXTURE_UNTIL(&world->fx, end->len == 50 * sizeof(buf));
		for (size_t k = 0; k < end->len; k++)
			if (end->got[k] != fixture_byte(k))
				fail_msg("byte %zu", k);
		close_session(&sessions[i]);
	}
}

static void close_notify_is_an_end_and_fin_alone_is_a_reset(void **state)
{
	struct world *world = *state;

	for (int notify = 0; notify <= 1; notify++) {
		struct session session;

		print_message("case: close_notify %d\n", notify);
		open_session(world, &session, TLS1_3_VERSION);
		tls_far_send(&world->fx, session.far, "abc", 3);
		if (notify)
			SSL_shutdown(session.far);
		shutdown(session.far_fd, SHUT_WR);
		/* All of it is there before the first read. */
		fixture_step(&world->fx, 10);
		start_reading(&session);
		FIXTURE_UNTIL(&world->fx, session.end.eof || session.end.error);
		assert_int_equal(session.end.len, 3);
		assert_int_equal(session.end.eof, notify);
		assert_int_equal(session.end.error, notify ? 0 : ECONNRESET);
		close_session(&session);
	}
}

static void a_reset_is_a_reset_under_tls_too(void **state)
{
	struct world *world = *state;
	struct session session;

	open_session(world, &session, TLS1_3_VERSION);
	start_reading(&session);
	fixture_step(&world->fx, 5);
	SSL_free(session.far);
	fixture_reset(session.far_fd);
	FIXTURE_UNTIL(&world->fx, session.end.eof || session.end.error);
	assert_int_equal(session.end.error, ECONNRESET);
	end_close(&session.end, HYBRIDGE_CONN_ORDERLY);
}

static void garbage_in_place_of_records_is_a_protocol_error(void **state)
{
	struct world *world = *state;
	struct session session;

	open_session(world, &session, TLS1_3_VERSION);
	start_reading(&session);
	tls_far_send(&world->fx, session.far, "abc", 3);
	fixture_send(&world->fx, session.far_fd,
		     "\x17\x03\x03\x00\x20"
		     "thirty-two bytes, but no record!",
		     37);
	FIXTURE_UNTIL(&world->fx, session.end.eof || session.end.error);
	assert_int_equal(session.end.len, 3);
	assert_int_equal(session.end.error, EPROTO);
	close_session(&session);
}

static void each_direction_ends_on_its_own(void **state)
{
	struct world *world = *state;
	struct session session;
	char c;

	open_session(world, &session, TLS1_3_VERSION);
	/* Not even the session tickets have been read. */
	assert_int_equal(hybridge_conn_write(session.end.conn, "q", 1), 0);
	assert_int_equal(hybridge_conn_end(session.end.conn), 0);
	assert_int_equal(hybridge_conn_end(session.end.conn), 0);
	assert_int_equal(tls_far_recv(&world->fx, session.far, &c, 1), 1);
	assert_int_equal(tls_far_recv(&world->fx, session.far, &c, 1), 0);
	assert_int_equal(SSL_get_error(session.far, 0), SSL_ERROR_ZERO_RETURN);
	start_reading(&session);
	tls_far_send(&world->fx, session.far, "answer", 6);
	FIXTURE_UNTIL(&world->fx, session.end.len == 6 || session.end.error);
	assert_int_equal(session.end.error, 0);
	SSL_shutdown(session.far);
	FIXTURE_UNTIL(&world->fx, session.end.eof || session.end.error);
	assert_true(session.end.eof);
	close_session(&session);
}

static void writing_goes_on_after_the_peer_has_ended(void **state)
{
	struct world *world = *state;
	struct session session;
	char buf[6];

	open_session(world, &session, TLS1_3_VERSION);
	start_reading(&session);
	SSL_shutdown(session.far);
	FIXTURE_UNTIL(&world->fx, session.end.eof || session.end.error);
	assert_true(session.end.eof);
	assert_int_equal(hybridge_conn_write(session.end.conn, "answer", 6), 0);
	assert_int_equal(tls_far_recv(&world->fx, session.far, buf, 6), 6);
	assert_memory_equal(buf, "answer", 6);
	close_session(&session);
}

static void an_orderly_close_sends_everything_and_close_notify(void **state)
{
	struct world *world = *state;
	struct session session;
	static uint8_t buf[300000];
	size_t got = 0;
	int n;

	open_session(world, &session, TLS1_3_VERSION);
	tls_far_send(&world->fx, session.far, "never read", 10);
	assert_int_equal(
		hybridge_conn_write(session.end.conn, buf, sizeof(buf)), 0);
	end_close(&session.end, HYBRIDGE_CONN_ORDERLY);
	while ((n = tls_far_recv(&world->fx, session.far, buf, sizeof(buf))) >
	       0)
		got += (size_t)n;
	assert_int_equal(SSL_get_error(session.far, n), SSL_ERROR_ZERO_RETURN);
	assert_int_equal(got, sizeof(buf));
	SSL_free(session.far);
	close(session.far_fd);
}

static size_t num_freed;

/* NOLINTNEXTLINE(readability-function-size): OpenSSL gives the signature */
static void count_freed(void *parent, void *ptr, CRYPTO_EX_DATA *data, int at,
			long argl, void *argp)
{
	(void)parent;
	(void)ptr;
	(void)data;
	(void)at;
	(void)argl;
	(void)argp;
	num_freed++;
}

static void
a_closed_connection_that_still_sends_holds_no_tls_state(void **state)
{
	struct world *world = *state;
	struct session session;
	static uint8_t buf[300000];
	size_t got = 0;
	int index = SSL_get_ex_new_index(0, NULL, NULL, NULL, count_freed);
	int n;

	assert_true(index >= 0);
	open_session(world, &session, TLS1_3_VERSION);
	assert_int_equal(
		hybridge_conn_write(session.end.conn, buf, sizeof(buf)), 0);
	num_freed = 0;
	end_close(&session.end, HYBRIDGE_CONN_ORDERLY);
	assert_int_equal(num_freed, 1);
	while ((n = tls_far_recv(&world->fx, session.far, buf, sizeof(buf))) >
	       0)
		got += (size_t)n;
	assert_int_equal(SSL_get_error(session.far, n), SSL_ERROR_ZERO_RETURN);
	assert_int_equal(got, sizeof(buf));
	SSL_free(session.far);
	close(session.far_fd);
	CRYPTO_free_ex_index(CRYPTO_EX_INDEX_SSL, index);
}

static void what_waits_of_one_that_goes_reaches_nobody_else(void **state)
{
	struct world *world = *state;
	struct session sessions[4];

	for (size_t i = 0; i < 4; i++) {
		open_session(world, &sessions[i], TLS1_3_VERSION);
		start_reading(&sessions[i]);
	}
	/* The last one's output is in the shared buffer when it goes. */
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
			hybridge_conn_write(sessions[i].end.conn, "a", 1), 0);
	end_close(&sessions[3].end, HYBRIDGE_CONN_RESET);
	fixture_step(&world->fx, 2);
	assert_int_equal(hybridge_conn_write(sessions[0].end.conn, "b", 1), 0);
	end_close(&sessions[1].end, HYBRIDGE_CONN_ORDERLY);
	assert_int_equal(hybridge_conn_write(sessions[0].end.conn, "c", 1), 0);
	for (size_t i = 0; i < 3; i++) {
		char got[3] = "";
		size_t n = i == 0 ? 3 : 1;

		for (size_t k = 0; k < n; k++)
			assert_int_equal(tls_far_recv(&world->fx,
						      sessions[i].far, got + k,
						      1),
					 1);
		assert_memory_equal(got, "abc", n);
	}
	for (size_t i = 0; i < 4; i++)
		close_session(&sessions[i]);
}

static void what_one_that_goes_has_not_read_reaches_nobody_else(void **state)
{
	char record[500] = "";
	struct world *world = *state;
	struct session sessions[2];

	for (size_t i = 0; i < 2; i++)
		open_session(world, &sessions[i], TLS1_3_VERSION);
	for (int i = 0; i < 4; i++)
		tls_far_send(&world->fx, sessions[0].far, record,
			     sizeof(record));
	fixture_step(&world->fx, 5);
	sessions[0].end.limit = 10;
	hybridge_conn_again(sessions[0].end.conn);
	FIXTURE_UNTIL(&world->fx, sessions[0].end.len == 10);
	end_close(&sessions[0].end, HYBRIDGE_CONN_RESET);
	fixture_step(&world->fx, 2);
	start_reading(&sessions[1]);
	tls_far_send(&world->fx, sessions[1].far, "mine", 4);
	FIXTURE_UNTIL(&world->fx, sessions[1].end.len == 4);
	assert_memory_equal(sessions[1].end.got, "mine", 4);
	close_session(&sessions[0]);
	close_session(&sessions[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(many_streams_cross_in_one_loop),
		WITH_WORLD(another_implementation_is_understood),
		WITH_WORLD(key_updates_disturb_nobody),
		WITH_WORLD(close_notify_is_an_end_and_fin_alone_is_a_reset),
		WITH_WORLD(a_reset_is_a_reset_under_tls_too),
		WITH_WORLD(garbage_in_place_of_records_is_a_protocol_error),
		WITH_WORLD(each_direction_ends_on_its_own),
		WITH_WORLD(writing_goes_on_after_the_peer_has_ended),
		WITH_WORLD(an_orderly_close_sends_everything_and_close_notify),
		WITH_WORLD(
			a_closed_connection_that_still_sends_holds_no_tls_state),
		WITH_WORLD(what_waits_of_one_that_goes_reaches_nobody_else),
		WITH_WORLD(what_one_that_goes_has_not_read_reaches_nobody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
