/*
 * test_config_request.c - what a sender may be told to add to its requests, and what not.
 */
#include "config_fixture.h"

#define SUFFIX  "HYBRIDGE_SQL_SUFFIX="
#define HEADERS "HYBRIDGE_SQL_HEADERS="

static void a_suffix_is_taken_as_it_stands(void **state)
{
	static const char *const good[] = {
		"/orders",       "/a/b%2Fc/d",    "?x=1",        "/a?x=1&x=2&y",
		"/a?",           "/~a.b-c_d/e:f", "?q=a/b?c%20", "/a?sb-hc=1",
		"/...?redirect", "?sb-hc-flag",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char text[512];
		struct hybridge_config config;

		snprintf(text, sizeof(text), SQL SQL_HOSTS SUFFIX "'%s'\n",
			 good[i]);
		print_message("case: %s\n", good[i]);
		config = loaded(text, NO_ENV, HYBRIDGE_ROLE_SENDER);
		assert_string_equal(config.connections[0].suffix, good[i]);
		assert_null(config.connections[0].headers);
		hybridge_config_free(&config);
	}
}

static void headers_become_lines_without_blanks_around(void **state)
{
	struct hybridge_config config =
		loaded(SQL SQL_HOSTS HEADERS
		       "'X-Tenant:7 | Cookie: a=b; c=\"d\", e |x_y:\tz:1'\n",
		       NO_ENV, HYBRIDGE_ROLE_SENDER);

	(void)state;
	assert_string_equal(config.connections[0].headers,
			    "X-Tenant: 7\r\n"
			    "Cookie: a=b; c=\"d\", e\r\n"
			    "x_y: z:1\r\n");
	assert_null(config.connections[0].suffix);
	hybridge_config_free(&config);
}

static void nothing_is_added_unasked(void **state)
{
	struct hybridge_config config =
		loaded(SQL SQL_HOSTS SUFFIX "\n" HEADERS "\n", NO_ENV,
		       HYBRIDGE_ROLE_SENDER);

	(void)state;
	assert_null(config.connections[0].suffix);
	assert_null(config.connections[0].headers);
	hybridge_config_free(&config);
}

