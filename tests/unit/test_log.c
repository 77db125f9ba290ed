/*
 * test_log.c - what the log writes in each form, seen through a pipe that
 * stands in for standard error.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>
#include <regex.h>

#include <cmocka.h>

#include <hybridge/log.h>

static int pipe_fds[2];
static int saved_stderr;
static char seen[16384];

/* What was logged since the last call, read back. */
static const char *logged(void)
{
	ssize_t n;

	/* A byte of our own, so that the read ends although nothing came. */
	assert_int_equal(write(pipe_fds[1], "$", 1), 1);
	n = read(pipe_fds[0], seen, sizeof(seen) - 1);
	assert_true(n > 0);
	seen[n - 1] = '\0';
	return seen;
}

static int setup(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	if (pipe(pipe_fds) < 0)
		return -1;
	saved_stderr = dup(STDERR_FILENO);
	return dup2(pipe_fds[1], STDERR_FILENO) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	unsetenv("JOURNAL_STREAM");
	return 0;
}

static void assert_matches(const char *text, const char *pattern)
{
	regex_t regex;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&regex, text, 0, NULL, 0) != 0)
		fail_msg("'%s' does not match '%s'", text, pattern);
	regfree(&regex);
}

static void text_has_time_level_message_and_fields(void **state)
{
	(void)state;
	hybridge_log_setup("prog", HYBRIDGE_LOG_INFO, HYBRIDGE_LOG_TEXT);
	hybridge_log(HYBRIDGE_LOG_WARNING, "session closed",
		     HYBRIDGE_STR("conn", "sql"), HYBRIDGE_NUM("in", -12),
		     HYBRIDGE_STR("why", "say \"no\""));
	assert_matches(logged(), "^[0-2][0-9]:[0-5][0-9]:[0-6][0-9] warning "
				 "session closed  conn=sql in=-12 "
				 "why=\"say \\\\\"no\\\\\"\"\n$");
}

static void text_without_fields_ends_after_the_message(void **state)
{
	(void)state;
	hybridge_log_setup("prog", HYBRIDGE_LOG_INFO, HYBRIDGE_LOG_TEXT);
	hybridge_log_fields(HYBRIDGE_LOG_INFO, "started", NULL);
	assert_matches(logged(), " info started\n$");
}

static void logfmt_has_utc_time_and_quotes_where_needed(void **state)
{
	(void)state;
	hybridge_log_setup("hybridge-relay", HYBRIDGE_LOG_INFO,
			   HYBRIDGE_LOG_LOGFMT);
	hybridge_log(HYBRIDGE_LOG_ERROR, "session closed",
		     HYBRIDGE_STR("a", "b=c"), HYBRIDGE_STR("empty", ""),
		     HYBRIDGE_STR("none", NULL), HYBRIDGE_STR("path", "c:\\x"));
	assert_matches(
		logged(),
		"^ts=20[0-9]{2}-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:"
		"[0-6][0-9]\\.[0-9]{3}Z level=error prog=hybridge-relay "
		"msg=\"session closed\" a=\"b=c\" empty=\"\" none=- "
		"path=\"c:\\\\\\\\x\"\n$");
}

static void json_survives_a_hostile_value(void **state)
{
	const char *line;
	json_t *root;

	(void)state;
	hybridge_log_setup("prog", HYBRIDGE_LOG_DEBUG, HYBRIDGE_LOG_JSON);
	hybridge_log(HYBRIDGE_LOG_DEBUG, "got",
		     HYBRIDGE_STR("v", "\"},\\\n\x01 h\xc3\xa9 \xff\xc2\x85"),
		     HYBRIDGE_NUM("n", INT64_MIN));
	line = logged();
	assert_int_equal(strchr(line, '\n') - line,
			 (ptrdiff_t)strlen(line) - 1);
	root = json_loads(line, 0, NULL);
	assert_non_null(root);
	assert_int_equal(json_object_size(root), 6);
	assert_string_equal(json_string_value(json_object_get(root, "level")),
			    "debug");
	assert_string_equal(json_string_value(json_object_get(root, "prog")),
			    "prog");
	assert_string_equal(json_string_value(json_object_get(root, "msg")),
			    "got");
	assert_string_equal(json_string_value(json_object_get(root, "v")),
			    "\"},\\?? h\xc3\xa9 \xef\xbf\xbd?");
	assert_true(json_integer_value(json_object_get(root, "n")) ==
		    INT64_MIN);
	assert_int_equal(strlen(json_string_value(json_object_get(root, "ts"))),
			 24);
	json_decref(root);
}

