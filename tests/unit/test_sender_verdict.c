/*
 * test_sender_verdict.c - the relay's answers as errnos, causes and tracking ids.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../sender/verdict.h"

static void every_answer_has_its_errno(void **state)
{
	static const struct {
		int status;
		const char *reason;
		int verdict;
	} cases[] = {
		{404, "There are no listeners connected", ECONNREFUSED},
		{401, "The token has an invalid signature", EACCES},
		{403, "no Send claim", EACCES},
		{400, "bad", ECONNREFUSED},
		{410, "Gone", ECONNREFUSED},
		{408, "", ETIMEDOUT},
		{504, "", ETIMEDOUT},
		{502, "The Listener's custom AcceptHandler threw",
		 ECONNREFUSED},
		{500, "", ECONNREFUSED},
		{503, "", ECONNREFUSED},
		{200, "OK", ECONNREFUSED},
		{502, "hybridge ECONNREFUSED: x", ECONNREFUSED},
		{502, "hybridge ETIMEDOUT: x", ETIMEDOUT},
		{502, "hybridge EHOSTUNREACH: x", EHOSTUNREACH},
		{502, "hybridge ENETUNREACH: x", ENETUNREACH},
		{401, "hybridge EHOSTUNREACH: x", EHOSTUNREACH},
		{502, "hybridge EACCES: x", EACCES},
		/* not one of ours, or not at the start: the status counts */
		{502, "hybridge EIO: x", ECONNREFUSED},
		{502, "hybridge EACCES", ECONNREFUSED},
		{502, "hybridge ETIMEDOUTS: x", ECONNREFUSED},
		{504, "hybridge ECONNREFUSE: x", ETIMEDOUT},
		{502, "said: hybridge ETIMEDOUT: x", ECONNREFUSED},
		{502, "hybridge ", ECONNREFUSED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("case: %d %s\n", cases[i].status,
			      cases[i].reason);
		assert_int_equal(verdict_of_status(cases[i].status,
						   cases[i].reason),
				 cases[i].verdict);
	}
}

static void a_relay_that_is_not_reached_is_no_network_unless_it_took_too_long(
	void **state)
{
	static const int others[] = {ECONNREFUSED, EHOSTUNREACH, EPROTO,
				     EMFILE,	   ECONNRESET,	 0};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(verdict_of_dial(others[i]), ENETUNREACH);
	assert_int_equal(verdict_of_dial(ETIMEDOUT), ETIMEDOUT);
}

static void every_verdict_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(verdict_name(ECONNREFUSED), "ECONNREFUSED");
	assert_string_equal(verdict_name(ETIMEDOUT), "ETIMEDOUT");
	assert_string_equal(verdict_name(EHOSTUNREACH), "EHOSTUNREACH");
	assert_string_equal(verdict_name(ENETUNREACH), "ENETUNREACH");
	assert_string_equal(verdict_name(EACCES), "EACCES");
}

static void explanations_name_the_cause_and_what_to_do(void **state)
{
	static const struct {
		int status;
		const char *reason;
		enum hybridge_code code;
		const char *what;
		const char *in_hint;
	} cases[] = {
		{401, "bad sig", HYBRIDGE_EDENIED,
		 "the relay does not accept our token: 401 bad sig", "clock"},
		{403, "no", HYBRIDGE_EDENIED,
		 "the relay does not let us in: 403 no", "Send"},
		{404, "none", HYBRIDGE_EREFUSED,
		 "nobody listens on hybrid connection a/b: 404 none", "agent"},
		{504, "late", HYBRIDGE_ETIMEOUT,
		 "the far side did not answer in time: 504 late", "agent"},
		{502, "hybridge ETIMEDOUT: no answer", HYBRIDGE_EREFUSED,
		 "the agent said: ETIMEDOUT: no answer", "service"},
		{500, "oops", HYBRIDGE_EREFUSED,
		 "the relay or its listener refused: 500 oops", "log"},
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
		verdict_explain(&result, "a/b", &err);
		assert_int_equal(err.code, cases[i].code);
		assert_string_equal(err.what, cases[i].what);
		assert_non_null(strstr(err.hint, cases[i].in_hint));
	}
}

static void the_tracking_id_is_found_and_never_overflows(void **state)
{
	char long_reason[300] = "x. TrackingId:";
	char out[VERDICT_TRACKING_MAX];

	(void)state;
	verdict_tracking("No listeners. TrackingId:a-b_G1, SystemTracker:x",
			 out);
	assert_string_equal(out, "a-b_G1");
	verdict_tracking("No listeners. TrackingId:a-b", out);
	assert_string_equal(out, "a-b");
	verdict_tracking("No listeners", out);
	assert_string_equal(out, "");
	memset(long_reason + strlen(long_reason), 'y', 200);
	verdict_tracking(long_reason, out);
	assert_int_equal(strlen(out), VERDICT_TRACKING_MAX - 1);
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
