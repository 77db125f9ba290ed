/*
 * accept.c - one stream, from the relay's accept message to its end.
 *
 * Theory of operation.
 *
 *	DIALING --- target decided, rendezvous open -> ANSWERING  (or an HTTP/2 session is)
 *	ANSWERING - the session was lost, or 421 ----> DIALING
 *	ANSWERING - 101 -----------------------------> OPEN, or with azbridge's preamble GREETING
 *	GREETING -- the preamble was good -----------> OPEN
 *	ANSWERING - refused as we wanted, or failed -> ENDED
 *	OPEN ------ the stream ended ----------------> ENDED
 *	any ------- we stop -------------------------> ENDED
 *
 * The target comes first: the relay's sender is told "connected" only when the service is.
 * Meanwhile TCP and TLS to the rendezvous are opened, so that the answer, yes or no, is
 * one round trip.  azbridge says yes in its preamble before it dials; with us the target has
 * answered by then, so that a sender of ours, or azbridge's, hears the truth from either.
 * Without descriptors for both, the answer is no, over one of the reserve's (accept_dial.c).
 * Only stream_move() changes the state; a stream that has ENDED is freed at
 * the end of the turn.
 */
#include "accept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <utlist.h>

#include <hybridge/endpoint.h>
#include <hybridge/log.h>
#include <hybridge/ws.h>

#include "accept_inside.h"
#include "agent.h"
#include "control.h"
#include "refusal.h"
#include "sessions.h"

#define ANSWER_MS 10000

static const char *const state_names[] = {
	[STREAM_DIALING] = "dialing",   [STREAM_ANSWERING] = "answering",
	[STREAM_GREETING] = "greeting", [STREAM_OPEN] = "open",
	[STREAM_ENDED] = "ended",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) ==
		       STREAM_NUM_STATES,
	       "every state has a name");

static bool stream_move(struct stream *stream, enum stream_state next)
{
	static const bool legal[STREAM_NUM_STATES][STREAM_NUM_STATES] = {
		[STREAM_DIALING] =
			{[STREAM_ANSWERING] = true, [STREAM_ENDED] = true},
		[STREAM_ANSWERING] = {[STREAM_DIALING] = true,
				      [STREAM_GREETING] = true,
				      [STREAM_OPEN] = true,
				      [STREAM_ENDED] = true},
		[STREAM_GREETING] =
			{[STREAM_OPEN] = true, [STREAM_ENDED] = true},
		[STREAM_OPEN] = {[STREAM_ENDED] = true},
	};

	if (!legal[stream->state][next])
		return false;
	hybridge_log(HYBRIDGE_LOG_DEBUG, "stream moved",
		     HYBRIDGE_STR("session", stream->session),
		     HYBRIDGE_STR("from", state_names[stream->state]),
		     HYBRIDGE_STR("to", state_names[next]));
	stream->state = next;
	return true;
}

struct hybridge_loop *stream_loop(const struct stream *stream)
{
	return stream->control->agent->loop;
}

static int64_t ms_since(const struct stream *stream, int64_t since_us)
{
	return (hybridge_loop_now_us(stream_loop(stream)) - since_us) / 1000;
}

/* The end. */

static void run_reap(struct hybridge_task *task)
{
	struct stream *stream = hybridge_container(task, struct stream, reap);

	hybridge_url_free(&stream->address);
	free(stream->target_name);
	free(stream);
}

void stream_end(struct stream *stream)
{
	struct control *control = stream->control;
	struct agent *agent = control->agent;

	if (!stream_move(stream, STREAM_ENDED))
		return;
	hybridge_dial_cancel(stream->target_dial);
	hybridge_dial_cancel(stream->rendezvous_dial);
	hybridge_upgrade_cancel(stream->upgrade);
	hybridge_preamble_cancel(stream->preamble);
	hybridge_channel_free(stream->echo);
	hybridge_conn_close(stream->target, HYBRIDGE_CONN_RESET);
	hybridge_conn_close(stream->rendezvous, HYBRIDGE_CONN_RESET);
	reserve_leave(agent->reserve, &stream->reserve);
	SSL_CTX_free(stream->tls);
	DL_DELETE(agent->streams, stream);
	hybridge_loop_defer(agent->loop, &stream->reap);
	control_release_stream(control);
	agent_changed(agent);
}

