/*
 * control.c - keeps one control channel up.
 *
 * Theory of operation.
 *
 *	WAITING --- the time has come --> DIALING
 *	DIALING --- token, endpoint where it is the relay that knows it, connected -> UPGRADING
 *	UPGRADING - 101 ----------------> UP
 *	UP -------- we retire ----------> CLOSING
 *	DIALING, UPGRADING, UP, failed -> WAITING   (back-off; never gives up)
 *	any ------- we retire ----------> ENDED	   (from UP by way of CLOSING)
 *
 * Only control_move() changes the state.  ENDED is final; the control is freed at the end of a turn
 * in which it has ended and its last stream too.
 */
#include "control.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <utlist.h>

#include <hybridge/log.h>
#include <hybridge/message.h>
#include <hybridge/ws.h>

#include "agent.h"
#include "control_explain.h"
#include "control_message.h"
#include "metadata.h"
#include "sessions.h"

#define DIAL_MS       20000
#define UPGRADE_MS    20000
#define RENEW_PERCENT 5 /* jitter, so that agents do not move in step */
#define RENEW_AGAIN_S 30
#define RENEW_MAX_S   86400 /* a timer counts no more than 49 days */

static const char *const state_names[] = {
	[CONTROL_WAITING] = "waiting",     [CONTROL_DIALING] = "dialing",
	[CONTROL_UPGRADING] = "upgrading", [CONTROL_UP] = "up",
	[CONTROL_CLOSING] = "closing",     [CONTROL_ENDED] = "ended",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) ==
		       CONTROL_NUM_STATES,
	       "every state has a name");

static bool control_move(struct control *control, enum control_state next)
{
	static const bool legal[CONTROL_NUM_STATES][CONTROL_NUM_STATES] = {
		[CONTROL_WAITING] =
			{[CONTROL_DIALING] = true, [CONTROL_ENDED] = true},
		[CONTROL_DIALING] = {[CONTROL_UPGRADING] = true,
				     [CONTROL_WAITING] = true,
				     [CONTROL_ENDED] = true},
		[CONTROL_UPGRADING] = {[CONTROL_UP] = true,
				       [CONTROL_WAITING] = true,
				       [CONTROL_ENDED] = true},
		[CONTROL_UP] =
			{[CONTROL_WAITING] = true, [CONTROL_CLOSING] = true},
		[CONTROL_CLOSING] = {[CONTROL_ENDED] = true},
	};

	if (!legal[control->state][next])
		return false;
	hybridge_log(HYBRIDGE_LOG_DEBUG, "control channel moved",
		     HYBRIDGE_STR("conn", control->connection.name),
		     HYBRIDGE_STR("from", state_names[control->state]),
		     HYBRIDGE_STR("to", state_names[next]));
	control->state = next;
	return true;
}

static int64_t now_us(const struct control *control)
{
	return hybridge_loop_now_us(control->agent->loop);
}

/* The end. */

static void run_reap(struct hybridge_task *task)
{
	struct control *control =
		hybridge_container(task, struct control, reap);

	hybridge_endpoint_token_free(&control->token);
	hybridge_connection_free(&control->connection);
	free(control->endpoint_host);
	free(control);
}

static void free_if_over(struct control *control)
{
	struct agent *agent = control->agent;

	if (control->state != CONTROL_ENDED || control->num_streams > 0)
		return;
	DL_DELETE(agent->controls, control);
	hybridge_loop_defer(agent->loop, &control->reap);
}

static void drop_dial(struct control *control)
{
	hybridge_token_cancel(control->fetch);
	control->fetch = NULL;
	hybridge_description_cancel(control->description);
	control->description = NULL;
	hybridge_dial_cancel(control->dial);
	control->dial = NULL;
	hybridge_upgrade_cancel(control->upgrade);
	control->upgrade = NULL;
	SSL_CTX_free(control->tls);
	control->tls = NULL;
}

static void end(struct control *control)
{
	if (!control_move(control, CONTROL_ENDED))
		return;
	drop_dial(control);
	hybridge_timer_clear(control->agent->loop, &control->timer);
	free_if_over(control);
	agent_channel_changed(control->agent);
}

/* Failure. */

/* The same again is counted, and said when it is over. */
static void log_failure(struct control *control, enum hybridge_log_level level,
			uint32_t retry_ms, const struct hybridge_error *err)
{
	bool again = hybridge_error_same(&control->failure, err);

	control->stats.failures++;
	control->repeats = again ? control->repeats + 1 : 1;
	control->failure = *err;
	hybridge_log(again ? HYBRIDGE_LOG_DEBUG : level, "control channel down",
		     HYBRIDGE_STR("conn", control->connection.name),
		     HYBRIDGE_STR("error", err->what),
		     HYBRIDGE_STR("hint", err->hint[0] ? err->hint : "-"),
		     HYBRIDGE_NUM("retry_ms", retry_ms),
		     HYBRIDGE_NUM("times", control->repeats));
}

