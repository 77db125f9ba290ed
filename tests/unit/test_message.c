/*
 * test_message.c - the control channel's JSON, as Azure writes it and as we do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <cmocka.h>

#include <hybridge/message.h>

static struct hybridge_message parsed(const char *text)
{
	struct hybridge_message msg;
	struct hybridge_error err = {0};

	if (hybridge_message_parse(text, strlen(text), &msg, &err) < 0)
		fail_msg("%s", err.what);
	return msg;
}

static void accept_is_read_as_azure_writes_it(void **state)
{
	struct hybridge_message msg = parsed(
		"{\"accept\":{\"address\":\"wss:\\/\\/g17-prod-by3-010-sb."
		"servicebus.windows.net\\/$hc\\/myhc?sb-hc-action=accept&"
		"sb-hc-id=ca496b91_G17_G30\",\"id\":\"ca496b91_G17_G30\","
		"\"connectHeaders\":{\"Sec-WebSocket-Key\":\"abc\","
		"\"Host\":\"ns:443\",\"X\":\"\\u00e9\"},\"remoteEndpoint\":"
		"{\"address\":\"203.0.113.9\",\"port\":62917}}}");

	(void)state;
	assert_int_equal(msg.kind, HYBRIDGE_MESSAGE_ACCEPT);
	assert_string_equal(msg.address,
			    "wss://g17-prod-by3-010-sb.servicebus.windows.net/"
			    "$hc/myhc?sb-hc-action=accept&"
			    "sb-hc-id=ca496b91_G17_G30");
	assert_string_equal(msg.id, "ca496b91_G17_G30");
	assert_string_equal(msg.remote_address, "203.0.113.9");
	assert_int_equal(msg.remote_port, 62917);
	assert_int_equal(msg.num_headers, 3);
	assert_string_equal(msg.headers[0].name, "Sec-WebSocket-Key");
	assert_string_equal(msg.headers[0].value, "abc");
	assert_string_equal(msg.headers[2].value, "\xc3\xa9");
	hybridge_message_free(&msg);
	assert_null(msg.headers);
}

static void assert_same_text(const char *a, const char *b)
{
	assert_int_equal(a == NULL, b == NULL);
	if (a && b)
		assert_string_equal(a, b);
}

/* A blank in front is all that it takes to have a whole parser look at a message. */
static void the_usual_form_is_read_as_any_other(void **state)
{
	static const char *const texts[] = {
		"{\"accept\":{\"address\":\"wss:\\/\\/h\"}}",
		"{\"accept\":{\"id\":\"\",\"address\":\"\\\"\\\\\\b\\f\\n\\r"
		"\\t\\u0041\"}}",
		"{\"accept\":{\"address\":\"a\",\"address\":\"b\"}}",
		"{\"accept\":{\"address\":\"a\",\"id\":\"i\","
		"\"connectHeaders\":{},\"remoteEndpoint\":{\"address\":\"r\","
		"\"port\":65535}}}",
		"{\"accept\":{\"address\":\"a\",\"connectHeaders\":{\"A\":"
		"\"1\",\"a\":\"2\",\"B\":\"\",\"\":\"3\",\"A\":\"4\"}}}",
		"{\"accept\":{\"address\":\"a\",\"connectHeaders\":{\"A\":"
		"\"1\",\"a\":\"2\",\"B\":\"\"},\"remoteEndpoint\":{\"port\":7,"
		"\"address\":\"r\"}}}",
		"{\"accept\":{\"address\":\"a\",\"remoteEndpoint\":"
		"{\"address\":\"r\",\"port\":0}}}",
		"{\"accept\":{\"address\":\"\xc3\xa9\x7f\"}}",
		/* None of these is sound. */
		"{\"accept\":{\"address\":\"\"}}",
		"{\"accept\":{\"address\":\"a\"},}",
		"{\"accept\":{\"address\":\"a\",}}",
		"{\"accept\":{\"address\":\"a\"}}}",
		"{\"accept\":{\"address\":\"a\"}",
		"{\"accept\":{\"address\":\"a\\",
		"{\"accept\":{\"address\":\"\xff\"}}",
		"{\"accept\":{\"address\":\"\\x\"}}",
		"{\"accept\":{\"address\":\"a\nb\"}}",
		"{\"accept\":{}}",
		"{\"accept\":{\"address\":\"a\",\"remoteEndpoint\":"
		"{\"address\":\"r\",\"port\":65536}}}",
		"{\"accept\":{\"address\":\"a\",\"remoteEndpoint\":"
		"{\"address\":\"r\",\"port\":01}}}",
		"{\"accept\":{\"address\":\"a\",\"remoteEndpoint\":"
		"{\"address\":\"r\",\"port\":655350}}}",
		"{\"accept\":{\"address\":\"a\",\"connectHeaders\":{\"A\":"
		"1}}}",
		"{\"accept\":{\"address\":\"a\",\"connectHeaders\":{\"A\"}}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct hybridge_message one = {0}, two = {0};
		struct hybridge_error err = {0};
		char spaced[512];
		int ret = hybridge_message_parse(texts[i], strlen(texts[i]),
						 &one, &err);

		print_message("case: %s\n", texts[i]);
		snprintf(spaced, sizeof(spaced), " %s", texts[i]);
		assert_int_equal(ret,
				 hybridge_message_parse(spaced, strlen(spaced),
							&two, &err));
		assert_int_equal(one.kind, two.kind);
		assert_same_text(one.address, two.address);
		assert_same_text(one.id, two.id);
		assert_same_text(one.remote_address, two.remote_address);
		assert_int_equal(one.remote_port, two.remote_port);
		assert_int_equal(one.num_headers, two.num_headers);
		for (size_t j = 0; j < one.num_headers; j++) {
			assert_same_text(one.headers[j].name,
					 two.headers[j].name);
			assert_same_text(one.headers[j].value,
					 two.headers[j].value);
		}
		hybridge_message_free(&one);
		hybridge_message_free(&two);
	}
}

