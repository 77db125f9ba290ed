/*
 * stream_ask.c - asks the relay for a stream: the upgrade, then azbridge's preamble.
 */
#include <hybridge/stream_ask.h>

#include <stdio.h>
#include <stdlib.h>

#include <hybridge/echo.h>
#include <hybridge/endpoint.h>
#include <hybridge/preamble.h>
#include <hybridge/text.h>

struct hybridge_stream_ask {
	struct hybridge_loop *loop;
	const struct hybridge_connection *connection;
	uint16_t port;
	struct hybridge_upgrade *upgrade;
	struct hybridge_preamble *preamble;
	hybridge_stream_ask_fn *done;
	void *owner;
	int64_t ends_us; /* of the upgrade and the preamble together */
};

/* The handle is over when @done is called: nothing of it is used afterwards. */
static void finish(struct hybridge_stream_ask *ask, struct hybridge_conn *conn,
		   const struct hybridge_stream_answer *answer)
{
	hybridge_stream_ask_fn *done = ask->done;
	void *owner = ask->owner;

	free(ask);
	done(owner, conn, answer);
}

static void on_greeted(void *owner, struct hybridge_conn *conn, int os_errno,
		       const struct hybridge_error *err)
{
	struct hybridge_stream_answer answer = {.result.status = 101};

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
	struct hybridge_stream_ask *ask = owner;
	const struct hybridge_connection *connection = ask->connection;
	struct hybridge_stream_answer answer = {.result = *result};
	int64_t left = (ask->ends_us - hybridge_loop_now_us(ask->loop)) / 1000;
	char number[8];

	ask->upgrade = NULL;
	if (result->status != 101 || connection->mode == HYBRIDGE_MODE_RAW) {
		finish(ask, conn, &answer);
		return;
	}
	snprintf(number, sizeof(number), "%u", ask->port);
	ask->preamble = hybridge_preamble_ask(
		ask->loop, conn,
		connection->port_name ? connection->port_name : number,
		left > 0 ? (uint32_t)left : 0, on_greeted, ask);
	if (ask->preamble)
		return;
	answer.refused = true;
	hybridge_fail(&answer.result.err, HYBRIDGE_ESYSTEM, "out of memory");
	finish(ask, NULL, &answer);
}

/* The user's own, which may hold secrets, and an echo's; or NULL when out of memory. */
static char *echo_headers(const char *own)
{
	const struct hybridge_span parts[] = {
		hybridge_text_span(own ? own : ""),
		hybridge_text_span(HYBRIDGE_ECHO ": " HYBRIDGE_ECHO_ON "\r\n"),
	};

	return hybridge_text_join(parts, sizeof(parts) / sizeof(*parts));
}

/* Owned by the caller, who wipes it; or NULL when out of memory. */
static char *headers_of(const struct hybridge_stream_ask_args *args)
{
	const char *own = args->connection->headers;
	char *more = args->is_echo ? echo_headers(own) : NULL;
	char *headers = NULL;

	if (more || !args->is_echo)
		headers = hybridge_endpoint_headers(
			args->token, "hybridge-sender/" HYBRIDGE_VERSION,
			more ? more : own);
	hybridge_endpoint_wipe(more);
	return headers;
}

/* Without memory the connection is closed all the same. */
static struct hybridge_upgrade *
start_upgrade(struct hybridge_stream_ask *ask, struct hybridge_conn *conn,
	      struct hybridge_h2 *session,
	      const struct hybridge_stream_ask_args *args)
{
	const struct hybridge_connection *connection = args->connection;
	char *target = hybridge_endpoint_target(&connection->relay, "connect",
						args->id, connection->suffix);
	char *headers = headers_of(args);
	struct hybridge_upgrade_args upgrade = {
		.host = args->host_header,
		.target = target,
		.headers = headers,
		.timeout_ms = args->timeout_ms,
	};
	struct hybridge_upgrade *started = NULL;

	if (!target || !headers)
		hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
	else if (session)
		started = hybridge_upgrade_over(ask->loop, session, &upgrade,
						on_upgraded, ask);
	else
		started = hybridge_upgrade_start(ask->loop, conn, &upgrade,
						 on_upgraded, ask);
	free(target);
	hybridge_endpoint_wipe(headers);
	return started;
}

struct hybridge_stream_ask *
hybridge_stream_ask(struct hybridge_loop *loop, struct hybridge_conn *conn,
		    struct hybridge_h2 *session,
		    const struct hybridge_stream_ask_args *args,
		    hybridge_stream_ask_fn *done, void *owner)
{
	struct hybridge_stream_ask *ask = calloc(1, sizeof(*ask));

	if (!ask) {
		hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
		return NULL;
	}
	ask->loop = loop;
	ask->connection = args->connection;
	ask->port = args->port;
	ask->done = done;
	ask->owner = owner;
	ask->ends_us =
		hybridge_loop_now_us(loop) + (int64_t)args->timeout_ms * 1000;
	ask->upgrade = start_upgrade(ask, conn, session, args);
	if (ask->upgrade)
		return ask;
	free(ask);
	return NULL;
}

bool hybridge_stream_ask_lost(const struct hybridge_stream_ask *ask)
{
	return ask->upgrade && hybridge_upgrade_lost(ask->upgrade);
}

void hybridge_stream_ask_cancel(struct hybridge_stream_ask *ask)
{
	if (!ask)
		return;
	hybridge_upgrade_cancel(ask->upgrade);
	hybridge_preamble_cancel(ask->preamble);
	free(ask);
}
