/*
 * test_sas.c - tokens of every SDK, as recorded in tests/data/sas_vectors.json,
 * and what the vectors do not cover.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <cmocka.h>

#include <hybridge/sas.h>

#define VECTORS "tests/data/sas_vectors.json"
#define KEY     "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
#define SE      1893456000

static json_t *vectors;

static int load_vectors(void **state)
{
	json_error_t where;

	(void)state;
	vectors = json_load_file(VECTORS, 0, &where);
	if (!vectors)
		print_error("%s: %s\n", VECTORS, where.text);
	return vectors ? 0 : -1;
}

static int free_vectors(void **state)
{
	(void)state;
	json_decref(vectors);
	return 0;
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	assert_non_null(text);
	return text;
}

/* What a relay does that knows the rule k1 only; NULL when it lets @token in. */
static const char *relay_refuses(const char *token, time_t now,
				 const char *entity)
{
	static const char *const hosts[] = {
		"alias.test", "contoso.servicebus.windows.net", NULL};
	static struct hybridge_error err;
	struct hybridge_sas sas;
	const char *why = NULL;

	memset(&err, 0, sizeof(err));
	if (hybridge_sas_parse(token, &sas, &err) < 0) {
		assert_int_equal(err.code, HYBRIDGE_EDENIED);
		return err.what;
	}
	if (strcmp(sas.key_name, "k1") != 0)
		why = "unknown rule";
	else if (hybridge_sas_check_signature(&sas, KEY) < 0)
		why = "signature";
	else if (hybridge_sas_check_expiry(&sas, now, &err) < 0 ||
		 hybridge_sas_check_audience(&sas, hosts, entity, &err) < 0)
		why = err.what;
	hybridge_sas_free(&sas);
	return why;
}

static void check_sdk_token(const json_t *input, const char *sdk,
			    const json_t *want)
{
	const char *const hosts[] = {text_of(input, "host"), NULL};
	struct hybridge_error err = {0};
	struct hybridge_sas sas;

	print_message("case: %s %s\n", text_of(input, "id"), sdk);
	assert_int_equal(hybridge_sas_parse(text_of(want, "token"), &sas, &err),
			 0);
	assert_int_equal(sas.sr.len, strlen(text_of(want, "sr")));
	assert_memory_equal(sas.sr.text, text_of(want, "sr"), sas.sr.len);
	assert_string_equal(sas.key_name, text_of(input, "key_name"));
	assert_int_equal(sas.expiry,
			 json_integer_value(json_object_get(input, "expiry")));
	assert_int_equal(
		hybridge_sas_check_signature(&sas, text_of(input, "key")), 0);
	assert_int_equal(hybridge_sas_check_signature(&sas, "another key"), -1);
	assert_int_equal(hybridge_sas_check_audience(
				 &sas, hosts, text_of(input, "path"), &err),
			 0);
	hybridge_sas_free(&sas);
}

static void every_sdks_token_is_understood(void **state)
{
	const json_t *positive = json_object_get(vectors, "positive");
	size_t seen = 0;
	size_t stored = 0;
	const json_t *input;
	size_t i;

	(void)state;
	json_array_foreach(positive, i, input)
	{
		json_t *tokens = json_object_get(input, "tokens");
		const char *sdk;
		json_t *want;

		stored += json_object_size(tokens);
		json_object_foreach(tokens, sdk, want)
		{
			check_sdk_token(input, sdk, want);
			seen++;
		}
	}
	print_message("%zu tokens\n", seen);
	assert_true(seen > 0);
	assert_int_equal(seen, stored);
}

static void our_tokens_are_the_canonical_ones_byte_for_byte(void **state)
{
	const json_t *positive = json_object_get(vectors, "positive");
	size_t seen = 0;
	const json_t *input;
	size_t i;

	(void)state;
	json_array_foreach(positive, i, input)
	{
		const json_t *want = json_object_get(
			json_object_get(input, "tokens"), "canonical_ours");
		time_t expiry =
			json_integer_value(json_object_get(input, "expiry"));
		struct hybridge_error err = {0};
		char *token = hybridge_sas_make(
			text_of(input, "host"), text_of(input, "path"),
			text_of(input, "key_name"), text_of(input, "key"),
			expiry, &err);
		char *same = hybridge_sas_make_for(
			text_of(want, "audience"), text_of(input, "key_name"),
			text_of(input, "key"), expiry, &err);

		print_message("case: %s\n", text_of(input, "id"));
		assert_string_equal(token, text_of(want, "token"));
		assert_string_equal(same, text_of(want, "token"));
		free(token);
		free(same);
		seen++;
	}
	assert_true(seen > 0);
	assert_int_equal(seen, json_array_size(positive));
}

