/*
 * url.c - percent-encoding, query strings and absolute URLs, byte for byte.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <hybridge/authority.h>
#include <hybridge/text.h>
#include <hybridge/url.h>

#include "plain.h"

/* What encodeURIComponent leaves as it is (ECMA-262, 19.2.6.4). */
static bool is_unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c && strchr("-_.!~*'()", c));
}

static char *encode(struct hybridge_span text, unsigned char keep)
{
	static const char hex[] = "0123456789ABCDEF";

	if (text.len > (SIZE_MAX - 1) / 3)
		return NULL;
	char *out = malloc(text.len * 3 + 1);
	char *to = out;

	if (!out)
		return NULL;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.text[i];

		if (is_unreserved(c) || (keep && c == keep)) {
			*to++ = (char)c;
			continue;
		}
		*to++ = '%';
		*to++ = hex[c >> 4];
		*to++ = hex[c & 15];
	}
	*to = '\0';
	return out;
}

char *hybridge_url_encode(struct hybridge_span text)
{
	return encode(text, '\0');
}

char *hybridge_url_encode_path(struct hybridge_span path)
{
	return encode(path, '/');
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte at *@at, which moves behind it, or -1 when a '%' has no two digits. */
static int decode_next(struct hybridge_span text, size_t *at, bool plus)
{
	char c = text.text[*at];

	if (c != '%') {
		++*at;
		return plus && c == '+' ? ' ' : (unsigned char)c;
	}
	if (text.len - *at < 3)
		return -1;
	int high = hex_digit(text.text[*at + 1]);
	int low = hex_digit(text.text[*at + 2]);

	if (high < 0 || low < 0)
		return -1;
	*at += 3;
	return high * 16 + low;
}

ssize_t hybridge_url_decode_into(struct hybridge_span text, bool plus,
				 char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len;) {
		size_t run = plain_len(text.text + i, text.len - i, "%++");
		int c;

		memcpy(out + len, text.text + i, run);
		len += run;
		i += run;
		if (i == text.len)
			break;
		c = decode_next(text, &i, plus);
		if (c <= 0) { /* a NUL would cut the text short */
			explicit_bzero(out, len);
			return -1;
		}
		out[len++] = (char)c;
	}
	out[len] = '\0';
	return (ssize_t)len;
}

char *hybridge_url_decode(struct hybridge_span text, bool plus)
{
	char *out = malloc(text.len + 1);

	if (out && hybridge_url_decode_into(text, plus, out) < 0) {
		free(out);
		return NULL;
	}
	return out;
}

bool hybridge_url_is_sound(struct hybridge_span text)
{
	for (size_t i = 0; i < text.len;)
		if (decode_next(text, &i, false) <= 0)
			return false;
	return true;
}

