/*
 * test_verdict.c - the relay's answers as errnos, causes and tracking ids.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <hybridge/verdict.h>

static void every_answer_has_its_errno(void **state)
{
	static const struct {
		const char *reason;
		int status;
		int verdict;
	} cases[] = {
		{"There are no listeners connected", 404, ECONNREFUSED},
		{"The token has an invalid signature", 401, EACCES},
		{"no Send claim", 403, EACCES},
		{"bad", 400, ECONNREFUSED},
		{"Gone", 410, ECONNREFUSED},
		{"", 408, ETIMEDOUT},
		{"", 504, ETIMEDOUT},
		{"The Listener's custom AcceptHandler threw", 502,
		 ECONNREFUSED},
		{"", 500, ECONNREFUSED},
		{"", 503, ECONNREFUSED},
		{"OK", 200, ECONNREFUSED},
		{"hybridge ECONNREFUSED: x", 502, ECONNREFUSED},
		{"hybridge ETIMEDOUT: x", 502, ETIMEDOUT},
		{"hybridge EHOSTUNREACH: x", 502, EHOSTUNREACH},
		{"hybridge ENETUNREACH: x", 502, ENETUNREACH},
		{"hybridge EHOSTUNREACH: x", 401, EHOSTUNREACH},
		{"hybridge EACCES: x", 502, EACCES},
		/* not one of ours, or not at the start: the status counts */
		{"hybridge EIO: x", 502, ECONNREFUSED},
		{"hybridge EACCES", 502, ECONNREFUSED},
		{"hybridge ETIMEDOUTS: x", 502, ECONNREFUSED},
		{"hybridge ECONNREFUSE: x", 504, ETIMEDOUT},
		{"said: hybridge ETIMEDOUT: x", 502, ECONNREFUSED},
		{"hybridge ", 502, ECONNREFUSED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("case: %d %s\n", cases[i].status,
			      cases[i].reason);
		assert_int_equal(hybridge_verdict_of_status(cases[i].status,
							    cases[i].reason),
				 cases[i].verdict);
	}
}

static void
a_relay_that_is_not_reached_is_no_network_unless_it_took_too_long(void **state)
{
	static const int others[] = {ECONNREFUSED, EHOSTUNREACH, EPROTO,
				     EMFILE,       ECONNRESET,   0};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(hybridge_verdict_of_dial(others[i]),
				 ENETUNREACH);
	assert_int_equal(hybridge_verdict_of_dial(ETIMEDOUT), ETIMEDOUT);
}

static void every_verdict_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(hybridge_verdict_name(ECONNREFUSED),
			    "ECONNREFUSED");
	assert_string_equal(hybridge_verdict_name(ETIMEDOUT), "ETIMEDOUT");
	assert_string_equal(hybridge_verdict_name(EHOSTUNREACH),
			    "EHOSTUNREACH");
	assert_string_equal(hybridge_verdict_name(ENETUNREACH), "ENETUNREACH");
	assert_string_equal(hybridge_verdict_name(EACCES), "EACCES");
}

static void explanations_name_the_cause_and_what_to_do(void **state)
{
	static const struct {
		const char *reason;
		const char *what;
		const char *in_hint;
		int status;
		enum hybridge_code code;
	} cases[] = {
		{"bad sig", "the relay does not accept our token: 401 bad sig",
		 "clock", 401, HYBRIDGE_EDENIED},
		{"no", "the relay does not let us in: 403 no", "Send", 403,
		 HYBRIDGE_EDENIED},
		{"Endpoint does not exist. TrackingId:x",
		 "hybrid connection a/b does not exist: 404 Endpoint does not "
		 "exist. TrackingId:x",
		 "create it", 404, HYBRIDGE_ECONFIG},
		{"none", "nobody listens on hybrid connection a/b: 404 none",
		 "agent", 404, HYBRIDGE_EREFUSED},
		{"late", "the far side did not answer in time: 504 late",
		 "agent", 504, HYBRIDGE_ETIMEOUT},
		{"hybridge ETIMEDOUT: no answer",
		 "the agent said: ETIMEDOUT: no answer", "service", 502,
		 HYBRIDGE_EREFUSED},
		{"oops", "the relay or its listener refused: 500 oops", "log",
		 500, HYBRIDGE_EREFUSED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_upgrade_result result = {
			.status = cases[i].status,
		};
		struct hybridge_error err = {0};

		print_message("case: %s\n", cases[i].what);
		snprintf(result.reason, sizeof(result.reason), "%s",
			 cases[i].reason);
		hybridge_verdict_explain(&result, "a/b", &err);
		assert_int_equal(err.code, cases[i].code);
		assert_string_equal(err.what, cases[i].what);
		assert_non_null(strstr(err.hint, cases[i].in_hint));
	}
}

static void the_tracking_id_is_found_and_never_overflows(void **state)
{
	char long_reason[300] = "x. TrackingId:";
	char out[HYBRIDGE_VERDICT_TRACKING_MAX];

	(void)state;
	hybridge_verdict_tracking(
		"No listeners. TrackingId:a-b_G1, SystemTracker:x", out);
	assert_string_equal(out, "a-b_G1");
	hybridge_verdict_tracking("No listeners. TrackingId:a-b", out);
	assert_string_equal(out, "a-b");
	hybridge_verdict_tracking("No listeners", out);
	assert_string_equal(out, "");
	memset(long_reason + strlen(long_reason), 'y', 200);
	hybridge_verdict_tracking(long_reason, out);
	assert_int_equal(strlen(out), HYBRIDGE_VERDICT_TRACKING_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_answer_has_its_errno),
		cmocka_unit_test(
			a_relay_that_is_not_reached_is_no_network_unless_it_took_too_long),
		cmocka_unit_test(every_verdict_has_a_name),
		cmocka_unit_test(explanations_name_the_cause_and_what_to_do),
		cmocka_unit_test(the_tracking_id_is_found_and_never_overflows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
