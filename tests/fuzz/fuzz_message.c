/*
 * fuzz_message.c - JSON messages of the control channel: what is read can be written again.
 */
#include "fuzz.h"

#include <strings.h>

#include <hybridge/message.h>

static void check_untouched(const struct hybridge_message *msg)
{
	MUST(!msg->address && !msg->id && !msg->token && !msg->remote_address &&
	     !msg->headers && !msg->name);
}

/* Fields that differ only in case are written as one, as HTTP wants it. */
static bool has_twins(const struct hybridge_message *msg)
{
	for (size_t i = 0; i < msg->num_headers; i++)
		for (size_t j = 0; j < i; j++)
			if (strcasecmp(msg->headers[i].name,
				       msg->headers[j].name) == 0)
				return true;
	return false;
}

static void check_headers(const struct hybridge_message *msg,
			  const struct hybridge_message *again)
{
	if (has_twins(msg)) {
		MUST(again->num_headers < msg->num_headers);
		return;
	}
	MUST(again->num_headers == msg->num_headers);
	for (size_t i = 0; i < msg->num_headers; i++)
		MUST(fuzz_same(again->headers[i].name, msg->headers[i].name) &&
		     fuzz_same(again->headers[i].value, msg->headers[i].value));
}

static void check_accept(const struct hybridge_message *msg)
{
	struct hybridge_message again = {0};
	struct hybridge_error err = {0};
	char *text;

	MUST(msg->address && msg->address[0]);
	text = hybridge_message_format_accept(msg);
	MUST(text);
	if (hybridge_message_parse(text, strlen(text), &again, &err) != 0) {
		/* Escapes may have made it longer than may be sent. */
		MUST(strlen(text) > HYBRIDGE_MESSAGE_MAX);
		free(text);
		return;
	}
	MUST(again.kind == HYBRIDGE_MESSAGE_ACCEPT);
	MUST(fuzz_same(again.address, msg->address));
	MUST(fuzz_same(again.id, msg->id ? msg->id : ""));
	MUST(again.remote_port == msg->remote_port);
	check_headers(msg, &again);
	hybridge_message_free(&again);
	free(text);
}

static void check_renew(const struct hybridge_message *msg)
{
	struct hybridge_message again = {0};
	struct hybridge_error err = {0};
	char *text;

	MUST(msg->token);
	text = hybridge_message_format_renew(msg->token);
	MUST(text);
	if (hybridge_message_parse(text, strlen(text), &again, &err) == 0) {
		MUST(again.kind == HYBRIDGE_MESSAGE_RENEW);
		MUST(fuzz_same(again.token, msg->token));
	} else {
		MUST(strlen(text) > HYBRIDGE_MESSAGE_MAX);
	}
	hybridge_message_free(&again);
	free(text);
}

/* The text taken for ISO 8859-1, as UTF-8. */
static char *from_latin1(const char *text)
{
	char *utf8 = malloc(strlen(text) * 2 + 1);
	char *to = utf8;

	MUST(utf8);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x80) {
			*to++ = (char)c;
			continue;
		}
		*to++ = (char)(0xc0 + c / 64);
		*to++ = (char)(0x80 + c % 64);
	}
	*to = '\0';
	return utf8;
}

/* Header fields come off the wire: any bytes must make a sound message. */
static void check_written(struct fuzz_input in)
{
	char address[] = "wss://a/b";
	struct hybridge_header header = {fuzz_string(&in), fuzz_string(&in)};
	struct hybridge_message msg = {
		.address = address, .headers = &header, .num_headers = 1};
	struct hybridge_message again = {0};
	struct hybridge_error err = {0};
	char *text = hybridge_message_format_accept(&msg);
	char *value = from_latin1(header.value);

	MUST(text);
	MUST(hybridge_message_parse(text, strlen(text), &again, &err) == 0);
	MUST(again.num_headers == 1);
	MUST(fuzz_same(again.headers[0].value, header.value) ||
	     fuzz_same(again.headers[0].value, value));
	hybridge_message_free(&again);
	free(text);
	free(value);
	free(header.name);
	free(header.value);
}

/* With a blank in front it is not the usual form, and a whole parser reads it: the same. */
static void check_spaced(const char *text, size_t len,
			 const struct hybridge_message *msg)
{
	struct hybridge_message other = {0};
	char *spaced = malloc(len + 1);

	MUST(spaced);
	spaced[0] = ' ';
	memcpy(spaced + 1, text, len);
	if (hybridge_message_parse(spaced, len + 1, &other, NULL) != 0)
		MUST(!msg->address);
	MUST(fuzz_same(other.address, msg->address));
	MUST(fuzz_same(other.id, msg->id));
	MUST(fuzz_same(other.remote_address, msg->remote_address));
	MUST(other.remote_port == msg->remote_port);
	MUST(other.num_headers == msg->num_headers);
	for (size_t i = 0; i < other.num_headers; i++)
		MUST(fuzz_same(other.headers[i].name, msg->headers[i].name) &&
		     fuzz_same(other.headers[i].value, msg->headers[i].value));
	hybridge_message_free(&other);
	free(spaced);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct hybridge_message msg = {0};
	struct hybridge_error err = {0};
	size_t len;
	char *text;

	check_written(in);
	text = fuzz_exact(&in, &len);
	if (hybridge_message_parse(text, len, &msg, &err) != 0) {
		MUST(err.code == HYBRIDGE_EPROTOCOL && err.what[0]);
		check_untouched(&msg);
	}
	if (len < HYBRIDGE_MESSAGE_MAX)
		check_spaced(text, len, &msg);
	free(text); /* what was read must not point into it */
	if (msg.kind == HYBRIDGE_MESSAGE_ACCEPT)
		check_accept(&msg);
	else if (msg.kind == HYBRIDGE_MESSAGE_RENEW)
		check_renew(&msg);
	else
		MUST(!msg.token);
	hybridge_message_free(&msg);
	check_untouched(&msg);
	return 0;
}
