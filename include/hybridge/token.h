/*
 * token.h - the token of a connection, wherever it comes from: signed with the connection string's
 * key, ready-made in it, in a file, or printed by a command.
 */
#ifndef HYBRIDGE_TOKEN_H
#define HYBRIDGE_TOKEN_H

#include <stdbool.h>

#include <hybridge/config.h>
#include <hybridge/endpoint.h>
#include <hybridge/error.h>
#include <hybridge/loop.h>

struct hybridge_token_fetch;

/**
 * hybridge_token_fn - It is here, or not to be had; called once, from the loop
 * @token: The owner's now: it takes what is in it and leaves {0}; NULL on failure
 * @err:   On failure: what and why
 */
typedef void hybridge_token_fn(void *owner,
			       struct hybridge_endpoint_token *token,
			       const struct hybridge_error *err);

/** hybridge_token_is_external() - Whether somebody else makes it: file or command */
bool hybridge_token_is_external(const struct hybridge_connection *connection);

/**
 * hybridge_token_kind() - Where it comes from; label of a metric
 * Return: "fetched" from a file or command, "given" in the connection string: nobody renews that
 *         one, or "signed" with the key that is there
 */
const char *hybridge_token_kind(const struct hybridge_connection *connection);

/**
 * hybridge_token_fetch() - Get a token
 * @connection: Needs to live only during the call
 *
 * A file is read now, a command is run beside the loop and given 20 s.
 *
 * Return: Handle, valid until @done was called or hybridge_token_cancel(); NULL when out of memory
 *         (then @done is not called)
 */
HYBRIDGE_MUSTUSE struct hybridge_token_fetch *
hybridge_token_fetch(struct hybridge_loop *loop,
		     const struct hybridge_connection *connection,
		     hybridge_token_fn *done, void *owner);

/** hybridge_token_cancel() - Give up; @done will not be called.  NULL is fine */
void hybridge_token_cancel(struct hybridge_token_fetch *fetch);

#endif
