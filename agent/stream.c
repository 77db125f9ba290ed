/*
 * stream.c - one stream, from the relay's accept message to its end.
 *
 *	DIALING --- target and rendezvous are there -> ACCEPTING
 *	DIALING --- target failed, rendezvous there -> REFUSING
 *	ACCEPTING - 101 ----------------------------> OPEN
 *	any ------- failed, ended ------------------> ENDED
 *
 * The target is dialled first as far as the sender can tell: the way to the
 * rendezvous is opened at the same time, but what is said there depends on the
 * target.  Only stream_move() changes the state.  ENDED is final: a task frees the stream.
 */
#include "stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <utlist.h>

#include <hybridge/dial.h>
#include <hybridge/endpoint.h>
#include <hybridge/http.h>
#include <hybridge/log.h>
#include <hybridge/pump.h>
#include <hybridge/upgrade.h>
#include <hybridge/url.h>

#include "agent.h"
#include "control.h"
#include "refusal.h"

/* Together below the 30 s for which a rendezvous address is good. */
#define TARGET_TIMEOUT_MS  15000
#define RELAY_TIMEOUT_MS   20000
#define UPGRADE_TIMEOUT_MS 10000
#define SESSION_TEXT       9 /* first eight digits of the stream's id */

enum stream_state { DIALING, ACCEPTING, REFUSING, OPEN, ENDED };

struct stream {
	struct agent *agent;
	struct control *control;
	enum stream_state state;
	char session[SESSION_TEXT];
	struct hybridge_url address;
	char *host;     /* Host header of the rendezvous */
	char *protocol; /* subprotocol to take, or NULL */
	struct hybridge_dial *target_dial;
	struct hybridge_dial *relay_dial;
	struct hybridge_conn *target;
	struct hybridge_conn *relay;
	int target_errno;
	struct hybridge_error target_err;
	struct hybridge_upgrade *upgrade;
	struct hybridge_pump *pump;
	int64_t started_us;
	struct hybridge_task reap;
	struct stream *prev, *next;
};

static bool stream_move(struct stream *stream, enum stream_state next)
{
	static const bool legal[ENDED + 1][ENDED + 1] = {
		[DIALING] =
			{[ACCEPTING] = true, [REFUSING] = true, [ENDED] = true},
		[ACCEPTING] = {[OPEN] = true, [ENDED] = true},
		[REFUSING] = {[ENDED] = true},
		[OPEN] = {[ENDED] = true},
	};

	if (!legal[stream->state][next])
		return false;
	stream->state = next;
	return true;
}

static const char *conn_name(const struct stream *stream)
{
	return stream->control->connection.name;
}

static void stream_free(struct stream *stream)
{
	DL_DELETE(stream->agent->streams, stream);
	control_release(stream->control);
	hybridge_url_free(&stream->address);
	free(stream->host);
	free(stream->protocol);
	free(stream);
}

static void run_reap(struct hybridge_task *task)
{
	struct stream *stream = hybridge_container(task, struct stream, reap);
	struct agent *agent = stream->agent;

	stream_free(stream);
	agent_changed(agent);
}

/* Drops whatever is under way; the pump, if there was one, has ended. */
static void end(struct stream *stream)
{
	if (!stream_move(stream, ENDED))
		return;
	hybridge_dial_cancel(stream->target_dial);
	hybridge_dial_cancel(stream->relay_dial);
	hybridge_upgrade_cancel(stream->upgrade);
	hybridge_conn_close(stream->target, HYBRIDGE_CONN_RESET);
	hybridge_conn_close(stream->relay, HYBRIDGE_CONN_RESET);
	hybridge_loop_defer(stream->agent->loop, &stream->reap);
}

static void fail(struct stream *stream, const char *msg,
		 const struct hybridge_error *err)
{
	stream->control->counters.failed++;
	hybridge_log(HYBRIDGE_LOG_WARNING, msg,
		     HYBRIDGE_STR("conn", conn_name(stream)),
		     HYBRIDGE_STR("session", stream->session),
		     HYBRIDGE_STR("error", err->what),
		     HYBRIDGE_STR("hint", err->hint[0] ? err->hint : NULL));
	end(stream);
}

static void fail_memory(struct stream *stream)
{
	struct hybridge_error err = {0};

	hybridge_fail(&err, HYBRIDGE_ESYSTEM, "out of memory");
	fail(stream, "stream was lost", &err);
}

/* Open. */

