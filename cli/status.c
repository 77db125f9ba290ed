/*
 * status.c - hybridge status: what is connected, what is not, since when, why.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include <hybridge/config.h>

#include "arguments.h"
#include "ask.h"
#include "command.h"
#include "status_text.h"

#define STATUS_FAILING 69 /* EX_UNAVAILABLE: sysexits.h(3head) */

static int find_socket(const char *file, char out[static ASK_SOCKET_MAX],
		       struct hybridge_error *err)
{
	struct hybridge_config config;
	int ret;

	if (hybridge_config_load(file, environ, HYBRIDGE_ROLE_CLI, &config,
				 err) != 0)
		return -1;
	ret = ask_socket(&config, out, err);
	hybridge_config_free(&config);
	return ret;
}

static bool has_name(const json_t *root, const char *name)
{
	const json_t *connection;
	size_t i;

	json_array_foreach(json_object_get(root, "connections"), i, connection)
	{
		const char *its =
			json_string_value(json_object_get(connection, "name"));

		if (its && strcmp(its, name) == 0)
			return true;
	}
	return false;
}

/* Leaves only the connection of that name, for --json NAME. */
static void keep_only(json_t *root, const char *name)
{
	json_t *connections = json_object_get(root, "connections");

	for (size_t i = json_array_size(connections); i-- > 0;) {
		const json_t *connection = json_array_get(connections, i);
		const char *its =
			json_string_value(json_object_get(connection, "name"));

		if (!its || strcmp(its, name) != 0)
			json_array_remove(connections, i);
	}
}

static int print_json(json_t *root, const char *only)
{
	bool failing = false;
	const json_t *connection;
	char *text;
	size_t i;

	if (only)
		keep_only(root, only);
	json_array_foreach(json_object_get(root, "connections"), i, connection)
	{
		const char *state =
			json_string_value(json_object_get(connection, "state"));

		failing = failing || (state && strcmp(state, "failing") == 0);
	}
	text = json_dumps(root, JSON_INDENT(2));
	if (text)
		puts(text);
	free(text);
	return failing ? STATUS_FAILING : 0;
}

static int show(const char *file, const char *only, bool as_json)
{
	struct hybridge_error err = {0};
	char socket[ASK_SOCKET_MAX];
	char *text = NULL;
	json_t *root = NULL;
	int status = 0;

	if (find_socket(file, socket, &err) == 0)
		text = ask_status(socket, &err);
	if (text) {
		root = json_loads(text, 0, NULL);
		if (!root)
			hybridge_fail(&err, HYBRIDGE_EPROTOCOL,
				      "the sender's answer is not JSON");
		else if (only && !has_name(root, only))
			hybridge_fail(&err, HYBRIDGE_EUSAGE,
				      "the sender has no connection '%s'",
				      only);
	}
	if (err.code != HYBRIDGE_OK)
		status = command_fail(&err);
	else if (as_json)
		status = print_json(root, only);
	else
		status = status_text(root, only, stdout) ? STATUS_FAILING : 0;
	json_decref(root);
	free(text);
	return status;
}

int status_main(int argc, char **argv)
{
	struct arguments arguments = {0};
	int status = arguments_parse(argc, argv, ARGUMENTS_JSON, &arguments);

	if (status >= 0)
		return status;
	if (arguments.num > 1)
		status = command_usage("status", "one NAME at most");
	else
		status = show(arguments.file, arguments.rest[0],
			      arguments.as_json);
	arguments_free(&arguments);
	return status;
}