static void retry(struct control *control, enum hybridge_log_level level,
		  const struct hybridge_error *err)
{
	uint32_t wait_ms = backoff_next(&control->backoff, backoff_random());

	if (!control_move(control, CONTROL_WAITING))
		return;
	drop_dial(control);
	log_failure(control, level, wait_ms, err);
	if (hybridge_timer_set(control->agent->loop, &control->timer,
			       wait_ms) != 0)
		end(control);
	agent_channel_changed(control->agent);
}

static void fail(struct control *control, const struct hybridge_error *err)
{
	retry(control, HYBRIDGE_LOG_WARNING, err);
}

/* Up. */

static void take_token(struct control *control,
		       struct hybridge_endpoint_token *token)
{
	hybridge_endpoint_token_free(&control->token);
	control->token = *token;
	*token = (struct hybridge_endpoint_token){0}; /* taken */
}

static void schedule_renewal(struct control *control)
{
	time_t left = control->token.renew - time(NULL);

	/* One that stands in the connection string cannot be renewed. */
	if (control->connection.relay.signature || !control->token.text)
		return;
	if (left < 1)
		left = 1;
	if (left > RENEW_MAX_S)
		left = RENEW_MAX_S;
	if (hybridge_timer_set(control->agent->loop, &control->timer,
			       backoff_jitter((uint32_t)left * 1000,
					      RENEW_PERCENT,
					      backoff_random())) != 0)
		hybridge_log(HYBRIDGE_LOG_WARNING, "token will not be renewed",
			     HYBRIDGE_STR("conn", control->connection.name),
			     HYBRIDGE_STR("error", "out of memory"),
			     HYBRIDGE_STR("hint",
					  "the relay will close the "
					  "channel, and we come again"));
}

/* The old one is good for a while: try again soon. */
static void renew_later(struct control *control,
			const struct hybridge_error *err)
{
	hybridge_log_error(HYBRIDGE_LOG_WARNING, "token not renewed", err,
			   control->connection.name);
	control->token.renew = time(NULL) + RENEW_AGAIN_S;
	schedule_renewal(control);
}

static void on_renewed(void *owner, struct hybridge_endpoint_token *token,
		       const struct hybridge_error *err)
{
	struct control *control = owner;
	char *text;

	control->fetch = NULL;
	if (!token) {
		renew_later(control, err);
		return;
	}
	take_token(control, token);
	text = hybridge_message_format_renew(control->token.text);
	if (text &&
	    hybridge_channel_send(control->channel, text, strlen(text)) == 0)
		hybridge_log(HYBRIDGE_LOG_DEBUG, "token renewed",
			     HYBRIDGE_STR("conn", control->connection.name));
	hybridge_endpoint_wipe(text);
	schedule_renewal(control);
}

static void renew(struct control *control)
{
	struct hybridge_error err = {0};

	control->fetch =
		hybridge_token_fetch(control->agent->loop, &control->connection,
				     on_renewed, control);
	if (control->fetch)
		return;
	hybridge_fail(&err, HYBRIDGE_ESYSTEM, "out of memory");
	renew_later(control, &err);
}

static void on_message(void *owner, bool text, const char *data, size_t len)
{
	struct control *control = owner;

	/* Binary ones are bodies of requests, which we have turned down. */
	if (text && control->state == CONTROL_UP)
		control_message(control, data, len);
}

static void on_end(void *owner, uint16_t code, const char *reason)
{
	struct control *control = owner;
	struct hybridge_error err = {0};
	int64_t up_ms = (now_us(control) - control->up_us) / 1000;

	control->channel = NULL;
	hybridge_token_cancel(control->fetch);
	control->fetch = NULL;
	hybridge_timer_clear(control->agent->loop, &control->timer);
	if (control->state == CONTROL_CLOSING) {
		hybridge_log(HYBRIDGE_LOG_INFO, "control channel closed",
			     HYBRIDGE_STR("conn", control->connection.name));
		end(control);
		return;
	}
	backoff_up(&control->backoff, up_ms);
	control_explain_end(&control->connection.relay, code, reason, &err);
	/* Azure closes every control channel once a day, with this code. */
	retry(control,
	      code == HYBRIDGE_WS_INTERNAL && up_ms >= BACKOFF_RESET_MS
		      ? HYBRIDGE_LOG_INFO
		      : HYBRIDGE_LOG_WARNING,
	      &err);
}

