/*
 * settings.h - an env file read against one table of keys.
 */
#ifndef HYBRIDGE_RELAY_SETTINGS_H
#define HYBRIDGE_RELAY_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include <hybridge/config.h>
#include <hybridge/error.h>

/**
 * struct settings_item - One key and its value
 * @key:   Index into the table
 * @name:  As written: "HYBRIDGE_RULE_APP_NAME"; owned
 * @star:  What stands where the table has '*': "APP", else ""; owned
 * @value: Quotes removed; owned, wiped when freed
 * @line:  Line of the file, 0 for the environment
 */
struct settings_item {
	size_t key;
	char *name;
	char *star;
	char *value;
	unsigned int line;
};

/**
 * struct settings - Every key at most once, in the order of the file
 * @path: The file; not owned
 */
struct settings {
	const char *path;
	struct settings_item *items;
	size_t len;
};

/**
 * struct settings_table - What may stand in a file
 * @keys:    Ends with a NULL name; at most one '*' in a name
 * @foreign: Whether an unknown HYBRIDGE_ key belongs to another program and is skipped; may be NULL
 * @hint:    Which keys there are, for the message about an unknown one
 */
struct settings_table {
	const struct hybridge_key *keys;
	bool (*foreign)(struct hybridge_span name);
	const char *hint;
};

/**
 * settings_read() - Read a file
 * @allow_open: Whether a file with a secret may be open to others
 * @out: Filled in on success, untouched on failure; points to @path
 *
 * Keys without the prefix HYBRIDGE_ are skipped.  Unknown keys, repeated keys and lines
 * that do not parse are errors, as is a file with a secret that others can read.
 *
 * Return: 0 and @out owned by the caller (settings_free()), or -1
 */
HYBRIDGE_MUSTUSE int settings_read(const char *path,
				   const struct settings_table *table,
				   bool allow_open, struct settings *out,
				   struct hybridge_error *err);

/**
 * settings_override() - Let the environment have the last word
 * @prefix: Only keys that start with it, and keys of @table without a star
 *
 * An unknown key with @prefix is an error; other unknown keys are not ours.
 */
HYBRIDGE_MUSTUSE int settings_override(struct settings *settings,
				       const struct settings_table *table,
				       const char *prefix, char *const *env,
				       struct hybridge_error *err);

/** settings_free() - Wipe and release; zeroes @settings */
void settings_free(struct settings *settings);

/** settings_get() - A setting that is not empty, or NULL; @star "" for none */
const struct settings_item *settings_get(const struct settings *settings,
					 size_t key, const char *star);

/**
 * settings_fail() - Record what is wrong with a setting
 * The text becomes "FILE:LINE: NAME" and @fmt: start it with ": " or " "
 */
void settings_fail(const struct settings *settings,
		   const struct settings_item *item, struct hybridge_error *err,
		   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
