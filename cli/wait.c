/*
 * wait.c - hybridge wait: returns when the services can be reached.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "arguments.h"
#include "command.h"
#include "reach.h"
#include "stream.h"

#define TIMEOUT_MS 30000
#define AGAIN_MS   1000

/* As a program's connect() would. */
static int try_service(struct reach *reach, size_t index, const char *token,
		       struct hybridge_error *err)
{
	const struct hybridge_connection *connection =
		&reach->config->connections[index];
	struct hybridge_stream_answer answer;
	struct hybridge_conn *conn =
		reach_relay(reach, &connection->relay, true, err);
	struct hybridge_conn *stream;

	if (!conn)
		return -1;
	stream = reach_ask(reach, index, conn, token, &answer);
	if (!stream) {
		reach_explain(connection, &answer, err);
		return -1;
	}
	stream_leave(reach, stream);
	return 0;
}

static int try_listener(struct reach *reach, size_t index, const char *token,
			struct hybridge_error *err)
{
	const struct hybridge_connstr *relay =
		&reach->config->connections[index].relay;
	struct hybridge_description description;
	int status;

	if (reach_describe(reach, relay, token, &description, &status, err) !=
	    0)
		return -1;
	if (description.listeners != 0)
		return 0;
	hybridge_fail(err, HYBRIDGE_EREFUSED,
		      "no agent listens on hybrid connection %s",
		      relay->entity ? relay->entity : "");
	hybridge_hint(err, "start hybridge-agent");
	return -1;
}

static int try_one(struct reach *reach, size_t index,
		   struct hybridge_error *err)
{
	const struct hybridge_connection *connection =
		&reach->config->connections[index];
	struct hybridge_endpoint_token token = {0};
	int ret;

	if (reach_token(reach, connection, &token, err) != 0)
		return -1;
	ret = connection->hosts ? try_service(reach, index, token.text, err)
				: try_listener(reach, index, token.text, err);
	hybridge_endpoint_token_free(&token);
	return ret;
}

/* Once at least, and then until @ends_ms. */
static int wait_for_one(struct reach *reach, size_t index, int64_t ends_ms,
			struct hybridge_error *err)
{
	static const struct timespec pause = {.tv_sec = AGAIN_MS / 1000};

	for (;;) {
		int64_t left_ms = ends_ms - reach_now_ms();

		*err = (struct hybridge_error){0};
		reach->limit_ms = left_ms > 1 ? (uint32_t)left_ms : 1;
		if (try_one(reach, index, err) == 0)
			return 0;
		if (reach_now_ms() + AGAIN_MS >= ends_ms)
			return -1;
		nanosleep(&pause, NULL);
	}
}

static bool is_named(const struct arguments *arguments, const char *name)
{
	for (int i = 0; i < arguments->num; i++)
		if (strcmp(arguments->rest[i], name) == 0)
			return true;
	return arguments->num == 0;
}

/* Neither side's: there is nothing that it could reach. */
static bool is_unused(const struct hybridge_connection *connection)
{
	return !connection->hosts && !connection->target_host &&
	       !connection->allow_text;
}

static int wait_for_all(struct reach *reach, const struct arguments *arguments)
{
	const struct hybridge_config *config = reach->config;
	int64_t ends_ms = reach_now_ms() + arguments->timeout_ms;
	struct hybridge_error cause;

	for (size_t i = 0; i < config->num_connections; i++) {
		const struct hybridge_connection *connection =
			&config->connections[i];
		const char *name = connection->name;
		struct hybridge_error err = {0};

		if (!is_named(arguments, name) || is_unused(connection) ||
		    wait_for_one(reach, i, ends_ms, &cause) == 0)
			continue;
		hybridge_fail(&err, HYBRIDGE_ETIMEOUT,
			      "%s is not ready within %.3g s: %.300s", name,
			      arguments->timeout_ms / 1000.0, cause.what);
		hybridge_hint(&err, "%s",
			      cause.hint[0] ? cause.hint : "hybridge doctor");
		return command_fail(&err);
	}
	return 0;
}

/* A name that is mistyped would be waited for in vain. */
static int check_names(const struct hybridge_config *config,
		       const struct arguments *arguments,
		       struct hybridge_error *err)
{
	for (int i = 0; i < arguments->num; i++)
		if (!hybridge_config_find(config, arguments->rest[i])) {
			hybridge_fail(err, HYBRIDGE_EUSAGE,
				      "there is no connection '%s'",
				      arguments->rest[i]);
			return -1;
		}
	if (config->num_connections > 0)
		return 0;
	hybridge_fail(err, HYBRIDGE_ECONFIG, "%s has no connection to wait for",
		      config->path ? config->path : "the environment");
	hybridge_hint(err, "name an env file: hybridge wait -f FILE");
	return -1;
}

int wait_main(int argc, char **argv)
{
	struct arguments arguments = {.timeout_ms = TIMEOUT_MS};
	int status = arguments_parse(argc, argv, ARGUMENTS_TIMEOUT, &arguments);

	if (status >= 0)
		return status;
	status = reach_run(&arguments, check_names, wait_for_all);
	arguments_free(&arguments);
	return status;
}
