/*
 * relay_dial.c - dials the relay of a connection and sends the connect request.
 */
#include "relay_dial.h"

#include <stdlib.h>
#include <time.h>

#include "request.h"
#include "route.h"
#include "sender.h"
#include <hybridge/endpoint.h>

struct hybridge_dial *relay_dial(struct sender *sender, struct route *route,
				 uint32_t timeout_ms, hybridge_dial_fn *done,
				 void *owner)
{
	const struct hybridge_connstr *relay = &route->connection->relay;
	struct hybridge_dial_args args = {
		.host = relay->host,
		.port = relay->port,
		.tls = relay->plaintext ? NULL : sender->tls,
		.proxy = sender->config.proxy,
		.no_proxy = sender->config.no_proxy,
		.timeout_ms = timeout_ms,
	};

	return hybridge_dial_start(sender->loop, &args, done, owner);
}

struct hybridge_upgrade *relay_upgrade(struct request *request,
				       struct hybridge_conn *conn,
				       uint32_t timeout_ms,
				       hybridge_upgrade_fn *done,
				       struct hybridge_error *err)
{
	struct route *route = request->route;
	const struct hybridge_connstr *relay = &route->connection->relay;
	struct hybridge_upgrade *upgrade = NULL;
	const char *token = NULL;
	char *target = NULL;
	char *headers = NULL;

	if (token_get(&route->token, relay, time(NULL), &token, err) != 0)
		goto out;
	target = hybridge_endpoint_target(relay, "connect", request->session);
	headers = hybridge_endpoint_headers(
		token, "hybridge-sender/" HYBRIDGE_VERSION);
	if (target && headers) {
		struct hybridge_upgrade_args args = {
			.host = route->host_header,
			.target = target,
			.headers = headers,
			.timeout_ms = timeout_ms,
		};

		upgrade = hybridge_upgrade_start(request->sender->loop, conn,
						 &args, done, request);
		conn = NULL; /* the upgrade's, or closed */
	}
	if (!upgrade)
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
out:
	hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
	free(target);
	hybridge_endpoint_wipe(headers);
	return upgrade;
}
