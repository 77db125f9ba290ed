/*
 * settings.c - merges an env file and the environment into one list of settings.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hybridge/file.h>
#include <hybridge/settings.h>
#include <hybridge/text.h>

#define PREFIX     "HYBRIDGE_"
#define ALLOW_OPEN "HYBRIDGE_ALLOW_OPEN_FILES"

/* What a reader is busy with. */
struct reader {
	const struct hybridge_settings_table *table;
	struct hybridge_settings settings;
};

static bool starts_with(struct hybridge_span text, const char *prefix)
{
	size_t len = strlen(prefix);

	return text.len >= len && memcmp(text.text, prefix, len) == 0;
}

/* "FILE:LINE" or "environment" */
static void format_place(const struct hybridge_settings *settings,
			 unsigned int line, char *out, size_t size)
{
	if (line > 0)
		snprintf(out, size, "%s:%u", settings->path, line);
	else
		snprintf(out, size, "environment");
}

void hybridge_settings_fail(const struct hybridge_settings *settings,
			    const struct hybridge_setting *item,
			    struct hybridge_error *err, const char *fmt, ...)
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

const struct hybridge_setting *
hybridge_settings_find(const struct hybridge_settings *settings, size_t key,
		       const char *star)
{
	for (size_t i = 0; i < settings->len; i++)
		if (settings->items[i].key == key &&
		    strcmp(settings->items[i].star, star) == 0)
			return &settings->items[i];
	return NULL;
}

const struct hybridge_setting *
hybridge_settings_get(const struct hybridge_settings *settings, size_t key,
		      const char *star)
{
	const struct hybridge_setting *item =
		hybridge_settings_find(settings, key, star);

	return item && item->value[0] != '\0' ? item : NULL;
}

static void setting_free(struct hybridge_setting *item)
{
	free(item->name);
	free(item->star);
	hybridge_text_free_secret(item->value);
}

void hybridge_settings_free(struct hybridge_settings *settings)
{
	for (size_t i = 0; i < settings->len; i++)
		setting_free(&settings->items[i]);
	free(settings->items);
	*settings = (struct hybridge_settings){0};
}

