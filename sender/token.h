/*
 * token.h - one connection's token, kept until most of its life is over.
 */
#ifndef SENDER_TOKEN_H
#define SENDER_TOKEN_H

#include <stdbool.h>
#include <time.h>

#include <hybridge/connstr.h>
#include <hybridge/error.h>

#include <hybridge/endpoint.h>

/**
 * struct token_cache - Start with {0}, end with token_forget()
 * @put:      It was given to us by token_put(): we cannot make another
 * @rejected: The relay did not like it; still better than none, for who is on the way
 */
struct token_cache {
	struct hybridge_endpoint_token token;
	time_t made;
	bool put;
	bool rejected;
};

/**
 * token_get() - A token that is good for now
 * @now:  Seconds since the epoch
 * @text: Set to the token, or to NULL when the connection has no credentials; owned by the
 *        cache, valid until its next call
 *
 * Signs a new one when three quarters of the old one's life are over, or when the clock
 * was set back behind its making.
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int token_get(struct token_cache *cache,
			       const struct hybridge_connstr *relay, time_t now,
			       const char **text, struct hybridge_error *err);

/**
 * token_put() - Keep a token that somebody else made; token_get() gives it out
 * @token: Taken over: left {0}
 */
void token_put(struct token_cache *cache, struct hybridge_endpoint_token *token,
	       time_t now);

/** token_reject() - The relay did not like it: another must be made, or fetched */
void token_reject(struct token_cache *cache);

/** token_forget() - Wipe and drop it */
void token_forget(struct token_cache *cache);

#endif
