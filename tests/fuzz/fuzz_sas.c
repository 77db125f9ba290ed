/*
 * fuzz_sas.c - tokens: only what the key signed passes, and nothing is read beyond them.
 */
#include "fuzz.h"

#include <hybridge/sas.h>

static const char key[] = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
static const char *const hosts[] = {"relay.example", "r2", NULL};

static void check_any_text(const char *token)
{
	struct hybridge_error err = {0};
	struct hybridge_sas sas = {0};

	if (hybridge_sas_parse(token, &sas, &err) != 0) {
		MUST(err.code == HYBRIDGE_EDENIED && err.what[0]);
		MUST(!sas.audience && !sas.key_name);
		return;
	}
	MUST(fuzz_within(sas.sr, token, strlen(token)) && sas.sr.len > 0);
	MUST(fuzz_within(sas.se, token, strlen(token)) && sas.se.len > 0);
	MUST(sas.audience && sas.key_name);
	/* Nobody guesses an HMAC: the text was not signed with our key. */
	MUST(hybridge_sas_check_signature(&sas, key) != 0);
	if (hybridge_sas_check_expiry(&sas, 1767225600, &err) == 0)
		MUST(sas.expiry >= 1767225600 - HYBRIDGE_SAS_SKEW_SECONDS);
	err = (struct hybridge_error){0};
	if (hybridge_sas_check_audience(&sas, hosts, "orders", &err) != 0)
		MUST(err.what[0]);
	hybridge_sas_free(&sas);
}

/* Changes one byte of a sound token: what was signed must not pass any more. */
static void check_tampered(const char *token, size_t at, char with)
{
	struct hybridge_error err = {0};
	struct hybridge_sas was = {0};
	struct hybridge_sas now = {0};
	char *changed = strdup(token);

	MUST(changed && with);
	at %= strlen(token);
	changed[at] = with;
	MUST(hybridge_sas_parse(token, &was, &err) == 0);
	if (hybridge_sas_parse(changed, &now, &err) == 0 &&
	    hybridge_sas_check_signature(&now, key) == 0) {
		MUST(fuzz_span_same(now.sr, was.sr));
		MUST(now.expiry == was.expiry);
	}
	hybridge_sas_free(&was);
	hybridge_sas_free(&now);
	free(changed);
}

static void check_made(struct fuzz_input in)
{
	char *entity = fuzz_string(&in);
	char *key_name = fuzz_string(&in);
	int64_t expiry = 1767225600 + fuzz_byte(&in) * 65537;
	struct hybridge_error err = {0};
	struct hybridge_sas sas = {0};
	char *token = hybridge_sas_make("relay.example", entity, key_name, key,
					expiry, &err);

	MUST(token);
	if (key_name[0]) {
		MUST(hybridge_sas_parse(token, &sas, &err) == 0);
		MUST(hybridge_sas_check_signature(&sas, key) == 0);
		MUST(hybridge_sas_check_signature(&sas, key + 1) != 0);
		MUST(sas.expiry == expiry && fuzz_same(sas.key_name, key_name));
		MUST(hybridge_sas_check_expiry(&sas, expiry, &err) == 0);
		MUST(hybridge_sas_check_expiry(
			     &sas, expiry + HYBRIDGE_SAS_SKEW_SECONDS + 1,
			     NULL) != 0);
		uint8_t high = fuzz_byte(&in);
		uint8_t with = fuzz_byte(&in);

		check_tampered(token, high * 256U + fuzz_byte(&in),
			       (char)(with ? with : 1));
	}
	hybridge_sas_free(&sas);
	free(token);
	free(entity);
	free(key_name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	size_t len;

	if (fuzz_byte(&in) & 1) {
		check_made(in);
	} else {
		char *token = fuzz_copy(&in, in.size, &len);

		check_any_text(token);
		free(token);
	}
	return 0;
}
