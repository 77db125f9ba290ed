/*
 * config_request.c - reads what a sender adds to its requests: a path's suffix, a
 * query, headers.
 */
#include "config_request.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <hybridge/text.h>
#include <hybridge/url.h>

#define SUFFIX_MAX  1024
#define HEADERS_MAX 16
#define LINES_MAX   4096

#define ALNUM                        \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"abcdefghijklmnopqrstuvwxyz" \
	"0123456789"

/* RFC 3986, pchar and '/'; a query may hold '?' as well. */
static const char path_chars[] = ALNUM "-._~!$&'()*+,;=:@%/";
static const char query_chars[] = ALNUM "-._~!$&'()*+,;=:@%/?";

/* RFC 9110, tchar, but for '|', which separates headers here. */
static const char name_chars[] = ALNUM "!#$%&'*+-.^_`~";

/* Of the handshake, of a hop, or the relay's; "-" at the end: all that start so. */
static const char *const reserved[] = {
	"Authorization",
	"Connection",
	"Content-Length",
	"Expect",
	"Host",
	"HTTP2-Settings",
	"Keep-Alive",
	"Proxy-",
	"Relay-User-Agent",
	"Sec-WebSocket-",
	"ServiceBusAuthorization",
	"TE",
	"Trailer",
	"Transfer-Encoding",
	"Upgrade",
};

static int fail(struct hybridge_error *err, const char *what)
{
	hybridge_fail(err, HYBRIDGE_ECONFIG, "%s", what);
	hybridge_hint(err, "it looks like /orders/eu?tenant=7, encoded as in "
			   "a URL");
	return -1;
}

/* Every '%' has its two digits, and none is a NUL. */
static bool is_encoded(struct hybridge_span text)
{
	char *decoded = hybridge_url_decode(text, false);
	bool good = decoded != NULL;

	free(decoded);
	return good;
}

static int check_path(struct hybridge_span path, struct hybridge_error *err)
{
	if (path.len == 0)
		return 0;
	if (path.text[0] != '/')
		return fail(err, "it starts with neither '/' nor '?'");
	path.text++;
	path.len--;
	do {
		const char *slash = memchr(path.text, '/', path.len);
		struct hybridge_span segment = path;
		char *decoded;
		bool bad;

		if (slash)
			segment.len = (size_t)(slash - path.text);
		decoded = hybridge_url_decode(segment, false);
		bad = !decoded || decoded[0] == '\0' ||
		      strcmp(decoded, ".") == 0 || strcmp(decoded, "..") == 0;
		free(decoded);
		if (bad)
			return fail(err, "a segment of the path is empty, '.' "
					 "or '..'");
		path.text += segment.len + (slash ? 1 : 0);
		path.len -= segment.len + (slash ? 1 : 0);
		if (slash && path.len == 0)
			return fail(err, "the path ends with a '/'");
	} while (path.len > 0);
	return 0;
}

static int check_query(struct hybridge_span query, struct hybridge_error *err)
{
	char *own = hybridge_query_strip(query);
	bool is_own = own && strlen(own) == query.len;

	free(own);
	return is_own ? 0
		      : fail(err, "parameters that start with sb-hc- are the "
				  "relay's");
}

int config_check_suffix(const char *text, struct hybridge_error *err)
{
	size_t len = strcspn(text, "?");
	struct hybridge_span path = {text, len};
	struct hybridge_span query =
		hybridge_text_span(text[len] ? text + len + 1 : "");

	if (strlen(text) > SUFFIX_MAX) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "it is longer than %d bytes", SUFFIX_MAX);
		return -1;
	}
	if (strspn(text, path_chars) < path.len ||
	    strspn(query.text, query_chars) < query.len ||
	    !is_encoded(hybridge_text_span(text)))
		return fail(err, "it is not encoded as in a URL");
	if (check_path(path, err) < 0)
		return -1;
	return check_query(query, err);
}

static bool is_reserved(struct hybridge_span name)
{
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		size_t len = strlen(reserved[i]);
		bool family = reserved[i][len - 1] == '-';

		if ((family ? name.len >= len : name.len == len) &&
		    strncasecmp(name.text, reserved[i], len) == 0)
			return true;
	}
	return false;
}

/* Header lines that are being put together. */
struct lines {
	char text[LINES_MAX];
	size_t len;
	unsigned int count;
};

static bool is_there(const struct lines *lines, struct hybridge_span name)
{
	for (const char *p = lines->text; *p; p = strstr(p, "\r\n") + 2)
		if (strncasecmp(p, name.text, name.len) == 0 &&
		    p[name.len] == ':')
			return true;
	return false;
}

static bool is_printable(struct hybridge_span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.text[i] < ' ' || text.text[i] > '~')
			return false;
	return true;
}

/* What is wrong with a header, or NULL. */
static const char *check_header(const struct lines *lines,
				struct hybridge_span name,
				struct hybridge_span value)
{
	if (is_reserved(name))
		return "is not for the configuration to say";
	if (is_there(lines, name))
		return "is given twice";
	if (value.len == 0)
		return "has no value";
	if (!is_printable(value))
		return "has a value with other characters than printable ASCII";
	return NULL;
}

static int fail_headers(struct hybridge_error *err)
{
	hybridge_hint(err, "it looks like 'X-Tenant: 7|X-Region: eu'");
	return -1;
}

static int add_header(struct lines *lines, struct hybridge_span item,
		      struct hybridge_error *err)
{
	const char *colon = memchr(item.text, ':', item.len);
	struct hybridge_span name = {item.text, 0};
	struct hybridge_span value = {"", 0};
	const char *why;

	if (colon) {
		name.len = (size_t)(colon - item.text);
		value.text = colon + 1;
		value.len = item.len - name.len - 1;
		value = hybridge_text_trim(value);
	}
	/* Without a name, all of it may be a secret. */
	if (name.len == 0 || strspn(name.text, name_chars) < name.len) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "header %u is not NAME: VALUE", lines->count + 1);
		return fail_headers(err);
	}
	why = check_header(lines, name, value);
	if (why) {
		hybridge_fail(err, HYBRIDGE_ECONFIG, "'%.*s' %s",
			      name.len < 60 ? (int)name.len : 60, name.text,
			      why);
		return fail_headers(err);
	}
	if (++lines->count > HEADERS_MAX ||
	    name.len + value.len + 5 > sizeof(lines->text) - lines->len) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "more than %d headers, or %d bytes", HEADERS_MAX,
			      LINES_MAX);
		return -1;
	}
	lines->len += (size_t)snprintf(lines->text + lines->len,
				       sizeof(lines->text) - lines->len,
				       "%.*s: %.*s\r\n", (int)name.len,
				       name.text, (int)value.len, value.text);
	return 0;
}

int config_parse_headers(const char *text, char **out,
			 struct hybridge_error *err)
{
	struct lines lines = {.len = 0};
	int ret = -1;

	do {
		struct hybridge_span item = {text, strcspn(text, "|")};

		text += item.len;
		if (add_header(&lines, hybridge_text_trim(item), err) < 0)
			goto out;
	} while (*text++);
	*out = strdup(lines.text);
	if (*out)
		ret = 0;
	else
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
out:
	explicit_bzero(&lines, sizeof(lines));
	return ret;
}
