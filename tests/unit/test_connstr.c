/*
 * test_connstr.c - the portal's connection strings, and every way in which
 * people damage them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <hybridge/connstr.h>

static void parse_ok(const char *text, struct hybridge_connstr *out)
{
	struct hybridge_error err = {0};

	print_message("case: %s\n", text);
	if (hybridge_connstr_parse(text, out, &err) < 0)
		fail_msg("%s", err.what);
}

static void parse_reads_the_portals_string(void **state)
{
	struct hybridge_connstr cs;

	(void)state;
	parse_ok("Endpoint=sb://Contoso.servicebus.windows.net/;"
		 "SharedAccessKeyName=defaultSender;"
		 "SharedAccessKey=AbC+/d=;EntityPath=MyHyco",
		 &cs);
	assert_string_equal(cs.host, "contoso.servicebus.windows.net");
	assert_int_equal(cs.port, 443);
	assert_false(cs.has_port);
	assert_false(cs.plaintext);
	assert_string_equal(cs.entity, "MyHyco");
	assert_string_equal(cs.key_name, "defaultSender");
	assert_string_equal(cs.key, "AbC+/d=");
	assert_null(cs.signature);
	hybridge_connstr_free(&cs);
	assert_null(cs.key);
}

static void parse_keeps_equals_signs_inside_a_key(void **state)
{
	struct hybridge_connstr cs;

	(void)state;
	parse_ok("Endpoint=sb://h/;SharedAccessKeyName=n;SharedAccessKey=a=b==",
		 &cs);
	assert_string_equal(cs.key, "a=b==");
	hybridge_connstr_free(&cs);
}

static void parse_takes_keys_in_any_order_and_case(void **state)
{
	struct hybridge_connstr cs;

	(void)state;
	parse_ok("\n entitypath=/a/b/ ;;SHAREDACCESSKEY=k; "
		 "sharedAccessKeyName=n;OperationTimeout=00:01:00;"
		 "endpoint=SB://h:8443/;\r\n",
		 &cs);
	assert_string_equal(cs.host, "h");
	assert_int_equal(cs.port, 8443);
	assert_true(cs.has_port);
	assert_string_equal(cs.entity, "a/b");
	assert_string_equal(cs.key, "k");
	hybridge_connstr_free(&cs);
}

static void parse_takes_a_ready_made_signature(void **state)
{
	struct hybridge_connstr cs;

	(void)state;
	parse_ok("Endpoint=sb://h/;SharedAccessSignature=SharedAccessSignature "
		 "sr=x&sig=y%3D&se=1&skn=k;EntityPath=e",
		 &cs);
	assert_string_equal(cs.signature,
			    "SharedAccessSignature sr=x&sig=y%3D&se=1&skn=k");
	assert_null(cs.key);
	hybridge_connstr_free(&cs);
}

static void parse_knows_every_scheme_of_an_endpoint(void **state)
{
	static const struct {
		const char *text;
		bool plaintext;
		uint16_t port;
		const char *host;
	} cases[] = {
		{"Endpoint=sb://h;", false, 443, "h"},
		{"Endpoint=wss://h/;", false, 443, "h"},
		{"Endpoint=https://h:9/;", false, 9, "h"},
		{"Endpoint=ws://127.0.0.1:9/;", true, 9, "127.0.0.1"},
		{"Endpoint=http://localhost/;", true, 80, "localhost"},
		{"Endpoint=sb://[::1]:9/;", false, 9, "::1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_connstr cs;

		parse_ok(cases[i].text, &cs);
		assert_int_equal(cs.plaintext, cases[i].plaintext);
		assert_int_equal(cs.port, cases[i].port);
		assert_string_equal(cs.host, cases[i].host);
		assert_null(cs.entity);
		hybridge_connstr_free(&cs);
	}
}

static void parse_says_what_is_wrong_and_never_shows_the_key(void **state)
{
	static const struct {
		const char *text;
		const char *what;
	} cases[] = {
		{"Endpoint=sb://contoso.servicebus.windows.net/",
		 "connection string stops at "
		 "'Endpoint=sb://contoso.servicebus.windows.net/'"},
		{"SharedAccessKey=s3cret=",
		 "connection string has no Endpoint"},
		{"", "connection string has no Endpoint"},
		{";;", "connection string has no Endpoint"},
		{"Endpoint=;EntityPath=e", "connection string has no Endpoint"},
		{"s3cret",
		 "connection string has no '=' in the part at character 1"},
		{"Endpoint=sb://h/;s3cret",
		 "connection string has no '=' in the part at character 18"},
		{"Endpoint=sb://h/;Endpont=x",
		 "connection string: unknown key 'Endpont'"},
		{"Endpoint=sb://h/;s3cret+abc==;a=b",
		 "connection string: unknown key at character 18"},
		{"Endpoint=sb://h/;s3cretAbCdEfGhIjKlMnOpQrStUvWxYz=;a=b",
		 "connection string: unknown key at character 18"},
		{"Endpoint=sb://h/;AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEf=;a=b",
		 "connection string: unknown key at character 18"},
		{"Endpoint=sb://h/;=x",
		 "connection string: unknown key at character 18"},
		{"Endpoint=sb://h/;EntityPath=a;entitypath=b",
		 "connection string has EntityPath twice"},
		{"Endpoint=sb://h/;SharedAccessKey=s3cret",
		 "connection string has SharedAccessKey but no "
		 "SharedAccessKeyName"},
		{"Endpoint=sb://h/;SharedAccessKeyName=n",
		 "connection string has SharedAccessKeyName but no "
		 "SharedAccessKey"},
		{"Endpoint=sb://h/;SharedAccessKeyName=n;SharedAccessKey=",
		 "connection string has an empty SharedAccessKey"},
		{"Endpoint=sb://h/"
		 ";SharedAccessKeyName=n;SharedAccessKey=s3cret;"
		 "SharedAccessSignature=s3cret",
		 "connection string has both a SharedAccessSignature and a "
		 "SharedAccessKey"},
		{"Endpoint=sb://h/;Authentication=Managed Identity",
		 "connection string asks for Authentication, which is not "
		 "supported"},
		{"Endpoint=h;EntityPath=e",
		 "connection string: Endpoint: does not start with sb://, "
		 "wss:// or https://"},
		{"Endpoint=sb://h/entity;EntityPath=e",
		 "connection string: Endpoint: has a path (which belongs into "
		 "EntityPath)"},
		{"Endpoint=sb://u:s3cret@h/;EntityPath=e",
		 "connection string: Endpoint: has user information"},
		{"Endpoint=sb://h:0/;EntityPath=e",
		 "connection string: Endpoint: port is not 1 to 65535"},
		{"Endpoint=sb:///;EntityPath=e",
		 "connection string: Endpoint: host is missing"},
		{"Endpoint=sb://h/;EntityPath=a?b",
		 "connection string: EntityPath holds a '?', a '#' or a "
		 "control character"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_error err = {0};
		struct hybridge_connstr cs = {.port = 7};

		print_message("case: %s\n", cases[i].text);
		assert_int_equal(
			hybridge_connstr_parse(cases[i].text, &cs, &err), -1);
		assert_int_equal(err.code, HYBRIDGE_ECONFIG);
		assert_string_equal(err.what, cases[i].what);
		assert_null(strstr(err.what, "s3cret"));
		assert_null(strstr(err.hint, "s3cret"));
		assert_int_equal(cs.port, 7);
	}
}

static void a_string_cut_by_a_shell_says_to_quote_it(void **state)
{
	struct hybridge_error err = {0};
	struct hybridge_connstr cs;

	(void)state;
	assert_int_equal(hybridge_connstr_parse("Endpoint=sb://h/", &cs, &err),
			 -1);
	assert_non_null(strstr(err.hint, "first ';'"));
	assert_non_null(strstr(err.hint, "single quotes"));
}

static void parse_bounds_key_and_key_name(void **state)
{
	char text[400] = "Endpoint=sb://h/;SharedAccessKeyName=n;"
			 "SharedAccessKey=";
	struct hybridge_error err = {0};
	struct hybridge_connstr cs;
	size_t len = strlen(text);

	(void)state;
	memset(text + len, 'k', 256);
	text[len + 256] = '\0';
	parse_ok(text, &cs);
	hybridge_connstr_free(&cs);
	text[len + 256] = 'k';
	text[len + 257] = '\0';
	assert_int_equal(hybridge_connstr_parse(text, &cs, &err), -1);
	assert_null(strstr(err.what, "kkk"));
}

static void free_takes_nothing_and_twice(void **state)
{
	struct hybridge_connstr cs = {0};

	(void)state;
	hybridge_connstr_free(NULL);
	hybridge_connstr_free(&cs);
	hybridge_connstr_free(&cs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_reads_the_portals_string),
		cmocka_unit_test(parse_keeps_equals_signs_inside_a_key),
		cmocka_unit_test(parse_takes_keys_in_any_order_and_case),
		cmocka_unit_test(parse_takes_a_ready_made_signature),
		cmocka_unit_test(parse_knows_every_scheme_of_an_endpoint),
		cmocka_unit_test(
			parse_says_what_is_wrong_and_never_shows_the_key),
		cmocka_unit_test(a_string_cut_by_a_shell_says_to_quote_it),
		cmocka_unit_test(parse_bounds_key_and_key_name),
		cmocka_unit_test(free_takes_nothing_and_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