void stream_log_failure(const struct stream *stream, const char *what,
			const struct hybridge_error *err)
{
	hybridge_log(
		HYBRIDGE_LOG_WARNING, what,
		HYBRIDGE_STR("conn", stream->control->connection.name),
		HYBRIDGE_STR("session", stream->session),
		HYBRIDGE_STR("target", stream->target_name),
		HYBRIDGE_STR("error", err->what),
		HYBRIDGE_STR("hint", err->hint[0] ? err->hint : "-"),
		HYBRIDGE_NUM("wait_ms", ms_since(stream, stream->started_us)));
}

void stream_fail(struct stream *stream, const char *what,
		 const struct hybridge_error *err)
{
	stream_log_failure(stream, what, err);
	stream->control->stats.refused++;
	stream_end(stream);
}

void stream_fail_memory(struct stream *stream)
{
	struct hybridge_error err = {0};

	hybridge_fail(&err, HYBRIDGE_ESYSTEM, "out of memory");
	stream_fail(stream, "stream dropped", &err);
}

/* The answer. */

static void on_pump_end(void *owner, enum hybridge_end how, uint16_t close_code,
			const struct hybridge_pump_stats *stats)
{
	struct stream *stream = owner;
	struct control_stats *sum = &stream->control->stats;

	stream->pump = NULL;
	sum->open--;
	sum->bytes_in += stats->from_ws;
	sum->bytes_out += stats->to_ws;
	hybridge_log(HYBRIDGE_LOG_INFO, "session closed",
		     HYBRIDGE_STR("conn", stream->control->connection.name),
		     HYBRIDGE_STR("session", stream->session),
		     HYBRIDGE_STR("target", stream->target_name),
		     HYBRIDGE_STR("end", hybridge_end_name(how)),
		     HYBRIDGE_NUM("close_code", close_code),
		     HYBRIDGE_NUM("open_ms", stream_open_ms(stream)),
		     HYBRIDGE_NUM("in", stats->from_ws),
		     HYBRIDGE_NUM("out", stats->to_ws));
	stream_end(stream);
}

bool stream_opened(struct stream *stream)
{
	stream->opened_us = hybridge_loop_now_us(stream_loop(stream));
	return stream_move(stream, STREAM_OPEN);
}

int64_t stream_open_ms(const struct stream *stream)
{
	return ms_since(stream, stream->opened_us);
}

static void open_stream(struct stream *stream, struct hybridge_conn *ws)
{
	struct hybridge_conn *target = stream->target;

	if (stream->is_echo) {
		stream_open_echo(stream, ws);
		return;
	}
	stream->target = NULL; /* the pump's, as is @ws */
	stream->pump =
		hybridge_pump_start(stream_loop(stream), target, ws,
				    stream->control->agent->config.keepalive_ms,
				    on_pump_end, stream);
	if (!stream->pump || !stream_opened(stream)) {
		stream_fail_memory(stream);
		return;
	}
	stream->control->stats.open++;
	stream->control->stats.accepted++;
	hybridge_log(
		HYBRIDGE_LOG_INFO, "session opened",
		HYBRIDGE_STR("conn", stream->control->connection.name),
		HYBRIDGE_STR("session", stream->session),
		HYBRIDGE_STR("target", stream->target_name),
		HYBRIDGE_NUM("wait_ms", ms_since(stream, stream->started_us)));
}

static void on_greeted(void *owner, struct hybridge_conn *conn, int os_errno,
		       const struct hybridge_error *err)
{
	struct stream *stream = owner;

	(void)os_errno;
	stream->preamble = NULL;
	if (conn)
		open_stream(stream, conn);
	else
		stream_fail(stream, "stream refused", err);
}

