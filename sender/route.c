/*
 * route.c - finds the connection that a request is for, and counts what happens on it.
 */
#include "route.h"

#include <stdio.h>
#include <string.h>

#include "names.h"
#include "tally.h"

static void copy_text(char host[static 256], const char *text, size_t len)
{
	if (len > 255)
		len = 255;
	memcpy(host, text, len);
	host[len] = '\0';
}

const char *route_name_of(const struct hybridge_config *config,
			  const struct names *names,
			  const struct hybridge_ip *addr, size_t *len)
{
	const struct hybridge_map_entry *entry;
	const char *name;
	uint32_t v4;

	if (!hybridge_address_is_ours(config->range, addr, &v4))
		return NULL;
	name = names_find(names, v4);
	if (name) {
		*len = strlen(name);
		return name;
	}
	entry = hybridge_address_lookup(&config->map, config->range, v4);
	if (!entry)
		return NULL;
	*len = entry->host.len;
	return entry->host.text;
}

enum route_found route_find(const struct hybridge_config *config,
			    const struct names *names,
			    const struct hybridge_local_msg *msg,
			    char host[static 256], size_t *index)
{
	const struct hybridge_map_entry *entry;
	const char *name = msg->host;
	size_t len = msg->host_len;
	bool known = false;

	if (len == 0)
		name = route_name_of(config, names, &msg->addr, &len);
	if (name) {
		copy_text(host, name, len);
		entry = hybridge_map_find_name(
			&config->map,
			(struct hybridge_span){host, strlen(host)}, msg->port,
			&known);
	} else {
		hybridge_ip_format(&msg->addr, host);
		entry = hybridge_map_find_ip(&config->map, &msg->addr,
					     msg->port, &known);
	}
	if (!entry)
		return known ? ROUTE_NO_PORT : ROUTE_NO_HOST;
	*index = entry->connection;
	return ROUTE_FOUND;
}

void route_succeeded(struct route *route, int64_t now_us)
{
	struct tally *tally = route->tally;

	tally->open++;
	tally->total++;
	tally->last_used_us = now_us;
	tally->last_error = (struct hybridge_error){0};
}

void route_failed(struct route *route, int64_t now_us,
		  const struct hybridge_error *err)
{
	struct tally *tally = route->tally;

	if (!hybridge_error_same(&tally->last_error, err)) {
		tally->error_since_us = now_us;
		tally->error_count = 0;
	}
	tally->last_error = *err; /* with the newest TrackingId */
	tally->failed++;
	tally->error_count++;
	tally->last_used_us = now_us;
}

void route_ended(struct route *route, const struct hybridge_pump_stats *stats)
{
	struct tally *tally = route->tally;

	tally->open--;
	tally->bytes_in += stats->from_ws;
	tally->bytes_out += stats->to_ws;
}