static char fold(int c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/*
 * Whether a parameter's decoded key starts with a lower-case @name, and with
 * @whole also ends there.  Decodes on the way, so that no spelling of
 * "sb-hc-" means one thing when it is looked up and another when it is removed.
 */
static bool key_matches(struct hybridge_span key, const char *name, bool whole)
{
	size_t len = strlen(name);
	size_t at = 0;

	/* Decoding makes it shorter, and nothing else does. */
	if (key.len < len ||
	    (whole && key.len > len && !memchr(key.text, '%', key.len)))
		return false;
	for (; *name; name++) {
		if (at == key.len)
			return false;
		int c = decode_next(key, &at, true);

		if (c < 0 || fold(c) != fold((unsigned char)*name))
			return false;
	}
	return !whole || at == key.len;
}

bool hybridge_url_means(struct hybridge_span text, struct hybridge_span plain)
{
	size_t at = 0;

	for (size_t i = 0; i < plain.len; i++) {
		int c = at < text.len ? decode_next(text, &at, false) : -1;

		if (c < 0 || fold(c) != fold((unsigned char)plain.text[i]))
			return false;
	}
	return at == text.len;
}

/* One token between '&' signs; @key is NULL when it has no '='. */
struct parameter {
	struct hybridge_span token;
	struct hybridge_span key;
	struct hybridge_span value;
};

/* Reads the token at @at; the next one starts at @at + token.len + 1. */
static struct parameter parameter_at(struct hybridge_span query, size_t at)
{
	struct parameter p = {0};
	const char *start = query.text + at;
	const char *end = memchr(start, '&', query.len - at);
	const char *equals;

	p.token.text = start;
	p.token.len = end ? (size_t)(end - start) : query.len - at;
	equals = memchr(start, '=', p.token.len);
	if (equals) {
		p.key.text = start;
		p.key.len = (size_t)(equals - start);
		p.value.text = equals + 1;
		p.value.len = p.token.len - p.key.len - 1;
	}
	return p;
}

bool hybridge_query_get(struct hybridge_span query, const char *name,
			struct hybridge_span *out)
{
	for (size_t at = 0; at < query.len;) {
		struct parameter p = parameter_at(query, at);

		/* A token without '=' is the application's own, whatever its name. */
		if (p.key.text && key_matches(p.key, name, true)) {
			*out = p.value;
			return true;
		}
		at += p.token.len + 1;
	}
	return false;
}

char *hybridge_query_strip(struct hybridge_span query)
{
	char *out = malloc(query.len + 1);
	size_t len = 0;
	bool first = true;

	if (!out)
		return NULL;
	/* One turn more than there are '&' signs: "a&" has an empty last token. */
	for (size_t at = 0; query.len > 0 && at <= query.len;) {
		struct parameter p = parameter_at(query, at);

		at += p.token.len + 1;
		if (p.key.text && key_matches(p.key, "sb-hc-", false))
			continue;
		if (!first)
			out[len++] = '&';
		first = false;
		memcpy(out + len, p.token.text, p.token.len);
		len += p.token.len;
	}
	out[len] = '\0';
	return out;
}

static const struct {
	const char *prefix;
	bool tls;
} schemes[] = {
	{"wss://", true},
	{"ws://", false},
	{"https://", true},
	{"http://", false},
};

/* The text behind the scheme, or NULL when it is none of ours. */
static const char *skip_scheme(const char *text, bool *tls)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i].prefix);

		if (strncasecmp(text, schemes[i].prefix, len) == 0) {
			*tls = schemes[i].tls;
			return text + len;
		}
	}
	return NULL;
}

/* What no URL of ours may hold, in words, or NULL. */
static const char *forbidden(const char *text)
{
	size_t len = strlen(text);

	for (const char *c = text + plain_len(text, len, " ##"); *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return "it holds a control character";
		if (*c == ' ')
			return "it holds a space";
		if (*c == '#')
			return "it has a fragment";
	}
	return NULL;
}

int hybridge_url_parse(const char *text, struct hybridge_url *out,
		       struct hybridge_error *err)
{
	struct hybridge_url url = {0};
	struct hybridge_authority authority = {0};
	const char *why = forbidden(text);
	const char *start = skip_scheme(text, &url.tls);

	if (!why && !start)
		why = "it does not start with wss://, ws://, https:// or "
		      "http://";
	if (!why) {
		struct hybridge_span span = {start, strcspn(start, "/?")};

		/* Never shown: what stands before '@' may be a password. */
		why = memchr(span.text, '@', span.len)
			      ? "it has user information"
			      : hybridge_authority_split(span, &authority);
		start += span.len;
	}
	if (why) {
		hybridge_fail(err, HYBRIDGE_EPROTOCOL, "bad URL: %s", why);
		return -1;
	}

	size_t len = strlen(start);
	bool has_path = *start == '/';

	url.port = authority.port;
	if (!authority.has_port)
		url.port = url.tls ? 443 : 80;
	url.host = strndup(authority.host.text, authority.host.len);
	url.target = malloc(len + 2);
	if (!url.host || !url.target) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		hybridge_url_free(&url);
		return -1;
	}
	url.target[0] = '/';
	memcpy(url.target + (has_path ? 0 : 1), start, len + 1);
	*out = url;
	return 0;
}

void hybridge_url_free(struct hybridge_url *url)
{
	if (!url)
		return;
	free(url->host);
	hybridge_text_free_secret(url->target); /* its query may hold a token */
	*url = (struct hybridge_url){0};
}
