/*
 * relay_dial.h - dialling, and asking, the relay of a connection.
 */
#ifndef SENDER_RELAY_DIAL_H
#define SENDER_RELAY_DIAL_H

#include <stdint.h>

#include <hybridge/dial.h>
#include <hybridge/error.h>
#include <hybridge/pool.h>
#include <hybridge/stream_ask.h>

struct request;
struct route;

/** relay_dial() - hybridge_dial_start() to the relay, as configured */
HYBRIDGE_MUSTUSE struct hybridge_dial *relay_dial(struct route *route,
						  uint32_t timeout_ms,
						  hybridge_dial_fn *done,
						  void *owner);

/** relay_pool() - No HTTP/2 session to the relay yet, dialled as relay_dial() does; owned by
 * the caller (hybridge_pool_free()), NULL when out of memory */
HYBRIDGE_MUSTUSE struct hybridge_pool *relay_pool(struct route *route);

/**
 * relay_ask() - hybridge_stream_ask() for a request's stream, with the route's token
 * @request: Whose session it is; @done's owner
 *
 * Return: As there; NULL with @err set
 */
HYBRIDGE_MUSTUSE struct hybridge_stream_ask *
relay_ask(struct request *request, struct hybridge_conn *conn,
	  struct hybridge_h2 *session, uint32_t timeout_ms,
	  hybridge_stream_ask_fn *done, struct hybridge_error *err);

#endif