static void accept_needs_nothing_but_an_address(void **state)
{
	struct hybridge_message msg =
		parsed("{\"accept\":{\"address\":\"wss://h/\",\"more\":[1],"
		       "\"id\":null,\"connectHeaders\":null,\"remoteEndpoint\":"
		       "null}}");

	(void)state;
	assert_string_equal(msg.address, "wss://h/");
	assert_null(msg.id);
	assert_null(msg.remote_address);
	assert_int_equal(msg.remote_port, 0);
	assert_int_equal(msg.num_headers, 0);
	hybridge_message_free(&msg);
}

static void the_other_kinds_are_told_apart(void **state)
{
	struct hybridge_message request = parsed(
		"{\"request\":{\"address\":\"wss://h/r\",\"id\":\"i\","
		"\"method\":\"GET\",\"requestTarget\":\"/\",\"body\":false,"
		"\"remoteEndpoint\":{\"address\":\"::1\",\"port\":1}}}");
	struct hybridge_message renew =
		parsed("{\"renewToken\":{\"token\":\"sr=x&sig=y\"}}");
	struct hybridge_message response =
		parsed("{\"response\":{\"requestId\":\"r\",\"statusCode\":"
		       "\"200\",\"body\":true}}");

	(void)state;
	assert_int_equal(request.kind, HYBRIDGE_MESSAGE_REQUEST);
	assert_string_equal(request.address, "wss://h/r");
	assert_string_equal(request.id, "i");
	assert_string_equal(request.remote_address, "::1");
	assert_int_equal(renew.kind, HYBRIDGE_MESSAGE_RENEW);
	assert_string_equal(renew.token, "sr=x&sig=y");
	assert_int_equal(response.kind, HYBRIDGE_MESSAGE_RESPONSE);
	assert_string_equal(response.id, "r");
	hybridge_message_free(&request);
	hybridge_message_free(&renew);
	hybridge_message_free(&response);
}

static void unknown_messages_are_no_error(void **state)
{
	struct hybridge_message unknown =
		parsed("{\"injectFault\":{\"delay\":1},\"b\":2}");
	struct hybridge_message empty = parsed("{}");
	struct hybridge_message extra =
		parsed("{\"x\":1,\"renewToken\":{\"token\":\"t\"}}");

	(void)state;
	assert_int_equal(unknown.kind, HYBRIDGE_MESSAGE_UNKNOWN);
	assert_string_equal(unknown.name, "injectFault");
	assert_int_equal(empty.kind, HYBRIDGE_MESSAGE_UNKNOWN);
	assert_null(empty.name);
	assert_int_equal(extra.kind, HYBRIDGE_MESSAGE_RENEW);
	hybridge_message_free(&unknown);
	hybridge_message_free(&empty);
	hybridge_message_free(&extra);
}

