/*
 * test_relay_target.c - request targets, rendezvous addresses, refusals and
 * the texts that go with them.
 */
#include "relay_fixture.h"

#include "../../relay/target.h"
#include "../../relay/tracking.h"

#define GUID "ca496b91-f5a3-4761-8eda-9a66dd9a2558"
#define OURS "sb-hc-action=accept&sb-hc-id=ID&sb-hc-rv=S3CRET"

static struct target parsed(const char *text)
{
	struct target target;

	if (target_parse(span_of(text), &target) != 0)
		fail_msg("'%s' does not parse", text);
	return target;
}

static void assert_span(struct hybridge_span span, const char *text)
{
	char *copy = strndup(span.text ? span.text : "", span.len);

	assert_string_equal(copy, text);
	free(copy);
}

static void parse_finds_marker_path_query_id_and_action(void **state)
{
	static const struct {
		const char *text;
		bool is_hc;
		const char *path;
		const char *query;
		const char *id;
		enum target_action action;
	} cases[] = {
		{"/$hc/a/b?x=1&sb-hc-action=listen&sb-hc-id=i", true, "a/b",
		 "x=1&sb-hc-action=listen&sb-hc-id=i", "i", TARGET_LISTEN},
		{"/%24hc/a", true, "a", "", "", TARGET_CONNECT},
		{"/%24HC/a?SB-HC-ACTION=ACCEPT", true, "a",
		 "SB-HC-ACTION=ACCEPT", "", TARGET_ACCEPT},
		{"//$hc//a", true, "/a", "", "", TARGET_CONNECT},
		{"/$hc", true, "", "", "", TARGET_CONNECT},
		{"/$hcx/a?sb-hc-action=request", false, "$hcx/a",
		 "sb-hc-action=request", "", TARGET_REQUEST},
		{"/a/$hc", false, "a/$hc", "", "", TARGET_CONNECT},
		{"/?sb-hc-action=dance", false, "", "sb-hc-action=dance", "",
		 TARGET_UNKNOWN},
		{"/$hc/a?sb-hc-action", true, "a", "sb-hc-action", "",
		 TARGET_CONNECT},
		{"WSS://relay.test:8443/$hc/a?q", true, "a", "q", "",
		 TARGET_CONNECT},
		{"http://relay.test", false, "", "", "", TARGET_CONNECT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct target target;

		print_message("%s\n", cases[i].text);
		target = parsed(cases[i].text);
		assert_int_equal(target.is_hc, cases[i].is_hc);
		assert_span(target.path, cases[i].path);
		assert_span(target.query, cases[i].query);
		assert_span(target.id, cases[i].id);
		assert_int_equal(target.action, cases[i].action);
	}
}

static void parse_refuses_what_is_no_target(void **state)
{
	static const char *const cases[] = {"",    "*",    "relay.test:443",
					    "a/b", "/a#b", "ftp://x/y"};
	struct target target;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("'%s'\n", cases[i]);
		assert_int_equal(target_parse(span_of(cases[i]), &target), -1);
	}
}

static void rendezvous_keeps_the_senders_path_and_own_query(void **state)
{
	static const struct {
		const char *from;
		const char *to;
	} cases[] = {
		{"/$hc/db", "/$hc/db?" OURS},
		{"/%24hc/Db/x%20y//z?sb-hc-action=connect&sb-hc-token=secret",
		 "/$hc/Db/x%20y//z?" OURS},
		{"/$hc/db?a=1&sb-hc-id=x&b&c=%2f%C3&",
		 "/$hc/db?a=1&b&c=%2f%C3&&" OURS},
		{"/$hc/db?sb-hc-undefined&%73b-hc-rv=forged&SB-HC-RV=forged",
		 "/$hc/db?sb-hc-undefined&" OURS},
		{"/$hc/db/\"<\xc3\xa4>?\"q\"",
		 "/$hc/db/%22%3C%C3%A4%3E?%22q%22&" OURS},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct target target = parsed(cases[i].from);
		char *text = target_rendezvous(&target, "ID", "S3CRET", 0);

		print_message("%s\n", cases[i].from);
		assert_string_equal(text, cases[i].to);
		free(text);
	}
}

static void rendezvous_names_the_worker_that_has_the_sender(void **state)
{
	struct target target = parsed("/$hc/db?sb-hc-worker=7");
	char *text = target_rendezvous(&target, "ID", "S3CRET", 2);

	(void)state;
	assert_string_equal(text, "/$hc/db?sb-hc-action=accept&sb-hc-id=ID&"
				  "sb-hc-worker=2&sb-hc-rv=S3CRET");
	free(text);
}