static void invalid_utf8_is_replaced_byte_by_byte(void **state)
{
	static const struct {
		const char *name;
		const char *value;
		const char *want;
	} cases[] = {
		{"lone continuation", "a\x80z", "a\xef\xbf\xbdz"},
		{"overlong slash", "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"overlong three bytes", "\xe0\x80\x80",
		 "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"surrogate", "\xed\xa0\x80",
		 "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"beyond the last character", "\xf4\x90\x80\x80",
		 "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"cut at the end", "x\xf0\x9f\x98",
		 "x\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"good four bytes", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
		{"good three bytes", "\xe2\x82\xac", "\xe2\x82\xac"},
	};
	char want[64];

	(void)state;
	hybridge_log_setup("prog", HYBRIDGE_LOG_INFO, HYBRIDGE_LOG_TEXT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("case: %s\n", cases[i].name);
		hybridge_log(HYBRIDGE_LOG_INFO, "m",
			     HYBRIDGE_STR("v", cases[i].value));
		snprintf(want, sizeof(want), " m  v=%s\n", cases[i].want);
		assert_non_null(strstr(logged(), want));
	}
}

static void long_values_are_cut_between_characters(void **state)
{
	char value[1001];
	char want[300];
	const char *found;

	(void)state;
	hybridge_log_setup("prog", HYBRIDGE_LOG_INFO, HYBRIDGE_LOG_TEXT);
	memset(value, 'x', 1000);
	value[1000] = '\0';
	memcpy(value + 199, "\xc3\xa9", 2); /* would be split by a cut at 200 */
	hybridge_log(HYBRIDGE_LOG_INFO, "m", HYBRIDGE_STR("v", value),
		     HYBRIDGE_NUM("n", 7));
	snprintf(want, sizeof(want), "  v=%.199s\xe2\x80\xa6 n=7\n", value);
	found = strstr(logged(), want);
	assert_non_null(found);

	value[200] = '\0';
	value[199] = 'y';
	hybridge_log(HYBRIDGE_LOG_INFO, "m", HYBRIDGE_STR("v", value));
	snprintf(want, sizeof(want), "  v=%.200s\n", value);
	assert_non_null(strstr(logged(), want));
}

static void a_line_that_is_full_stays_sound(void **state)
{
	struct hybridge_field fields[61] = {{NULL, NULL, 0}};
	char value[201];
	const char *line;
	json_t *root;

	(void)state;
	memset(value, '"', 200); /* doubles when it is escaped */
	value[200] = '\0';
	for (size_t i = 0; i < 60; i++)
		fields[i] = HYBRIDGE_STR("v", value);
	hybridge_log_setup("prog", HYBRIDGE_LOG_INFO, HYBRIDGE_LOG_JSON);
	hybridge_log_fields(HYBRIDGE_LOG_INFO, "m", fields);
	line = logged();
	assert_true(strlen(line) <= 4096);
	root = json_loads(line, 0, NULL);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "cut")),
			    "yes");
	assert_string_equal(json_string_value(json_object_get(root, "v")),
			    value);
	json_decref(root);

	hybridge_log_setup("prog", HYBRIDGE_LOG_INFO, HYBRIDGE_LOG_LOGFMT);
	hybridge_log_fields(HYBRIDGE_LOG_INFO, "m", fields);
	assert_matches(logged(), "\" cut=yes\n$");
}

static void an_event_is_one_write(void **state)
{
	char line[8192];
	int fds[2];
	ssize_t n;

	(void)state;
	/* A datagram for each write(2). */
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	hybridge_log_setup("prog", HYBRIDGE_LOG_INFO, HYBRIDGE_LOG_LOGFMT);
	hybridge_log(HYBRIDGE_LOG_INFO, "event", HYBRIDGE_STR("a", "b c"),
		     HYBRIDGE_NUM("n", 1));
	n = recv(fds[0], line, sizeof(line), MSG_DONTWAIT);
	assert_true(n > 0);
	assert_int_equal(line[n - 1], '\n');
	assert_memory_equal(line, "ts=", 3);
	assert_int_equal(recv(fds[0], line, sizeof(line), MSG_DONTWAIT), -1);
	close(fds[0]);
	close(fds[1]);
}

static void less_important_levels_are_not_written(void **state)
{
	(void)state;
	hybridge_log_setup("prog", HYBRIDGE_LOG_WARNING, HYBRIDGE_LOG_TEXT);
	hybridge_log_fields(HYBRIDGE_LOG_INFO, "quiet", NULL);
	assert_string_equal(logged(), "");
	hybridge_log_fields(HYBRIDGE_LOG_ERROR, "loud", NULL);
	assert_non_null(strstr(logged(), "error loud\n"));
	assert_true(hybridge_log_wanted(HYBRIDGE_LOG_WARNING));
	assert_false(hybridge_log_wanted(HYBRIDGE_LOG_INFO));
}