static void check_cases(const char *list, bool accept)
{
	const json_t *cases = json_object_get(vectors, list);
	time_t now = json_integer_value(json_object_get(vectors, "now"));
	size_t seen = 0;
	const json_t *item;
	size_t i;

	assert_string_equal(text_of(vectors, "k1_key"), KEY);
	json_array_foreach(cases, i, item)
	{
		const char *why =
			relay_refuses(text_of(item, "token"), now, "hyco");

		print_message("case: %s: %s\n", text_of(item, "id"),
			      why ? why : "accepted");
		assert_int_equal(why == NULL, accept);
		seen++;
	}
	assert_true(seen > 0);
	assert_int_equal(seen, json_array_size(cases));
}

static void every_accept_case_is_accepted(void **state)
{
	(void)state;
	check_cases("accept_cases", true);
}

static void every_reject_case_is_rejected(void **state)
{
	(void)state;
	check_cases("reject_cases", false);
}

static void parse_needs_no_leading_word_and_ignores_unknown_fields(void **state)
{
	struct hybridge_error err = {0};
	char *token = hybridge_sas_make("contoso.servicebus.windows.net",
					"hyco", "k1", KEY, SE, &err);
	const char *bare = strchr(token, ' ') + 1;
	char longer[512];

	(void)state;
	assert_null(relay_refuses(bare, SE, "hyco"));
	snprintf(longer, sizeof(longer), "SHAREDACCESSSIGNATURE \t %s&&x=1&y&",
		 bare);
	assert_null(relay_refuses(longer, SE, "hyco"));
	free(token);
}

