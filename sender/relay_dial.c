/*
 * relay_dial.c - dials the relay of a connection, and asks it for a stream.
 */
#include "relay_dial.h"

#include <time.h>

#include "request.h"
#include "route.h"
#include "sender.h"

#define SESSION_DIAL_MS 10000

/* Where it is, and how it is dialled. */
static struct hybridge_dial_args args_of(const struct route *route,
					 uint32_t timeout_ms)
{
	const struct plan *plan = route->plan;
	const struct hybridge_connstr *relay = &route->connection->relay;

	return (struct hybridge_dial_args){
		.host = relay->host,
		.port = relay->port,
		.tls = relay->plaintext ? NULL : plan->tls,
		.proxy = plan->config.proxy,
		.no_proxy = plan->config.no_proxy,
		.timeout_ms = timeout_ms,
	};
}

struct hybridge_pool *relay_pool(struct route *route)
{
	struct hybridge_dial_args args = args_of(route, SESSION_DIAL_MS);

	return hybridge_pool_new(route->plan->sender->loop, &args,
				 route->plan->config.keepalive_ms);
}

struct hybridge_dial *relay_dial(struct route *route, uint32_t timeout_ms,
				 hybridge_dial_fn *done, void *owner)
{
	struct hybridge_dial_args args = args_of(route, timeout_ms);

	return hybridge_dial_start(route->plan->sender->loop, &args, done,
				   owner);
}

struct hybridge_stream_ask *
relay_ask(struct request *request, struct hybridge_conn *conn,
	  struct hybridge_h2 *session, uint32_t timeout_ms,
	  hybridge_stream_ask_fn *done, struct hybridge_error *err)
{
	struct route *route = request->route;
	struct hybridge_stream_ask_args args = {
		.connection = route->connection,
		.host_header = route->host_header,
		.id = request->session,
		.port = request->port,
		.timeout_ms = timeout_ms,
	};
	struct hybridge_stream_ask *ask;

	if (token_get(&route->token, &route->connection->relay, time(NULL),
		      &args.token, err) != 0) {
		hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
		return NULL;
	}
	ask = hybridge_stream_ask(request->sender->loop, conn, session, &args,
				  done, request);
	if (!ask)
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return ask;
}
