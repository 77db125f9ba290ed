/*
 * config_show.c - hybridge config show: which settings hold, and where each comes from.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include <hybridge/config.h>
#include <hybridge/settings.h>

#include "command.h"

#define HIDDEN "(hidden)"

static bool is_secret(const struct hybridge_setting *item)
{
	return hybridge_config_table.secret(item->key, item->value);
}

/* In the env file's own form: one can be copied into another. */
static void print_setting(const struct hybridge_settings *settings,
			  const struct hybridge_setting *item)
{
	printf("%s='%s'   # ", item->name,
	       is_secret(item) ? HIDDEN : item->value);
	if (item->line > 0)
		printf("%s:%u\n", settings->path, item->line);
	else
		puts("environment");
}

static json_t *setting_json(const struct hybridge_setting *item)
{
	return json_pack("{s:s, s:s?, s:b, s:s, s:i}", "name", item->name,
			 "value", is_secret(item) ? NULL : item->value,
			 "secret", is_secret(item), "from",
			 item->line > 0 ? "file" : "environment", "line",
			 (int)item->line);
}

static void print_json(const struct hybridge_settings *settings)
{
	json_t *list = json_array();
	json_t *root;
	char *text;

	for (size_t i = 0; i < settings->len; i++)
		json_array_append_new(list, setting_json(&settings->items[i]));
	root = json_pack("{s:i, s:s?, s:o}", "schema", 1, "file",
			 settings->path, "settings", list);
	text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
	if (text)
		puts(text);
	free(text);
	json_decref(root);
}

int config_show(const char *file, bool as_json)
{
	struct hybridge_error err = {0};
	struct hybridge_config config;
	struct hybridge_settings settings;

	/* What would not be used is not shown as if it were. */
	if (hybridge_config_load(file, environ, HYBRIDGE_ROLE_CLI, &config,
				 &err) != 0)
		return command_fail(&err);
	hybridge_config_free(&config);
	if (hybridge_settings_read(file, environ, &hybridge_config_table, false,
				   &settings, &err) != 0)
		return command_fail(&err);
	if (as_json)
		print_json(&settings);
	for (size_t i = 0; !as_json && i < settings.len; i++)
		print_setting(&settings, &settings.items[i]);
	hybridge_settings_free(&settings);
	return 0;
}