static void on_pump_end(void *owner, enum hybridge_end how, uint16_t close_code,
			const struct hybridge_pump_stats *stats)
{
	struct stream *stream = owner;
	struct agent_counters *counters = &stream->control->counters;
	int64_t open_us =
		hybridge_loop_now_us(stream->agent->loop) - stream->started_us;

	stream->pump = NULL;
	counters->to_target_bytes += stats->from_ws;
	counters->from_target_bytes += stats->to_ws;
	hybridge_log(HYBRIDGE_LOG_INFO, "session closed",
		     HYBRIDGE_STR("conn", conn_name(stream)),
		     HYBRIDGE_STR("session", stream->session),
		     HYBRIDGE_STR("end", hybridge_end_name(how)),
		     HYBRIDGE_NUM("code", close_code),
		     HYBRIDGE_NUM("open_ms", open_us / 1000),
		     HYBRIDGE_NUM("in", stats->from_ws),
		     HYBRIDGE_NUM("out", stats->to_ws));
	end(stream);
}

static void on_accepted(void *owner, struct hybridge_conn *conn,
			const struct hybridge_upgrade_result *result)
{
	struct stream *stream = owner;
	struct hybridge_conn *target = stream->target;

	stream->upgrade = NULL;
	if (!conn) {
		fail(stream, "relay did not take the accepted stream",
		     &result->err);
		return;
	}
	stream->target = NULL; /* handed to the pump */
	stream->pump = hybridge_pump_start(stream->agent->loop, target, conn,
					   AGENT_PING_MS, on_pump_end, stream);
	if (!stream->pump || !stream_move(stream, OPEN)) {
		fail_memory(stream);
		return;
	}
	stream->control->counters.opened++;
	hybridge_log(HYBRIDGE_LOG_INFO, "session opened",
		     HYBRIDGE_STR("conn", conn_name(stream)),
		     HYBRIDGE_STR("session", stream->session));
}

/* Answering the relay. */

static void on_refused(void *owner, struct hybridge_conn *conn,
		       const struct hybridge_upgrade_result *result)
{
	struct stream *stream = owner;

	stream->upgrade = NULL;
	hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
	/* Azure Relay, "Reject": 410 says that the refusal was understood. */
	if (result->status != 410)
		fail(stream, "relay did not take the refusal", &result->err);
	else
		end(stream);
}

static void upgrade(struct stream *stream, const char *target,
		    hybridge_upgrade_fn *done)
{
	struct hybridge_upgrade_args args = {
		.host = stream->host,
		.target = target,
		.protocol =
			stream->state == ACCEPTING ? stream->protocol : NULL,
		.timeout_ms = UPGRADE_TIMEOUT_MS,
	};
	struct hybridge_conn *relay = stream->relay;

	stream->relay = NULL; /* handed to the upgrade */
	stream->upgrade = hybridge_upgrade_start(stream->agent->loop, relay,
						 &args, done, stream);
	if (!stream->upgrade)
		fail_memory(stream);
}

static void refuse(struct stream *stream)
{
	char *target =
		refusal_target(stream->address.target, stream->target_errno,
			       stream->target_err.what);

	stream->control->counters.refused++;
	hybridge_log(HYBRIDGE_LOG_WARNING, "session refused",
		     HYBRIDGE_STR("conn", conn_name(stream)),
		     HYBRIDGE_STR("session", stream->session),
		     HYBRIDGE_STR("verdict",
				  refusal_errno_name(stream->target_errno)),
		     HYBRIDGE_STR("error", stream->target_err.what));
	if (target)
		upgrade(stream, target, on_refused);
	else
		fail_memory(stream);
	free(target);
}

/* Answers as soon as both the target's fate and the way to the relay are known. */
static void answer_if_known(struct stream *stream)
{
	if (!stream->relay)
		return;
	if (stream->target && stream_move(stream, ACCEPTING))
		upgrade(stream, stream->address.target, on_accepted);
	else if (stream->target_errno && stream_move(stream, REFUSING))
		refuse(stream);
}

/* Dialling. */

/* Bytes or an end that come early wait in the kernel for the pump. */
static void on_early(void *owner, struct hybridge_conn *conn)
{
	(void)owner;
	(void)conn;
}

static void on_target(void *owner, struct hybridge_conn *conn, int os_errno,
		      const struct hybridge_error *err)
{
	struct stream *stream = owner;

	stream->target_dial = NULL;
	if (conn) {
		stream->target = conn;
		hybridge_conn_set_owner(conn, on_early, stream);
	} else {
		stream->target_errno = os_errno ? os_errno : EHOSTUNREACH;
		stream->target_err = *err;
	}
	answer_if_known(stream);
}

static void on_relay(void *owner, struct hybridge_conn *conn, int os_errno,
		     const struct hybridge_error *err)
{
	struct stream *stream = owner;

	(void)os_errno;
	stream->relay_dial = NULL;
	if (!conn) {
		fail(stream, "rendezvous could not be reached", err);
		return;
	}
	stream->relay = conn;
	hybridge_conn_set_owner(conn, on_early, stream);
	answer_if_known(stream);
}