static void parse_refuses_malformed_tokens(void **state)
{
	static const struct {
		const char *token;
		const char *why;
	} cases[] = {
		{"", "lacks one of"},
		{"SharedAccessSignature", "lacks one of"},
		{"SharedAccessSignature ", "lacks one of"},
		{"sr=&sig=a&se=1&skn=k", "lacks one of"},
		{"sr&sig&se&skn", "lacks one of"},
		{"sr=a&SR=a&sig=b&se=1&skn=k", "twice"},
		{"sr=a&sig=b&se=-1&skn=k", "not a number"},
		{"sr=a&sig=b&se=1x&skn=k", "not a number"},
		{"sr=a&sig=b&se=%31&skn=k", "not a number"},
		{"sr=a&sig=b&se=1000000000000000000&skn=k", "too large"},
		{"sr=a&sig=b&se=1&skn=k", "base64"},
		{"sr=a&sig=O4yLWufr7SvxA%2B8Ovkyu8%2BnmYx0h5LNX5YZVFiJJ6t0&se=1"
		 "&skn=k",
		 "base64"},
		{"sr=a&sig=O4yLWufr7SvxA%2B8Ovkyu8%2BnmYx0h5LNX5YZVFiJJ6t%3D%3D"
		 "&se=1&skn=k",
		 "base64"},
		{"sr=a&sig=O4yLWufr7SvxA%2B8Ovkyu8%2BnmYx0h5LNX5YZVFi-J6t0%3D"
		 "&se=1&skn=k",
		 "base64"},
		{"sr=%zz&sig=O4yLWufr7SvxA%2B8Ovkyu8%2BnmYx0h5LNX5YZVFiJJ6t0%3D"
		 "&se=1&skn=k",
		 "'%'"},
		{"sr=a&sig=O4yLWufr7SvxA%2B8Ovkyu8%2BnmYx0h5LNX5YZVFiJJ6t0%3D"
		 "&se=1&skn=k%00",
		 "'%'"},
		{"sr=a\n&sig=b&se=1&skn=k", "control character"},
		{"sr=a&sig=b&se=1&skn=k x", "blank"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_error err = {0};
		struct hybridge_sas sas = {.expiry = 7};

		print_message("case: %s\n", cases[i].token);
		assert_int_equal(hybridge_sas_parse(cases[i].token, &sas, &err),
				 -1);
		assert_int_equal(err.code, HYBRIDGE_EDENIED);
		assert_non_null(strstr(err.what, cases[i].why));
		assert_int_equal(sas.expiry, 7);
	}
}

static void a_raw_plus_in_the_signature_is_base64(void **state)
{
	(void)state;
	assert_null(relay_refuses(
		"sr=http%3A%2F%2Fcontoso.servicebus.windows.net%2Fhyco&"
		"sig=O4yLWufr7SvxA+8Ovkyu8+nmYx0h5LNX5YZVFiJJ6t0=&"
		"se=1893456000&skn=k1",
		SE, "hyco"));
}

static void expiry_allows_for_skew_and_no_more(void **state)
{
	struct hybridge_sas sas = {.expiry = 1000};
	struct hybridge_error err = {0};

	(void)state;
	assert_int_equal(hybridge_sas_check_expiry(&sas, 0, &err), 0);
	assert_int_equal(hybridge_sas_check_expiry(&sas, 1300, &err), 0);
	assert_int_equal(hybridge_sas_check_expiry(&sas, 1301, &err), -1);
	assert_int_equal(err.code, HYBRIDGE_EDENIED);
	assert_string_equal(err.what, "token expired 301 seconds ago");
}

static void audience_covers_whole_segments_of_our_hosts_only(void **state)
{
	static const char *const hosts[] = {"relay.test", "::1", NULL};
	static const struct {
		const char *audience;
		const char *entity;
		bool covers;
	} cases[] = {
		{"http://relay.test/hyco", "hyco", true},
		{"http://RELAY.Test/HYCO", "hyco", true},
		{"sb://relay.test:1/hyco//", "/hyco/", true},
		{"http://relay.test/hyco?x=/other#y", "hyco", true},
		{"http://relay.test/$hc/hyco", "hyco", true},
		{"http://relay.test/%24HC/hyco", "hyco", true},
		{"http://relay.test/$hc", "hyco", true},
		{"http://relay.test", "hyco", true},
		{"http://relay.test?x", "hyco", true},
		{"http://relay.test/", "", true},
		{"http://[::1]:8443/hyco", "hyco", true},
		{"http://relay.test/a", "a/b", true},
		{"http://relay.test/a/b", "a/b", true},
		{"http://relay.test/A%62", "ab", true},
		{"http://relay.test/a%20b", "a b", true},
		{"http://relay.test/a+b", "a+b", true},
		{"http://relay.test/a/b", "a", false},
		{"http://relay.test/a/b/c", "a/b", false},
		{"http://relay.test/hyc", "hyco", false},
		{"http://relay.test/hyco", "hyc", false},
		{"http://relay.test/hyco", "", false},
		{"http://relay.test/a%2Fb", "a/b", false},
		{"http://relay.test/a%00", "a", false},
		{"http://relay.test/a%", "a", false},
		{"http://relay.test/a//b", "a/b", false},
		{"http://relay.test/b", "a", false},
		{"http://relay.test.evil/hyco", "hyco", false},
		{"http://evil/relay.test/hyco", "hyco", false},
		{"http://relay.test@evil/hyco", "hyco", false},
		{"http://evil@relay.test/hyco", "hyco", false},
		{"http://relay.tes/hyco", "hyco", false},
		{"http:///hyco", "hyco", false},
		{"relay.test/hyco", "hyco", false},
		{"", "hyco", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_error err = {0};
		char *audience = strdup(cases[i].audience);
		const struct hybridge_sas sas = {.audience = audience};
		int ret = hybridge_sas_check_audience(&sas, hosts,
						      cases[i].entity, &err);

		print_message("case: %s for %s %s\n", cases[i].audience,
			      cases[i].entity, err.what);
		assert_int_equal(ret, cases[i].covers ? 0 : -1);
		assert_int_equal(err.code, cases[i].covers ? HYBRIDGE_OK
							   : HYBRIDGE_EDENIED);
		free(audience);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_sdks_token_is_understood),
		cmocka_unit_test(
			our_tokens_are_the_canonical_ones_byte_for_byte),
		cmocka_unit_test(every_accept_case_is_accepted),
		cmocka_unit_test(every_reject_case_is_rejected),
		cmocka_unit_test(
			parse_needs_no_leading_word_and_ignores_unknown_fields),
		cmocka_unit_test(parse_refuses_malformed_tokens),
		cmocka_unit_test(a_raw_plus_in_the_signature_is_base64),
		cmocka_unit_test(expiry_allows_for_skew_and_no_more),
		cmocka_unit_test(
			audience_covers_whole_segments_of_our_hosts_only),
	};

	return cmocka_run_group_tests(tests, load_vectors, free_vectors);
}
