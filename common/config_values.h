/*
 * config_values.h - reads the values of single settings.
 */
#ifndef HYBRIDGE_CONFIG_VALUES_H
#define HYBRIDGE_CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>

#include <hybridge/error.h>

/**
 * config_is_secret() - Whether this very value would harm if it became known
 * @key: enum config_key
 *
 * A connection string without a key in it, say, would not.
 */
bool config_is_secret(size_t key, const char *value);

/**
 * config_parse_proxy() - Check a proxy's URL and give it its full form
 * @text: [http://][USER:PASSWORD@]HOST[:PORT][/]; the port is 80 when absent
 * @out:  "http://[USER:PASSWORD@]HOST:PORT"; owned by the caller (wipe and
 *        free); untouched on failure
 *
 * Return: NULL, or what is wrong with @text
 */
const char *config_parse_proxy(const char *text, char **out);

#endif