static void a_bad_suffix_is_told_with_its_place(void **state)
{
	static const struct {
		const char *value;
		const char *why;
	} cases[] = {
		{"orders", "it starts with neither '/' nor '?'"},
		{"#top", "it is not encoded as in a URL"},
		{"/a b", "it is not encoded as in a URL"},
		{"/a\tb", "it is not encoded as in a URL"},
		{"/a\\b", "it is not encoded as in a URL"},
		{"/gr\xc3\xbc", "it is not encoded as in a URL"},
		{"/a%2", "it is not encoded as in a URL"},
		{"/a%zz", "it is not encoded as in a URL"},
		{"/a%00b", "it is not encoded as in a URL"},
		{"?x=\"1\"", "it is not encoded as in a URL"},
		{"/", "a segment of the path is empty, '.' or '..'"},
		{"//a", "a segment of the path is empty, '.' or '..'"},
		{"/a//b?x", "a segment of the path is empty, '.' or '..'"},
		{"/a/../b", "a segment of the path is empty, '.' or '..'"},
		{"/%2e%2E/b", "a segment of the path is empty, '.' or '..'"},
		{"/.", "a segment of the path is empty, '.' or '..'"},
		{"/a/", "the path ends with a '/'"},
		{"?a=1&sb-hc-token=x",
		 "parameters that start with sb-hc- are the relay's"},
		{"?SB%2Dhc-action=listen",
		 "parameters that start with sb-hc- are the relay's"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[512];
		char what[256];

		snprintf(text, sizeof(text), SQL SQL_HOSTS SUFFIX "'%s'\n",
			 cases[i].value);
		snprintf(what, sizeof(what), "FILE:3: HYBRIDGE_SQL_SUFFIX: %s",
			 cases[i].why);
		write_text(path, text);
		expect_failure(NO_ENV, HYBRIDGE_ROLE_SENDER, what,
			       "/orders/eu?tenant=7");
	}
}

static void a_suffix_has_its_limit(void **state)
{
	struct hybridge_config config;
	char text[2048];
	char long_one[1026];

	(void)state;
	memset(long_one, 'a', sizeof(long_one) - 1);
	long_one[0] = '/';
	long_one[sizeof(long_one) - 1] = '\0';
	snprintf(text, sizeof(text), SQL SQL_HOSTS SUFFIX "%.1024s\n",
		 long_one);
	config = loaded(text, NO_ENV, HYBRIDGE_ROLE_SENDER);
	assert_int_equal(strlen(config.connections[0].suffix), 1024);
	hybridge_config_free(&config);
	snprintf(text, sizeof(text), SQL SQL_HOSTS SUFFIX "%s\n", long_one);
	write_text(path, text);
	expect_failure(
		NO_ENV, HYBRIDGE_ROLE_SENDER,
		"FILE:3: HYBRIDGE_SQL_SUFFIX: it is longer than 1024 bytes",
		"");
}

static void bad_headers_are_told_without_their_values(void **state)
{
	static const struct {
		const char *value;
		const char *why;
	} cases[] = {
		{"s3cret", "header 1 is not NAME: VALUE"},
		{"A: s3cret|s3cret", "header 2 is not NAME: VALUE"},
		{"A: s3cret|", "header 2 is not NAME: VALUE"},
		{": s3cret", "header 1 is not NAME: VALUE"},
		{"A B: s3cret", "header 1 is not NAME: VALUE"},
		{"A : s3cret", "header 1 is not NAME: VALUE"},
		{"A\r\nB: s3cret", "header 1 is not NAME: VALUE"},
		{"A:", "'A' has no value"},
		{"A: |B: s3cret", "'A' has no value"},
		{"A: s3cret|a: 2", "'a' is given twice"},
		{"Ab: s3cret\rB: 1", "'Ab' has a value with other characters "
				     "than printable ASCII"},
		{"Ab: s3cret\x7f", "'Ab' has a value with other characters "
				   "than printable ASCII"},
		{"Ab: gr\xc3\xbc", "'Ab' has a value with other characters "
				   "than printable ASCII"},
		{"host: h", "'host' is not for the configuration to say"},
		{"Connection: close",
		 "'Connection' is not for the configuration to say"},
		{"UPGRADE: x", "'UPGRADE' is not for the configuration to say"},
		{"Sec-WebSocket-Protocol: x", "'Sec-WebSocket-Protocol' is not "
					      "for the configuration to say"},
		{"sec-websocket-key: x",
		 "'sec-websocket-key' is not for the configuration to say"},
		{"Authorization: s3cret",
		 "'Authorization' is not for the configuration to say"},
		{"ServiceBusAuthorization: s3cret",
		 "'ServiceBusAuthorization' is not for the configuration to "
		 "say"},
		{"Proxy-Authorization: s3cret",
		 "'Proxy-Authorization' is not for the configuration to say"},
		{"Transfer-Encoding: chunked",
		 "'Transfer-Encoding' is not for the configuration to say"},
		{"Content-Length: 1",
		 "'Content-Length' is not for the configuration to say"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char entry[128];
		char what[256];
		char *const env[] = {entry, NULL};

		/* The environment may hold line breaks, a file may not. */
		snprintf(entry, sizeof(entry), HEADERS "%s", cases[i].value);
		snprintf(what, sizeof(what),
			 "environment: HYBRIDGE_SQL_HEADERS: %s", cases[i].why);
		write_text(path, SQL SQL_HOSTS);
		expect_failure(env, HYBRIDGE_ROLE_SENDER, what, "X-Tenant: 7");
	}
}

static void headers_have_their_limits(void **state)
{
	static const char many[] = "H1: v|H2: v|H3: v|H4: v|H5: v|H6: v|H7: v|"
				   "H8: v|H9: v|H10: v|H11: v|H12: v|H13: v|"
				   "H14: v|H15: v|H16: v";
	static const char *const why =
		"FILE:3: HYBRIDGE_SQL_HEADERS: more than 16 headers, or 4096 "
		"bytes";
	struct hybridge_config config;
	char text[8192];

	(void)state;
	snprintf(text, sizeof(text), SQL SQL_HOSTS HEADERS "'%s'\n", many);
	config = loaded(text, NO_ENV, HYBRIDGE_ROLE_SENDER);
	assert_non_null(strstr(config.connections[0].headers, "H16: v\r\n"));
	hybridge_config_free(&config);
	snprintf(text, sizeof(text), SQL SQL_HOSTS HEADERS "'%s|H17: v'\n",
		 many);
	write_text(path, text);
	expect_failure(NO_ENV, HYBRIDGE_ROLE_SENDER, why, "");
	snprintf(text, sizeof(text), SQL SQL_HOSTS HEADERS "'H: %04100d'\n", 1);
	write_text(path, text);
	expect_failure(NO_ENV, HYBRIDGE_ROLE_SENDER, why, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(a_suffix_is_taken_as_it_stands),
		FILE_TEST(headers_become_lines_without_blanks_around),
		FILE_TEST(nothing_is_added_unasked),
		FILE_TEST(a_bad_suffix_is_told_with_its_place),
		FILE_TEST(a_suffix_has_its_limit),
		FILE_TEST(bad_headers_are_told_without_their_values),
		FILE_TEST(headers_have_their_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