static void rejects_makes_a_refusal_fit_for_a_status_line(void **state)
{
	static const struct {
		const char *query;
		int status; /* 0: no refusal */
		const char *reason;
	} cases[] = {
		{"sb-hc-statusCode=401&sb-hc-statusDescription=Nope", 401,
		 "Nope"},
		{"a=1&SB-HC-STATUSCODE=599&sb-hc-statusdescription=a+b%20c",
		 599, "a b c"},
		{"sb-hc-statusCode=400", 400, ""},
		{"sb-hc-statusCode=503&sb-hc-statusDescription=", 503, ""},
		{"sb-hc-statusDescription=why", 400, "why"},
		{"sb-hc-statusCode=99", 502, ""},
		{"sb-hc-statusCode=101", 502, ""},
		{"sb-hc-statusCode=200", 502, ""},
		{"sb-hc-statusCode=399", 502, ""},
		{"sb-hc-statusCode=600", 502, ""},
		{"sb-hc-statusCode=1000", 502, ""},
		{"sb-hc-statusCode=-401", 502, ""},
		{"sb-hc-statusCode=abc", 502, ""},
		{"sb-hc-statusCode=", 502, ""},
		{"sb-hc-statusCode=403&sb-hc-statusDescription=x%0d%0aEvil:+1%"
		 "00",
		 403, ""},
		{"sb-hc-statusCode=403&sb-hc-statusDescription=x%0d%0aEvil:+1",
		 403, "xEvil: 1"},
		{"sb-hc-statusCode=403&sb-hc-statusDescription=%22q%22%c3%a4%"
		 "7f+",
		 403, "\"q\""},
		{"statusCode=401&statusDescription=x", 0, ""},
		{"sb-hc-statusCode&sb-hc-statusDescription", 0, ""},
		{"", 0, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct target_reject said = {0};

		print_message("'%s'\n", cases[i].query);
		assert_int_equal(target_rejects(span_of(cases[i].query), &said),
				 cases[i].status != 0);
		if (cases[i].status == 0)
			continue;
		assert_int_equal(said.status, cases[i].status);
		assert_string_equal(said.reason, cases[i].reason);
	}
}

static void rejects_cuts_a_long_reason(void **state)
{
	struct target_reject said;
	char query[1000] = "sb-hc-statusCode=403&sb-hc-statusDescription=";
	size_t len = strlen(query);

	(void)state;
	memset(query + len, 'x', sizeof(query) - len - 1);
	query[sizeof(query) - 1] = '\0';
	assert_true(target_rejects(span_of(query), &said));
	assert_int_equal(strlen(said.reason), TARGET_REASON_MAX - 1);
}

static void guid_keeps_the_callers_and_makes_one_otherwise(void **state)
{
	static const struct {
		const char *given;
		bool keeps;
	} cases[] = {
		{GUID, true},
		{GUID "_G17_G30", true},
		{GUID "x", false},
		{"", false},
		{"ca496b91-f5a3-4761-8eda-9a66dd9a255", false},
		{"ca496b91xf5a3-4761-8eda-9a66dd9a2558", false},
		{"ga496b91-f5a3-4761-8eda-9a66dd9a2558", false},
		{"ca496b91-f5a3-4761-8eda-9a66dd9a255\n", false},
	};
	char guid[TRACKING_GUID];
	char again[TRACKING_GUID];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("'%s'\n", cases[i].given);
		tracking_guid(span_of(cases[i].given), guid);
		assert_int_equal(strcmp(guid, GUID) == 0, cases[i].keeps);
		/* What was made is a GUID itself. */
		tracking_guid(span_of(guid), again);
		assert_string_equal(again, guid);
	}
	tracking_guid(span_of(""), again);
	assert_string_not_equal(again, guid);
	assert_int_equal(guid[14], '4');
}

static void text_names_guid_path_and_time(void **state)
{
	char text[TRACKING_TEXT];

	(void)state;
	tracking_text("Endpoint does not exist", GUID, span_of("relay.test"),
		      span_of("a/b\r\nX: \xc3y"), 1745492895, text);
	assert_string_equal(text, "Endpoint does not exist. TrackingId:" GUID
				  "_G0, SystemTracker:sb://relay.test/a/bX: y, "
				  "Timestamp:2025-04-24T11:08:15");
}

static void text_is_cut_and_never_overflows(void **state)
{
	static char longer[5000];
	char text[TRACKING_TEXT];

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	tracking_text(longer, GUID, span_of(longer), span_of(longer),
		      1745492895, text);
	assert_non_null(strstr(text, "TrackingId:" GUID));
	assert_non_null(strstr(text, "Timestamp:2025-04-24T11:08:15"));
}

static void a_path_is_sound_when_every_percent_is(void **state)
{
	static const struct {
		const char *target;
		bool sound;
	} cases[] = {{"/$hc/db", true},
		     {"/%24hc/d%62/%2f", true},
		     {"/", true},
		     {"/$hc/db?a=%zz", true},
		     {"/$hc/db/%", false},
		     {"/$hc/db/%4", false},
		     {"/$hc/db/%zz", false},
		     {"/$hc/db/%00", false},
		     {"/$hc/%%62/db", false},
		     {"/db%0", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct target target = parsed(cases[i].target);

		print_message("%s\n", cases[i].target);
		assert_int_equal(target_is_sound(&target), cases[i].sound);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_is_sound_when_every_percent_is),
		cmocka_unit_test(parse_finds_marker_path_query_id_and_action),
		cmocka_unit_test(parse_refuses_what_is_no_target),
		cmocka_unit_test(
			rendezvous_keeps_the_senders_path_and_own_query),
		cmocka_unit_test(
			rendezvous_names_the_worker_that_has_the_sender),
		cmocka_unit_test(rejects_makes_a_refusal_fit_for_a_status_line),
		cmocka_unit_test(rejects_cuts_a_long_reason),
		cmocka_unit_test(
			guid_keeps_the_callers_and_makes_one_otherwise),
		cmocka_unit_test(text_names_guid_path_and_time),
		cmocka_unit_test(text_is_cut_and_never_overflows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
