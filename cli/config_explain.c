/*
 * config_explain.c - hybridge config explain: what becomes of a connect() to a place.
 *
 * The same questions to the same map as in library and sender.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hybridge/config.h>

#include "command.h"

static const struct hybridge_map_entry *
find(const struct hybridge_config *config, struct hybridge_span host,
     uint16_t port, bool *is_known)
{
	struct hybridge_ip ip;

	if (hybridge_ip_parse(host, &ip))
		return hybridge_map_find_ip(&config->map, &ip, port, is_known);
	return hybridge_map_find_name(&config->map, host, port, is_known);
}

static void print_address(const struct hybridge_config *config,
			  const struct hybridge_map_entry *entry,
			  struct hybridge_span host)
{
	uint32_t v4 = hybridge_address_v4(config->range, host);
	struct hybridge_ip ip = {.family = 6};
	char text[64];

	if (entry->kind == HYBRIDGE_MAP_BLOCK) {
		puts("  by its address, whatever name it was looked up by");
		return;
	}
	hybridge_address_v6(v4, ip.bytes);
	hybridge_ip_format(&ip, text);
	printf("  programs get %u.%u.%u.%u for it, or %s\n", v4 >> 24,
	       v4 >> 16 & 255, v4 >> 8 & 255, v4 & 255, text);
}

static void print_mapped(const struct hybridge_config *config,
			 const struct hybridge_map_entry *entry,
			 struct hybridge_span host, const char *place)
{
	const struct hybridge_connection *connection =
		&config->connections[entry->connection];
	const struct hybridge_connstr *relay = &connection->relay;

	printf("%s goes through '%s': hybrid connection %s at %s://%s:%u\n",
	       place, connection->name, relay->entity ? relay->entity : "",
	       relay->plaintext ? "ws" : "wss", relay->host, relay->port);
	print_address(config, entry, host);
}

int config_explain(const char *file, const char *place)
{
	struct hybridge_error err = {0};
	struct hybridge_config config;
	const struct hybridge_map_entry *entry;
	bool is_known = false;
	char *host = NULL;
	uint16_t port;

	if (hybridge_parse_host_port(place, &host, &port, &err) != 0) {
		/* As a flag, it is the command line that is wrong. */
		err.code = HYBRIDGE_EUSAGE;
		return command_fail(&err);
	}
	if (hybridge_config_load(file, environ, HYBRIDGE_ROLE_CLI, &config,
				 &err) != 0) {
		free(host);
		return command_fail(&err);
	}
	entry = find(&config, (struct hybridge_span){host, strlen(host)}, port,
		     &is_known);
	if (entry)
		print_mapped(&config, entry,
			     (struct hybridge_span){host, strlen(host)}, place);
	else if (is_known)
		printf("%s is refused with ECONNREFUSED: the host is mapped, "
		       "and this port is not\n",
		       place);
	else
		printf("%s goes out directly: no HYBRIDGE_*_HOSTS has it\n",
		       place);
	hybridge_config_free(&config);
	free(host);
	return 0;
}
