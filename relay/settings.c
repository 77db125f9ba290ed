/*
 * settings.c - reads an env file against one table of keys.
 */
#include "settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/config_file.h"
#include "../common/text.h"

#define PREFIX "HYBRIDGE_"

static bool starts_with(struct hybridge_span text, const char *prefix)
{
	size_t len = strlen(prefix);

	return text.len >= len && memcmp(text.text, prefix, len) == 0;
}

static int fail_memory(struct hybridge_error *err)
{
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

/* "FILE:LINE" or "environment" */
static void format_place(const struct settings *settings, unsigned int line,
			 char *out, size_t size)
{
	if (line > 0)
		snprintf(out, size, "%s:%u", settings->path, line);
	else
		snprintf(out, size, "environment");
}

void settings_fail(const struct settings *settings,
		   const struct settings_item *item, struct hybridge_error *err,
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

const struct settings_item *settings_get(const struct settings *settings,
					 size_t key, const char *star)
{
	for (size_t i = 0; i < settings->len; i++)
		if (settings->items[i].key == key &&
		    settings->items[i].value[0] != '\0' &&
		    strcmp(settings->items[i].star, star) == 0)
			return &settings->items[i];
	return NULL;
}

static void item_free(struct settings_item *item)
{
	free(item->name);
	free(item->star);
	text_free_secret(item->value);
}

void settings_free(struct settings *settings)
{
	for (size_t i = 0; i < settings->len; i++)
		item_free(&settings->items[i]);
	free(settings->items);
	*settings = (struct settings){0};
}

/* [A-Z][A-Z0-9_]* */
static bool is_star(struct hybridge_span text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.text[i];

		if (c >= 'A' && c <= 'Z')
			continue;
		if (i == 0 || (c != '_' && (c < '0' || c > '9')))
			return false;
	}
	return text.len > 0;
}

static bool matches(const char *pattern, struct hybridge_span name,
		    struct hybridge_span *star)
{
	const char *mark = strchr(pattern, '*');
	size_t head = mark ? (size_t)(mark - pattern) : strlen(pattern);
	const char *tail = mark ? mark + 1 : "";
	size_t tail_len = strlen(tail);

	*star = (struct hybridge_span){"", 0};
	if (name.len < head + tail_len ||
	    memcmp(name.text, pattern, head) != 0 ||
	    memcmp(name.text + name.len - tail_len, tail, tail_len) != 0)
		return false;
	if (!mark)
		return name.len == head;
	star->text = name.text + head;
	star->len = name.len - head - tail_len;
	return is_star(*star);
}

static bool find_key(const struct settings_table *table,
		     struct hybridge_span name, size_t *key,
		     struct hybridge_span *star)
{
	for (size_t i = 0; table->keys[i].name; i++) {
		if (matches(table->keys[i].name, name, star)) {
			*key = i;
			return true;
		}
	}
	return false;
}

static int fail_unknown(const struct settings *settings,
			const struct settings_table *table,
			struct hybridge_span name, unsigned int line,
			struct hybridge_error *err)
{
	char place[160];

	format_place(settings, line, place, sizeof(place));
	hybridge_fail(err, HYBRIDGE_ECONFIG, "%s: unknown key '%.*s'", place,
		      name.len < 120 ? (int)name.len : 120, name.text);
	hybridge_hint(err, "%s", table->hint);
	return -1;
}

static int append(struct settings *settings, struct settings_item *item,
		  struct hybridge_error *err)
{
	struct settings_item *items = reallocarray(
		settings->items, settings->len + 1, sizeof(*items));

	if (!items) {
		item_free(item);
		return fail_memory(err);
	}
	items[settings->len++] = *item;
	settings->items = items;
	return 0;
}

/* Adds one setting; the environment (line 0) replaces what the file said. */
static int add(struct settings *settings, const struct settings_item *found,
	       struct hybridge_span name, struct hybridge_span star,
	       struct hybridge_span value, struct hybridge_error *err)
{
	struct settings_item item = *found;
	struct settings_item *old = NULL;

	item.name = strndup(name.text, name.len);
	item.star = strndup(star.text, star.len);
	item.value = strndup(value.len > 0 ? value.text : "", value.len);
	if (!item.name || !item.star || !item.value) {
		item_free(&item);
		return fail_memory(err);
	}
	for (size_t i = 0; i < settings->len && !old; i++)
		if (strcmp(settings->items[i].name, item.name) == 0)
			old = &settings->items[i];
	if (!old)
		return append(settings, &item, err);
	if (item.line > 0) {
		settings_fail(settings, &item, err,
			      " is already given on line %u", old->line);
		hybridge_hint(err, "remove one of the two lines");
		item_free(&item);
		return -1;
	}
	item_free(old);
	*old = item;
	return 0;
}

static int use_line(struct settings *settings,
		    const struct settings_table *table,
		    const struct hybridge_env_line *line, unsigned int number,
		    struct hybridge_error *err)
{
	struct settings_item item = {.line = number};
	struct hybridge_span star;

	if (line->kind == HYBRIDGE_ENV_BLANK)
		return 0;
	if (line->kind != HYBRIDGE_ENV_PAIR) {
		hybridge_fail(err, HYBRIDGE_ECONFIG, "%s:%u: %s",
			      settings->path, number,
			      hybridge_env_reason(line->kind));
		hybridge_hint(err, "a line is KEY='VALUE' or a comment that "
				   "starts with '#'");
		return -1;
	}
	if (!starts_with(line->key, PREFIX))
		return 0;
	if (find_key(table, line->key, &item.key, &star))
		return add(settings, &item, line->key, star, line->value, err);
	if (table->foreign && table->foreign(line->key))
		return 0;
	return fail_unknown(settings, table, line->key, number, err);
}

static bool holds_secret(const struct settings *settings,
			 const struct settings_table *table)
{
	for (size_t i = 0; i < settings->len; i++)
		if (table->keys[settings->items[i].key].secret)
			return true;
	return false;
}

int settings_read(const char *path, const struct settings_table *table,
		  bool allow_open, struct settings *out,
		  struct hybridge_error *err)
{
	struct settings settings = {.path = path};
	struct config_file file = {0};
	unsigned int number = 0;
	int ret = -1;

	if (config_file_read(path, &file, err) < 0)
		return -1;
	const char *end = file.text + file.len;

	for (const char *line = file.text; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((stop ? stop : end) - line);
		struct hybridge_env_line parsed =
			hybridge_env_parse_line(line, len);

		line += len + (stop ? 1 : 0);
		if (use_line(&settings, table, &parsed, ++number, err) < 0)
			goto out;
	}
	if (!allow_open && holds_secret(&settings, table) &&
	    config_file_check_private(&file, err) < 0)
		goto out;

	*out = settings;
	settings = (struct settings){0}; /* handed to the caller */
	ret = 0;
out:
	config_file_free(&file);
	settings_free(&settings);
	return ret;
}

int settings_override(struct settings *settings,
		      const struct settings_table *table, const char *prefix,
		      char *const *env, struct hybridge_error *err)
{
	for (; env && *env; env++) {
		struct settings_item item = {.line = 0};
		struct hybridge_span name = {*env, strcspn(*env, "=")};
		struct hybridge_span star;
		struct hybridge_span value;

		if (!starts_with(name, PREFIX) || !(*env)[name.len])
			continue;
		if (!find_key(table, name, &item.key, &star)) {
			if (starts_with(name, prefix))
				return fail_unknown(settings, table, name, 0,
						    err);
			continue;
		}
		value = hybridge_env_unquote(text_span(*env + name.len + 1));
		if (add(settings, &item, name, star, value, err) < 0)
			return -1;
	}
	return 0;
}