static void parse_says_where_a_message_is_wrong(void **state)
{
	static const struct {
		const char *text;
		const char *what;
	} cases[] = {
		{"", "control message is not JSON at byte "},
		{"{\"renewToken\":{\"token\":s3cret}}",
		 "control message is not JSON at byte "},
		{"{\"renewToken\":{\"token\":\"s3cret\"}",
		 "control message is not JSON at byte "},
		{"{\"accept\":{\"address\":\"a\\u0000b\"}}",
		 "control message is not JSON at byte "},
		{"{\"accept\":{\"address\":\"\xff\"}}",
		 "control message is not JSON at byte "},
		{"{} {}", "control message is not JSON at byte "},
		{"[]", "control message is not a JSON object"},
		{"{\"accept\":1}", "control message: accept is not an object"},
		{"{\"accept\":null}",
		 "control message: accept is not an object"},
		{"{\"accept\":{}}",
		 "control message: accept.address is missing"},
		{"{\"accept\":{\"address\":\"\"}}",
		 "control message: accept.address is empty"},
		{"{\"accept\":{\"address\":1}}",
		 "control message: accept.address is not a string"},
		{"{\"request\":{}}",
		 "control message: request.address is missing"},
		{"{\"accept\":{\"address\":\"a\",\"id\":1}}",
		 "control message: accept.id is not a string"},
		{"{\"accept\":{\"address\":\"a\",\"connectHeaders\":[]}}",
		 "control message: accept.connectHeaders is not an object"},
		{"{\"accept\":{\"address\":\"a\",\"connectHeaders\":"
		 "{\"a\":\"b\",\"c\":1}}}",
		 "control message: a value in accept.connectHeaders is not a "
		 "string"},
		{"{\"accept\":{\"address\":\"a\",\"remoteEndpoint\":1}}",
		 "control message: accept.remoteEndpoint is not an object"},
		{"{\"accept\":{\"address\":\"a\",\"remoteEndpoint\":"
		 "{\"port\":65536}}}",
		 "control message: accept.remoteEndpoint.port is not a port"},
		{"{\"accept\":{\"address\":\"a\",\"remoteEndpoint\":"
		 "{\"port\":\"1\"}}}",
		 "control message: accept.remoteEndpoint.port is not a port"},
		{"{\"accept\":{\"address\":\"a\",\"remoteEndpoint\":"
		 "{\"address\":2}}}",
		 "control message: remoteEndpoint.address is not a string"},
		{"{\"renewToken\":{}}",
		 "control message: renewToken.token is missing"},
		{"{\"response\":{\"requestId\":7}}",
		 "control message: response.requestId is not a string"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_error err = {0};
		struct hybridge_message msg = {.remote_port = 7};

		print_message("case: %s\n", cases[i].text);
		assert_int_equal(hybridge_message_parse(cases[i].text,
							strlen(cases[i].text),
							&msg, &err),
				 -1);
		assert_int_equal(err.code, HYBRIDGE_EPROTOCOL);
		if (!strstr(err.what, cases[i].what))
			fail_msg("%s", err.what);
		assert_null(strstr(err.what, "s3cret"));
		assert_int_equal(msg.remote_port, 7);
	}
}

static void parse_bounds_length_and_depth(void **state)
{
	struct hybridge_error err = {0};
	struct hybridge_message msg;
	char *text = malloc(HYBRIDGE_MESSAGE_MAX + 2);

	(void)state;
	assert_non_null(text);
	memset(text, ' ', HYBRIDGE_MESSAGE_MAX + 1);
	text[0] = '{';
	text[1] = '}';
	assert_int_equal(
		hybridge_message_parse(text, HYBRIDGE_MESSAGE_MAX, &msg, &err),
		0);
	hybridge_message_free(&msg);
	assert_int_equal(hybridge_message_parse(text, HYBRIDGE_MESSAGE_MAX + 1,
						&msg, &err),
			 -1);
	assert_int_equal(err.code, HYBRIDGE_EPROTOCOL);
	memset(text, '[', HYBRIDGE_MESSAGE_MAX);
	assert_int_equal(
		hybridge_message_parse(text, HYBRIDGE_MESSAGE_MAX, &msg, &err),
		-1);
	free(text);
}

static void format_accept_writes_all_four_fields(void **state)
{
	char address[] = "wss://h/$hc/e?sb-hc-action=accept&sb-hc-id=i";
	char id[] = "i";
	struct hybridge_message msg = {.address = address, .id = id};
	char *text = hybridge_message_format_accept(&msg);

	(void)state;
	assert_string_equal(
		text,
		"{\"accept\":{\"address\":\"wss:\\/\\/h\\/$hc\\/e?"
		"sb-hc-action=accept&sb-hc-id=i\",\"id\":\"i\","
		"\"connectHeaders\":{},\"remoteEndpoint\":{\"address\":\"\","
		"\"port\":0}}}");
	free(text);
}

static void format_accept_survives_any_header(void **state)
{
	char address[] = "wss://h/";
	char id[] = "i";
	char remote[] = "203.0.113.9";
	char names[][8] = {"Host", "X-A", "x-a", "X-Latin", "X-Quote"};
	char values[][8] = {"h:443", "1", "2", "\xe9t\xe9", "\"\\\t"};
	struct hybridge_header headers[] = {{names[0], values[0]},
					    {names[1], values[1]},
					    {names[2], values[2]},
					    {names[3], values[3]},
					    {names[4], values[4]}};
	struct hybridge_message msg = {.address = address,
				       .id = id,
				       .remote_address = remote,
				       .remote_port = 65535,
				       .headers = headers,
				       .num_headers = 5};
	struct hybridge_message back;
	char *text;

	(void)state;
	text = hybridge_message_format_accept(&msg);
	assert_non_null(text);
	back = parsed(text);
	assert_int_equal(back.kind, HYBRIDGE_MESSAGE_ACCEPT);
	assert_string_equal(back.remote_address, remote);
	assert_int_equal(back.remote_port, 65535);
	assert_int_equal(back.num_headers, 4);
	assert_string_equal(back.headers[0].name, "Host");
	assert_string_equal(back.headers[1].name, "X-A");
	assert_string_equal(back.headers[1].value, "1, 2");
	assert_string_equal(back.headers[2].value, "\xc3\xa9t\xc3\xa9");
	assert_string_equal(back.headers[3].value, "\"\\\t");
	hybridge_message_free(&back);
	free(text);
}

/* Every byte that a C string can hold: escaped, kept, or taken for ISO 8859-1. */
static void format_accept_writes_strings_as_jansson_does(void **state)
{
	char ascii[128] = "", latin[129] = "",
	     utf8[] = "\xc3\xa9 \xe2\x82\xac \x7f /";
	const char *texts[2];
	char name[] = "X-A";
	struct hybridge_header header = {name, latin};
	struct hybridge_message msg = {.address = name}, back;
	char *text;

	(void)state;
	for (int i = 1; i < 128; i++) {
		ascii[i - 1] = (char)i;
		latin[i - 1] = (char)(i + 128);
	}
	latin[127] = '\x80';
	texts[0] = ascii;
	texts[1] = utf8;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		json_t *value = json_string(texts[i]);
		char *theirs =
			json_dumps(value, JSON_ENCODE_ANY | JSON_ESCAPE_SLASH);

		msg.id = strdup(texts[i]);
		assert_non_null(msg.id);
		text = hybridge_message_format_accept(&msg);
		free(msg.id);
		msg.id = name;
		assert_non_null(strstr(text, theirs));
		free(text);
		free(theirs);
		json_decref(value);
	}
	msg.headers = &header;
	msg.num_headers = 1;
	text = hybridge_message_format_accept(&msg);
	back = parsed(text);
	assert_int_equal(strlen(back.headers[0].value), 2 * strlen(latin));
	assert_memory_equal(back.headers[0].value, "\xc2\x81", 2);
	assert_memory_equal(back.headers[0].value + (size_t)2 * 62,
			    "\xc2\xbf\xc3\x80", 4);
	hybridge_message_free(&back);
	free(text);
}

