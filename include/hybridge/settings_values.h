/*
 * settings_values.h - settings whose values are of a kind that several programs have.
 *
 * Each call leaves @out as it is when the setting is absent or empty, so put the default
 * there first; a bad value is told with its place and what would be good.  Return: 0, or -1
 * with @err set.
 */
#ifndef HYBRIDGE_SETTINGS_VALUES_H
#define HYBRIDGE_SETTINGS_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hybridge/error.h>
#include <hybridge/fast_crypto.h>
#include <hybridge/log.h>
#include <hybridge/settings.h>

/**
 * hybridge_settings_text() - A copy of any text
 * @star: What stands for the star, "" for none
 * @out:  The copy is the caller's
 */
HYBRIDGE_MUSTUSE int
hybridge_settings_text(const struct hybridge_settings *settings, size_t key,
		       const char *star, char **out,
		       struct hybridge_error *err);

/**
 * hybridge_settings_path() - A path
 * @star: What stands for the star, "" for none
 * @out:  The path is the caller's
 *
 * One that does not start at the root starts at the folder of the file that names it, wherever
 * a program runs that reads it; one of the environment stays as it is.
 */
HYBRIDGE_MUSTUSE int
hybridge_settings_path(const struct hybridge_settings *settings, size_t key,
		       const char *star, char **out,
		       struct hybridge_error *err);

/**
 * hybridge_settings_duration() - As hybridge_parse_duration() reads it, in milliseconds
 * @zero: Whether it may be 0
 */
HYBRIDGE_MUSTUSE int
hybridge_settings_duration(const struct hybridge_settings *settings, size_t key,
			   bool zero, uint32_t *out,
			   struct hybridge_error *err);

/** hybridge_settings_switch() - "on" or "off" */
HYBRIDGE_MUSTUSE int
hybridge_settings_switch(const struct hybridge_settings *settings, size_t key,
			 bool *out, struct hybridge_error *err);

/** hybridge_settings_fast_crypto() - Who encrypts for OpenSSL */
HYBRIDGE_MUSTUSE int
hybridge_settings_fast_crypto(const struct hybridge_settings *settings,
			      size_t key, enum hybridge_fast_crypto *out,
			      struct hybridge_error *err);

/** hybridge_settings_log_level() - Least important event that is logged */
HYBRIDGE_MUSTUSE int
hybridge_settings_log_level(const struct hybridge_settings *settings,
			    size_t key, enum hybridge_log_level *out,
			    struct hybridge_error *err);

/** hybridge_settings_log_format() - Form of the log */
HYBRIDGE_MUSTUSE int
hybridge_settings_log_format(const struct hybridge_settings *settings,
			     size_t key, enum hybridge_log_format *out,
			     struct hybridge_error *err);

#endif
