/*
 * config_keys.h - names for the indices into the table of configuration keys.
 */
#ifndef HYBRIDGE_CONFIG_KEYS_H
#define HYBRIDGE_CONFIG_KEYS_H

#include <stdbool.h>

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
	CONFIG_SUFFIX,
	CONFIG_HEADERS,
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

#endif