static void greet(struct stream *stream, struct hybridge_conn *ws)
{
	stream->preamble = hybridge_preamble_answer(
		stream_loop(stream), ws, stream->control->connection.port_name,
		ANSWER_MS, on_greeted, stream);
	if (!stream->preamble || !stream_move(stream, STREAM_GREETING))
		stream_fail_memory(stream);
}

/* The session was lost, or takes no more: a connection of our own will do. */
static void answer_otherwise(struct stream *stream)
{
	stream->over_session = false;
	stream->without_session = true;
	if (stream_move(stream, STREAM_DIALING))
		stream_answer_if_decided(stream);
}

/* Not answered, by who answers at once: then nobody is there.  421: RFC 9110 15.5.20. */
static bool can_answer_otherwise(const struct hybridge_upgrade_result *result)
{
	return result->status == 0 || result->status == 421;
}

static void on_answered(void *owner, struct hybridge_conn *conn,
			const struct hybridge_upgrade_result *result)
{
	struct stream *stream = owner;
	struct hybridge_error err = result->err;
	struct sessions_place place = sessions_place_of(&stream->address);

	stream->upgrade = NULL;
	if (result->speaks_h2)
		sessions_learn(stream->control->agent, &place);
	if (stream->over_session && can_answer_otherwise(result)) {
		if (result->os_errno == ETIMEDOUT)
			sessions_leave(stream->control->agent, &place);
		answer_otherwise(stream);
	} else if (stream->target_errno) {
		/* 410 says that the refusal was passed on; 101 would mean that it was not. */
		hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
		stream->control->stats.refused++;
		if (result->status != 410)
			stream_log_failure(stream, "refusal not delivered",
					   &err);
		stream_end(stream);
	} else if (result->status != 101) {
		if (result->status == 403)
			hybridge_hint(&err, "the address is good for 30 s, and "
					    "once");
		stream_fail(stream, "relay did not take the stream", &err);
	} else if (stream->control->connection.mode == HYBRIDGE_MODE_AZBRIDGE) {
		greet(stream, conn);
	} else {
		open_stream(stream, conn);
	}
}

/* On the connection that we dialled, or as one more stream of @session. */
static void answer(struct stream *stream, struct hybridge_h2 *session)
{
	const struct hybridge_url *address = &stream->address;
	struct refusal refusal = refusal_of(stream->target_errno);
	struct hybridge_conn *conn = stream->rendezvous;
	char *host = hybridge_endpoint_host(address->host, address->port,
					    address->tls);
	char *target = stream->target_errno
			       ? refusal_target(address->target, &refusal)
			       : strdup(address->target);

	if (host && target && stream_move(stream, STREAM_ANSWERING)) {
		struct hybridge_upgrade_args args = {
			.host = host,
			.target = target,
			.protocol = stream->protocol[0] && !stream->target_errno
					    ? stream->protocol
					    : NULL,
			.timeout_ms = ANSWER_MS,
		};

		stream->rendezvous = NULL; /* the upgrade's, or closed */
		stream->over_session = session != NULL;
		stream->upgrade =
			session ? hybridge_upgrade_over(stream_loop(stream),
							session, &args,
							on_answered, stream)
				: hybridge_upgrade_start(stream_loop(stream),
							 conn, &args,
							 on_answered, stream);
	}
	free(host);
	free(target);
	if (!stream->upgrade)
		stream_fail_memory(stream);
}

static struct hybridge_h2 *take_session(const struct stream *stream)
{
	struct sessions_place place = sessions_place_of(&stream->address);

	return stream->without_session
		       ? NULL
		       : sessions_take(stream->control->agent, &place);
}

bool stream_has_session(const struct stream *stream)
{
	return take_session(stream) != NULL;
}

