/*
 * agent.c - makes the agent, gives it another configuration, and decides when it leaves.
 */
#include "agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include <hybridge/log.h>
#include <hybridge/tls.h>

#include "accept.h"
#include "control.h"
#include "reserve.h"
#include "sessions.h"

#define STOP_PATIENCE_MS 10000

static void on_patience(struct hybridge_timer *timer);

SSL_CTX *agent_tls(const struct agent *agent)
{
	SSL_CTX_up_ref(agent->tls);
	return agent->tls;
}

static int start_all(struct agent *agent, struct hybridge_config *config,
		     struct hybridge_error *err)
{
	for (size_t i = 0; i < config->num_connections; i++) {
		struct hybridge_connection *connection =
			&config->connections[i];

		/* Those without a name were taken over by a control that runs. */
		if (connection->name &&
		    control_start(agent, connection, err) != 0)
			return -1;
	}
	return 0;
}

struct agent *agent_new(struct hybridge_loop *loop,
			struct hybridge_config *config,
			struct hybridge_daemon_options *options,
			struct hybridge_error *err)
{
	struct agent *agent = calloc(1, sizeof(*agent));

	if (!agent) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return NULL;
	}
	agent->loop = loop;
	agent->options = options;
	agent->patience.fire = on_patience;
	agent->tls = hybridge_tls_client_ctx(config->ca_file,
					     config->fast_crypto, err);
	agent->reserve = agent->tls ? reserve_new(loop, err) : NULL;
	if (!agent->reserve || start_all(agent, config, err) != 0) {
		agent_free(agent);
		return NULL;
	}
	agent->config = *config;
	*config = (struct hybridge_config){0}; /* taken over */
	return agent;
}

/* Another configuration. */

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_relay(const struct hybridge_connstr *a,
		       const struct hybridge_connstr *b)
{
	return same_text(a->host, b->host) && a->port == b->port &&
	       a->plaintext == b->plaintext &&
	       same_text(a->entity, b->entity) &&
	       same_text(a->key_name, b->key_name) &&
	       same_text(a->key, b->key) &&
	       same_text(a->signature, b->signature);
}

static struct hybridge_connection *find(struct hybridge_config *config,
					const struct control *control)
{
	for (size_t i = 0; i < config->num_connections; i++) {
		struct hybridge_connection *connection =
			&config->connections[i];

		if (same_text(connection->name, control->connection.name) &&
		    same_relay(&connection->relay,
			       &control->connection.relay) &&
		    same_text(connection->allow_text,
			      control->connection.allow_text) &&
		    same_text(connection->token_file,
			      control->connection.token_file) &&
		    same_text(connection->token_command,
			      control->connection.token_command))
			return connection;
	}
	return NULL;
}

/* Keeps the channel; streams that come from now on go to the target as it is now. */
static void keep(struct control *control,
		 struct hybridge_connection *connection)
{
	struct hybridge_connection old = control->connection;

	control->connection = *connection;
	*connection = old; /* released with the rest of its configuration */
	/* Taken: start_all() passes it by. */
	free(connection->name);
	connection->name = NULL;
}

int agent_reload(struct agent *agent, struct hybridge_config *config,
		 struct hybridge_error *err)
{
	SSL_CTX *tls = hybridge_tls_client_ctx(config->ca_file,
					       config->fast_crypto, err);
	struct control *control, *next;

	if (!tls)
		return -1;
	/* They may have been dialled otherwise than from now on. */
	sessions_retire(agent);
	SSL_CTX_free(agent->tls);
	agent->tls = tls;
	hybridge_config_free(&agent->config);
	DL_FOREACH_SAFE (agent->controls, control, next) {
		struct hybridge_connection *connection =
			control_is_retired(control) ? NULL
						    : find(config, control);

		if (connection)
			keep(control, connection);
		else
			control_retire(control);
	}
	if (start_all(agent, config, err) != 0)
		hybridge_log_error(HYBRIDGE_LOG_ERROR,
				   "not all connections are served", err, NULL);
	agent->config = *config;
	*config = (struct hybridge_config){0}; /* taken over */
	return 0;
}

