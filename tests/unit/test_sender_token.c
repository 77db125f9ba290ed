/*
 * test_sender_token.c - tokens are kept while they are good, and renewed in time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hybridge/sas.h>

#include "../../sender/token.h"

#define NOW 1700000000

static char host[] = "relay.test";
static char entity[] = "a/b";
static char key_name[] = "send";
static char key[] = "secret";

static const struct hybridge_connstr with_key = {
	.host = host,
	.entity = entity,
	.key_name = key_name,
	.key = key,
};

static char *get(struct token_cache *cache,
		 const struct hybridge_connstr *relay, time_t now)
{
	struct hybridge_error err = {0};
	const char *text = "";

	assert_int_equal(token_get(cache, relay, now, &text, &err), 0);
	return text ? strdup(text) : NULL;
}

static int64_t expiry_of(const char *token)
{
	struct hybridge_sas sas;
	int64_t expiry;

	assert_int_equal(hybridge_sas_parse(token, &sas, NULL), 0);
	assert_int_equal(hybridge_sas_check_signature(&sas, key), 0);
	assert_string_equal(sas.audience, "http://relay.test/a/b");
	expiry = sas.expiry;
	hybridge_sas_free(&sas);
	return expiry;
}

static void a_token_lasts_an_hour_and_is_signed_with_the_key(void **state)
{
	struct token_cache cache = {0};
	char *text = get(&cache, &with_key, NOW);

	(void)state;
	assert_int_equal(expiry_of(text), NOW + 3600);
	free(text);
	token_forget(&cache);
}

static void a_token_is_kept_for_three_quarters_of_its_life(void **state)
{
	struct token_cache cache = {0};
	char *first = get(&cache, &with_key, NOW);
	char *kept = get(&cache, &with_key, NOW + 2699);
	char *renewed = get(&cache, &with_key, NOW + 2700);

	(void)state;
	assert_string_equal(kept, first);
	assert_int_equal(expiry_of(renewed), NOW + 2700 + 3600);
	free(first);
	free(kept);
	free(renewed);
	token_forget(&cache);
}

static void a_clock_that_was_set_back_gets_a_new_token(void **state)
{
	struct token_cache cache = {0};
	char *first = get(&cache, &with_key, NOW);
	char *second = get(&cache, &with_key, NOW - 1000);

	(void)state;
	assert_int_equal(expiry_of(second), NOW - 1000 + 3600);
	free(first);
	free(second);
	token_forget(&cache);
}

static void a_token_that_was_forgotten_is_made_again(void **state)
{
	struct token_cache cache = {0};
	char *first = get(&cache, &with_key, NOW);
	char *second;

	(void)state;
	token_forget(&cache);
	second = get(&cache, &with_key, NOW + 60);
	assert_int_equal(expiry_of(second), NOW + 60 + 3600);
	free(first);
	free(second);
	token_forget(&cache);
}

static void
a_token_that_was_refused_still_goes_with_who_is_on_the_way(void **state)
{
	struct hybridge_endpoint_token given = {.text = strdup("given")};
	struct token_cache cache = {0};
	char *text;

	(void)state;
	token_put(&cache, &given, NOW);
	token_reject(&cache);
	text = get(&cache, &with_key, NOW);
	assert_string_equal(text, "given");
	assert_true(cache.rejected);
	free(text);
	/* Another one is as good as new. */
	given.text = strdup("another");
	token_put(&cache, &given, NOW);
	assert_false(cache.rejected);
	/* One that we make is made again. */
	token_forget(&cache);
	free(get(&cache, &with_key, NOW));
	token_reject(&cache);
	text = get(&cache, &with_key, NOW + 1);
	assert_int_equal(expiry_of(text), NOW + 1 + 3600);
	free(text);
	token_forget(&cache);
}

static void a_ready_made_signature_is_used_as_it_is(void **state)
{
	char signature[200];
	struct hybridge_connstr relay = {
		.host = host,
		.entity = entity,
		.signature = signature,
	};
	struct token_cache cache = {0};
	char *text;

	(void)state;
	snprintf(signature, sizeof(signature),
		 "SharedAccessSignature sr=x&sig=%%2B&se=%d&skn=k", NOW + 10);
	text = get(&cache, &relay, NOW);
	assert_string_equal(text, signature);
	free(text);
	/* The relay, not we, has the last word on one that seems to be over. */
	text = get(&cache, &relay, NOW + 20);
	assert_string_equal(text, signature);
	free(text);
	token_forget(&cache);
}

static void without_credentials_there_is_no_token(void **state)
{
	static const struct hybridge_connstr relay = {
		.host = host,
		.entity = entity,
	};
	struct token_cache cache = {0};
	char *text;

	(void)state;
	text = get(&cache, &relay, NOW);
	assert_null(text);
	free(text);
	token_forget(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_token_lasts_an_hour_and_is_signed_with_the_key),
		cmocka_unit_test(
			a_token_is_kept_for_three_quarters_of_its_life),
		cmocka_unit_test(a_clock_that_was_set_back_gets_a_new_token),
		cmocka_unit_test(a_token_that_was_forgotten_is_made_again),
		cmocka_unit_test(
			a_token_that_was_refused_still_goes_with_who_is_on_the_way),
		cmocka_unit_test(a_ready_made_signature_is_used_as_it_is),
		cmocka_unit_test(without_credentials_there_is_no_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
