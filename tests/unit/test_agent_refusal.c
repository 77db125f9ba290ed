/*
 * test_agent_refusal.c - what the agent says when it does not accept, and to whom it declines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "../../agent/accept.h"
#include "../../agent/control_explain.h"
#include "../../agent/control_message.h"
#include "../../agent/refusal.h"

static void every_failure_of_a_target_has_its_status_and_prefix(void **state)
{
	static const struct {
		const char *prefix;
		int os_errno;
		int status;
	} cases[] = {
		{"hybridge ECONNREFUSED: ", ECONNREFUSED, 502},
		{"hybridge ETIMEDOUT: ", ETIMEDOUT, 504},
		{"hybridge EHOSTUNREACH: ", EHOSTUNREACH, 502},
		{"hybridge EHOSTUNREACH: ", ENETUNREACH, 502},
		{"hybridge ECONNREFUSED: ", EMFILE, 502},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct refusal refusal = refusal_of(cases[i].os_errno);

		print_message("case: %s\n", strerror(cases[i].os_errno));
		assert_int_equal(refusal.status, cases[i].status);
		assert_int_equal(strncmp(refusal.text, cases[i].prefix,
					 strlen(cases[i].prefix)),
				 0);
	}
}

static void a_refusal_is_appended_to_the_address_as_it_stands(void **state)
{
	static const struct refusal refusal = {502, "hybridge E: a&b=c"};
	char *target =
		refusal_target("/$hc/a%2fb?x=%zz&sb-hc-id=1_G2", &refusal);

	(void)state;
	assert_string_equal(target,
			    "/$hc/a%2fb?x=%zz&sb-hc-id=1_G2"
			    "&sb-hc-statusCode=502"
			    "&sb-hc-statusDescription=hybridge%20E%3A%20a%26b"
			    "%3Dc");
	free(target);
	target = refusal_target("/$hc/a", &refusal);
	assert_int_equal(strncmp(target, "/$hc/a?sb-hc-statusCode=502&", 28),
			 0);
	free(target);
}

static void
the_first_offered_subprotocol_is_taken_and_nothing_else(void **state)
{
	static struct {
		char name[24];
		char value[32];
		const char *expected;
	} cases[] = {
		{"Sec-WebSocket-Protocol", "a.1, b", "a.1"},
		{"sec-websocket-PROTOCOL", " b", "b"},
		{"Sec-WebSocket-Key", "a", ""},
		{"Sec-WebSocket-Protocol", "", ""},
		{"Sec-WebSocket-Protocol", "a\r\nX-Evil: 1", ""},
		{"Sec-WebSocket-Protocol", "longer-than-the-room-for-it", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_header header = {cases[i].name, cases[i].value};
		struct hybridge_message msg = {.headers = &header,
					       .num_headers = 1};
		char out[16] = "?";

		print_message("case: %zu\n", i);
		stream_protocol(&msg, out, sizeof(out));
		assert_string_equal(out, cases[i].expected);
	}
}

static const json_t *member(const json_t *object, const char *key)
{
	return json_object_get(object, key);
}

static void an_http_request_is_declined_with_501_under_its_id(void **state)
{
	static struct {
		char address[64];
		char id[8];           /* "": it has none */
		const char *expected; /* NULL: no answer is possible */
	} cases[] = {
		{"wss://r/$hc/a?sb-hc-action=request&sb-hc-id=X_G1", "I\"1",
		 "I\"1"},
		{"wss://r/$hc/a?sb-hc-action=request&sb-hc-id=X_G1", "",
		 "X_G1"},
		{"wss://r/$hc/a", "", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_message msg = {
			.kind = HYBRIDGE_MESSAGE_REQUEST,
			.address = cases[i].address,
			.id = cases[i].id[0] ? cases[i].id : NULL,
		};
		char *text = control_message_decline(&msg);
		json_t *root = text ? json_loads(text, 0, NULL) : NULL;
		const json_t *response = member(root, "response");

		print_message("case: %zu\n", i);
		assert_int_equal(text != NULL, cases[i].expected != NULL);
		if (text) {
			assert_string_equal(json_string_value(member(
						    response, "requestId")),
					    cases[i].expected);
			assert_int_equal(json_integer_value(member(
						 response, "statusCode")),
					 501);
			assert_true(json_is_object(
				member(response, "responseHeaders")));
			assert_true(json_is_false(member(response, "body")));
		}
		json_decref(root);
		free(text);
	}
}

static void each_answer_to_a_listener_has_a_cause_and_a_remedy(void **state)
{
	static char host[] = "relay.test", entity[] = "db";
	static const struct hybridge_connstr relay = {
		.host = host,
		.entity = entity,
		.port = 443,
	};
	static const struct {
		const char *what;
		const char *in_hint;
		int status;
		enum hybridge_code code;
	} cases[] = {
		{"relay.test does not accept our token: 401 why", "clock", 401,
		 HYBRIDGE_EDENIED},
		{"relay.test does not let us listen on db: 403 why", "Listen",
		 403, HYBRIDGE_EDENIED},
		{"hybrid connection db does not exist on relay.test: 404 why",
		 "create it", 404, HYBRIDGE_ECONFIG},
		{"relay.test turned the listener down: 500 why", "Endpoint",
		 500, HYBRIDGE_EREFUSED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_upgrade_result result = {
			.status = cases[i].status,
			.reason = "why",
		};
		struct hybridge_error err = {0};

		print_message("case: %s\n", cases[i].what);
		control_explain_upgrade(&relay, &result, &err);
		assert_string_equal(err.what, cases[i].what);
		assert_int_equal(err.code, cases[i].code);
		assert_non_null(strstr(err.hint, cases[i].in_hint));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			every_failure_of_a_target_has_its_status_and_prefix),
		cmocka_unit_test(
			a_refusal_is_appended_to_the_address_as_it_stands),
		cmocka_unit_test(
			the_first_offered_subprotocol_is_taken_and_nothing_else),
		cmocka_unit_test(
			an_http_request_is_declined_with_501_under_its_id),
		cmocka_unit_test(
			each_answer_to_a_listener_has_a_cause_and_a_remedy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
