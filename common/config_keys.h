/*
 * config_keys.h - finds configuration keys by name, and near misses.
 */
#ifndef HYBRIDGE_CONFIG_KEYS_H
#define HYBRIDGE_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include <hybridge/envfile.h>

#define CONFIG_PREFIX "HYBRIDGE_"

/** enum config_key - Index into hybridge_config_keys */
enum config_key {
	CONFIG_CONNECTION, /* one for each connection, from here ... */
	CONFIG_CONNECTION_FILE,
	CONFIG_ENTITY,
	CONFIG_TOKEN_FILE,
	CONFIG_TOKEN_COMMAND,
	CONFIG_HOSTS,
	CONFIG_MODE,
	CONFIG_PORT_NAME,
	CONFIG_ALLOW,
	CONFIG_TARGET, /* ... to here */
	CONFIG_RANGE,
	CONFIG_SOCKET,
	CONFIG_CA_FILE,
	CONFIG_PROXY,
	CONFIG_CONNECT_TIMEOUT,
	CONFIG_IDLE_EXIT,
	CONFIG_KEEPALIVE,
	CONFIG_HTTP2,
	CONFIG_STATUS_LISTEN,
	CONFIG_FAST_CRYPTO,
	CONFIG_LOG_LEVEL,
	CONFIG_LOG_FORMAT,
	CONFIG_ALLOW_OPEN_FILES,
	CONFIG_ENV,
	CONFIG_SENDER,
	CONFIG_DEBUG,
	CONFIG_NUM_KEYS,
};

/** config_key_is_connection() - Whether a key belongs to one connection */
static inline bool config_key_is_connection(enum config_key key)
{
	return key <= CONFIG_TARGET;
}

/**
 * config_key_find() - Which key a name is
 * @name: As written, "HYBRIDGE_SQL_HOSTS"
 * @key:  Set to the key
 * @conn: Set to the connection's NAME inside @name; empty for a short form
 *        and for a key that belongs to no connection
 *
 * Return: true when there is such a key
 */
bool config_key_find(struct hybridge_span name, enum config_key *key,
		     struct hybridge_span *conn);

/**
 * config_key_suggest() - What an unknown name may have been meant to be
 * @name: As written
 * @out:  Filled with the nearest key
 * @size: Bytes at @out
 *
 * Return: true when one is near
 */
bool config_key_suggest(struct hybridge_span name, char *out, size_t size);

#endif
