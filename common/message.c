/*
 * message.c - reads and writes the JSON messages of the control channel.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include <hybridge/message.h>
#include <hybridge/text.h>
#include <hybridge/utf8.h>

#include "message_usual.h"
#include "plain.h"

#define FIRST_ROOM ((size_t)1024) /* of an accept message; most need no more */

static const char *const kind_keys[] = {
	[HYBRIDGE_MESSAGE_UNKNOWN] = NULL,
	[HYBRIDGE_MESSAGE_ACCEPT] = "accept",
	[HYBRIDGE_MESSAGE_REQUEST] = "request",
	[HYBRIDGE_MESSAGE_RENEW] = "renewToken",
	[HYBRIDGE_MESSAGE_RESPONSE] = "response",
};
#define NUM_KINDS (sizeof(kind_keys) / sizeof(kind_keys[0]))
_Static_assert(NUM_KINDS == HYBRIDGE_MESSAGE_RESPONSE + 1,
	       "every kind has a key");

static int fail_memory(struct hybridge_error *err)
{
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

/* The object's member; null counts as absent. */
static const json_t *member(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_null(value) ? NULL : value;
}

/* A string member of @place, copied; absent ones leave @out as it is. */
static int read_string(const json_t *object, const char *place,
		       const char *name, char **out, struct hybridge_error *err)
{
	const json_t *value = member(object, name);

	if (!value)
		return 0;
	if (!json_is_string(value)) {
		hybridge_fail(err, HYBRIDGE_EPROTOCOL,
			      "control message: %s.%s is not a string", place,
			      name);
		return -1;
	}
	*out = strdup(json_string_value(value));
	return *out ? 0 : fail_memory(err);
}

static int require_string(const json_t *object, const char *place,
			  const char *name, char **out,
			  struct hybridge_error *err)
{
	if (read_string(object, place, name, out, err) < 0)
		return -1;
	if (*out && **out)
		return 0;
	hybridge_fail(err, HYBRIDGE_EPROTOCOL, "control message: %s.%s is %s",
		      place, name, *out ? "empty" : "missing");
	return -1;
}

static int read_remote(const json_t *body, const char *place,
		       struct hybridge_message *msg, struct hybridge_error *err)
{
	const json_t *remote = member(body, "remoteEndpoint");
	const json_t *port = member(remote, "port");

	if (!remote)
		return 0;
	if (!json_is_object(remote)) {
		hybridge_fail(err, HYBRIDGE_EPROTOCOL,
			      "control message: %s.remoteEndpoint is not an "
			      "object",
			      place);
		return -1;
	}
	if (port) {
		json_int_t value = json_integer_value(port);

		if (!json_is_integer(port) || value < 0 || value > UINT16_MAX) {
			hybridge_fail(err, HYBRIDGE_EPROTOCOL,
				      "control message: %s.remoteEndpoint.port "
				      "is not a port",
				      place);
			return -1;
		}
		msg->remote_port = (uint16_t)value;
	}
	return read_string(remote, "remoteEndpoint", "address",
			   &msg->remote_address, err);
}

static int read_headers(const json_t *body, struct hybridge_message *msg,
			struct hybridge_error *err)
{
	/* Only the iterators of jansson want it without const. */
	json_t *headers = json_object_get(body, "connectHeaders");

	if (!headers || json_is_null(headers))
		return 0;
	if (!json_is_object(headers)) {
		hybridge_fail(err, HYBRIDGE_EPROTOCOL,
			      "control message: accept.connectHeaders is not "
			      "an object");
		return -1;
	}
	if (json_object_size(headers) == 0)
		return 0;
	msg->headers = calloc(json_object_size(headers), sizeof(*msg->headers));
	if (!msg->headers)
		return fail_memory(err);
	for (void *at = json_object_iter(headers); at;
	     at = json_object_iter_next(headers, at)) {
		const json_t *value = json_object_iter_value(at);
		struct hybridge_header *to = &msg->headers[msg->num_headers];

		if (!json_is_string(value)) {
			hybridge_fail(err, HYBRIDGE_EPROTOCOL,
				      "control message: a value in "
				      "accept.connectHeaders is not a string");
			return -1;
		}
		msg->num_headers++;
		to->name = strdup(json_object_iter_key(at));
		to->value = strdup(json_string_value(value));
		if (!to->name || !to->value)
			return fail_memory(err);
	}
	return 0;
}

static int read_unknown(json_t *root, struct hybridge_message *msg,
			struct hybridge_error *err)
{
	void *first = json_object_iter(root);

	if (!first)
		return 0;
	msg->name = strdup(json_object_iter_key(first));
	return msg->name ? 0 : fail_memory(err);
}

static int read_body(const json_t *body, struct hybridge_message *msg,
		     struct hybridge_error *err)
{
	const char *place = kind_keys[msg->kind];

	if (!json_is_object(body)) {
		hybridge_fail(err, HYBRIDGE_EPROTOCOL,
			      "control message: %s is not an object", place);
		return -1;
	}
	switch (msg->kind) {
	case HYBRIDGE_MESSAGE_ACCEPT:
	case HYBRIDGE_MESSAGE_REQUEST:
		if (require_string(body, place, "address", &msg->address, err) <
			    0 ||
		    read_string(body, place, "id", &msg->id, err) < 0 ||
		    read_remote(body, place, msg, err) < 0)
			return -1;
		return msg->kind == HYBRIDGE_MESSAGE_ACCEPT
			       ? read_headers(body, msg, err)
			       : 0;
	case HYBRIDGE_MESSAGE_RENEW:
		return require_string(body, place, "token", &msg->token, err);
	case HYBRIDGE_MESSAGE_RESPONSE:
		return require_string(body, place, "requestId", &msg->id, err);
	case HYBRIDGE_MESSAGE_UNKNOWN:
		break;
	}
	return 0;
}

/* jansson frees without wiping: take the token out of its memory first. */
static void wipe_token(const json_t *root)
{
	const json_t *token = json_object_get(
		json_object_get(root, kind_keys[HYBRIDGE_MESSAGE_RENEW]),
		"token");
	const char *text = json_string_value(token);

	/* jansson keeps strings const, but in memory that is only its own. */
	if (text) /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
		explicit_bzero((void *)(uintptr_t)text,
			       json_string_length(token));
}

int hybridge_message_parse(const char *text, size_t len,
			   struct hybridge_message *out,
			   struct hybridge_error *err)
{
	struct hybridge_message msg = {0};
	const json_t *body = NULL;
	json_error_t where;
	json_t *root = NULL;
	int ret = -1;

	if (len > HYBRIDGE_MESSAGE_MAX) {
		hybridge_fail(err, HYBRIDGE_EPROTOCOL,
			      "control message of %zu bytes; at most %d are "
			      "taken",
			      len, HYBRIDGE_MESSAGE_MAX);
		return -1;
	}
	if (message_read_usual(text, len, out))
		return 0;
	root = json_loadb(text, len, 0, &where);
	if (!root) {
		/* jansson's own words quote the text, which may hold a token. */
		hybridge_fail(err, HYBRIDGE_EPROTOCOL,
			      "control message is not JSON at byte %d",
			      where.position);
		goto out;
	}
	if (!json_is_object(root)) {
		hybridge_fail(err, HYBRIDGE_EPROTOCOL,
			      "control message is not a JSON object");
		goto out;
	}
	for (size_t i = HYBRIDGE_MESSAGE_UNKNOWN + 1; i < NUM_KINDS && !body;
	     i++) {
		body = json_object_get(root, kind_keys[i]);
		if (body)
			msg.kind = (enum hybridge_message_kind)i;
	}
	if ((body ? read_body(body, &msg, err)
		  : read_unknown(root, &msg, err)) < 0)
		goto out;

	*out = msg;
	msg = (struct hybridge_message){0}; /* handed to the caller */
	ret = 0;
out:
	hybridge_message_free(&msg);
	if (root)
		wipe_token(root);
	json_decref(root);
	return ret;
}

void hybridge_message_free(struct hybridge_message *msg)
{
	if (!msg)
		return;
	for (size_t i = 0; i < msg->num_headers; i++) {
		free(msg->headers[i].name);
		free(msg->headers[i].value);
	}
	free(msg->headers);
	free(msg->address);
	free(msg->id);
	hybridge_text_free_secret(msg->token);
	free(msg->remote_address);
	free(msg->name);
	*msg = (struct hybridge_message){0};
}

/*
 * Writing an accept message, one for each stream: by hand, as building a tree to print it
 * takes fifteen times as long.
 */
struct writer {
	char *text;
	size_t len;
	size_t room;
	bool failed;
};

/* Room for so many more bytes, and a NUL. */
static char *reserve(struct writer *writer, size_t len)
{
	size_t room = writer->room ? writer->room : FIRST_ROOM;
	char *text;

	while (room - writer->len <= len)
		room *= 2;
	if (room > writer->room) {
		text = realloc(writer->text, room);
		if (!text) {
			writer->failed = true;
			return NULL;
		}
		writer->text = text;
		writer->room = room;
	}
	return writer->text + writer->len;
}

static void put_bytes(struct writer *writer, const char *bytes, size_t len)
{
	char *to = reserve(writer, len);

	if (!to)
		return;
	memcpy(to, bytes, len);
	writer->len += len;
}

static void put(struct writer *writer, const char *text)
{
	put_bytes(writer, text, strlen(text));
}

/* What JSON does not want as it is; '/' as Azure and jansson escape it. */
static void put_escaped(struct writer *writer, unsigned char c)
{
	static const char from[] = "\"\\/\b\f\n\r\t";
	static const char to[] = "\"\\/bfnrt";
	const char *known = strchr(from, c);
	char text[8];

	if (known) {
		put_bytes(writer, (const char[]){'\\', to[known - from]}, 2);
		return;
	}
	snprintf(text, sizeof(text), "\\u%04X", c);
	put(writer, text);
}

/* A byte above ASCII: of UTF-8 as it is, else of ISO 8859-1. */
static void put_above(struct writer *writer, unsigned char c, bool is_utf8)
{
	const char two[] = {(char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f))};

	if (is_utf8)
		put_bytes(writer, (const char *)&c, 1);
	else
		put_bytes(writer, two, sizeof(two));
}

