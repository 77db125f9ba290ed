/*
 * authority.c - takes "HOST[:PORT]" apart, with IPv6 literals in brackets.
 */

#include <string.h>

#include <hybridge/authority.h>
#include <hybridge/hostmap.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_host_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_';
}

/* "port is missing" and the like, or NULL with *@port set. */
static const char *parse_port(const char *text, size_t len, uint16_t *port)
{
	uint32_t value = 0;

	if (len == 0)
		return "port is missing after ':'";
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(text[i]))
			return "port is not a number";
		value = value * 10 + (uint32_t)(text[i] - '0');
		if (value > UINT16_MAX)
			return "port is not 1 to 65535";
	}
	if (value == 0)
		return "port is not 1 to 65535";
	*port = (uint16_t)value;
	return NULL;
}

/* Sets @host and returns NULL with *@rest behind it, or says what is wrong. */
static const char *split_host(struct hybridge_span text,
			      struct hybridge_span *host, size_t *rest)
{
	if (text.len > 0 && text.text[0] == '[') {
		const char *close = memchr(text.text, ']', text.len);
		struct hybridge_ip ip;

		if (!close)
			return "'[' is never closed";
		host->text = text.text + 1;
		host->len = (size_t)(close - host->text);
		if (!hybridge_ip_parse(*host, &ip) || ip.family != 6)
			return "no IPv6 address between '[' and ']'";
		*rest = host->len + 2;
		return NULL;
	}

	size_t len = 0;

	while (len < text.len && is_host_char(text.text[len]))
		len++;
	if (len == 0)
		return "host is missing";
	if (len < text.len && text.text[len] != ':')
		return "character that no host name has";
	host->text = text.text;
	host->len = len;
	*rest = len;
	return NULL;
}

const char *hybridge_authority_split(struct hybridge_span text,
				     struct hybridge_authority *out)
{
	struct hybridge_authority found = {0};
	size_t rest = 0;
	const char *why = split_host(text, &found.host, &rest);

	if (why)
		return why;
	if (rest < text.len) {
		if (text.text[rest] != ':')
			return "text after ']' that is no port";
		if (memchr(text.text + rest + 1, ':', text.len - rest - 1))
			return "more than one ':' (an IPv6 address needs "
			       "brackets)";
		why = parse_port(text.text + rest + 1, text.len - rest - 1,
				 &found.port);
		if (why)
			return why;
		found.has_port = true;
	}
	*out = found;
	return NULL;
}
