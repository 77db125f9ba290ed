/*
 * config_read.h - the settings of an env file and the environment, merged.
 */
#ifndef HYBRIDGE_CONFIG_READ_H
#define HYBRIDGE_CONFIG_READ_H

#include <stdbool.h>
#include <stddef.h>

#include <hybridge/error.h>

#include "config_keys.h"

/**
 * struct config_setting - One key and its value
 * @key:   Which key
 * @name:  As written: "HYBRIDGE_SQL_HOSTS"; owned
 * @conn:  The connection's NAME: "SQL", or "" when there is none; owned
 * @value: Quotes removed; owned
 * @line:  Line of the file, 0 for the environment
 */
struct config_setting {
	enum config_key key;
	char *name;
	char *conn;
	char *value;
	unsigned int line;
};

/**
 * struct config_settings - All of them, each name once
 * @items:      File order, then what only the environment has
 * @len:        How many
 * @path:       File that was read, or NULL; not owned
 * @allow_open: HYBRIDGE_ALLOW_OPEN_FILES
 */
struct config_settings {
	struct config_setting *items;
	size_t len;
	const char *path;
	bool allow_open;
};

/**
 * config_read() - Read the file and the environment
 * @path: Env file, or NULL
 * @env:  As environ(7)
 * @out:  Filled in on success, untouched on failure; points to @path
 *
 * Return: 0 and @out owned by the caller (config_settings_free()), or -1
 */
HYBRIDGE_MUSTUSE int config_read(const char *path, char *const *env,
				 struct config_settings *out,
				 struct hybridge_error *err);

/** config_settings_free() - Wipe and release all values */
void config_settings_free(struct config_settings *settings);

/**
 * config_find() - A setting, or NULL; its value may be empty
 * @conn: NAME of the connection, "" for none
 */
const struct config_setting *config_find(const struct config_settings *settings,
					 enum config_key key, const char *conn);

/** config_get() - As config_find(), but an empty value counts as absent */
const struct config_setting *config_get(const struct config_settings *settings,
					enum config_key key, const char *conn);

/**
 * config_fail() - Record what is wrong with a setting
 *
 * The text becomes "FILE:LINE: HYBRIDGE_…" or "environment: HYBRIDGE_…",
 * followed at once by @fmt: start it with ": " or " ".
 */
void config_fail(const struct config_settings *settings,
		 const struct config_setting *item, struct hybridge_error *err,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
