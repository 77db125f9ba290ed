/*
 * config.c - hybridge config: what a configuration means, and whether it is right.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <hybridge/config.h>

#include "arguments.h"
#include "command.h"

/* Each of these asks for more than the command line does. */
static int load_as(const char *file, enum hybridge_role role,
		   struct hybridge_error *err)
{
	struct hybridge_config config;

	if (hybridge_config_load(file, environ, role, &config, err) != 0)
		return -1;
	hybridge_config_free(&config);
	return 0;
}

static void print_connection(const struct hybridge_connection *connection)
{
	const struct hybridge_connstr *relay = &connection->relay;

	printf("%-10s %s://%s:%u/%s", connection->name,
	       relay->plaintext ? "ws" : "wss", relay->host, relay->port,
	       relay->entity ? relay->entity : "");
	if (connection->hosts)
		printf("   for programs that connect to %s", connection->hosts);
	if (connection->target_host)
		printf("   to %s:%u", connection->target_host,
		       connection->target_port);
	else if (connection->allow_text)
		printf("   to one of %s", connection->allow_text);
	putchar('\n');
}

int config_check(const char *file)
{
	struct hybridge_error err = {0};
	struct hybridge_config config;
	bool is_agents = false;
	int ret = 0;

	if (hybridge_config_load(file, environ, HYBRIDGE_ROLE_CLI, &config,
				 &err) != 0)
		return command_fail(&err);
	for (size_t i = 0; i < config.num_connections; i++)
		if (config.connections[i].target_host ||
		    config.connections[i].allow_text)
			is_agents = true;
	if (config.map.len > 0)
		ret = load_as(file, HYBRIDGE_ROLE_SENDER, &err);
	if (ret == 0 && is_agents)
		ret = load_as(file, HYBRIDGE_ROLE_AGENT, &err);
	if (ret == 0 && config.map.len == 0 && !is_agents) {
		hybridge_fail(&err, HYBRIDGE_ECONFIG,
			      "%s has no connection for a sender or an agent",
			      file ? file : "the environment");
		hybridge_hint(&err, "a connection needs HYBRIDGE_NAME_HOSTS "
				    "where programs are, HYBRIDGE_NAME_TARGET "
				    "where the agent is");
	}
	for (size_t i = 0;
	     err.code == HYBRIDGE_OK && i < config.num_connections; i++)
		print_connection(&config.connections[i]);
	hybridge_config_free(&config);
	return err.code == HYBRIDGE_OK ? 0 : command_fail(&err);
}

int config_keys(void)
{
	for (const struct hybridge_key *key = hybridge_config_keys; key->name;
	     key++)
		printf("%s=%s\n    %s\n", key->name, key->value, key->help);
	return 0;
}

static int run_verb(const struct arguments *arguments)
{
	const char *verb = arguments->num > 0 ? arguments->rest[0] : "";
	bool explains = strcmp(verb, "explain") == 0;

	if (strcmp(verb, "check") != 0 && strcmp(verb, "show") != 0 &&
	    strcmp(verb, "keys") != 0 && !explains)
		return command_usage("config", "one of check, show, explain, "
					       "keys is needed");
	if (arguments->num != (explains ? 2 : 1))
		return command_usage("config",
				     explains ? "explain wants one HOST:PORT"
					      : "unexpected argument");
	if (arguments->as_json && strcmp(verb, "show") != 0)
		return command_usage("config", "only show has --json");
	if (explains)
		return config_explain(arguments->file, arguments->rest[1]);
	if (strcmp(verb, "check") == 0)
		return config_check(arguments->file);
	if (strcmp(verb, "show") == 0)
		return config_show(arguments->file, arguments->as_json);
	return config_keys();
}

int config_main(int argc, char **argv)
{
	struct arguments arguments = {0};
	int status = arguments_parse(argc, argv, ARGUMENTS_JSON, &arguments);

	if (status >= 0)
		return status;
	status = run_verb(&arguments);
	arguments_free(&arguments);
	return status;
}