/*
 * The inside of a JSON string of bytes off the wire.  Header fields need not be UTF-8; what
 * is not is taken for ISO 8859-1, which HTTP once said and .NET still thinks.
 */
static void put_wire(struct writer *writer, const char *text)
{
	size_t left = strlen(text);
	bool is_checked = false, is_utf8 = false;

	for (;;) {
		size_t run = plain_len(text, left, "\"\\/");
		unsigned char c;

		put_bytes(writer, text, run);
		text += run;
		left -= run;
		if (left == 0)
			return;
		c = (unsigned char)*text;
		if (c >= 0x80 && !is_checked) {
			is_utf8 = hybridge_utf8_is_valid(text, left);
			is_checked = true;
		}
		if (c >= 0x80)
			put_above(writer, c, is_utf8);
		else if (c == 0x7f)
			put_bytes(writer, text, 1);
		else
			put_escaped(writer, c);
		text++;
		left--;
	}
}

/* `"NAME":"VALUE` - its end is up to the caller. */
static void put_member(struct writer *writer, const char *name,
		       const char *value)
{
	put(writer, "\"");
	put_wire(writer, name);
	put(writer, "\":\"");
	put_wire(writer, value ? value : "");
}

/* Most differ in their first letter already. */
static bool is_same_name(const char *a, const char *b)
{
	return ((*a ^ *b) & ~('a' ^ 'A')) == 0 && strcasecmp(a, b) == 0;
}

