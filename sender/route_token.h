/*
 * route_token.h - the token of a connection whose tokens somebody else makes: a file, or a command
 * that takes its time.
 */
#ifndef SENDER_ROUTE_TOKEN_H
#define SENDER_ROUTE_TOKEN_H

#include <stdbool.h>

struct route;

/**
 * route_token_ready() - Whether a request can be sent now
 * If not, and also when three quarters of the token's life are over, another one is fetched;
 * route.start_queued is run when it is there, or when it is not to be had: then
 * route.token_error says why.  A connection that signs its own tokens is always ready.
 */
bool route_token_ready(struct route *route);

#endif
