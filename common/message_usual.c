/*
 * message_usual.c - accept messages in the form that relays write, read in one pass.
 *
 * Theory of operation.  One such message comes for each stream, and a JSON tree of it
 * costs fifteen times what this does.  Usual is: no blanks, the four known members at most
 * once each, strings of ASCII without \u, a port without sign or leading
 * zero, no header twice.  Whatever else JSON allows, or does not, is not
 * judged here: the tests hold the result against a whole parser's.
 */
#include "message_usual.h"

#include <stdlib.h>
#include <string.h>

#include "plain.h"

#define PORT_DIGITS 5

struct cursor {
	const char *at;
	const char *end;
};

/* Moves behind @text if it is next. */
static bool skip(struct cursor *cursor, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(cursor->end - cursor->at) < len ||
	    memcmp(cursor->at, text, len) != 0)
		return false;
	cursor->at += len;
	return true;
}

/* What the second byte of an escape stands for, or 0. */
static char unescape(char c)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	const char *known = c ? strchr(from, c) : NULL;

	return (char)(known ? to[known - from] : '\0');
}

/* What needs no second look from here on. */
static size_t plain_from(const char *at, const char *end)
{
	return plain_len(at, (size_t)(end - at), "\"\\\\");
}

/* Where the string ends that begins at the cursor, its quotes apart; NULL: it is unusual. */
static const char *find_end(const struct cursor *cursor)
{
	const char *end = cursor->end;
	const char *at = cursor->at + plain_from(cursor->at, end);

	while (at < end && *at == '\\') {
		if (++at == end || !unescape(*at))
			return NULL;
		at++;
		at += plain_from(at, end);
	}
	return at < end && *at == '"' ? at : NULL;
}

/* A string, owned by the caller; moves behind it. */
static char *read_string(struct cursor *cursor)
{
	const char *end = skip(cursor, "\"") ? find_end(cursor) : NULL;
	const char *from = cursor->at;
	char *text, *to;

	text = end ? malloc((size_t)(end - from) + 1) : NULL;
	if (!text)
		return NULL;
	for (to = text;; from += 2) {
		size_t run = plain_from(from, end);

		memcpy(to, from, run);
		to += run;
		from += run;
		if (from == end)
			break;
		*to++ = unescape(from[1]);
	}
	*to = '\0';
	cursor->at = end + 1;
	return text;
}

static bool read_once(struct cursor *cursor, char **out)
{
	if (*out)
		return false;
	*out = read_string(cursor);
	return *out != NULL;
}

static bool read_port(struct cursor *cursor, uint16_t *out)
{
	const char *start = cursor->at;
	uint32_t port = 0;

	while (cursor->at < cursor->end && *cursor->at >= '0' &&
	       *cursor->at <= '9' && cursor->at - start < PORT_DIGITS)
		port = port * 10 + (uint32_t)(*cursor->at++ - '0');
	if (cursor->at == start || port > UINT16_MAX ||
	    (*start == '0' && cursor->at - start > 1))
		return false;
	*out = (uint16_t)port;
	return true;
}

/* In the order in which all relays write it. */
static bool read_remote(struct cursor *cursor, struct hybridge_message *msg)
{
	return skip(cursor, "{\"address\":") &&
	       read_once(cursor, &msg->remote_address) &&
	       skip(cursor, ",\"port\":") &&
	       read_port(cursor, &msg->remote_port) && skip(cursor, "}");
}

static bool is_new(const struct hybridge_message *msg, const char *name)
{
	for (size_t i = 0; i < msg->num_headers; i++)
		if (strcmp(msg->headers[i].name, name) == 0)
			return false;
	return true;
}

/* Room for one more header, in powers of two. */
static struct hybridge_header *add_header(struct hybridge_message *msg)
{
	size_t len = msg->num_headers;
	struct hybridge_header *more;

	if ((len & (len - 1)) == 0) {
		more = reallocarray(msg->headers, len ? 2 * len : 1,
				    sizeof(*more));
		if (!more)
			return NULL;
		msg->headers = more;
	}
	more = &msg->headers[msg->num_headers++];
	*more = (struct hybridge_header){NULL, NULL};
	return more;
}

static bool read_header(struct cursor *cursor, struct hybridge_message *msg)
{
	char *name = read_string(cursor);
	struct hybridge_header *header =
		name && is_new(msg, name) ? add_header(msg) : NULL;

	if (!header) {
		free(name);
		return false;
	}
	header->name = name;
	return skip(cursor, ":") && read_once(cursor, &header->value);
}

static bool read_headers(struct cursor *cursor, struct hybridge_message *msg)
{
	if (!skip(cursor, "{"))
		return false;
	if (skip(cursor, "}"))
		return true;
	do {
		if (!read_header(cursor, msg))
			return false;
	} while (skip(cursor, ","));
	return skip(cursor, "}");
}

static bool read_member(struct cursor *cursor, struct hybridge_message *msg,
			unsigned int *seen)
{
	static const char *const keys[] = {
		"\"address\":", "\"id\":", "\"connectHeaders\":",
		"\"remoteEndpoint\":"};
	unsigned int key = 0;

	while (key < 4 && !skip(cursor, keys[key]))
		key++;
	if (key == 4 || (*seen & 1U << key))
		return false;
	*seen |= 1U << key;
	switch (key) {
	case 0:
		return read_once(cursor, &msg->address) && *msg->address;
	case 1:
		return read_once(cursor, &msg->id);
	case 2:
		return read_headers(cursor, msg);
	default:
		return read_remote(cursor, msg);
	}
}

bool message_read_usual(const char *text, size_t len,
			struct hybridge_message *out)
{
	struct hybridge_message msg = {.kind = HYBRIDGE_MESSAGE_ACCEPT};
	struct cursor cursor = {text, text + len};
	unsigned int seen = 0;
	bool usual = skip(&cursor, "{\"accept\":{");

	while (usual) {
		usual = read_member(&cursor, &msg, &seen);
		if (!usual || !skip(&cursor, ","))
			break;
	}
	usual = usual && msg.address && skip(&cursor, "}}") &&
		cursor.at == cursor.end;
	if (usual)
		*out = msg;
	else
		hybridge_message_free(&msg);
	return usual;
}
