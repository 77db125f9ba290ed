/*
 * test_url.c - percent-encoding, the relay's query parameters and absolute
 * URLs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <hybridge/url.h>

static struct hybridge_span span(const char *text)
{
	return (struct hybridge_span){text, strlen(text)};
}

static void encode_leaves_what_encode_uri_component_leaves(void **state)
{
	char *all = hybridge_url_encode(span("AZaz09-_.!~*'()"));
	char *rest = hybridge_url_encode(span(" /:?#[]@$&+,;=%\"\xc3\xa9"));
	char *empty = hybridge_url_encode((struct hybridge_span){NULL, 0});
	char *nul = hybridge_url_encode((struct hybridge_span){"a\0b", 3});
	char *path = hybridge_url_encode_path(span("/a b//c%2F\xc3\xa9/"));

	(void)state;
	assert_string_equal(all, "AZaz09-_.!~*'()");
	assert_string_equal(rest, "%20%2F%3A%3F%23%5B%5D%40%24%26%2B%2C%3B%3D"
				  "%25%22%C3%A9");
	assert_string_equal(empty, "");
	assert_string_equal(nul, "a%00b");
	assert_string_equal(path, "/a%20b//c%252F%C3%A9/");
	free(all);
	free(rest);
	free(empty);
	free(nul);
	free(path);
}

static void what_is_asked_of_encoded_text_needs_no_memory(void **state)
{
	char out[16];

	(void)state;
	assert_int_equal(hybridge_url_decode_into(span("a%20b+c"), true, out),
			 5);
	assert_string_equal(out, "a b c");
	assert_int_equal(hybridge_url_decode_into(span("a%2"), true, out), -1);
	assert_int_equal(hybridge_url_decode_into(span(""), true, out), 0);
	assert_string_equal(out, "");
	assert_true(hybridge_url_is_sound(span("a%2Fb+")));
	assert_true(hybridge_url_is_sound(span("")));
	assert_false(hybridge_url_is_sound(span("a%2")));
	assert_false(hybridge_url_is_sound(span("a%00")));
	assert_true(hybridge_url_means(span("%24HC"), span("$hc")));
	assert_true(hybridge_url_means(span(""), span("")));
	assert_false(hybridge_url_means(span("$hc2"), span("$hc")));
	assert_false(hybridge_url_means(span("$h"), span("$hc")));
	assert_false(hybridge_url_means(span("$h%"), span("$hc")));
	/* What cannot be decoded is not 0xff either. */
	assert_false(hybridge_url_means(span("%x"), span("\xff")));
	assert_false(hybridge_url_means(span("a%2Fb"), span("a")));
}

