/*
 * config_connection.h - builds one connection from its settings.
 */
#ifndef HYBRIDGE_CONFIG_CONNECTION_H
#define HYBRIDGE_CONFIG_CONNECTION_H

#include <hybridge/config.h>
#include <hybridge/settings.h>

/**
 * struct config_entries - A map that is still growing
 * @items: Owned
 * @len:   How many
 */
struct config_entries {
	struct hybridge_map_entry *items;
	size_t len;
};

/**
 * config_connection_load() - Read and check the settings of one connection
 * @settings: All settings
 * @first:    The first setting that has the connection's NAME
 * @index:    What the map's entries are to say; at most 65535
 * @entries:  Gets what HOSTS says; the new entries point into @out
 * @out:      Filled in on success, untouched on failure (then @entries may
 *            hold entries that point nowhere)
 *
 * Return: 0 and @out owned by the caller (hybridge_connection_free()), or -1
 */
HYBRIDGE_MUSTUSE int
config_connection_load(const struct hybridge_settings *settings,
		       const struct hybridge_setting *first, uint16_t index,
		       struct config_entries *entries,
		       struct hybridge_connection *out,
		       struct hybridge_error *err);

#endif
