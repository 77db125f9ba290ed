/*
 * message.h - the JSON messages of the control channel.
 *
 * Source: Azure Relay, "Hybrid Connections protocol": accept, request,
 * renewToken, response.  A message is one object with one key that counts;
 * unknown ones are not an error.
 */
#ifndef HYBRIDGE_MESSAGE_H
#define HYBRIDGE_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include <hybridge/error.h>

#define HYBRIDGE_MESSAGE_MAX \
	131072 /* bytes of one control message; Microsoft's clients take 65,536 */

enum hybridge_message_kind {
	HYBRIDGE_MESSAGE_UNKNOWN,
	HYBRIDGE_MESSAGE_ACCEPT,
	HYBRIDGE_MESSAGE_REQUEST,
	HYBRIDGE_MESSAGE_RENEW,
	HYBRIDGE_MESSAGE_RESPONSE,
};

/** struct hybridge_header - One HTTP header, both owned */
struct hybridge_header {
	char *name;
	char *value;
};

/**
 * struct hybridge_message - A control message taken apart; strings are owned
 * @kind:       What it is
 * @address:    accept, request: rendezvous URL, verbatim
 * @id:         accept, request: stream's id; response: requestId
 * @token:      renewToken: the token (secret)
 * @remote_address, @remote_port: accept, request: the sender's; NULL and 0 when absent
 * @headers:    accept: connectHeaders
 * @name:       UNKNOWN: the first top-level key, for the log
 */
struct hybridge_message {
	enum hybridge_message_kind kind;
	char *address;
	char *id;
	char *token;
	char *remote_address;
	uint16_t remote_port;
	struct hybridge_header *headers;
	size_t num_headers;
	char *name;
};

/**
 * hybridge_message_parse() - Take a text message apart
 * @text: UTF-8 JSON
 * @len:  Bytes, at most HYBRIDGE_MESSAGE_MAX
 * @out:  Filled in on success, untouched on failure
 * @err:  HYBRIDGE_EPROTOCOL with the place
 *
 * Return: 0 and @out owned by the caller (hybridge_message_free()), or -1
 */
HYBRIDGE_MUSTUSE int hybridge_message_parse(const char *text, size_t len,
					    struct hybridge_message *out,
					    struct hybridge_error *err);

/** hybridge_message_free() - Wipe the token, release everything; zeroes @msg */
void hybridge_message_free(struct hybridge_message *msg);

/**
 * hybridge_message_format_accept() - Write an accept message
 * @msg: address, id, remote_address, remote_port and headers are used; all
 *       four JSON fields are always written (Microsoft's Java and Node
 *       listeners fail without them)
 *
 * Return: JSON text owned by the caller (free()), or NULL when out of memory
 */
HYBRIDGE_MUSTUSE char *
hybridge_message_format_accept(const struct hybridge_message *msg);

/**
 * hybridge_message_format_renew() - Write a renewToken message
 * Return: JSON text owned by the caller (wipe and free), or NULL
 */
HYBRIDGE_MUSTUSE char *hybridge_message_format_renew(const char *token);

#endif
