/*
 * fuzz_url.c - percent-encoding, query strings and absolute URLs.
 */
#include "fuzz.h"

#include <strings.h>

#include <hybridge/url.h>

static struct hybridge_span span_of(const char *text)
{
	return (struct hybridge_span){text, strlen(text)};
}

static void check_encoding(const char *text)
{
	char *encoded = hybridge_url_encode(span_of(text));
	char *decoded;

	MUST(encoded);
	MUST(strspn(encoded,
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		    "0123456789-_.!~*'()%") == strlen(encoded));
	for (int plus = 0; plus <= 1; plus++) {
		decoded = hybridge_url_decode(span_of(encoded), plus);
		MUST(fuzz_same(decoded, text));
		free(decoded);
	}
	free(encoded);
	decoded = hybridge_url_decode(span_of(text), false);
	MUST(!decoded || strlen(decoded) <= strlen(text));
	free(decoded);
}

/* Whether some part of the key, from its start, decodes to "sb-hc-". */
static bool is_reserved(const char *item, size_t len)
{
	const char *equals = memchr(item, '=', len);
	size_t key_len = equals ? (size_t)(equals - item) : 0;
	bool reserved = false;

	for (size_t n = 6; n <= key_len && n <= 18 && !reserved; n++) {
		char *key = hybridge_url_decode((struct hybridge_span){item, n},
						true);

		reserved = key && strcasecmp(key, "sb-hc-") == 0;
		free(key);
	}
	return reserved;
}

/* Drops what is reserved and nothing else, in order. */
static void check_strip(const char *query)
{
	char *kept = hybridge_query_strip(span_of(query));
	char *again;
	const char *at;

	MUST(kept);
	at = kept;
	for (const char *item = query; *item;) {
		size_t len = strcspn(item, "&");

		if (len > 0 && !is_reserved(item, len)) {
			at += strspn(at, "&");
			MUST(strncmp(at, item, len) == 0);
			at += len;
		}
		item += len + (item[len] == '&');
	}
	MUST(at[strspn(at, "&")] == '\0');
	again = hybridge_query_strip(span_of(kept));
	MUST(fuzz_same(again, kept));
	free(again);
	free(kept);
}

static void check_get(const char *query)
{
	struct hybridge_span value = {0};

	if (!hybridge_query_get(span_of(query), "sb-hc-token", &value))
		return;
	MUST(fuzz_within(value, query, strlen(query)));
	MUST(value.len == 0 || !memchr(value.text, '&', value.len));
}

static void check_url(const char *text)
{
	struct hybridge_url url = {0};
	struct hybridge_url again = {0};
	struct hybridge_error err = {0};
	bool v6;
	char *anew;

	if (hybridge_url_parse(text, &url, &err) != 0) {
		MUST(err.code != HYBRIDGE_OK && err.what[0]);
		MUST(!url.host && !url.target);
		return;
	}
	MUST(url.host[0] && url.port > 0 && url.target[0] == '/');
	MUST(strcspn(url.host, " @/[]\r\n") == strlen(url.host));
	MUST(strcspn(url.target, " #\r\n\t") == strlen(url.target));
	v6 = strchr(url.host, ':');
	MUST(asprintf(&anew, "%s://%s%s%s:%u%s", url.tls ? "wss" : "ws",
		      v6 ? "[" : "", url.host, v6 ? "]" : "", url.port,
		      url.target) > 0);
	MUST(hybridge_url_parse(anew, &again, &err) == 0);
	MUST(again.tls == url.tls && again.port == url.port &&
	     fuzz_same(again.host, url.host) &&
	     fuzz_same(again.target, url.target));
	free(anew);
	hybridge_url_free(&again);
	hybridge_url_free(&url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	size_t len;
	char *text = fuzz_copy(&in, size, &len);

	check_encoding(text);
	check_strip(text);
	check_get(text);
	check_url(text);
	free(text);
	return 0;
}
