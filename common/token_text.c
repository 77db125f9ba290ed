/*
 * token_text.c - reads a token, and its end, from what a file or a command says.
 */
#include "token_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>
#include <openssl/evp.h>

#include <hybridge/sas.h>
#include <hybridge/text.h>

#define BEARER       "Bearer "
#define CLAIMS_MAX   8192
#define SOONEST      5              /* seconds until a renewal */
#define LATEST       253402300799.0 /* the last second of the year 9999 */
#define UNKNOWN_LIFE HYBRIDGE_ENDPOINT_TOKEN_SECONDS
#define IS_BLANK(c)  ((c) == ' ' || (c) == '\t' || (c) == '\r' || (c) == '\n')

static struct hybridge_span trim(struct hybridge_span text)
{
	while (text.len > 0 && IS_BLANK(text.text[0])) {
		text.text++;
		text.len--;
	}
	while (text.len > 0 && IS_BLANK(text.text[text.len - 1]))
		text.len--;
	return text;
}

/* Seconds since the epoch, as a number or as digits; 0 when it is neither, or no time at all. */
static time_t seconds_of(const json_t *value)
{
	const char *digits = json_string_value(value);
	double number = json_number_value(value);
	char *end = NULL;

	if (digits && digits[0] >= '0' && digits[0] <= '9') {
		errno = 0;
		number = (double)strtoll(digits, &end, 10);
		if (errno != 0 || *end != '\0')
			return 0;
	}
	return number > 0 && number <= LATEST ? (time_t)number : 0;
}

/* Decodes base64url without padding (RFC 7515 2); the length, or -1. */
static int decode_base64url(struct hybridge_span text, unsigned char *out,
			    size_t size)
{
	unsigned char plain[CLAIMS_MAX];
	size_t padded = (text.len + 3) / 4 * 4;
	int len;

	if (text.len == 0 || padded > sizeof(plain) || padded / 4 * 3 > size)
		return -1;
	memset(plain, '=', padded);
	for (size_t i = 0; i < text.len; i++) {
		char c = text.text[i];

		plain[i] = (unsigned char)(c == '-' ? '+' : c == '_' ? '/' : c);
	}
	len = EVP_DecodeBlock(out, plain, (int)padded);
	explicit_bzero(plain, sizeof(plain));
	return len < 0 ? -1 : len - (int)(padded - text.len);
}

/* The "exp" claim of a JWT, or 0. */
static time_t jwt_expiry(const char *token)
{
	const char *first = strchr(token, '.');
	const char *second = first ? strchr(first + 1, '.') : NULL;
	unsigned char claims[CLAIMS_MAX];
	time_t expires = 0;
	json_t *root;
	int len;

	if (!second)
		return 0;
	len = decode_base64url(
		(struct hybridge_span){first + 1, (size_t)(second - first - 1)},
		claims, sizeof(claims));
	if (len <= 0)
		return 0;
	root = json_loadb((const char *)claims, (size_t)len, 0, NULL);
	expires = seconds_of(json_object_get(root, "exp"));
	json_decref(root);
	explicit_bzero(claims, sizeof(claims));
	return expires;
}

static time_t expiry_of(const char *token)
{
	struct hybridge_sas sas = {0};
	time_t expires;

	if (strncasecmp(token, "SharedAccessSignature ", 22) != 0)
		return jwt_expiry(token);
	if (hybridge_sas_parse(token, &sas, NULL) != 0)
		return 0;
	expires = (time_t)sas.expiry;
	hybridge_sas_free(&sas);
	return expires;
}

static int fail_text(struct hybridge_error *err, const char *why)
{
	hybridge_fail(err, HYBRIDGE_ECONFIG, "no usable token: %s", why);
	hybridge_hint(err, "wanted is the token alone, or JSON with "
			   "accessToken and expires_on");
	return -1;
}

/* What is to stand in a header: one line of printable ASCII. */
static int copy_token(struct hybridge_span text, char **out,
		      struct hybridge_error *err)
{
	size_t prefix = strlen(BEARER);

	if (text.len > prefix && strncasecmp(text.text, BEARER, prefix) == 0) {
		text.text += prefix;
		text.len -= prefix;
	}
	text = trim(text);
	if (text.len == 0)
		return fail_text(err, "there is nothing");
	for (size_t i = 0; i < text.len; i++)
		if (text.text[i] < ' ' || text.text[i] > '~')
			return fail_text(err, "it is more than one line, or "
					      "not printable");
	*out = strndup(text.text, text.len);
	if (*out)
		return 0;
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

static int from_json(struct hybridge_span text,
		     struct hybridge_endpoint_token *token,
		     struct hybridge_error *err)
{
	json_t *root = json_loadb(text.text, text.len, 0, NULL);
	const json_t *value = json_object_get(root, "accessToken");
	const char *plain;
	int ret;

	if (!value)
		value = json_object_get(root, "access_token");
	plain = json_string_value(value);
	if (!root)
		ret = fail_text(err, "it begins like JSON, and is none");
	else if (!plain)
		ret = fail_text(err, "the JSON has no accessToken");
	else
		ret = copy_token(hybridge_text_span(plain), &token->text, err);
	if (ret == 0)
		token->expires =
			seconds_of(json_object_get(root, "expires_on"));
	json_decref(root);
	return ret;
}

int token_text_parse(struct hybridge_span text, time_t now,
		     struct hybridge_endpoint_token *out,
		     struct hybridge_error *err)
{
	struct hybridge_endpoint_token token = {0};
	time_t left = UNKNOWN_LIFE;

	text = trim(text);
	if ((text.len > 0 && text.text[0] == '{'
		     ? from_json(text, &token, err)
		     : copy_token(text, &token.text, err)) != 0)
		return -1;
	if (token.expires <= 0)
		token.expires = expiry_of(token.text);
	if (token.expires > 0) {
		left = token.expires - now;
		if (left <= 0) {
			hybridge_endpoint_token_free(&token);
			hybridge_fail(err, HYBRIDGE_EDENIED,
				      "the token ran out");
			/* Not above: the next attempt's failure is the same one. */
			hybridge_hint(err,
				      "by this machine's clock that was %lld s "
				      "ago: is the clock right?",
				      (long long)-left);
			return -1;
		}
	}
	token.renew = now + left / 4 * 3;
	if (token.renew < now + SOONEST)
		token.renew = now + SOONEST;
	*out = token;
	return 0;
}
