/*
 * route.h - one configured connection at run time: token, queue, counters.
 */
#ifndef SENDER_ROUTE_H
#define SENDER_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/config.h>
#include <hybridge/error.h>
#include <hybridge/local.h>
#include <hybridge/loop.h>
#include <hybridge/pump.h>
#include <hybridge/token.h>

#include "token.h"

struct hybridge_pool;
struct names;
struct plan;
struct request;
struct tally;
struct warm;

/**
 * struct route - One connection
 * @plan:         Whose it is
 * @connection:   Its configuration
 * @tally:        Its numbers
 * @host_header:  Host header for the relay; owned
 * @fetch:        While a token is being fetched
 * @token_error:  Those who wait for one get none; code HYBRIDGE_OK else
 * @queue:        Requests that wait for one of ROUTE_DIALS_MAX places, or for a token
 * @start_queued: Gives the places that became free to those who wait
 * @dialing:      Requests on their way to the relay, or at it
 * @warm:         Connections that are open already
 * @pool:         HTTP/2 sessions to the relay, shared with other routes to it
 */
struct route {
	struct plan *plan;
	const struct hybridge_connection *connection;
	struct tally *tally;
	char *host_header;
	struct token_cache token;
	struct hybridge_token_fetch *fetch;
	struct hybridge_error token_error;
	struct request *queue;
	struct hybridge_task start_queued;
	unsigned int dialing;
	struct warm *warm;
	struct hybridge_pool *pool;
};

/* At once: more would only make each handshake slower. */
#define ROUTE_DIALS_MAX 128

/** enum route_found - What route_find() found */
enum route_found {
	ROUTE_FOUND,
	ROUTE_NO_PORT, /* the host is mapped, this port is not */
	ROUTE_NO_HOST,
};

/**
 * route_find() - Which connection a request is for
 * @names: What addresses of suffix entries stand for
 * @msg:   Host and port, or address and port
 * @host:  Set to the host's name, or to the address as text
 * @index: ROUTE_FOUND: index of the connection
 */
enum route_found route_find(const struct hybridge_config *config,
			    const struct names *names,
			    const struct hybridge_local_msg *msg,
			    char host[static 256], size_t *index);

/**
 * route_name_of() - The name that an address was given out for
 * Return: Its text, @len bytes; or NULL
 */
const char *route_name_of(const struct hybridge_config *config,
			  const struct names *names,
			  const struct hybridge_ip *addr, size_t *len);

/** route_succeeded() - A request was completed */
void route_succeeded(struct route *route, int64_t now_us);

/** route_failed() - A request was refused because of @err */
void route_failed(struct route *route, int64_t now_us,
		  const struct hybridge_error *err);

/** route_ended() - A stream has ended */
void route_ended(struct route *route, const struct hybridge_pump_stats *stats);

#endif
