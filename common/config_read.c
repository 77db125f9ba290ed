/*
 * config_read.c - merges an env file and the environment into one list.
 */
#include "config_read.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hybridge/config.h>

#include "config_file.h"
#include "config_values.h"
#include "text.h"

#define RELAY_PREFIX "HYBRIDGE_RELAY_" /* the relay's own file has these */

static bool starts_with(struct hybridge_span text, const char *prefix)
{
	size_t len = strlen(prefix);

	return text.len >= len && memcmp(text.text, prefix, len) == 0;
}

static bool is_ours(struct hybridge_span name)
{
	return starts_with(name, CONFIG_PREFIX) &&
	       !starts_with(name, RELAY_PREFIX);
}

/* "FILE:LINE" or "environment" */
static void format_place(const struct config_settings *settings,
			 unsigned int line, char *out, size_t size)
{
	if (line > 0)
		snprintf(out, size, "%s:%u", settings->path, line);
	else
		snprintf(out, size, "environment");
}

void config_fail(const struct config_settings *settings,
		 const struct config_setting *item, struct hybridge_error *err,
		 const char *fmt, ...)
{
	char place[160];
	char text[300];
	va_list args;

	va_start(args, fmt);
	if (vsnprintf(text, sizeof(text), fmt, args) < 0)
		text[0] = '\0';
	va_end(args);
	format_place(settings, item->line, place, sizeof(place));
	hybridge_fail(err, HYBRIDGE_ECONFIG, "%s: %s%s", place, item->name,
		      text);
}

const struct config_setting *config_find(const struct config_settings *settings,
					 enum config_key key, const char *conn)
{
	for (size_t i = 0; i < settings->len; i++)
		if (settings->items[i].key == key &&
		    strcmp(settings->items[i].conn, conn) == 0)
			return &settings->items[i];
	return NULL;
}

const struct config_setting *config_get(const struct config_settings *settings,
					enum config_key key, const char *conn)
{
	const struct config_setting *item = config_find(settings, key, conn);

	return item && item->value[0] != '\0' ? item : NULL;
}

static void setting_free(struct config_setting *item)
{
	free(item->name);
	free(item->conn);
	text_free_secret(item->value);
}

void config_settings_free(struct config_settings *settings)
{
	for (size_t i = 0; i < settings->len; i++)
		setting_free(&settings->items[i]);
	free(settings->items);
	*settings = (struct config_settings){0};
}