static void format_renew_is_read_back(void **state)
{
	char *text = hybridge_message_format_renew(
		"SharedAccessSignature sr=a%2Fb&sig=c/d\"&se=1&skn=k");
	struct hybridge_message back = parsed(text);

	(void)state;
	assert_int_equal(back.kind, HYBRIDGE_MESSAGE_RENEW);
	assert_string_equal(back.token, "SharedAccessSignature sr=a%2Fb&"
					"sig=c/d\"&se=1&skn=k");
	hybridge_message_free(&back);
	free(text);
	assert_null(hybridge_message_format_renew("\xff"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accept_is_read_as_azure_writes_it),
		cmocka_unit_test(accept_needs_nothing_but_an_address),
		cmocka_unit_test(the_usual_form_is_read_as_any_other),
		cmocka_unit_test(the_other_kinds_are_told_apart),
		cmocka_unit_test(unknown_messages_are_no_error),
		cmocka_unit_test(parse_says_where_a_message_is_wrong),
		cmocka_unit_test(parse_bounds_length_and_depth),
		cmocka_unit_test(format_accept_writes_all_four_fields),
		cmocka_unit_test(format_accept_survives_any_header),
		cmocka_unit_test(format_accept_writes_strings_as_jansson_does),
		cmocka_unit_test(format_renew_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
