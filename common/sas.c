/*
 * sas.c - makes and checks Shared Access Signature tokens.
 *
 * The signature covers the audience as it was sent.  Every SDK encodes it in
 * its own way (hex case, '+' or %20, which marks stay), so a token is checked
 * over the received bytes and never over something decoded and encoded again.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <hybridge/sas.h>
#include <hybridge/text.h>
#include <hybridge/url.h>

#define SIG_BYTES  32 /* HMAC-SHA256 */
#define SIG_BASE64 44 /* ... in base64, with one '=' */
#define SE_DIGITS  18 /* more could not be counted in 64 bits */

static const char token_word[] = "SharedAccessSignature";

/* HMAC-SHA256(key, sr LF se) */
static int sign(const char *key, struct hybridge_span sr,
		struct hybridge_span se, unsigned char out[static SIG_BYTES])
{
	size_t len = sr.len + 1 + se.len;
	size_t key_len = strlen(key);
	unsigned char *text = malloc(len);
	unsigned int out_len = 0;
	bool done = false;

	if (!text || key_len > INT32_MAX)
		goto out;
	memcpy(text, sr.text, sr.len);
	text[sr.len] = '\n';
	memcpy(text + sr.len + 1, se.text, se.len);
	done = HMAC(EVP_sha256(), key, (int)key_len, text, len, out,
		    &out_len) &&
	       out_len == SIG_BYTES;
out:
	free(text);
	return done ? 0 : -1;
}

char *hybridge_sas_make_for(const char *audience, const char *key_name,
			    const char *key, time_t expiry,
			    struct hybridge_error *err)
{
	char *sr = hybridge_url_encode(hybridge_text_span(audience));
	char *skn = hybridge_url_encode(hybridge_text_span(key_name));
	char *sig = NULL;
	char *token = NULL;
	unsigned char mac[SIG_BYTES];
	unsigned char base64[SIG_BASE64 + 1];
	char se[24];

	snprintf(se, sizeof(se), "%" PRId64, (int64_t)expiry);
	if (!sr || !skn ||
	    sign(key, hybridge_text_span(sr), hybridge_text_span(se), mac) < 0)
		goto out;
	EVP_EncodeBlock(base64, mac, sizeof(mac));
	sig = hybridge_url_encode(hybridge_text_span((const char *)base64));
	if (!sig)
		goto out;
	/* sr first: .NET and Java look for "SharedAccessSignature sr". */
	if (asprintf(&token, "%s sr=%s&sig=%s&se=%s&skn=%s", token_word, sr,
		     sig, se, skn) < 0)
		token = NULL;
out:
	if (!token)
		hybridge_fail(err, HYBRIDGE_ESYSTEM,
			      "cannot sign a token: out of memory");
	free(sr);
	free(skn);
	hybridge_text_free_secret(sig);
	explicit_bzero(mac, sizeof(mac));
	explicit_bzero(base64, sizeof(base64));
	return token;
}

/* Percent-encodes each segment, keeps the slashes between them. */
static char *encode_path(struct hybridge_span path)
{
	char *out = malloc(path.len * 3 + 1);
	size_t len = 0;

	if (!out)
		return NULL;
	while (path.len > 0) {
		char *segment =
			hybridge_url_encode(hybridge_text_cut_segment(&path));

		if (!segment) {
			free(out);
			return NULL;
		}
		size_t n = strlen(segment);

		memcpy(out + len, segment, n);
		len += n;
		free(segment);
		if (path.len > 0)
			out[len++] = '/';
	}
	out[len] = '\0';
	return out;
}

char *hybridge_sas_make(const char *host, const char *entity,
			const char *key_name, const char *key, time_t expiry,
			struct hybridge_error *err)
{
	char *path = encode_path(
		hybridge_text_trim_slashes(hybridge_text_span(entity)));
	char *lower = strdup(host);
	char *audience = NULL;
	char *token = NULL;

	if (lower)
		hybridge_text_lower(lower);
	if (!path || !lower ||
	    asprintf(&audience, "http://%s/%s", lower, path) < 0) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM,
			      "cannot sign a token: out of memory");
		audience = NULL;
		goto out;
	}
	token = hybridge_sas_make_for(audience, key_name, key, expiry, err);
out:
	free(audience);
	free(lower);
	free(path);
	return token;
}

enum field {
	FIELD_SR,
	FIELD_SIG,
	FIELD_SE,
	FIELD_SKN,
	NUM_FIELDS,
};

static const char *const field_names[] = {
	[FIELD_SR] = "sr",
	[FIELD_SIG] = "sig",
	[FIELD_SE] = "se",
	[FIELD_SKN] = "skn",
};
_Static_assert(sizeof(field_names) / sizeof(field_names[0]) == NUM_FIELDS,
	       "every field has a name");

/* Splits at '&' and the first '='; what is wrong with the token, or NULL. */
static const char *split_fields(const char *text,
				struct hybridge_span fields[NUM_FIELDS])
{
	for (const char *p = text; *p;) {
		size_t len = strcspn(p, "&");
		size_t name_len = strcspn(p, "=&");

		for (int i = 0; i < NUM_FIELDS && name_len < len; i++) {
			if (strlen(field_names[i]) != name_len ||
			    strncasecmp(p, field_names[i], name_len) != 0)
				continue;
			if (fields[i].text)
				return "it has a field twice";
			fields[i].text = p + name_len + 1;
			fields[i].len = len - name_len - 1;
		}
		p += p[len] ? len + 1 : len;
	}
	for (int i = 0; i < NUM_FIELDS; i++)
		if (fields[i].len == 0)
			return "it lacks one of sr, sig, se and skn";
	return NULL;
}

