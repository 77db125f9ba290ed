/*
 * endpoint.h - what a client of the relay puts into its requests.
 */
#ifndef HYBRIDGE_ENDPOINT_H
#define HYBRIDGE_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <hybridge/connstr.h>
#include <hybridge/error.h>

#define HYBRIDGE_ENDPOINT_UUID_TEXT \
	37 /* bytes of a UUID as text, with its NUL */
#define HYBRIDGE_ENDPOINT_TOKEN_SECONDS 3600 /* life of a token that we sign */

/**
 * struct hybridge_endpoint_token - A token and its life
 * @text:    Owned, secret; NULL when the connection string has no credentials
 * @renew:   When to get another, seconds since the epoch: at three quarters of its life
 * @expires: When it ends; 0 when that is not known
 */
struct hybridge_endpoint_token {
	char *text;
	time_t renew;
	time_t expires;
};

/**
 * hybridge_endpoint_token_make() - Sign a token, or take the ready-made one
 * @now: Seconds since the epoch
 * @out: Filled in on success, untouched on failure
 *
 * Return: 0 and @out owned by the caller (hybridge_endpoint_token_free()), or -1
 */
HYBRIDGE_MUSTUSE int
hybridge_endpoint_token_make(const struct hybridge_connstr *relay, time_t now,
			     struct hybridge_endpoint_token *out,
			     struct hybridge_error *err);

/** hybridge_endpoint_token_free() - Wipe and release; zeroes @token */
void hybridge_endpoint_token_free(struct hybridge_endpoint_token *token);

/** hybridge_endpoint_uuid() - A random UUID (RFC 9562, version 4) as text */
void hybridge_endpoint_uuid(char out[static HYBRIDGE_ENDPOINT_UUID_TEXT]);

/**
 * hybridge_endpoint_path() - The hybrid connection's path, encoded, without a '/' in front
 * Return: Owned by the caller, or NULL when out of memory
 */
HYBRIDGE_MUSTUSE char *
hybridge_endpoint_path(const struct hybridge_connstr *relay);

/**
 * hybridge_endpoint_target() - Path and query of a listen or connect request
 * @action: "listen" or "connect"
 * @id:     Value of sb-hc-id
 * @suffix: "[/PATH][?QUERY]", encoded, that the application adds; or NULL
 *
 * Return: Owned by the caller, or NULL when out of memory
 */
HYBRIDGE_MUSTUSE char *
hybridge_endpoint_target(const struct hybridge_connstr *relay,
			 const char *action, const char *id,
			 const char *suffix);

/**
 * hybridge_endpoint_host() - Host header: the port only when it is not the scheme's own
 * Return: Owned by the caller, or NULL when out of memory
 */
HYBRIDGE_MUSTUSE char *hybridge_endpoint_host(const char *host, uint16_t port,
					      bool tls);

/**
 * hybridge_endpoint_headers() - Header lines with our credentials and name
 * @token: Token, or NULL for none
 * @agent: Relay-User-Agent
 * @more:  More header lines, each ending with CR LF, or NULL
 *
 * Return: Owned by the caller, who wipes it (hybridge_endpoint_wipe()), or NULL when out of memory
 */
HYBRIDGE_MUSTUSE char *hybridge_endpoint_headers(const char *token,
						 const char *agent,
						 const char *more);

/** hybridge_endpoint_wipe() - Wipe and free a text that may hold a token; NULL is fine */
void hybridge_endpoint_wipe(char *text);

#endif
