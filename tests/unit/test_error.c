/*
 * test_error.c - failures keep their first cause, stay on one line, and give
 * each class its documented exit status.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <hybridge/error.h>

static void the_first_cause_wins(void **state)
{
	struct hybridge_error err = {0};

	(void)state;
	hybridge_fail(&err, HYBRIDGE_EUNREACH, "cannot reach %s:%d", "relay",
		      443);
	hybridge_hint(&err, "set %s", "HTTPS_PROXY");
	hybridge_fail(&err, HYBRIDGE_ESYSTEM, "a later one");
	hybridge_hint(&err, "a later hint");
	assert_int_equal(err.code, HYBRIDGE_EUNREACH);
	assert_string_equal(err.what, "cannot reach relay:443");
	assert_string_equal(err.hint, "set HTTPS_PROXY");
}

static void nobody_has_to_take_the_error(void **state)
{
	(void)state;
	hybridge_fail(NULL, HYBRIDGE_ESYSTEM, "unheard");
	hybridge_hint(NULL, "unheard");
}

static void control_characters_cannot_break_the_line(void **state)
{
	struct hybridge_error err = {0};

	(void)state;
	hybridge_fail(&err, HYBRIDGE_EPROTOCOL, "peer said '%s'",
		      "a\nb\x1b[2J\x7f");
	assert_string_equal(err.what, "peer said 'a?b?[2J?'");
}

static void what_is_not_utf8_cannot_break_the_line(void **state)
{
	struct hybridge_error err = {0};

	(void)state;
	/* A proxy's Latin-1, and a character that was cut. */
	hybridge_fail(&err, HYBRIDGE_EPROTOCOL, "%s",
		      "n\xe9"
		      "cessaire: d\xc3\xa9j\xc3");
	assert_string_equal(err.what, "n?cessaire: d\xc3\xa9j?");
}

static void a_key_is_never_shown(void **state)
{
	static const struct {
		const char *text;
		const char *shown;
	} cases[] = {
		{"SharedAccessKeyName=a;SharedAccessKey=s3cret;EntityPath=b",
		 "'SharedAccessKeyName=a;SharedAccessKey=******;EntityPath=b'"},
		{"sharedaccesskey\t = s3cret", "'sharedaccesskey? =*******'"},
		{"SharedAccessSignature=SAS sig=x;SharedAccessKey=y",
		 "'SharedAccessSignature=*********;SharedAccessKey=*'"},
		{"SharedAccessKey", "'SharedAccessKey'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_error err = {0};

		hybridge_fail(&err, HYBRIDGE_ECONFIG, "'%s'", cases[i].text);
		assert_string_equal(err.what, cases[i].shown);
	}
}

static void long_texts_are_cut_and_terminated(void **state)
{
	struct hybridge_error err = {0};
	char text[1000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	hybridge_fail(&err, HYBRIDGE_EPROTOCOL, "%s", text);
	hybridge_hint(&err, "%s", text);
	assert_int_equal(strlen(err.what), sizeof(err.what) - 1);
	assert_int_equal(strlen(err.hint), sizeof(err.hint) - 1);
}

static void print_shows_what_and_hint(void **state)
{
	struct hybridge_error err = {0};
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	(void)state;
	assert_non_null(to);
	hybridge_fail(&err, HYBRIDGE_ECONFIG, "it broke");
	hybridge_error_print(to, &err);
	hybridge_hint(&err, "mend it");
	hybridge_error_print(to, &err);
	fclose(to);
	assert_string_equal(text, "hybridge: it broke\n"
				  "hybridge: it broke\n  -> mend it\n");
	free(text);
}

static void every_class_has_its_exit_status(void **state)
{
	static const struct {
		enum hybridge_code code;
		int status;
	} cases[] = {
		{HYBRIDGE_OK, 0},         {HYBRIDGE_EUSAGE, 64},
		{HYBRIDGE_EREFUSED, 69},  {HYBRIDGE_EUNREACH, 69},
		{HYBRIDGE_ESYSTEM, 71},   {HYBRIDGE_ETIMEOUT, 75},
		{HYBRIDGE_EPROTOCOL, 76}, {HYBRIDGE_EDENIED, 77},
		{HYBRIDGE_ECONFIG, 78},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("case: code %d\n", (int)cases[i].code);
		assert_int_equal(hybridge_exit_status(cases[i].code),
				 cases[i].status);
	}
}

static void what_a_relay_adds_each_time_makes_no_other_failure(void **state)
{
	static const struct {
		const char *a;
		const char *b;
		bool same;
	} cases[] = {
		{"lost", "lost", true},
		{"lost", "lost again", false},
		{"", "lost", false},
		{"404 nobody. TrackingId:1_G0, Timestamp:2026",
		 "404 nobody. TrackingId:2_G0, Timestamp:2027", true},
		{"404 nobody. TrackingId:1_G0, Timestamp:2026",
		 "404 nothing. TrackingId:1_G0, Timestamp:2026", false},
		{"404 nobody. TrackingId:1_G0", "404 nobody.", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_error a = {0}, b = {0};

		print_message("case: %s | %s\n", cases[i].a, cases[i].b);
		hybridge_fail(&a, HYBRIDGE_EREFUSED, "%s", cases[i].a);
		hybridge_fail(&b, HYBRIDGE_EREFUSED, "%s", cases[i].b);
		assert_int_equal(hybridge_error_same(&a, &b), cases[i].same);
		assert_int_equal(hybridge_error_same(&b, &a), cases[i].same);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_cause_wins),
		cmocka_unit_test(nobody_has_to_take_the_error),
		cmocka_unit_test(control_characters_cannot_break_the_line),
		cmocka_unit_test(
			what_a_relay_adds_each_time_makes_no_other_failure),
		cmocka_unit_test(what_is_not_utf8_cannot_break_the_line),
		cmocka_unit_test(a_key_is_never_shown),
		cmocka_unit_test(long_texts_are_cut_and_terminated),
		cmocka_unit_test(print_shows_what_and_hint),
		cmocka_unit_test(every_class_has_its_exit_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
