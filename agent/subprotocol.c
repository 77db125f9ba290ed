/*
 * subprotocol.c - which of the subprotocols that a sender offers is taken: the first.
 */
#include "accept.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

static bool is_token_char(char c)
{
	return c && (strchr("!#$%&'*+-.^_`|~", c) || (c >= '0' && c <= '9') ||
		     (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
}

void stream_protocol(const struct hybridge_message *msg, char *out, size_t size)
{
	const char *value = "";
	size_t len = 0;

	for (size_t i = 0; i < msg->num_headers; i++)
		if (strcasecmp(msg->headers[i].name,
			       "Sec-WebSocket-Protocol") == 0)
			value = msg->headers[i].value;
	value += strspn(value, " \t,");
	while (is_token_char(value[len]))
		len++;
	if (len >= size || !strchr(" \t,", value[len]))
		len = 0; /* no list of tokens: offer nothing */
	memcpy(out, value, len);
	out[len] = '\0';
}
