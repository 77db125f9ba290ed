/*
 * config_clash.c - refuses host maps that say two things at once.
 */
#include "config_clash.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "config_keys.h"

#define SHOWN_MAX    100 /* bytes of a host name in a message */
#define LINE_MAX_LEN 24

static bool same_host(const struct hybridge_map_entry *a,
		      const struct hybridge_map_entry *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == HYBRIDGE_MAP_BLOCK)
		return a->prefix == b->prefix &&
		       a->block.family == b->block.family &&
		       memcmp(a->block.bytes, b->block.bytes,
			      a->block.family == 4 ? 4 : 16) == 0;
	return hybridge_name_equal(a->host, b->host);
}

/* Sets @port to one that both list, 0 when both mean every port. */
static bool same_port(const struct hybridge_map_entry *a,
		      const struct hybridge_map_entry *b, uint16_t *port)
{
	*port = 0;
	if (a->num_ports == 0 || b->num_ports == 0)
		return a->num_ports == b->num_ports;
	for (size_t i = 0; i < a->num_ports; i++) {
		for (size_t j = 0; j < b->num_ports; j++) {
			*port = a->ports[i];
			if (a->ports[i] == b->ports[j])
				return true;
		}
	}
	return false;
}

static int shown_len(struct hybridge_span text)
{
	return text.len < SHOWN_MAX ? (int)text.len : SHOWN_MAX;
}

/* HOSTS that an entry is from.  The short form has no name but that of its entity. */
static const struct hybridge_setting *
hosts_of(const struct hybridge_settings *settings,
	 const struct hybridge_config *config,
	 const struct hybridge_map_entry *entry)
{
	const char *name = config->connections[entry->connection].name;
	const struct hybridge_setting *found = NULL;

	for (size_t i = 0; i < settings->len; i++) {
		const struct hybridge_setting *item = &settings->items[i];

		if (item->key != CONFIG_HOSTS)
			continue;
		if (strcasecmp(item->star, name) == 0)
			return item;
		if (item->star[0] == '\0')
			found = item;
	}
	return found;
}

/* Where it is, behind another place in a sentence; "" in the environment. */
static const char *on_line(const struct hybridge_setting *setting,
			   char out[static LINE_MAX_LEN])
{
	out[0] = '\0';
	if (setting->line > 0)
		snprintf(out, LINE_MAX_LEN, ", on line %u", setting->line);
	return out;
}

static int check_same(const struct hybridge_settings *settings,
		      const struct hybridge_config *config,
		      const struct hybridge_map_entry *a,
		      const struct hybridge_map_entry *b,
		      struct hybridge_error *err)
{
	char port_text[8] = "*";
	char line[LINE_MAX_LEN];
	uint16_t port;

	if (a->connection == b->connection || !same_host(a, b) ||
	    !same_port(a, b, &port))
		return 0;
	if (port > 0)
		snprintf(port_text, sizeof(port_text), "%u", port);
	hybridge_settings_fail(
		settings, hosts_of(settings, config, b), err,
		": '%s%.*s:%s' is in the hosts of '%s' as well%s",
		a->kind == HYBRIDGE_MAP_SUFFIX ? "*." : "", shown_len(a->host),
		a->host.text, port_text,
		config->connections[a->connection].name,
		on_line(hosts_of(settings, config, a), line));
	hybridge_hint(err, "leave it in one of the two");
	return -1;
}

/* Whether the entry stands for one host, which then has an address. */
static bool has_address(const struct hybridge_map_entry *entry)
{
	if (entry->kind == HYBRIDGE_MAP_BLOCK)
		return entry->prefix == (entry->block.family == 4 ? 32 : 128);
	return entry->kind == HYBRIDGE_MAP_NAME;
}

static int check_address(const struct hybridge_settings *settings,
			 const struct hybridge_config *config,
			 const struct hybridge_map_entry *a,
			 const struct hybridge_map_entry *b,
			 struct hybridge_error *err)
{
	char line[LINE_MAX_LEN];

	if (!has_address(a) || !has_address(b) || same_host(a, b) ||
	    hybridge_address_v4(config->range, a->host) !=
		    hybridge_address_v4(config->range, b->host))
		return 0;
	hybridge_settings_fail(settings, hosts_of(settings, config, b), err,
			       ": '%.*s' gets the loopback address of '%.*s'%s",
			       shown_len(b->host), b->host.text,
			       shown_len(a->host), a->host.text,
			       on_line(hosts_of(settings, config, a), line));
	hybridge_hint(err,
		      "set another or a larger HYBRIDGE_RANGE; the default "
		      "is 127.64.0.0/10");
	return -1;
}

int config_check_clashes(const struct hybridge_settings *settings,
			 const struct hybridge_config *config,
			 struct hybridge_error *err)
{
	const struct hybridge_map *map = &config->map;

	for (size_t i = 0; i < map->len; i++) {
		for (size_t j = i + 1; j < map->len; j++) {
			const struct hybridge_map_entry *a = &map->entries[i];
			const struct hybridge_map_entry *b = &map->entries[j];

			if (check_same(settings, config, a, b, err) < 0 ||
			    check_address(settings, config, a, b, err) < 0)
				return -1;
		}
	}
	return 0;
}
