/*
 * settings.h - an env file and the environment, read against one table of keys.
 *
 * All programs and all files read their keys here, so that a mistake is told in the
 * same way everywhere: file, line, name, what is wrong, and what to do.
 */
#ifndef HYBRIDGE_SETTINGS_H
#define HYBRIDGE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include <hybridge/envfile.h>
#include <hybridge/error.h>

/**
 * struct hybridge_key - One documented key
 * @name: With a star where a NAME, [A-Z][A-Z0-9_]*, stands: "HYBRIDGE_*_HOSTS"
 * @value: What the value looks like, for manual and messages
 * @help:  One sentence
 * @secret: Whether the value must never be shown
 */
struct hybridge_key {
	const char *name;
	const char *value;
	const char *help;
	bool secret;
};

/**
 * struct hybridge_settings_table - What may stand in a file
 * @keys:        Ends with a NULL name; each name starts with HYBRIDGE_ and has one star at most
 * @short_forms: Whether a key may also be written without "*_": "HYBRIDGE_HOSTS"
 * @foreign:     Whether a name is another program's and is skipped; asked about names that
 *               are not in the table letter for letter.  May be NULL: none is
 * @secret:      Whether a value would harm if it became known; NULL: @keys tell
 * @environment: An unknown name in the environment is a mistake if it starts with this, and
 *               nobody's business otherwise
 * @hint:        Which keys there are, for an unknown one that resembles none
 */
struct hybridge_settings_table {
	const struct hybridge_key *keys;
	bool short_forms;
	bool (*foreign)(struct hybridge_span name);
	bool (*secret)(size_t key, const char *value);
	const char *environment;
	const char *hint;
};

/**
 * struct hybridge_setting - One key and its value
 * @key:   Index into the table
 * @name:  As written: "HYBRIDGE_SQL_HOSTS"; owned
 * @star:  What stands where the table has '*': "SQL", else ""; owned
 * @value: Quotes removed; owned, wiped when freed
 * @line:  Line of the file, 0 for the environment
 */
struct hybridge_setting {
	size_t key;
	char *name;
	char *star;
	char *value;
	unsigned int line;
};

/**
 * struct hybridge_settings - All of them, each name once
 * @items:      File order, then what only the environment has
 * @len:        How many
 * @path:       File that was read, or NULL; not owned
 * @allow_open: Whether files with secrets may be open to others
 */
struct hybridge_settings {
	struct hybridge_setting *items;
	size_t len;
	const char *path;
	bool allow_open;
};

/**
 * hybridge_settings_find_key() - Which key a name is
 * @name: As written, "HYBRIDGE_SQL_HOSTS"
 * @key:  Set to its index in @table
 * @star: Set to what stands for the star inside @name; empty for a short form
 *        and where the table has none
 *
 * Return: true when there is such a key
 */
bool hybridge_settings_find_key(const struct hybridge_settings_table *table,
				struct hybridge_span name, size_t *key,
				struct hybridge_span *star);

/**
 * hybridge_settings_suggest() - What an unknown name may have been meant to be
 * @out:  Filled with the nearest key
 * @size: Bytes at @out
 *
 * Return: true when one is near
 */
bool hybridge_settings_suggest(const struct hybridge_settings_table *table,
			       struct hybridge_span name, char *out,
			       size_t size);

/**
 * hybridge_settings_read() - Read a file and the environment, which has the last word
 * @path:       Env file, or NULL
 * @env:        As environ(7), or NULL
 * @allow_open: Whether the file may be open to others although it holds a secret;
 *              HYBRIDGE_ALLOW_OPEN_FILES, where @table has it, allows it as well
 * @out:        Filled in on success, untouched on failure; points to @path
 *
 * Names without the prefix HYBRIDGE_ are skipped.  Unknown names, names that the file
 * has twice and lines that do not parse are mistakes, and so is a file with a secret that
 * others can read or change.  Of a name that the environment has twice the first counts,
 * as in getenv(3).
 *
 * Return: 0 and @out owned by the caller (hybridge_settings_free()), or -1
 */
HYBRIDGE_MUSTUSE int
hybridge_settings_read(const char *path, char *const *env,
		       const struct hybridge_settings_table *table,
		       bool allow_open, struct hybridge_settings *out,
		       struct hybridge_error *err);

/** hybridge_settings_free() - Wipe and release all values; zeroes @settings */
void hybridge_settings_free(struct hybridge_settings *settings);

/**
 * hybridge_settings_find() - A setting, or NULL; its value may be empty
 * @star: What stands for the star, "" for none
 */
const struct hybridge_setting *
hybridge_settings_find(const struct hybridge_settings *settings, size_t key,
		       const char *star);

/** hybridge_settings_get() - The same, but an empty value counts as absent */
const struct hybridge_setting *
hybridge_settings_get(const struct hybridge_settings *settings, size_t key,
		      const char *star);

/**
 * hybridge_settings_fail() - Record what is wrong with a setting
 *
 * The text becomes "FILE:LINE: HYBRIDGE_…" or "environment: HYBRIDGE_…",
 * followed at once by @fmt: start it with ": " or " ".
 */
void hybridge_settings_fail(const struct hybridge_settings *settings,
			    const struct hybridge_setting *item,
			    struct hybridge_error *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