static void dial_both(struct stream *stream)
{
	struct agent *agent = stream->agent;
	const struct hybridge_connection *connection =
		&stream->control->connection;
	struct hybridge_dial_args target = {
		.host = connection->target_host,
		.port = connection->target_port,
		.timeout_ms = TARGET_TIMEOUT_MS,
	};
	struct hybridge_dial_args relay = {
		.host = stream->address.host,
		.port = stream->address.port,
		.tls = stream->address.tls ? agent->tls : NULL,
		.proxy = agent->config.proxy,
		.no_proxy = agent->config.no_proxy,
		.timeout_ms = RELAY_TIMEOUT_MS,
	};

	stream->target_dial =
		hybridge_dial_start(agent->loop, &target, on_target, stream);
	stream->relay_dial =
		hybridge_dial_start(agent->loop, &relay, on_relay, stream);
	if (!stream->target_dial || !stream->relay_dial)
		fail_memory(stream);
}

/* The accept message. */

/* The first subprotocol that the sender offered: what we will take; or NULL. */
static char *first_protocol(const struct hybridge_message *message)
{
	for (size_t i = 0; i < message->num_headers; i++) {
		const char *value = message->headers[i].value;
		size_t skip, len;

		if (strcasecmp(message->headers[i].name,
			       "Sec-WebSocket-Protocol") != 0)
			continue;
		skip = strspn(value, " \t,");
		len = strcspn(value + skip, " \t,");
		return len > 0 ? strndup(value + skip, len) : NULL;
	}
	return NULL;
}

static int read_address(struct stream *stream, const char *address,
			struct hybridge_error *err)
{
	if (hybridge_url_parse(address, &stream->address, err) != 0)
		return -1;
	if (!stream->address.tls &&
	    !stream->control->connection.relay.plaintext) {
		hybridge_fail(err, HYBRIDGE_EPROTOCOL,
			      "the rendezvous address is not wss://");
		return -1;
	}
	stream->host = hybridge_endpoint_host(stream->address.host,
					      stream->address.port,
					      stream->address.tls);
	if (stream->host)
		return 0;
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

void stream_accept(struct control *control,
		   const struct hybridge_message *message)
{
	struct agent *agent = control->agent;
	struct hybridge_error err = {0};
	struct stream *stream;

	/* The relay tries another listener, or tells the sender. */
	if (agent->stopping)
		return;
	stream = calloc(1, sizeof(*stream));
	if (!stream || !message->address) {
		hybridge_log(HYBRIDGE_LOG_ERROR, "accept message ignored",
			     HYBRIDGE_STR("conn", control->connection.name),
			     HYBRIDGE_STR("error", stream ? "no address"
							  : "out of memory"));
		free(stream);
		return;
	}
	stream->agent = agent;
	stream->control = control;
	control->num_streams++;
	DL_APPEND(agent->streams, stream);
	stream->reap.run = run_reap;
	stream->started_us = hybridge_loop_now_us(agent->loop);
	snprintf(stream->session, sizeof(stream->session), "%.8s",
		 message->id ? message->id : "-");
	stream->protocol = first_protocol(message);
	hybridge_log(HYBRIDGE_LOG_DEBUG, "stream asked for",
		     HYBRIDGE_STR("conn", control->connection.name),
		     HYBRIDGE_STR("session", stream->session),
		     HYBRIDGE_STR("from", message->remote_address));
	if (read_address(stream, message->address, &err) != 0)
		fail(stream, "accept message cannot be followed", &err);
	else
		dial_both(stream);
}

void stream_decline_request(struct control *control,
			    const struct hybridge_message *message)
{
	json_t *response;
	char *text;

	hybridge_log(HYBRIDGE_LOG_WARNING, "relayed HTTP request declined",
		     HYBRIDGE_STR("conn", control->connection.name),
		     HYBRIDGE_STR("hint", "this agent carries TCP streams"));
	/* Without an id the answer would have to go through a rendezvous. */
	if (!message->id)
		return;
	response = json_pack(
		"{s:{s:s, s:i, s:s, s:b}}", "response", "requestId",
		message->id, "statusCode", 501, "statusDescription",
		"hybridge-agent does not serve HTTP requests", "body", 0);
	text = response ? json_dumps(response, JSON_COMPACT) : NULL;
	if (text)
		control_send(control, text);
	free(text);
	json_decref(response);
}

/* For the end of the agent. */

void stream_reset_all(struct agent *agent)
{
	struct stream *stream, *next;

	DL_FOREACH_SAFE (agent->streams, stream, next) {
		if (stream->pump)
			hybridge_pump_stop(stream->pump);
		else
			end(stream);
	}
}

void stream_free_all(struct agent *agent)
{
	struct stream *stream, *next;

	DL_FOREACH_SAFE (agent->streams, stream, next) {
		hybridge_loop_cancel(agent->loop, &stream->reap);
		stream_free(stream);
	}
}
