/*
 * config_values.c - reads the values of single settings: durations, host and
 * port, proxies.
 */
#include "config_values.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <hybridge/authority.h>
#include <hybridge/config.h>
#include <hybridge/text.h>
#include <hybridge/url.h>

#include "config_keys.h"

bool config_is_secret(size_t key, const char *value)
{
	if (key == CONFIG_CONNECTION || key == CONFIG_CONNECTION_FILE)
		return hybridge_text_find_secret(value) != NULL;
	/* Whoever can change it runs what he likes, and it may hold a secret. */
	if (key == CONFIG_TOKEN_COMMAND)
		return true;
	/* An API's key, say: nobody can tell. */
	if (key == CONFIG_HEADERS)
		return true;
	return key == CONFIG_PROXY && strchr(value, '@');
}

int hybridge_parse_duration(const char *text, uint32_t *out)
{
	static const struct {
		const char *unit;
		uint32_t ms;
	} units[] = {{"ms", 1},
		     {"s", 1000},
		     {"", 1000},
		     {"m", 60000},
		     {"h", 3600000}};
	size_t digits = strspn(text, "0123456789");
	uint64_t value = 0;

	if (digits == 0 || digits > 10)
		return -1;
	for (size_t i = 0; i < digits; i++)
		value = value * 10 + (uint64_t)(text[i] - '0');
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text + digits, units[i].unit) != 0)
			continue;
		if (value * units[i].ms > UINT32_MAX)
			return -1;
		*out = (uint32_t)(value * units[i].ms);
		return 0;
	}
	return -1;
}

int hybridge_parse_host_port(const char *text, char **host, uint16_t *port,
			     struct hybridge_error *err)
{
	struct hybridge_authority authority = {0};
	const char *why =
		hybridge_authority_split(hybridge_text_span(text), &authority);
	char *copy;

	if (!why && !authority.has_port)
		why = "port is missing";
	if (why) {
		hybridge_fail(err, HYBRIDGE_ECONFIG, "'%.100s': %s", text, why);
		hybridge_hint(err, "it looks like db.corp:5432 or "
				   "[2001:db8::1]:5432");
		return -1;
	}
	copy = strndup(authority.host.text, authority.host.len);
	if (!copy) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return -1;
	}
	*host = copy;
	*port = authority.port;
	return 0;
}

const char *config_parse_proxy(const char *text, char **out)
{
	struct hybridge_span rest = hybridge_text_span(text);
	struct hybridge_span user = {"", 0};
	struct hybridge_authority authority = {0};
	const char *scheme = strstr(text, "://");
	const char *at;
	const char *why;
	char *full;
	bool is_v6;

	if (scheme) {
		if (strncasecmp(text, "http://", 7) != 0)
			return "only http:// proxies are supported";
		rest = hybridge_text_span(scheme + 3);
	}
	if (rest.len > 0 && rest.text[rest.len - 1] == '/')
		rest.len--;
	at = memrchr(rest.text, '@', rest.len);
	if (at) {
		user = (struct hybridge_span){rest.text,
					      (size_t)(at - rest.text) + 1};
		rest.text += user.len;
		rest.len -= user.len;
	}
	for (size_t i = 0; i < user.len; i++)
		if ((unsigned char)user.text[i] <= 0x20 || user.text[i] == 0x7f)
			return "blank or control character in user or password";
	if (memchr(user.text, '/', user.len) ||
	    memchr(user.text, '?', user.len) ||
	    memchr(user.text, '#', user.len) || !hybridge_url_is_sound(user))
		return "user and password must be percent-encoded, as in a URL";
	why = hybridge_authority_split(rest, &authority);
	if (why)
		return why;
	is_v6 = memchr(authority.host.text, ':', authority.host.len) != NULL;
	if (asprintf(&full, "http://%.*s%s%.*s%s:%u", (int)user.len, user.text,
		     is_v6 ? "[" : "", (int)authority.host.len,
		     authority.host.text, is_v6 ? "]" : "",
		     authority.has_port ? authority.port : 80U) < 0)
		return "out of memory";
	*out = full;
	return NULL;
}
