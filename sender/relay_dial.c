/*
 * relay_dial.c - dials the relay of a connection, and asks it for a stream.
 */
#include "relay_dial.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <hybridge/preamble.h>

#include "request.h"
#include "route.h"
#include "sender.h"
#include <hybridge/endpoint.h>

#define SESSION_DIAL_MS 10000

/* Where it is, and how it is dialled. */
static struct hybridge_dial_args args_of(const struct sender *sender,
					 const struct route *route,
					 uint32_t timeout_ms)
{
	const struct hybridge_connstr *relay = &route->connection->relay;

	return (struct hybridge_dial_args){
		.host = relay->host,
		.port = relay->port,
		.tls = relay->plaintext ? NULL : sender->tls,
		.proxy = sender->config.proxy,
		.no_proxy = sender->config.no_proxy,
		.timeout_ms = timeout_ms,
	};
}

struct hybridge_pool *relay_pool(struct sender *sender, struct route *route)
{
	struct hybridge_dial_args args =
		args_of(sender, route, SESSION_DIAL_MS);

	return hybridge_pool_new(sender->loop, &args,
				 sender->config.keepalive_ms);
}

struct hybridge_dial *relay_dial(struct sender *sender, struct route *route,
				 uint32_t timeout_ms, hybridge_dial_fn *done,
				 void *owner)
{
	struct hybridge_dial_args args = args_of(sender, route, timeout_ms);

	return hybridge_dial_start(sender->loop, &args, done, owner);
}

struct relay_ask {
	struct request *request;
	struct hybridge_upgrade *upgrade;
	struct hybridge_preamble *preamble;
	relay_ask_fn *done;
	int64_t ends_us; /* of the upgrade and the preamble together */
};

/* The handle is over when @done is called: nothing of it is used afterwards. */
static void finish(struct relay_ask *ask, struct hybridge_conn *conn,
		   const struct relay_answer *answer)
{
	relay_ask_fn *done = ask->done;
	struct request *request = ask->request;

	free(ask);
	done(request, conn, answer);
}

static void on_greeted(void *owner, struct hybridge_conn *conn, int os_errno,
		       const struct hybridge_error *err)
{
	struct relay_answer answer = {.result.status = 101};

	if (!conn) {
		answer.refused = true;
		answer.result.os_errno = os_errno;
		answer.result.err = *err;
	}
	finish(owner, conn, &answer);
}

static void on_upgraded(void *owner, struct hybridge_conn *conn,
			const struct hybridge_upgrade_result *result)
{
	struct relay_ask *ask = owner;
	struct request *request = ask->request;
	const struct hybridge_connection *connection =
		request->route->connection;
	struct relay_answer answer = {.result = *result};
	int64_t left =
		(ask->ends_us - hybridge_loop_now_us(request->sender->loop)) /
		1000;
	char number[8];

	ask->upgrade = NULL;
	if (result->status != 101 || connection->mode == HYBRIDGE_MODE_RAW) {
		finish(ask, conn, &answer);
		return;
	}
	snprintf(number, sizeof(number), "%u", request->port);
	ask->preamble = hybridge_preamble_ask(
		request->sender->loop, conn,
		connection->port_name ? connection->port_name : number,
		left > 0 ? (uint32_t)left : 0, on_greeted, ask);
	if (ask->preamble)
		return;
	answer.refused = true;
	hybridge_fail(&answer.result.err, HYBRIDGE_ESYSTEM, "out of memory");
	finish(ask, NULL, &answer);
}

struct relay_ask *relay_ask(struct request *request, struct hybridge_conn *conn,
			    struct hybridge_h2 *session, uint32_t timeout_ms,
			    relay_ask_fn *done, struct hybridge_error *err)
{
	struct route *route = request->route;
	const struct hybridge_connstr *relay = &route->connection->relay;
	struct relay_ask *ask = calloc(1, sizeof(*ask));
	const char *token = NULL;
	char *target = NULL;
	char *headers = NULL;

	if (token_get(&route->token, relay, time(NULL), &token, err) != 0)
		goto fail;
	target = hybridge_endpoint_target(relay, "connect", request->session,
					  route->connection->suffix);
	headers = hybridge_endpoint_headers(token,
					    "hybridge-sender/" HYBRIDGE_VERSION,
					    route->connection->headers);
	if (ask && target && headers) {
		struct hybridge_upgrade_args args = {
			.host = route->host_header,
			.target = target,
			.headers = headers,
			.timeout_ms = timeout_ms,
		};

		ask->request = request;
		ask->done = done;
		ask->ends_us = hybridge_loop_now_us(request->sender->loop) +
			       (int64_t)timeout_ms * 1000;
		ask->upgrade =
			session ? hybridge_upgrade_over(request->sender->loop,
							session, &args,
							on_upgraded, ask)
				: hybridge_upgrade_start(request->sender->loop,
							 conn, &args,
							 on_upgraded, ask);
		conn = NULL; /* the upgrade's, or closed */
	}
	free(target);
	hybridge_endpoint_wipe(headers);
	if (ask && ask->upgrade)
		return ask;
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
fail:
	hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
	free(ask);
	return NULL;
}

bool relay_ask_lost(const struct relay_ask *ask)
{
	return ask->upgrade && hybridge_upgrade_lost(ask->upgrade);
}

void relay_ask_cancel(struct relay_ask *ask)
{
	if (!ask)
		return;
	hybridge_upgrade_cancel(ask->upgrade);
	hybridge_preamble_cancel(ask->preamble);
	free(ask);
}
