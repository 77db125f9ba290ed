/*
 * test_dial.c - dialling directly: every way to fail says so.
 */
#include "dial_fixture.h"
#include "fake_names.h"

static struct fake_name fake_names[FAKE_NAMES] = {
	{.name = "one.test", .addresses = {"127.0.0.1"}},
	{.name = "second.test", .addresses = {"127.0.0.2", "127.0.0.1"}},
	{.name = "none.test", .addresses = {"127.0.0.2", "127.0.0.3"}},
	{.name = "slow.test", .addresses = {"127.0.0.1"}},
	{.name = "nonexistent.invalid", .gai_error = EAI_NONAME},
	{.name = NULL},
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void names_and_literals_are_dialled(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "one.test"};
	uint16_t port;
	int listener = fixture_listen(&port);

	for (size_t i = 0; i < 2; i++) {
		struct hybridge_dial_args args = {
			.host = hosts[i], .port = port, .timeout_ms = 20000};
		struct call call;

		print_message("case: %s\n", hosts[i]);
		call_start(*state, &call, &args);
		close(call_succeeds(&call, listener));
	}
	close(listener);
}

static void a_refusal_is_a_refusal(void **state)
{
	struct hybridge_dial_args args = {.host = "one.test",
					  .timeout_ms = 20000};
	char what[100];
	struct call call;

	close(fixture_listen(&args.port));
	call_start(*state, &call, &args);
	call_fails(&call, ECONNREFUSED, HYBRIDGE_EUNREACH);
	snprintf(what, sizeof(what),
		 "cannot reach one.test:%u: Connection refused", args.port);
	assert_string_equal(call.err.what, what);
}

static void an_unknown_name_is_no_route(void **state)
{
	struct hybridge_dial_args args = {.host = "nonexistent.invalid",
					  .port = 443,
					  .timeout_ms = 20000};
	struct call call;

	call_start(*state, &call, &args);
	call_fails(&call, EHOSTUNREACH, HYBRIDGE_EUNREACH);
	assert_string_equal(call.err.what,
			    "cannot reach nonexistent.invalid:443: Name or "
			    "service not known");
}

static void a_second_address_is_tried_when_the_first_refuses(void **state)
{
	struct hybridge_dial_args args = {.host = "second.test",
					  .timeout_ms = 20000};
	int listener = fixture_listen(&args.port);
	int64_t best_ms = INT64_MAX;

	/* At once; the machine itself may stand still now and then. */
	for (int i = 0; i < 5 && best_ms >= 240; i++) {
		int64_t begun = now_ms();
		struct call call;

		call_start(*state, &call, &args);
		close(call_succeeds(&call, listener));
		if (now_ms() - begun < best_ms)
			best_ms = now_ms() - begun;
	}
	assert_in_range(best_ms, 0, 239);
	close(listener);
}

static void a_second_address_is_tried_while_the_first_is_silent(void **state)
{
	struct hybridge_dial_args args = {.host = "second.test",
					  .timeout_ms = 20000};
	int listener = fixture_listen(&args.port);
	int silent = silent_listener("127.0.0.2", args.port);
	struct call call;
	int64_t begun = now_ms();

	call_start(*state, &call, &args);
	close(call_succeeds(&call, listener));
	assert_in_range(now_ms() - begun, 240, 5000);
	close(listener);
	close(silent);
}

static void the_first_of_two_may_answer_late(void **state)
{
	struct hybridge_dial_args args = {.host = "second.test",
					  .timeout_ms = 20000};
	int off = 0, silent, other;
	struct call call;

	/* Both are silent; then the first one's listener takes SYNs again. */
	silent = fixture_listen(&args.port);
	close(silent);
	silent = silent_listener("127.0.0.2", args.port);
	other = silent_listener("127.0.0.1", args.port);
	call_start(*state, &call, &args);
	fixture_step(call.fx, 300);
	assert_int_equal(call.calls, 0);
	assert_int_equal(
		setsockopt(silent, IPPROTO_IP, IP_MINTTL, &off, sizeof(off)),
		0);
	close(call_succeeds(&call, silent));
	close(silent);
	close(other);
}

static void the_last_error_counts_when_all_addresses_fail(void **state)
{
	struct hybridge_dial_args args = {.host = "none.test",
					  .timeout_ms = 20000};
	struct call call;

	close(fixture_listen(&args.port));
	call_start(*state, &call, &args);
	call_fails(&call, ECONNREFUSED, HYBRIDGE_EUNREACH);
}

static void silence_is_a_time_out(void **state)
{
	struct hybridge_dial_args args = {.host = "one.test",
					  .timeout_ms = 300};
	struct call call;
	char what[100];
	int64_t begun = now_ms();
	int silent;

	close(fixture_listen(&args.port));
	silent = silent_listener("127.0.0.1", args.port);
	call_start(*state, &call, &args);
	call_fails(&call, ETIMEDOUT, HYBRIDGE_ETIMEOUT);
	assert_in_range(now_ms() - begun, 300, 5000);
	snprintf(what, sizeof(what),
		 "cannot reach one.test:%u: no answer within 0.3 s", args.port);
	assert_string_equal(call.err.what, what);
	close(silent);
}

