/*
 * description.h - what a relay tells of a hybrid connection to who may listen on it.
 *
 * Source: Azure Relay's management GET as Microsoft's manager makes it, /PATH?api-version=2016-07,
 * whose Atom entry holds a HybridConnectionDescription with UserMetadata and ListenerCount.
 */
#ifndef HYBRIDGE_DESCRIPTION_H
#define HYBRIDGE_DESCRIPTION_H

#include <stdbool.h>

#include <openssl/ssl.h>

#include <hybridge/connstr.h>
#include <hybridge/envfile.h>
#include <hybridge/error.h>
#include <hybridge/loop.h>

#define HYBRIDGE_DESCRIPTION_TEXT 4096 /* Azure takes 1,024 */

struct hybridge_description_fetch;

/**
 * struct hybridge_description - A hybrid connection, as its relay sees it
 * @user_metadata: Text that its owner has given it, "" when none
 * @is_cut:        There was more of it than fits: what is there is not all
 * @listeners:     How many are connected; -1: not told
 */
struct hybridge_description {
	char user_metadata[HYBRIDGE_DESCRIPTION_TEXT + 1];
	bool is_cut;
	int listeners;
};

/**
 * hybridge_description_fn - It is here, or not to be had; called once, from the loop
 * @description: Valid during the call; NULL on failure
 * @status:      On failure: HTTP status, or 0 when there was no answer
 * @err:         On failure: what and why
 */
typedef void
hybridge_description_fn(void *owner,
			const struct hybridge_description *description,
			int status, const struct hybridge_error *err);

/**
 * struct hybridge_description_args - Whom to ask, and how; needs to live only during the call
 * @relay:    The hybrid connection
 * @proxy, @no_proxy: As in dial.h
 * @tls:      NULL for plain TCP; must outlive the fetch
 * @token:    With the Listen right; NULL: none
 */
struct hybridge_description_args {
	const struct hybridge_connstr *relay;
	const char *proxy;
	const char *no_proxy;
	SSL_CTX *tls;
	const char *token;
};

/**
 * hybridge_description_get() - Ask the relay; it has 20 s for it
 * Return: Handle, valid until @done was called or hybridge_description_cancel(); NULL when out of
 *         memory (then @done is not called)
 */
HYBRIDGE_MUSTUSE struct hybridge_description_fetch *
hybridge_description_get(struct hybridge_loop *loop,
			 const struct hybridge_description_args *args,
			 hybridge_description_fn *done, void *owner);

/** hybridge_description_cancel() - Give up; @done will not be called.  NULL is fine */
void hybridge_description_cancel(struct hybridge_description_fetch *fetch);

/**
 * hybridge_description_parse() - Read the Atom entry
 * @xml: As received
 * @out: Filled in on success, undefined on failure
 * @err: What is wrong
 *
 * Return: 0, or -1
 */
HYBRIDGE_MUSTUSE int
hybridge_description_parse(struct hybridge_span xml,
			   struct hybridge_description *out,
			   struct hybridge_error *err);

#endif