static const struct hybridge_channel_ops channel_ops = {
	.message = on_message,
	.end = on_end,
};

static void come_up(struct control *control, struct hybridge_conn *conn)
{
	struct hybridge_channel_args args = {
		.is_client = true,
		.message_max = HYBRIDGE_MESSAGE_MAX,
		.ping_ms = control->agent->config.keepalive_ms,
	};
	struct hybridge_error err = {0};

	control->channel = hybridge_channel_new(control->agent->loop, conn,
						&args, &channel_ops, control);
	if (!control->channel || !control_move(control, CONTROL_UP)) {
		hybridge_fail(&err, HYBRIDGE_ESYSTEM, "out of memory");
		fail(control, &err);
		return;
	}
	drop_dial(control);
	hybridge_log(HYBRIDGE_LOG_INFO, "control channel up",
		     HYBRIDGE_STR("conn", control->connection.name),
		     HYBRIDGE_STR("relay", control->connection.relay.host),
		     HYBRIDGE_STR("entity", control->connection.relay.entity),
		     HYBRIDGE_STR("id", control->id),
		     HYBRIDGE_NUM("failures", control->repeats));
	control->failure = (struct hybridge_error){0};
	control->repeats = 0;
	control->stats.connects++;
	control->up_us = now_us(control);
	schedule_renewal(control);
	agent_channel_changed(control->agent);
}

/* On the way up. */

static void on_upgraded(void *owner, struct hybridge_conn *conn,
			const struct hybridge_upgrade_result *result)
{
	struct control *control = owner;
	struct hybridge_error err = {0};

	control->upgrade = NULL;
	if (result->speaks_h2)
		sessions_learn(
			control->agent,
			&(struct sessions_place){
				.host = control->connection.relay.host,
				.port = control->connection.relay.port,
				.tls = !control->connection.relay.plaintext,
			});
	if (result->status == 101) {
		come_up(control, conn);
		return;
	}
	control_explain_upgrade(&control->connection.relay, result, &err);
	fail(control, &err);
}

/* Sends the listen request; @conn is closed on failure. */
static int ask(struct control *control, struct hybridge_conn *conn,
	       struct hybridge_error *err)
{
	const struct hybridge_connstr *relay = &control->connection.relay;
	char *host = hybridge_endpoint_host(relay->host, relay->port,
					    !relay->plaintext);
	char *target;
	char *headers;

	target = hybridge_endpoint_target(relay, "listen", control->id, NULL);
	headers = hybridge_endpoint_headers(
		control->token.text, "hybridge-agent/" HYBRIDGE_VERSION, NULL);
	if (host && target && headers) {
		struct hybridge_upgrade_args args = {
			.host = host,
			.target = target,
			.headers = headers,
			.timeout_ms = UPGRADE_MS,
		};

		control->upgrade =
			hybridge_upgrade_start(control->agent->loop, conn,
					       &args, on_upgraded, control);
		conn = NULL; /* the upgrade's, or closed */
	}
	hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
	free(host);
	free(target);
	hybridge_endpoint_wipe(headers);
	if (control->upgrade)
		return 0;
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

static void on_dialled(void *owner, struct hybridge_conn *conn, int os_errno,
		       const struct hybridge_error *err)
{
	struct control *control = owner;
	struct hybridge_error cause = {0};

	(void)os_errno;
	control->dial = NULL;
	if (!conn) {
		cause = *err;
		control_explain_dial(&control->connection.relay,
				     control->agent->config.proxy != NULL,
				     &cause);
		fail(control, &cause);
		return;
	}
	if (!control_move(control, CONTROL_UPGRADING))
		hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
	else if (ask(control, conn, &cause) != 0)
		fail(control, &cause);
}

static void dial(struct control *control)
{
	const struct hybridge_connstr *relay = &control->connection.relay;
	struct agent *agent = control->agent;
	struct hybridge_error err = {0};
	struct hybridge_dial_args args = {
		.host = relay->host,
		.port = relay->port,
		.proxy = agent->config.proxy,
		.no_proxy = agent->config.no_proxy,
		.timeout_ms = DIAL_MS,
	};

	args.tls = control->tls;
	control->dial =
		hybridge_dial_start(agent->loop, &args, on_dialled, control);
	if (control->dial)
		return;
	hybridge_fail(&err, HYBRIDGE_ESYSTEM, "out of memory");
	fail(control, &err);
}

/* Whoever may write the metadata does not choose beyond what the configuration allows. */
static int take_endpoint(struct control *control,
			 const struct hybridge_description *description,
			 struct hybridge_error *err)
{
	char *host = NULL;
	uint16_t port = 0;