/* The first header of @msg that has the name of the one at @index. */
static size_t first_of(const struct hybridge_message *msg, size_t index)
{
	size_t i = 0;

	while (!is_same_name(msg->headers[i].name, msg->headers[index].name))
		i++;
	return i;
}

/* Joins the values of a repeated field with ", " (RFC 9110, 5.3). */
static void put_headers(struct writer *writer,
			const struct hybridge_message *msg)
{
	const char *between = "";

	for (size_t i = 0; i < msg->num_headers; i++) {
		if (first_of(msg, i) != i)
			continue;
		put(writer, between);
		put_member(writer, msg->headers[i].name, msg->headers[i].value);
		for (size_t j = i + 1; j < msg->num_headers; j++) {
			if (first_of(msg, j) != i)
				continue;
			put(writer, ", ");
			put_wire(writer, msg->headers[j].value);
		}
		put(writer, "\"");
		between = ",";
	}
}

/* In the order and the form of Azure's, so no listener meets one it has not seen. */
char *hybridge_message_format_accept(const struct hybridge_message *msg)
{
	struct writer writer = {0};
	char port[HYBRIDGE_TEXT_NUMBER];

	put(&writer, "{\"accept\":{");
	put_member(&writer, "address", msg->address);
	put(&writer, "\",");
	put_member(&writer, "id", msg->id);
	put(&writer, "\",\"connectHeaders\":{");
	put_headers(&writer, msg);
	put(&writer, "},\"remoteEndpoint\":{");
	put_member(&writer, "address", msg->remote_address);
	put(&writer, "\",\"port\":");
	put(&writer, hybridge_text_number(msg->remote_port, port).text);
	put(&writer, "}}}");
	if (writer.failed) {
		free(writer.text);
		return NULL;
	}
	writer.text[writer.len] = '\0';
	return writer.text;
}

char *hybridge_message_format_renew(const char *token)
{
	json_t *root = json_pack("{s:{s:s}}", "renewToken", "token", token);
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;

	if (root)
		wipe_token(root);
	json_decref(root);
	return text;
}