static int fail_memory(struct hybridge_error *err)
{
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

static int fail_unknown(const struct config_settings *settings,
			struct hybridge_span name, unsigned int line,
			struct hybridge_error *err)
{
	char place[160];
	char near[160];

	format_place(settings, line, place, sizeof(place));
	hybridge_fail(err, HYBRIDGE_ECONFIG, "%s: unknown key '%.*s'", place,
		      name.len < 120 ? (int)name.len : 120, name.text);
	if (config_key_suggest(name, near, sizeof(near)))
		hybridge_hint(err, "did you mean '%s'?", near);
	else
		hybridge_hint(err, "a connection's keys are HYBRIDGE_NAME_ and "
				   "CONNECTION, CONNECTION_FILE, ENTITY, HOSTS "
				   "or TARGET, NAME in capitals");
	return -1;
}

/* The file may not repeat itself; the environment overrides the file. */
static int override(const struct config_settings *settings,
		    struct config_setting *old, struct config_setting *item,
		    struct hybridge_error *err)
{
	if (item->line > 0) {
		config_fail(settings, item, err, " is already given on line %u",
			    old->line);
		hybridge_hint(err, "remove one of the two lines");
		setting_free(item);
		return -1;
	}
	if (old->line == 0) {
		/* Twice in the environment: the first counts, as in getenv(3). */
		setting_free(item);
		return 0;
	}
	setting_free(old);
	*old = *item;
	return 0;
}

static int append(struct config_settings *settings, struct config_setting *item,
		  struct hybridge_error *err)
{
	struct config_setting *items = reallocarray(
		settings->items, settings->len + 1, sizeof(*items));

	if (!items) {
		setting_free(item);
		return fail_memory(err);
	}
	items[settings->len++] = *item;
	settings->items = items;
	return 0;
}

static int add(struct config_settings *settings, struct hybridge_span name,
	       struct hybridge_span value, unsigned int line,
	       struct hybridge_error *err)
{
	struct config_setting item = {.line = line};
	struct hybridge_span conn;

	if (!config_key_find(name, &item.key, &conn))
		return fail_unknown(settings, name, line, err);
	item.name = strndup(name.text, name.len);
	item.conn = strndup(conn.text, conn.len);
	item.value = strndup(value.len > 0 ? value.text : "", value.len);
	if (!item.name || !item.conn || !item.value) {
		setting_free(&item);
		return fail_memory(err);
	}
	for (size_t i = 0; i < settings->len; i++)
		if (strcmp(settings->items[i].name, item.name) == 0)
			return override(settings, &settings->items[i], &item,
					err);
	return append(settings, &item, err);
}

static int fail_line(const char *path, unsigned int line,
		     const struct hybridge_env_line *parsed,
		     struct hybridge_error *err)
{
	hybridge_fail(err, HYBRIDGE_ECONFIG, "%s:%u: %s", path, line,
		      hybridge_env_reason(parsed->kind));
	hybridge_hint(err, "a line is KEY='VALUE' or a comment that starts "
			   "with '#'");
	return -1;
}

static int read_lines(struct config_settings *settings,
		      const struct config_file *file,
		      struct hybridge_error *err)
{
	const char *end = file->text + file->len;
	unsigned int number = 0;

	for (const char *line = file->text; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((stop ? stop : end) - line);
		struct hybridge_env_line parsed =
			hybridge_env_parse_line(line, len);

		number++;
		line += len + (stop ? 1 : 0);
		if (parsed.kind == HYBRIDGE_ENV_BLANK)
			continue;
		if (parsed.kind != HYBRIDGE_ENV_PAIR)
			return fail_line(file->path, number, &parsed, err);
		if (is_ours(parsed.key) &&
		    add(settings, parsed.key, parsed.value, number, err) < 0)
			return -1;
	}
	return 0;
}

static int read_environment(struct config_settings *settings, char *const *env,
			    struct hybridge_error *err)
{
	for (; env && *env; env++) {
		size_t name_len = strcspn(*env, "=");
		struct hybridge_span name = {*env, name_len};

		if (!is_ours(name) || !(*env)[name_len])
			continue;
		struct hybridge_span value =
			hybridge_env_unquote(text_span(*env + name_len + 1));

		if (add(settings, name, value, 0, err) < 0)
			return -1;
	}
	return 0;
}

static int read_allow_open(struct config_settings *settings,
			   struct hybridge_error *err)
{
	const struct config_setting *item =
		config_get(settings, CONFIG_ALLOW_OPEN_FILES, "");

	if (!item)
		return 0;
	if (strcmp(item->value, "0") != 0 && strcmp(item->value, "1") != 0) {
		config_fail(settings, item, err, ": '%.60s' is not 0 or 1",
			    item->value);
		return -1;
	}
	settings->allow_open = item->value[0] == '1';
	return 0;
}

/* Looks before the environment overrides: the file holds it all the same. */
static bool holds_secret(const struct config_settings *settings)
{
	for (size_t i = 0; i < settings->len; i++)
		if (config_is_secret(settings->items[i].key,
				     settings->items[i].value))
			return true;
	return false;
}

int config_read(const char *path, char *const *env, struct config_settings *out,
		struct hybridge_error *err)
{
	struct config_settings settings = {.path = path};
	struct config_file file = {0};
	bool secret = false;
	int ret = -1;

	if (path) {
		if (config_file_read(path, &file, err) < 0 ||
		    read_lines(&settings, &file, err) < 0)
			goto out;
		secret = holds_secret(&settings);
	}
	if (read_environment(&settings, env, err) < 0 ||
	    read_allow_open(&settings, err) < 0)
		goto out;
	if (secret && !settings.allow_open &&
	    config_file_check_private(&file, err) < 0)
		goto out;

	*out = settings;
	settings = (struct config_settings){0}; /* handed to the caller */
	ret = 0;
out:
	config_file_free(&file);
	config_settings_free(&settings);
	return ret;
}