static const char *parse_expiry(struct hybridge_span se, int64_t *out)
{
	int64_t value = 0;

	if (se.len > SE_DIGITS)
		return "its expiry (se) is too large";
	for (size_t i = 0; i < se.len; i++) {
		if (se.text[i] < '0' || se.text[i] > '9')
			return "its expiry (se) is not a number";
		value = value * 10 + (se.text[i] - '0');
	}
	*out = value;
	return NULL;
}

/*
 * '+' stays '+' here: it is a character of base64, and some clients leave it
 * raw.  EVP_DecodeBlock() would skip blanks and take '=' anywhere, so the
 * alphabet is checked first.
 */
static const char *parse_signature(struct hybridge_span field,
				   unsigned char out[static SIG_BYTES])
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz"
				       "0123456789+/";
	static const char why[] = "its signature (sig) is not base64 of 32 "
				  "bytes";
	unsigned char bytes[SIG_BYTES + 1];
	char text[3 * SIG_BASE64 + 1]; /* all of it may be encoded */
	bool good =
		field.len < sizeof(text) &&
		hybridge_url_decode_into(field, false, text) == SIG_BASE64 &&
		strspn(text, alphabet) == SIG_BASE64 - 1 &&
		text[SIG_BASE64 - 1] == '=' &&
		EVP_DecodeBlock(bytes, (const unsigned char *)text,
				SIG_BASE64) == (int)sizeof(bytes);

	if (good)
		memcpy(out, bytes, SIG_BYTES);
	explicit_bzero(text, sizeof(text));
	explicit_bzero(bytes, sizeof(bytes));
	return good ? NULL : why;
}

/* Behind the leading word, if there is one, and the blanks after it. */
static const char *skip_word(const char *token)
{
	size_t len = sizeof(token_word) - 1;

	if (strncasecmp(token, token_word, len) != 0 ||
	    (token[len] != ' ' && token[len] != '\t'))
		return token;
	return token + len + strspn(token + len, " \t");
}

int hybridge_sas_parse(const char *token, struct hybridge_sas *out,
		       struct hybridge_error *err)
{
	struct hybridge_span fields[NUM_FIELDS] = {{NULL, 0}};
	struct hybridge_sas sas = {0};
	const char *text = skip_word(token);
	const char *why = NULL;
	int ret = -1;

	for (const char *c = text; *c && !why; c++)
		if ((unsigned char)*c <= 0x20 || *c == 0x7f)
			why = "it holds a blank or control character";
	if (!why)
		why = split_fields(text, fields);
	if (!why)
		why = parse_expiry(fields[FIELD_SE], &sas.expiry);
	if (!why)
		why = parse_signature(fields[FIELD_SIG], sas.sig);
	if (!why) {
		sas.sr = fields[FIELD_SR];
		sas.se = fields[FIELD_SE];
		sas.audience = malloc(sas.sr.len + 1);
		sas.key_name = malloc(fields[FIELD_SKN].len + 1);
		if (!sas.audience || !sas.key_name) {
			hybridge_fail(err, HYBRIDGE_ESYSTEM,
				      "cannot read a token: out of memory");
			goto out;
		}
		if (hybridge_url_decode_into(sas.sr, true, sas.audience) < 0 ||
		    hybridge_url_decode_into(fields[FIELD_SKN], true,
					     sas.key_name) < 0)
			why = "a '%' in it does not stand before two "
			      "hexadecimal digits";
	}
	if (why) {
		hybridge_fail(err, HYBRIDGE_EDENIED, "malformed token: %s",
			      why);
		goto out;
	}
	*out = sas;
	sas = (struct hybridge_sas){0}; /* handed to the caller */
	ret = 0;
out:
	hybridge_sas_free(&sas);
	return ret;
}

void hybridge_sas_free(struct hybridge_sas *sas)
{
	if (!sas)
		return;
	free(sas->audience);
	free(sas->key_name);
	explicit_bzero(sas, sizeof(*sas));
}

int hybridge_sas_check_signature(const struct hybridge_sas *sas,
				 const char *key)
{
	unsigned char mac[SIG_BYTES];
	int ret = -1;

	if (sign(key, sas->sr, sas->se, mac) != 0)
		ret = 1;
	else if (CRYPTO_memcmp(mac, sas->sig, SIG_BYTES) == 0)
		ret = 0;
	explicit_bzero(mac, sizeof(mac));
	return ret;
}

int hybridge_sas_check_expiry(const struct hybridge_sas *sas, time_t now,
			      struct hybridge_error *err)
{
	if ((int64_t)now - HYBRIDGE_SAS_SKEW_SECONDS <= sas->expiry)
		return 0;
	hybridge_fail(err, HYBRIDGE_EDENIED,
		      "token expired %" PRId64 " seconds ago",
		      (int64_t)now - sas->expiry);
	hybridge_hint(err, "check the clock of the machine that signed it");
	return -1;
}