	if (metadata_endpoint(description, &host, &port, err) != 0)
		return -1;
	if (!metadata_allows(&control->connection, host, port)) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "the user metadata names %.100s:%u, which "
			      "HYBRIDGE_*_ALLOW does not allow",
			      host, port);
		hybridge_hint(err, "add it there, if the agent may dial it");
		free(host);
		return -1;
	}
	hybridge_log(HYBRIDGE_LOG_INFO, "endpoint found",
		     HYBRIDGE_STR("conn", control->connection.name),
		     HYBRIDGE_STR("host", host), HYBRIDGE_NUM("port", port));
	free(control->endpoint_host);
	control->endpoint_host = host;
	control->endpoint_port = port;
	return 0;
}

static void on_description(void *owner,
			   const struct hybridge_description *description,
			   int status, const struct hybridge_error *err)
{
	struct control *control = owner;
	struct hybridge_error cause = {0};

	(void)status;
	control->description = NULL;
	if (!description) {
		cause = *err;
		hybridge_hint(&cause, "set HYBRIDGE_*_TARGET to do without");
		fail(control, &cause);
	} else if (take_endpoint(control, description, &cause) != 0) {
		fail(control, &cause);
	} else {
		dial(control);
	}
}

static void ask_endpoint(struct control *control)
{
	struct hybridge_error err = {0};
	struct hybridge_description_args args = {
		.relay = &control->connection.relay,
		.proxy = control->agent->config.proxy,
		.no_proxy = control->agent->config.no_proxy,
		.tls = control->tls,
		.token = control->token.text,
	};

	control->description = hybridge_description_get(
		control->agent->loop, &args, on_description, control);
	if (control->description)
		return;
	hybridge_fail(&err, HYBRIDGE_ESYSTEM, "out of memory");
	fail(control, &err);
}

static void on_token(void *owner, struct hybridge_endpoint_token *token,
		     const struct hybridge_error *err)
{
	struct control *control = owner;

	control->fetch = NULL;
	if (!token) {
		fail(control, err);
		return;
	}
	take_token(control, token);
	control->tls = control->connection.relay.plaintext
			       ? NULL
			       : agent_tls(control->agent);
	if (control->connection.target_host)
		dial(control);
	else
		ask_endpoint(control);
}

/* The token first: a relay gives a connection little time to ask. */
static void begin(struct control *control)
{
	struct hybridge_error err = {0};

	if (!control_move(control, CONTROL_DIALING))
		return;
	control->fetch = hybridge_token_fetch(
		control->agent->loop, &control->connection, on_token, control);
	if (control->fetch)
		return;
	hybridge_fail(&err, HYBRIDGE_ESYSTEM, "out of memory");
	fail(control, &err);
}

static void on_timer(struct hybridge_timer *timer)
{
	struct control *control =
		hybridge_container(timer, struct control, timer);

	if (control->state == CONTROL_WAITING)
		begin(control);
	else if (control->state == CONTROL_UP)
		renew(control);
}

/* Life. */

int control_start(struct agent *agent, struct hybridge_connection *connection,
		  struct hybridge_error *err)
{
	struct control *control = calloc(1, sizeof(*control));

	if (!control) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return -1;
	}
	control->agent = agent;
	control->timer.fire = on_timer;
	control->reap.run = run_reap;
	hybridge_endpoint_uuid(control->id);
	if (hybridge_timer_set(agent->loop, &control->timer, 0) != 0) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		free(control);
		return -1;
	}
	control->connection = *connection;
	*connection = (struct hybridge_connection){0}; /* taken over */
	DL_APPEND(agent->controls, control);
	return 0;
}

void control_retire(struct control *control)
{
	if (control->state == CONTROL_UP) {
		control_move(control, CONTROL_CLOSING);
		hybridge_channel_close(control->channel, HYBRIDGE_WS_NORMAL,
				       "listener stops");
	} else if (control->state != CONTROL_CLOSING) {
		end(control);
	}
}

bool control_is_retired(const struct control *control)
{
	return control->state == CONTROL_CLOSING ||
	       control->state == CONTROL_ENDED;
}

void control_target(const struct control *control, const char **host,
		    uint16_t *port)
{
	bool configured = control->connection.target_host != NULL;

	*host = configured ? control->connection.target_host
			   : control->endpoint_host;
	*port = configured ? control->connection.target_port
			   : control->endpoint_port;
}

void control_release_stream(struct control *control)
{
	control->num_streams--;
	free_if_over(control);
}

void control_destroy(struct control *control)
{
	hybridge_channel_free(control->channel);
	control->channel = NULL;
	if (control->state == CONTROL_UP)
		control_move(control, CONTROL_CLOSING);
	end(control);
}
