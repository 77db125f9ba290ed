/*
 * wait.c - hybridge wait: returns when the services can be reached.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <hybridge/daemon.h>

#include "command.h"
#include "dev.h"
#include "reach.h"

#define TIMEOUT_MS 30000
#define AGAIN_MS   1000

/* Who is waited for: all, or who was named. */
struct names {
	char **list;
	size_t num;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

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
	reach_leave(reach, stream);
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
		int64_t left_ms = ends_ms - now_ms();

		*err = (struct hybridge_error){0};
		reach->limit_ms = left_ms > 1 ? (uint32_t)left_ms : 1;
		if (try_one(reach, index, err) == 0)
			return 0;
		if (now_ms() + AGAIN_MS >= ends_ms)
			return -1;
		nanosleep(&pause, NULL);
	}
}

static bool is_named(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->num; i++)
		if (strcmp(names->list[i], name) == 0)
			return true;
	return names->num == 0;
}

static int wait_for_all(struct reach *reach, const struct names *names,
			uint32_t timeout_ms)
{
	const struct hybridge_config *config = reach->config;
	int64_t ends_ms = now_ms() + timeout_ms;
	struct hybridge_error cause;

	for (size_t i = 0; i < config->num_connections; i++) {
		const char *name = config->connections[i].name;
		struct hybridge_error err = {0};

		if (!is_named(names, name) ||
		    wait_for_one(reach, i, ends_ms, &cause) == 0)
			continue;
		hybridge_fail(&err, HYBRIDGE_ETIMEOUT,
			      "%s is not ready after %.3g s: %.300s", name,
			      timeout_ms / 1000.0, cause.what);
		hybridge_hint(&err, "%s",
			      cause.hint[0] ? cause.hint : "hybridge doctor");
		return command_fail(&err);
	}
	return 0;
}

/* A name that is mistyped would be waited for in vain. */
static int check_names(const struct hybridge_config *config,
		       const struct names *names, struct hybridge_error *err)
{
	for (size_t i = 0; i < names->num; i++)
		if (!hybridge_config_find(config, names->list[i])) {
			hybridge_fail(err, HYBRIDGE_EUSAGE,
				      "there is no connection '%s'",
				      names->list[i]);
			return -1;
		}
	if (config->num_connections > 0)
		return 0;
	hybridge_fail(err, HYBRIDGE_ECONFIG, "%s has no connection to wait for",
		      config->path ? config->path : "the environment");
	hybridge_hint(err, "name an env file: hybridge wait -f FILE");
	return -1;
}

static int wait_with(const char *file, const struct names *names,
		     uint32_t timeout_ms)
{
	struct hybridge_error err = {0};
	struct hybridge_config config;
	struct reach reach;
	int status;

	if (hybridge_config_load(file, environ, HYBRIDGE_ROLE_CLI, &config,
				 &err) != 0)
		return command_fail(&err);
	if (check_names(&config, names, &err) == 0 &&
	    reach_open(&reach, &config, &err) == 0) {
		status = wait_for_all(&reach, names, timeout_ms);
		reach_close(&reach);
	} else {
		status = command_fail(&err);
	}
	hybridge_config_free(&config);
	return status;
}

int wait_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"timeout", required_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *file = hybridge_daemon_config();
	uint32_t timeout_ms = TIMEOUT_MS;
	struct names names;
	char *dev = NULL;
	int at, option, status;

	opterr = 0;
	while (at = optind, (option = getopt_long(argc, argv, ":hf:", options,
						  NULL)) != -1) {
		if (option == 'f')
			file = optarg;
		else if (option == 't' &&
			 hybridge_parse_duration(optarg, &timeout_ms) != 0)
			return command_usage("wait", "--timeout wants a time "
						     "like 30s or 5m");
		else if (option == 'h')
			return command_help("wait");
		else if (option != 't')
			return command_option("wait", options, argv + at,
					      option == ':');
	}
	names = (struct names){argv + optind, (size_t)(argc - optind)};
	if (!file)
		file = dev = dev_env_running();
	status = wait_with(file, &names, timeout_ms);
	free(dev);
	return status;
}