/* Ready, and over. */

/* How many channels there are; those that retire do not count.  @down: One that is not up. */
struct census {
	unsigned int num;
	unsigned int num_up;
	bool all_tried;
	const struct control *down;
};

static struct census take_census(const struct agent *agent)
{
	struct census census = {.all_tried = true};
	const struct control *control;

	DL_FOREACH (agent->controls, control) {
		bool is_up = control->state == CONTROL_UP;

		if (control_is_retired(control))
			continue;
		census.num++;
		census.num_up += is_up;
		if (!is_up && control->stats.failures == 0)
			census.all_tried = false;
		if (!is_up && (!census.down || !census.down->failure.what[0]))
			census.down = control;
	}
	return census;
}

static void tell_status(const struct census *census)
{
	const struct control *down = census->down;
	bool why = down && down->failure.what[0];
	char text[600];

	snprintf(text, sizeof(text), "STATUS=%u of %u connections up%s%s%s%s",
		 census->num_up, census->num, why ? "; " : "",
		 why ? down->connection.name : "", why ? ": " : "",
		 why ? down->failure.what : "");
	hybridge_daemon_notify(text);
}

/* One that cannot come up must not keep a service manager from letting the others serve. */
static void tell_ready(struct agent *agent, const struct census *census)
{
	char text[60];

	if (!census->all_tried || census->num_up == 0)
		return;
	agent->was_ready = true;
	snprintf(text, sizeof(text), "connections=%u up=%u", census->num,
		 census->num_up);
	hybridge_log(HYBRIDGE_LOG_INFO, "ready",
		     HYBRIDGE_NUM("connections", census->num),
		     HYBRIDGE_NUM("up", census->num_up));
	hybridge_daemon_ready(agent->options, text);
}

void agent_channel_changed(struct agent *agent)
{
	struct census census = take_census(agent);

	if (!agent->stopping)
		tell_status(&census);
	if (!agent->stopping && !agent->was_ready)
		tell_ready(agent, &census);
	agent_changed(agent);
}

void agent_changed(struct agent *agent)
{
	if (agent->stopping && !agent->controls && !agent->streams)
		hybridge_loop_stop(agent->loop);
}

static void reset_streams(struct agent *agent)
{
	struct stream *stream = agent->streams;

	while (stream) {
		struct stream *next = stream_next(stream);

		stream_reset(stream);
		stream = next;
	}
}

static void on_patience(struct hybridge_timer *timer)
{
	struct agent *agent = hybridge_container(timer, struct agent, patience);
	struct control *control, *next;

	reset_streams(agent);
	DL_FOREACH_SAFE (agent->controls, control, next)
		control_destroy(control);
}

void agent_stop(struct agent *agent)
{
	struct control *control, *next;

	hybridge_log_fields(HYBRIDGE_LOG_INFO, "stopping", NULL);
	agent->stopping = true;
	DL_FOREACH_SAFE (agent->controls, control, next)
		control_retire(control);
	for (struct stream *stream = agent->streams; stream;
	     stream = stream_next(stream))
		stream_stop(stream);
	/* Out of memory: rather leave now than never. */
	if (hybridge_timer_set(agent->loop, &agent->patience,
			       STOP_PATIENCE_MS) != 0)
		hybridge_loop_stop(agent->loop);
	agent_changed(agent);
}

void agent_free(struct agent *agent)
{
	struct control *control, *next;

	if (!agent)
		return;
	agent->stopping = true;
	hybridge_timer_clear(agent->loop, &agent->patience);
	reset_streams(agent);
	DL_FOREACH_SAFE (agent->controls, control, next)
		control_destroy(control);
	/* Streams end from the loop: one turn more, which the last of them ends. */
	if (agent->streams)
		hybridge_loop_run(agent->loop);
	sessions_free(agent);
	reserve_free(agent->reserve);
	SSL_CTX_free(agent->tls);
	hybridge_config_free(&agent->config);
	free(agent);
}