static void a_name_that_takes_too_long_is_a_time_out(void **state)
{
	struct hybridge_dial_args args = {
		.host = "slow.test", .port = 443, .timeout_ms = 50};
	struct call call;

	fake_hold("slow.test", true);
	call_start(*state, &call, &args);
	call_fails(&call, ETIMEDOUT, HYBRIDGE_ETIMEOUT);
	assert_string_equal(call.err.what,
			    "cannot reach slow.test:443: its name was not "
			    "resolved within 0.05 s");
	fake_hold("slow.test", false);
}

static void tls_is_spoken_and_the_name_checked(void **state)
{
	static const char *const names[] = {"DNS:one.test", "DNS:other.test"};

	for (int wrong = 0; wrong <= 1; wrong++) {
		struct hybridge_dial_args args = {.host = "one.test",
						  .timeout_ms = 20000};
		int listener = fixture_listen(&args.port);
		struct secure secure;
		struct call call;
		SSL *far;
		int fd;

		print_message("case: %s\n", names[wrong]);
		secure_open(&secure, names[wrong]);
		args.tls = secure.client;
		call_start(*state, &call, &args);
		fd = accept_one(call.fx, listener);
		far = tls_far_open(secure.server, fd, true);
		if (wrong) {
			char what[200];

			assert_int_equal(tls_far_handshake(call.fx, far), -1);
			call_fails(&call, EPROTO, HYBRIDGE_EDENIED);
			snprintf(what, sizeof(what),
				 "certificate of one.test:%u is not trusted: "
				 "hostname mismatch",
				 args.port);
			assert_string_equal(call.err.what, what);
			SSL_free(far);
		} else {
			answer_ping(&call, far);
		}
		close(fd);
		close(listener);
		secure_close(&secure);
	}
}

static void a_handshake_that_does_not_go_on_is_a_time_out(void **state)
{
	struct hybridge_dial_args args = {.host = "one.test",
					  .timeout_ms = 100};
	int listener = fixture_listen(&args.port);
	struct secure secure;
	struct call call;
	char what[200];

	secure_open(&secure, "DNS:one.test");
	args.tls = secure.client;
	call_start(*state, &call, &args);
	call_fails(&call, ETIMEDOUT, HYBRIDGE_ETIMEOUT);
	snprintf(what, sizeof(what),
		 "cannot reach one.test:%u: the TLS handshake did not finish "
		 "within 0.1 s",
		 args.port);
	assert_string_equal(call.err.what, what);
	close(listener);
	secure_close(&secure);
}

/* Giving up. */

static void a_cancelled_dial_is_silent_whatever_it_was_doing(void **state)
{
	struct fixture *fx = *state;
	struct secure secure;
	char proxy[100];
	struct hybridge_dial_args args = {.timeout_ms = 20000};
	int listener = fixture_listen(&args.port);
	int silent = silent_listener("127.0.0.2", args.port);

	secure_open(&secure, "DNS:one.test");
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", args.port);
	hybridge_dial_cancel(NULL);
	for (int doing = 0; doing < 4; doing++) {
		static const char *const hosts[] = {"slow.test", "127.0.0.2",
						    "far.example", "one.test"};
		struct call call;

		print_message("case: %s\n", hosts[doing]);
		fake_hold("slow.test", true);
		args.host = hosts[doing];
		args.proxy = doing == 2 ? proxy : NULL;
		args.tls = doing == 3 ? secure.client : NULL;
		call_start(fx, &call, &args);
		fixture_step(fx, 20);
		assert_int_equal(call.calls, 0);
		hybridge_dial_cancel(call.dial);
		hybridge_dial_cancel(call.dial); /* same turn: fine */
		fake_hold("slow.test", false);
		fixture_step(fx, 20);
		assert_int_equal(call.calls, 0);
	}
	close(listener);
	close(silent);
	secure_close(&secure);
}

static void many_dials_at_once_all_end(void **state)
{
	static struct call calls[100];
	struct hybridge_dial_args args = {.host = "one.test",
					  .timeout_ms = 20000};
	int listener = fixture_listen(&args.port);
	size_t done = 0;

	listen(listener, 128);
	for (size_t i = 0; i < 100; i++)
		call_start(*state, &calls[i], &args);
	for (size_t i = 0; i < 100; i++) {
		FIXTURE_UNTIL(calls[i].fx, calls[i].calls);
		done += calls[i].end.conn != NULL;
		end_close(&calls[i].end, HYBRIDGE_CONN_RESET);
	}
	assert_int_equal(done, 100);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(names_and_literals_are_dialled),
		WITH_LOOP(a_refusal_is_a_refusal),
		WITH_LOOP(an_unknown_name_is_no_route),
		WITH_LOOP(a_second_address_is_tried_when_the_first_refuses),
		WITH_LOOP(a_second_address_is_tried_while_the_first_is_silent),
		WITH_LOOP(the_first_of_two_may_answer_late),
		WITH_LOOP(the_last_error_counts_when_all_addresses_fail),
		WITH_LOOP(silence_is_a_time_out),
		WITH_LOOP(a_name_that_takes_too_long_is_a_time_out),
		WITH_LOOP(tls_is_spoken_and_the_name_checked),
		WITH_LOOP(a_handshake_that_does_not_go_on_is_a_time_out),
		WITH_LOOP(a_cancelled_dial_is_silent_whatever_it_was_doing),
		WITH_LOOP(many_dials_at_once_all_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