static int fail_memory(struct hybridge_error *err)
{
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

static int fail_unknown(const struct reader *reader, struct hybridge_span name,
			unsigned int line, struct hybridge_error *err)
{
	char place[160];
	char near[160];

	format_place(&reader->settings, line, place, sizeof(place));
	hybridge_fail(err, HYBRIDGE_ECONFIG, "%s: unknown key '%.*s'", place,
		      name.len < 120 ? (int)name.len : 120, name.text);
	if (hybridge_settings_suggest(reader->table, name, near, sizeof(near)))
		hybridge_hint(err, "did you mean '%s'?", near);
	else
		hybridge_hint(err, "%s", reader->table->hint);
	return -1;
}

/* The file may not repeat itself; the environment overrides the file. */
static int override(const struct hybridge_settings *settings,
		    struct hybridge_setting *old, struct hybridge_setting *item,
		    struct hybridge_error *err)
{
	if (item->line > 0) {
		hybridge_settings_fail(settings, item, err,
				       " is already given on line %u",
				       old->line);
		hybridge_hint(err, "remove one of the two lines");
		setting_free(item);
		return -1;
	}
	if (old->line == 0) {
		setting_free(item);
		return 0;
	}
	setting_free(old);
	*old = *item;
	return 0;
}

static int append(struct hybridge_settings *settings,
		  struct hybridge_setting *item, struct hybridge_error *err)
{
	struct hybridge_setting *items = reallocarray(
		settings->items, settings->len + 1, sizeof(*items));

	if (!items) {
		setting_free(item);
		return fail_memory(err);
	}
	items[settings->len++] = *item;
	settings->items = items;
	return 0;
}

static int add(struct hybridge_settings *settings,
	       const struct hybridge_setting *found, struct hybridge_span name,
	       struct hybridge_span star, struct hybridge_span value,
	       struct hybridge_error *err)
{
	struct hybridge_setting item = *found;

	item.name = strndup(name.text, name.len);
	item.star = strndup(star.text, star.len);
	item.value = strndup(value.len > 0 ? value.text : "", value.len);
	if (!item.name || !item.star || !item.value) {
		setting_free(&item);
		return fail_memory(err);
	}
	for (size_t i = 0; i < settings->len; i++)
		if (strcmp(settings->items[i].name, item.name) == 0)
			return override(settings, &settings->items[i], &item,
					err);
	return append(settings, &item, err);
}

/* Moves @text behind the first @mark in it; false when there is none. */
static bool skip_past(struct hybridge_span *text, const char *mark)
{
	const char *found = memmem(text->text, text->len, mark, strlen(mark));

	if (!found)
		return false;
	found += strlen(mark);
	text->len -= (size_t)(found - text->text);
	text->text = found;
	return true;
}

/*
 * What Kubernetes puts into the environment of a pod for each service, of which one
 * may well be called hybridge-relay: ..._SERVICE_HOST, ..._SERVICE_PORT[_name],
 * ..._PORT=tcp://..., ..._PORT_443_TCP[_ADDR].
 */
static bool is_service_link(struct hybridge_span name,
			    struct hybridge_span value)
{
	struct hybridge_span rest = name;

	if (skip_past(&rest, "_SERVICE_HOST"))
		return rest.len == 0;
	if (skip_past(&rest, "_SERVICE_PORT"))
		return rest.len == 0 || rest.text[0] == '_';
	if (!skip_past(&rest, "_PORT"))
		return false;
	if (rest.len == 0)
		return memmem(value.text, value.len, "://", 3) != NULL;
	return rest.len > 1 && rest.text[0] == '_' && rest.text[1] >= '0' &&
	       rest.text[1] <= '9';
}

/* Takes a pair of the file, or of the environment with @line 0. */
static int take(struct reader *reader, struct hybridge_span name,
		struct hybridge_span value, unsigned int line,
		struct hybridge_error *err)
{
	const struct hybridge_settings_table *table = reader->table;
	struct hybridge_setting item = {.line = line};
	struct hybridge_span star;

	if (!starts_with(name, PREFIX))
		return 0;
	if (hybridge_settings_find_key(table, name, &item.key, &star))
		return add(&reader->settings, &item, name, star, value, err);
	if (table->foreign && table->foreign(name))
		return 0;
	if (line == 0 && (!starts_with(name, table->environment) ||
			  is_service_link(name, value)))
		return 0;
	return fail_unknown(reader, name, line, err);
}

static int take_line(struct reader *reader,
		     const struct hybridge_env_line *line, unsigned int number,
		     struct hybridge_error *err)
{
	if (line->kind == HYBRIDGE_ENV_BLANK)
		return 0;
	if (line->kind == HYBRIDGE_ENV_PAIR)
		return take(reader, line->key, line->value, number, err);
	hybridge_fail(err, HYBRIDGE_ECONFIG, "%s:%u: %s", reader->settings.path,
		      number, hybridge_env_reason(line->kind));
	hybridge_hint(err, "a line is KEY='VALUE' or a comment that starts "
			   "with '#'");
	return -1;
}

static int read_lines(struct reader *reader, const struct hybridge_file *file,
		      struct hybridge_error *err)
{
	const char *end = file->text + file->len;
	unsigned int number = 0;

	for (const char *line = file->text; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((stop ? stop : end) - line);
		struct hybridge_env_line parsed =
			hybridge_env_parse_line(line, len);

		line += len + (stop ? 1 : 0);
		if (take_line(reader, &parsed, ++number, err) < 0)
			return -1;
	}
	return 0;
}

static int read_environment(struct reader *reader, char *const *env,
			    struct hybridge_error *err)
{
	for (; env && *env; env++) {
		struct hybridge_span name = {*env, strcspn(*env, "=")};

		if (!(*env)[name.len])
			continue;
		struct hybridge_span value = hybridge_env_unquote(
			hybridge_text_span(*env + name.len + 1));

		if (take(reader, name, value, 0, err) < 0)
			return -1;
	}
	return 0;
}

static int read_allow_open(struct reader *reader, struct hybridge_error *err)
{
	struct hybridge_settings *settings = &reader->settings;
	const struct hybridge_setting *item = NULL;

	for (size_t k = 0; reader->table->keys[k].name; k++)
		if (strcmp(reader->table->keys[k].name, ALLOW_OPEN) == 0)
			item = hybridge_settings_get(settings, k, "");
	if (!item)
		return 0;
	if (strcmp(item->value, "0") != 0 && strcmp(item->value, "1") != 0) {
		hybridge_settings_fail(settings, item, err,
				       ": '%.60s' is not 0 or 1", item->value);
		return -1;
	}
	settings->allow_open |= item->value[0] == '1';
	return 0;
}

/* To be asked before the environment overrides: the file holds it all the same. */
static bool holds_secret(const struct reader *reader)
{
	const struct hybridge_settings_table *table = reader->table;

	for (size_t i = 0; i < reader->settings.len; i++) {
		const struct hybridge_setting *item =
			&reader->settings.items[i];

		if (table->secret ? table->secret(item->key, item->value)
				  : table->keys[item->key].secret)
			return true;
	}
	return false;
}

int hybridge_settings_read(const char *path, char *const *env,
			   const struct hybridge_settings_table *table,
			   bool allow_open, struct hybridge_settings *out,
			   struct hybridge_error *err)
{
	struct reader reader = {
		.table = table,
		.settings = {.path = path, .allow_open = allow_open}};
	struct hybridge_file file = {0};
	bool secret = false;
	int ret = -1;

	if (path) {
		if (hybridge_file_read(path, &file, err) < 0 ||
		    read_lines(&reader, &file, err) < 0)
			goto out;
		secret = holds_secret(&reader);
	}
	if (read_environment(&reader, env, err) < 0 ||
	    read_allow_open(&reader, err) < 0)
		goto out;
	if (secret && !reader.settings.allow_open &&
	    hybridge_file_check_private(&file, err) < 0)
		goto out;

	*out = reader.settings;
	reader.settings = (struct hybridge_settings){0}; /* the caller's now */
	ret = 0;
out:
	hybridge_file_free(&file);
	hybridge_settings_free(&reader.settings);
	return ret;
}