static void decode_undoes_one_encoding_only(void **state)
{
	static const struct {
		const char *text;
		bool plus;
		const char *want; /* NULL: refused */
	} cases[] = {
		{"a%2Fb%2fc", false, "a/b/c"},
		{"%253A", false, "%3A"},
		{"a+b%2B", false, "a+b+"},
		{"a+b%2B", true, "a b+"},
		{"", false, ""},
		{"%C3%A9", true, "\xc3\xa9"},
		{"%", false, NULL},
		{"%2", false, NULL},
		{"%2G", false, NULL},
		{"%x1", false, NULL},
		{"a%00b", false, NULL},
		{"100%", true, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("case: %s\n", cases[i].text);
		char *got =
			hybridge_url_decode(span(cases[i].text), cases[i].plus);

		if (cases[i].want)
			assert_string_equal(got, cases[i].want);
		else
			assert_null(got);
		free(got);
	}
}

static void decode_refuses_a_raw_nul(void **state)
{
	(void)state;
	assert_null(
		hybridge_url_decode((struct hybridge_span){"a\0b", 3}, false));
}

static void get_finds_parameters_in_any_spelling_of_their_name(void **state)
{
	static const struct {
		const char *query;
		const char *want; /* NULL: absent */
	} cases[] = {
		{"sb-hc-action=listen", "listen"},
		{"a=1&SB-HC-Action=x&b=2", "x"},
		{"sb-hc-action=first&sb-hc-action=second", "first"},
		{"sb-hc-action=", ""},
		{"sb-hc-action=a=b", "a=b"},
		{"sb%2Dhc-actio%6E=enc%2F", "enc%2F"},
		{"&&sb-hc-action=x", "x"},
		{"sb-hc-action", NULL},
		{"sb-hc-actions=x", NULL},
		{"xsb-hc-action=x", NULL},
		{"a=sb-hc-action=x", NULL},
		{"sb-hc-actio=x", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_span out = {"untouched", 9};
		bool found = hybridge_query_get(span(cases[i].query),
						"sb-hc-action", &out);

		print_message("case: %s\n", cases[i].query);
		assert_int_equal(found, cases[i].want != NULL);
		const char *want = found ? cases[i].want : "untouched";

		assert_int_equal(out.len, strlen(want));
		assert_memory_equal(out.text, want, out.len);
	}
}

static void strip_removes_our_parameters_and_nothing_else(void **state)
{
	static const struct {
		const char *query;
		const char *want;
	} cases[] = {
		{"sb-hc-id=1", ""},
		{"custom=value&sb-hc-id=1", "custom=value"},
		{"sb-hc-id=1&custom=value", "custom=value"},
		{"a=1&sb-hc-id=1&b=2&sb-hc-token=x", "a=1&b=2"},
		{"sb-hc-undefined", "sb-hc-undefined"},
		{"sb-hc-undefined=true", ""},
		{"sb-hc-whatever=", ""},
		{"SB-HC-Token=x&a", "a"},
		{"%73b-hc-token=x&a", "a"},
		{"sb%2dhc-token=x", ""},
		{"a=1&a=2&", "a=1&a=2&"},
		{"&&&", "&&&"},
		{"&foo=bar", "&foo=bar"},
		{"+", "+"},
		{"%2B", "%2B"},
		{"%2f%3a%3d%26", "%2f%3a%3d%26"},
		{"sb-hc=x", "sb-hc=x"},
		{"%zz=1", "%zz=1"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *got = hybridge_query_strip(span(cases[i].query));

		print_message("case: %s\n", cases[i].query);
		assert_non_null(got);
		assert_string_equal(got, cases[i].want);
		free(got);
	}
}

static void parse_takes_urls_apart_byte_for_byte(void **state)
{
	static const struct {
		const char *text;
		const char *host;
		const char *target;
		unsigned short port;
		bool tls;
	} cases[] = {
		{"wss://g17-prod.servicebus.windows.net/$hc/my%2fhc?a=%zz&b",
		 "g17-prod.servicebus.windows.net", "/$hc/my%2fhc?a=%zz&b", 443,
		 true},
		{"ws://h/", "h", "/", 80, false},
		{"https://h:8443", "h", "/", 8443, true},
		{"HTTP://Host?x=1", "Host", "/?x=1", 80, false},
		{"wss://[2001:db8::1]:444//x", "2001:db8::1", "//x", 444, true},
		{"ws://127.0.0.1:65535/a:b@c", "127.0.0.1", "/a:b@c", 65535,
		 false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_error err = {0};
		struct hybridge_url url;

		print_message("case: %s\n", cases[i].text);
		assert_int_equal(hybridge_url_parse(cases[i].text, &url, &err),
				 0);
		assert_int_equal(url.tls, cases[i].tls);
		assert_string_equal(url.host, cases[i].host);
		assert_int_equal(url.port, cases[i].port);
		assert_string_equal(url.target, cases[i].target);
		hybridge_url_free(&url);
		assert_null(url.host);
	}
}

static void parse_refuses_what_could_mislead(void **state)
{
	static const struct {
		const char *text;
		const char *what;
	} cases[] = {
		{"ftp://h/", "does not start with"},
		{"//h/x", "does not start with"},
		{"", "does not start with"},
		{"wss:///x", "host is missing"},
		{"wss://:443/x", "host is missing"},
		{"wss://h:/x", "port is missing"},
		{"wss://h:0/", "1 to 65535"},
		{"wss://h:65536/", "1 to 65535"},
		{"wss://h:44x/", "not a number"},
		{"wss://h:+1/", "not a number"},
		{"wss://s3cret@h/", "user information"},
		{"wss://u:s3cret@h/", "user information"},
		{"wss://h/#x", "fragment"},
		{"wss://h/a b", "space"},
		{"wss://h/a\r\nX: y", "control character"},
		{"wss://h\x7f/", "control character"},
		{"wss://h\\evil/", "no host name has"},
		{"wss://h%41/", "no host name has"},
		{"wss://::1/", "host is missing"},
		{"wss://a:b:1/", "needs brackets"},
		{"wss://[::1/", "never closed"},
		{"wss://[h]/", "no IPv6 address"},
		{"wss://[127.0.0.1]/", "no IPv6 address"},
		{"wss://[::1]x/", "after ']'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_error err = {0};
		struct hybridge_url url = {.port = 7};

		print_message("case: %s\n", cases[i].text);
		assert_int_equal(hybridge_url_parse(cases[i].text, &url, &err),
				 -1);
		assert_int_equal(err.code, HYBRIDGE_EPROTOCOL);
		print_message("  %s\n", err.what);
		assert_non_null(strstr(err.what, cases[i].what));
		assert_null(strstr(err.what, "s3cret"));
		assert_int_equal(url.port, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			encode_leaves_what_encode_uri_component_leaves),
		cmocka_unit_test(what_is_asked_of_encoded_text_needs_no_memory),
		cmocka_unit_test(decode_undoes_one_encoding_only),
		cmocka_unit_test(decode_refuses_a_raw_nul),
		cmocka_unit_test(
			get_finds_parameters_in_any_spelling_of_their_name),
		cmocka_unit_test(strip_removes_our_parameters_and_nothing_else),
		cmocka_unit_test(parse_takes_urls_apart_byte_for_byte),
		cmocka_unit_test(parse_refuses_what_could_mislead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