static void journal_gets_a_priority_and_no_time(void **state)
{
	static const struct {
		enum hybridge_log_level level;
		const char *want;
	} cases[] = {
		{HYBRIDGE_LOG_ERROR, "<3>event  k=v\n"},
		{HYBRIDGE_LOG_WARNING, "<4>event  k=v\n"},
		{HYBRIDGE_LOG_INFO, "<6>event  k=v\n"},
		{HYBRIDGE_LOG_DEBUG, "<7>event  k=v\n"},
	};
	struct stat st;
	char stream[64];

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	hybridge_log_setup("prog", HYBRIDGE_LOG_DEBUG, HYBRIDGE_LOG_AUTO);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("case: %s", cases[i].want);
		hybridge_log(cases[i].level, "event", HYBRIDGE_STR("k", "v"));
		assert_string_equal(logged(), cases[i].want);
	}
}

static void another_stream_than_the_journal_gets_logfmt(void **state)
{
	(void)state;
	setenv("JOURNAL_STREAM", "1:2", 1);
	hybridge_log_setup("prog", HYBRIDGE_LOG_INFO, HYBRIDGE_LOG_AUTO);
	hybridge_log_fields(HYBRIDGE_LOG_INFO, "event", NULL);
	assert_matches(logged(), "^ts=.* level=info prog=prog msg=event\n$");
}

static void an_error_is_logged_whole_with_hint_and_connection(void **state)
{
	struct hybridge_error err = {0};
	char text[390];
	const char *line;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	hybridge_fail(&err, HYBRIDGE_EUNREACH, "%s", text);
	hybridge_log_setup("prog", HYBRIDGE_LOG_INFO, HYBRIDGE_LOG_TEXT);
	hybridge_log_error(HYBRIDGE_LOG_ERROR, "failed", &err, NULL);
	line = logged();
	assert_non_null(strstr(line, "failed  error=xxx"));
	assert_non_null(strstr(line, text));
	assert_null(strstr(line, "conn="));
	assert_null(strstr(line, "hint="));
	hybridge_hint(&err, "do this");
	hybridge_log_error(HYBRIDGE_LOG_ERROR, "failed", &err, "sql");
	line = logged();
	assert_non_null(strstr(line, "failed  conn=sql error=xxx"));
	assert_non_null(strstr(line, " hint=\"do this\"\n"));
}

static void errno_is_left_alone_even_when_writing_fails(void **state)
{
	(void)state;
	hybridge_log_setup("prog", HYBRIDGE_LOG_INFO, HYBRIDGE_LOG_TEXT);
	close(STDERR_FILENO);
	errno = EXDEV;
	hybridge_log_fields(HYBRIDGE_LOG_INFO, "unheard", NULL);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(dup2(pipe_fds[1], STDERR_FILENO), STDERR_FILENO);
}

static void levels_and_forms_are_read_by_name(void **state)
{
	enum hybridge_log_level level = HYBRIDGE_LOG_ERROR;
	enum hybridge_log_format format = HYBRIDGE_LOG_AUTO;

	(void)state;
	assert_int_equal(hybridge_log_parse_level("debug", &level), 0);
	assert_int_equal(level, HYBRIDGE_LOG_DEBUG);
	assert_int_equal(hybridge_log_parse_level("error", &level), 0);
	assert_int_equal(level, HYBRIDGE_LOG_ERROR);
	assert_int_equal(hybridge_log_parse_level("loud", &level), -1);
	assert_int_equal(hybridge_log_parse_level("", &level), -1);
	assert_int_equal(hybridge_log_parse_format("json", &format), 0);
	assert_int_equal(format, HYBRIDGE_LOG_JSON);
	assert_int_equal(hybridge_log_parse_format("auto", &format), 0);
	assert_int_equal(format, HYBRIDGE_LOG_AUTO);
	assert_int_equal(hybridge_log_parse_format("JSON", &format), -1);
}

#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(text_has_time_level_message_and_fields),
		LOG_TEST(text_without_fields_ends_after_the_message),
		LOG_TEST(logfmt_has_utc_time_and_quotes_where_needed),
		LOG_TEST(json_survives_a_hostile_value),
		LOG_TEST(invalid_utf8_is_replaced_byte_by_byte),
		LOG_TEST(long_values_are_cut_between_characters),
		LOG_TEST(a_line_that_is_full_stays_sound),
		LOG_TEST(an_event_is_one_write),
		LOG_TEST(less_important_levels_are_not_written),
		LOG_TEST(journal_gets_a_priority_and_no_time),
		LOG_TEST(another_stream_than_the_journal_gets_logfmt),
		LOG_TEST(an_error_is_logged_whole_with_hint_and_connection),
		LOG_TEST(errno_is_left_alone_even_when_writing_fails),
		cmocka_unit_test(levels_and_forms_are_read_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
