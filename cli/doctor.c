/*
 * doctor.c - hybridge doctor: checks each step of each connection, from this machine on.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "arguments.h"
#include "ask.h"
#include "command.h"
#include "doctor_check.h"
#include "status_text.h"

#define DOCTOR_FAILED 69 /* EX_UNAVAILABLE: sysexits.h(3head) */

static const char *text_at(const json_t *root, const char *key)
{
	const char *text = json_string_value(
		json_object_get(json_object_get(root, "sender"), key));

	return text ? text : "";
}

/*
 * Whoever started the sender may have used another name of the same file; what cannot be found
 * here, be it in another folder or container, is not known to be another.
 */
static bool is_another_file(const char *a, const char *b)
{
	char real_a[PATH_MAX], real_b[PATH_MAX];

	return a && b[0] == '/' && realpath(a, real_a) && realpath(b, real_b) &&
	       strcmp(real_a, real_b) != 0;
}

static void report_sender(struct report *report, const char *socket,
			  const json_t *root, const char *file)
{
	const char *version = text_at(root, "version");
	const char *config = text_at(root, "config");
	struct hybridge_error err = {0};

	if (strcmp(version, HYBRIDGE_VERSION) != 0) {
		hybridge_fail(&err, HYBRIDGE_ECONFIG,
			      "it is version %s, this is " HYBRIDGE_VERSION,
			      version[0] ? version : "unknown");
		hybridge_hint(&err, "restart it");
	} else if (is_another_file(file, config)) {
		hybridge_fail(&err, HYBRIDGE_ECONFIG,
			      "it was started for another file, %s", config);
		hybridge_hint(&err, "give one of the two files a "
				    "HYBRIDGE_SOCKET of its own");
	}
	if (err.code != HYBRIDGE_OK)
		report_failure(report, "sender", socket, REPORT_WARN, &err);
	else
		report_row(report, "sender", socket, REPORT_PASS,
			   "running, for %s",
			   config[0] ? config : "what is in its environment");
}

/*
 * Without it nothing is wrong: the first program that connects starts it.
 * Return: its state, the caller's; or NULL
 */
static json_t *check_sender(const struct hybridge_config *config,
			    struct report *report)
{
	struct hybridge_error err = {0};
	char socket[ASK_SOCKET_MAX] = "";
	json_t *root = NULL;
	char *text = NULL;

	if (config->map.len == 0)
		return NULL;
	if (ask_socket(config, socket, &err) == 0)
		text = ask_status(socket, &err);
	if (text)
		root = json_loads(text, 0, NULL);
	if (text && !root)
		hybridge_fail(&err, HYBRIDGE_EPROTOCOL,
			      "its answer is not JSON");
	if (root)
		report_sender(report, socket, root, config->path);
	else if (err.code == HYBRIDGE_ETIMEOUT)
		report_row(report, "sender", socket, REPORT_NONE,
			   "not running: a program's first connect() starts "
			   "it");
	else
		report_failure(report, "sender", socket, REPORT_FAIL, &err);
	free(text);
	return root;
}

/* What programs have met there, which may have passed meanwhile. */
static void report_lately(struct report *report, const json_t *root,
			  const char *name)
{
	struct hybridge_error err = {0};
	json_t *connection;
	char since[48];
	size_t i;

	json_array_foreach(json_object_get(root, "connections"), i, connection)
	{
		const char *its, *text;
		json_int_t count, since_s;

		/* One that is well has null there. */
		if (json_unpack(connection, "{s:s, s:{s:s, s:I, s:I}}", "name",
				&its, "last_error", "text", &text, "count",
				&count, "since_s", &since_s) != 0 ||
		    strcmp(its, name) != 0)
			continue;
		status_ago(since_s, since, sizeof(since));
		hybridge_fail(&err, HYBRIDGE_EREFUSED,
			      "the last %lld connects failed, first %s: %s",
			      (long long)count, since, text);
		report_failure(report, "lately", "programs", REPORT_WARN, &err);
	}
}

static void check_all(struct reach *reach, const char *only,
		      struct report *report)
{
	const struct hybridge_config *config = reach->config;
	json_t *sender;

	report_row(report, "config",
		   config->path ? config->path : "environment", REPORT_PASS,
		   "%zu connection%s", config->num_connections,
		   config->num_connections == 1 ? "" : "s");
	sender = check_sender(config, report);
	for (size_t i = 0; i < config->num_connections; i++) {
		const struct hybridge_connection *connection =
			&config->connections[i];

		if (only && strcmp(only, connection->name) != 0)
			continue;
		report_section(report, connection->name,
			       connection->hosts ? connection->hosts : "");
		doctor_check(reach, i, report);
		report_lately(report, sender, connection->name);
	}
	json_decref(sender);
}

static int load(const char *file, const char *only,
		struct hybridge_config *config, struct hybridge_error *err)
{
	if (hybridge_config_load(file, environ, HYBRIDGE_ROLE_CLI, config,
				 err) != 0)
		return -1;
	if (config->num_connections > 0 &&
	    (!only || hybridge_config_find(config, only)))
		return 0;
	if (config->num_connections == 0) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "%s has no connection to check",
			      file ? file : "the environment");
		hybridge_hint(err, "name an env file: hybridge doctor -f FILE");
	} else {
		hybridge_fail(err, HYBRIDGE_EUSAGE,
			      "there is no connection "
			      "'%s'",
			      only);
		hybridge_hint(err, "the first is '%s'",
			      config->connections[0].name);
	}
	hybridge_config_free(config);
	return -1;
}

static int examine(const char *file, const char *only, bool as_json)
{
	struct hybridge_error err = {0};
	struct hybridge_config config;
	struct reach reach;
	struct report report;
	bool good;

	if (load(file, only, &config, &err) != 0)
		return command_fail(&err);
	if (reach_open(&reach, &config, &err) != 0) {
		hybridge_config_free(&config);
		return command_fail(&err);
	}
	if (report_begin(&report, as_json) == 0) {
		check_all(&reach, only, &report);
		good = report_end(&report);
	} else {
		hybridge_fail(&err, HYBRIDGE_ESYSTEM, "out of memory");
		command_fail(&err);
		good = false;
	}
	reach_close(&reach);
	hybridge_config_free(&config);
	return good ? 0 : DOCTOR_FAILED;
}

int doctor_main(int argc, char **argv)
{
	struct arguments arguments = {0};
	int status = arguments_parse(argc, argv, ARGUMENTS_JSON, &arguments);

	if (status >= 0)
		return status;
	if (arguments.num > 1)
		status = command_usage("doctor", "one NAME at most");
	else
		status = examine(arguments.file, arguments.rest[0],
				 arguments.as_json);
	arguments_free(&arguments);
	return status;
}
