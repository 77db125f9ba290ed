/*
 * settings_values.c - settings whose values are of a kind that several programs have.
 */
#include <stdio.h>
#include <string.h>

#include <hybridge/config.h>
#include <hybridge/settings_values.h>

int hybridge_settings_text(const struct hybridge_settings *settings, size_t key,
			   const char *star, char **out,
			   struct hybridge_error *err)
{
	const struct hybridge_setting *item =
		hybridge_settings_get(settings, key, star);

	if (!item)
		return 0;
	*out = strdup(item->value);
	if (*out)
		return 0;
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

int hybridge_settings_path(const struct hybridge_settings *settings, size_t key,
			   const char *star, char **out,
			   struct hybridge_error *err)
{
	const struct hybridge_setting *item =
		hybridge_settings_get(settings, key, star);
	const char *slash =
		settings->path ? strrchr(settings->path, '/') : NULL;
	int folder = slash ? (int)(slash + 1 - settings->path) : 0;
	char *path;

	if (!item)
		return 0;
	if (item->line == 0 || item->value[0] == '/')
		folder = 0;
	if (asprintf(&path, "%.*s%s", folder, folder ? settings->path : "",
		     item->value) < 0) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return -1;
	}
	*out = path;
	return 0;
}

int hybridge_settings_duration(const struct hybridge_settings *settings,
			       size_t key, bool zero, uint32_t *out,
			       struct hybridge_error *err)
{
	const struct hybridge_setting *item =
		hybridge_settings_get(settings, key, "");
	uint32_t value;

	if (!item)
		return 0;
	if (hybridge_parse_duration(item->value, &value) == 0 &&
	    (value > 0 || zero)) {
		*out = value;
		return 0;
	}
	hybridge_settings_fail(settings, item, err,
			       ": '%.60s' is not a duration", item->value);
	hybridge_hint(err,
		      "a duration is 500ms, 10s, 5m or 2h, %sless than 50 days",
		      zero ? "" : "more than 0 and ");
	return -1;
}

int hybridge_settings_switch(const struct hybridge_settings *settings,
			     size_t key, bool *out, struct hybridge_error *err)
{
	const struct hybridge_setting *item =
		hybridge_settings_get(settings, key, "");

	if (!item)
		return 0;
	if (strcmp(item->value, "on") == 0 || strcmp(item->value, "off") == 0) {
		*out = strcmp(item->value, "on") == 0;
		return 0;
	}
	hybridge_settings_fail(settings, item, err,
			       ": '%.60s' is not on or off", item->value);
	return -1;
}

int hybridge_settings_fast_crypto(const struct hybridge_settings *settings,
				  size_t key, enum hybridge_fast_crypto *out,
				  struct hybridge_error *err)
{
	const struct hybridge_setting *item =
		hybridge_settings_get(settings, key, "");

	if (!item || hybridge_fast_crypto_parse(item->value, out) == 0)
		return 0;
	hybridge_settings_fail(settings, item, err,
			       ": '%.60s' is not auto, on or off", item->value);
	return -1;
}

int hybridge_settings_log_level(const struct hybridge_settings *settings,
				size_t key, enum hybridge_log_level *out,
				struct hybridge_error *err)
{
	const struct hybridge_setting *item =
		hybridge_settings_get(settings, key, "");

	if (!item || hybridge_log_parse_level(item->value, out) == 0)
		return 0;
	hybridge_settings_fail(settings, item, err,
			       ": '%.60s' is not error, warning, info or debug",
			       item->value);
	return -1;
}

int hybridge_settings_log_format(const struct hybridge_settings *settings,
				 size_t key, enum hybridge_log_format *out,
				 struct hybridge_error *err)
{
	const struct hybridge_setting *item =
		hybridge_settings_get(settings, key, "");

	if (!item || hybridge_log_parse_format(item->value, out) == 0)
		return 0;
	hybridge_settings_fail(settings, item, err,
			       ": '%.60s' is not auto, text, logfmt or json",
			       item->value);
	return -1;
}
