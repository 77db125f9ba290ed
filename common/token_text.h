/*
 * token_text.h - reads a token, and its end, from what a file or a command says.
 */
#ifndef HYBRIDGE_COMMON_TOKEN_TEXT_H
#define HYBRIDGE_COMMON_TOKEN_TEXT_H

#include <time.h>

#include <hybridge/endpoint.h>
#include <hybridge/envfile.h>
#include <hybridge/error.h>

/**
 * token_text_parse() - Take a token from a text
 * @text: The token alone (a JWT, RFC 7519, with or without "Bearer ", or a shared access
 *        signature), or a JSON object as `az account get-access-token` and the managed identity
 *        endpoint print it: accessToken or access_token, and expires_on in Unix seconds
 * @now:  Seconds since the epoch
 * @out:  Filled in on success, untouched on failure.  It is to be renewed when three quarters of
 *        what is left of its life are over, in 5 s at the earliest; where nothing tells its
 *        end, in 45 minutes
 * @err:  HYBRIDGE_ECONFIG with the reason; never any part of @text
 *
 * The end is expires_on, else the "exp" claim of a JWT (whose signature is the relay's to
 * check), else "se" of a signature.
 *
 * Return: 0 and @out owned by the caller (hybridge_endpoint_token_free()), or -1
 */
HYBRIDGE_MUSTUSE int token_text_parse(struct hybridge_span text, time_t now,
				      struct hybridge_endpoint_token *out,
				      struct hybridge_error *err);

#endif
