/*
 * test_token_text.c - tokens in what a file or a command says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <hybridge/text.h>

#include "../../common/token_text.h"

#define NOW 1800000000

/* {"alg":"none"} . {"exp":1800003600} . x */
#define JWT "eyJhbGciOiJub25lIn0.eyJleHAiOjE4MDAwMDM2MDB9.x"
#define SAS                                                          \
	"SharedAccessSignature sr=http%3A%2F%2Fns.test%2Fdb&"        \
	"sig=5%2BHVAAf6vu%2Bt3DS7CFqk6sJrlAQrCuEG5RQdxTuFAZs%3D&se=" \
	"1800000400&skn=n"

static void a_token_and_its_end_are_found(void **state)
{
	static const struct {
		const char *text;
		const char *token;
		time_t expires;
		time_t renew;
	} cases[] = {
		{JWT, JWT, NOW + 3600, NOW + 2700},
		{"\n  Bearer " JWT " \r\n", JWT, NOW + 3600, NOW + 2700},
		{SAS, SAS, NOW + 400, NOW + 300},
		{"{\"accessToken\":\"" JWT "\",\"expires_on\":1800000100}", JWT,
		 NOW + 100, NOW + 75},
		{"{\"access_token\":\"opaque\",\"expires_on\":\"1800000100\"}",
		 "opaque", NOW + 100, NOW + 75},
		/* Local time of nobody knows where: the token itself tells. */
		{"{\"accessToken\":\"" JWT
		 "\",\"expiresOn\":\"2027-01-15 08:00:00\"}",
		 JWT, NOW + 3600, NOW + 2700},
		{"opaque", "opaque", 0, NOW + 2700},
		{"a.b.c", "a.b.c", 0, NOW + 2700},
		{"a.!!!!.c", "a.!!!!.c", 0, NOW + 2700},
		{"a..c", "a..c", 0, NOW + 2700},
		/* {"exp":"soon"} */
		{"a.eyJleHAiOiJzb29uIn0.c", "a.eyJleHAiOiJzb29uIn0.c", 0,
		 NOW + 2700},
		/* No time at all; the last two are {"exp":-5} and {"exp":1e300}. */
		{"{\"accessToken\":\"t\",\"expires_on\":1e300}", "t", 0,
		 NOW + 2700},
		{"{\"accessToken\":\"t\",\"expires_on\":9223372036854775807}",
		 "t", 0, NOW + 2700},
		{"{\"accessToken\":\"t\",\"expires_on\":"
		 "\"9223372036854775807\"}",
		 "t", 0, NOW + 2700},
		{"a.eyJleHAiOi01fQ.c", "a.eyJleHAiOi01fQ.c", 0, NOW + 2700},
		{"a.eyJleHAiOjFlMzAwfQ.c", "a.eyJleHAiOjFlMzAwfQ.c", 0,
		 NOW + 2700},
		{"{\"accessToken\":\"t\",\"expires_on\":1800000002}", "t",
		 NOW + 2, NOW + 5},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_endpoint_token token = {0};
		struct hybridge_error err = {0};

		print_message("case: %s\n", cases[i].text);
		assert_int_equal(
			token_text_parse(hybridge_text_span(cases[i].text), NOW,
					 &token, &err),
			0);
		assert_string_equal(token.text, cases[i].token);
		assert_int_equal(token.expires, cases[i].expires);
		assert_int_equal(token.renew, cases[i].renew);
		hybridge_endpoint_token_free(&token);
	}
}

static void what_is_none_is_refused_and_never_shown(void **state)
{
	static const struct {
		const char *text;
		const char *what;
	} cases[] = {
		{"", "no usable token: there is nothing"},
		{" \n", "no usable token: there is nothing"},
		{"s3cret\r\nX: y", "no usable token: it is more than one line, "
				   "or not printable"},
		{"s3cr\xc3\xa9t", "no usable token: it is more than one line, "
				  "or not printable"},
		{"{s3cret",
		 "no usable token: it begins like JSON, and is none"},
		{"{\"error\":\"s3cret\"}",
		 "no usable token: the JSON has no accessToken"},
		{"{\"accessToken\":17}",
		 "no usable token: the JSON has no accessToken"},
		{"{\"accessToken\":\"s3cret\\nX: y\"}",
		 "no usable token: it is more than one line, or not printable"},
		{"{\"accessToken\":\"s3cret\",\"expires_on\":1799999990}",
		 "the token ran out"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_endpoint_token token = {0};
		struct hybridge_error err = {0};

		print_message("case: %s\n", cases[i].what);
		assert_int_equal(
			token_text_parse(hybridge_text_span(cases[i].text), NOW,
					 &token, &err),
			-1);
		assert_string_equal(err.what, cases[i].what);
		assert_null(strstr(err.hint, "s3cr"));
		assert_null(token.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_and_its_end_are_found),
		cmocka_unit_test(what_is_none_is_refused_and_never_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