void stream_answer_if_decided(struct stream *stream)
{
	bool decided =
		stream->target || stream->target_errno || stream->is_echo;
	struct hybridge_h2 *session = NULL;

	if (stream->state != STREAM_DIALING || !decided ||
	    stream->rendezvous_dial)
		return;
	if (!stream->rendezvous)
		session = take_session(stream);
	if (stream->rendezvous || session)
		answer(stream, session);
	else
		stream_dial_rendezvous(stream);
}

/* Life. */

/* The sender's own id, as its log has it: what comes before the relay's "_G1_G2". */
static void copy_session(struct stream *stream, const char *id)
{
	size_t len = id ? strcspn(id, "_") : 0;

	if (len >= sizeof(stream->session))
		len = sizeof(stream->session) - 1;
	if (len > 0)
		memcpy(stream->session, id, len);
	stream->session[len] = '\0';
}

static int read_address(struct stream *stream, const char *text,
			struct hybridge_error *err)
{
	const struct hybridge_connstr *relay =
		&stream->control->connection.relay;

	if (hybridge_url_parse(text, &stream->address, err) != 0)
		return -1;
	if (stream->address.tls || relay->plaintext)
		return 0;
	hybridge_fail(err, HYBRIDGE_EPROTOCOL,
		      "%s wants the stream without TLS", relay->host);
	return -1;
}

/* The sender's own path and query: at debug alone, as a program may put secrets there. */
static void log_request(const struct stream *stream)
{
	const char *target = stream->address.target;
	size_t len = strcspn(target, "?");
	const char *query = target + len + (target[len] ? 1 : 0);
	char *path;
	char *own;

	if (!hybridge_log_wanted(HYBRIDGE_LOG_DEBUG))
		return;
	path = strndup(target, len);
	own = hybridge_query_strip(
		(struct hybridge_span){query, strlen(query)});
	hybridge_log(HYBRIDGE_LOG_DEBUG, "stream asked for",
		     HYBRIDGE_STR("conn", stream->control->connection.name),
		     HYBRIDGE_STR("session", stream->session),
		     HYBRIDGE_STR("path", path), HYBRIDGE_STR("query", own));
	free(path);
	free(own);
}

void stream_start(struct control *control, const struct hybridge_message *msg)
{
	struct agent *agent = control->agent;
	struct stream *stream = calloc(1, sizeof(*stream));
	struct hybridge_error err = {0};
	const char *host;
	uint16_t port;

	if (!stream)
		return; /* the relay tells its sender when our time is over */
	stream->control = control;
	stream->reap.run = run_reap;
	stream->started_us = hybridge_loop_now_us(agent->loop);
	control->num_streams++;
	DL_APPEND(agent->streams, stream);
	copy_session(stream, msg->id);
	stream->is_echo = stream_is_echo(msg);
	stream_protocol(msg, stream->protocol, sizeof(stream->protocol));
	control_target(control, &host, &port);
	stream->target_name = hybridge_endpoint_host(host, port, false);
	if (!stream->target_name) {
		stream_fail_memory(stream);
		return;
	}
	if (read_address(stream, msg->address, &err) != 0) {
		stream_fail(stream, "accept message not usable", &err);
		return;
	}
	log_request(stream);
	stream->tls = stream->address.tls ? agent_tls(agent) : NULL;
	stream_dial(stream);
}

void stream_reset(struct stream *stream)
{
	if (stream->pump)
		hybridge_pump_stop(stream->pump);
	else
		stream_end(stream);
}

void stream_stop(struct stream *stream)
{
	if (stream->echo)
		hybridge_channel_close(stream->echo, HYBRIDGE_WS_GOING_AWAY,
				       "The agent is shutting down");
}

struct stream *stream_next(const struct stream *stream)
{
	return stream->next;
}

const struct control *stream_control(const struct stream *stream)
{
	return stream->control;
}

struct hybridge_pump_stats stream_stats(const struct stream *stream)
{
	return stream->pump ? hybridge_pump_stats(stream->pump)
			    : (struct hybridge_pump_stats){0};
}
