/*
 * config.h - what the env file and the environment say, checked.
 *
 * One table (hybridge_config_keys) names every key.  Precedence, the first
 * wins: environment, file.  An unknown HYBRIDGE_ key, a key given twice, a
 * value that does not parse, and a file with a secret that others can read
 * are errors with file, line and remedy.
 */
#ifndef HYBRIDGE_CONFIG_H
#define HYBRIDGE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/address.h>
#include <hybridge/connstr.h>
#include <hybridge/error.h>
#include <hybridge/fast_crypto.h>
#include <hybridge/hostmap.h>
#include <hybridge/log.h>
#include <hybridge/settings.h>

/**
 * enum hybridge_role - Who reads the configuration; keys of other roles are
 * known to all, so that one file may serve several programs
 */
enum hybridge_role {
	HYBRIDGE_ROLE_SENDER,
	HYBRIDGE_ROLE_AGENT,
	HYBRIDGE_ROLE_CLI,
};

/** hybridge_config_keys - Every key, ends with a NULL name */
extern const struct hybridge_key hybridge_config_keys[];

/**
 * hybridge_config_table - The same for hybridge_settings_read()
 * A connection's keys may lack "*_" where there is a single connection.
 */
extern const struct hybridge_settings_table hybridge_config_table;

/** enum hybridge_mode - What comes before the first byte of a stream */
enum hybridge_mode {
	HYBRIDGE_MODE_RAW, /* nothing, as App Service and its manager have it */
	HYBRIDGE_MODE_AZBRIDGE, /* azure-relay-bridge's preamble, see preamble.h */
};

/**
 * struct hybridge_connection - One configured hybrid connection
 * @name:     Lower case
 * @relay:    Where, and with which credentials
 * @string_file: HYBRIDGE_*_CONNECTION_FILE, where @relay was read; NULL: from the
 *            configuration itself
 * @hosts:    Text of HYBRIDGE_*_HOSTS that the map's entries point into
 * @target_host, @target_port: HYBRIDGE_*_TARGET; NULL and 0 when absent
 * @allow_text:    HYBRIDGE_*_ALLOW, that @allow's entries point into, or NULL; not
 *                 together with a target
 * @allow:         Endpoints that the hybrid connection's user metadata may name
 * @token_file:    HYBRIDGE_*_TOKEN_FILE or NULL; not together with @token_command
 * @token_file_private: Whether it must be closed to others
 * @token_command: HYBRIDGE_*_TOKEN_COMMAND or NULL
 * @mode:          HYBRIDGE_*_MODE
 * @port_name:     HYBRIDGE_*_PORT_NAME or NULL
 * @suffix:        HYBRIDGE_*_SUFFIX, "[/PATH][?QUERY]", or NULL
 * @headers:       HYBRIDGE_*_HEADERS as lines that end with CR LF (may be secret), or NULL
 */
struct hybridge_connection {
	char *name;
	struct hybridge_connstr relay;
	char *string_file;
	char *hosts;
	char *target_host;
	uint16_t target_port;
	char *allow_text;
	struct hybridge_map allow;
	char *token_file;
	bool token_file_private;
	char *token_command;
	enum hybridge_mode mode;
	char *port_name;
	char *suffix;
	char *headers;
};

/**
 * struct hybridge_config - Everything
 * @connections:  Array, in file order
 * @map:          All HOSTS entries of all connections, in file order;
 *                entry.connection indexes @connections
 * @range:        HYBRIDGE_RANGE
 * @socket:       HYBRIDGE_SOCKET or NULL
 * @ca_file:      HYBRIDGE_CA_FILE or NULL: trust only these
 * @proxy:        HYBRIDGE_PROXY, else HTTPS_PROXY/https_proxy: "http://[user:password@]host:port" (secret), or NULL
 * @no_proxy:     NO_PROXY/no_proxy or NULL
 * @connect_timeout_ms: HYBRIDGE_CONNECT_TIMEOUT, default 30 s
 * @idle_exit_ms: HYBRIDGE_IDLE_EXIT: a sender started by the shim leaves after
 *                this long without a stream, default 10 min
 * @keepalive_ms: HYBRIDGE_KEEPALIVE: a connection to the relay is pinged after this
 *                long without a byte from it, default 30 s
 * @http2:        HYBRIDGE_HTTP2
 * @status_listen: HYBRIDGE_STATUS_LISTEN: host:port for /livez, /readyz, /metrics; NULL off
 * @fast_crypto:  HYBRIDGE_FAST_CRYPTO
 * @log_level, @log_format: HYBRIDGE_LOG_LEVEL, HYBRIDGE_LOG_FORMAT
 * @path:         File that was read, or NULL
 */
struct hybridge_config {
	struct hybridge_connection *connections;
	size_t num_connections;
	struct hybridge_map map;
	struct hybridge_range range;
	char *socket;
	char *ca_file;
	char *proxy;
	char *no_proxy;
	uint32_t connect_timeout_ms;
	uint32_t idle_exit_ms;
	uint32_t keepalive_ms;
	bool http2;
	char *status_listen;
	enum hybridge_fast_crypto fast_crypto;
	enum hybridge_log_level log_level;
	enum hybridge_log_format log_format;
	char *path;
};

/**
 * hybridge_config_load() - Read, merge and check the configuration
 * @path: Env file, or NULL for none
 * @env:  Environment as in environ(7)
 * @role: Who asks: a sender needs HOSTS, an agent a TARGET, for each of the
 *        connections it will use (a connection without them is left out); with
 *        none left that is an error, except for HYBRIDGE_ROLE_CLI
 * @out:  Filled in on success, untouched on failure
 * @err:  First problem: "FILE:LINE: what" or "environment: what", and a hint
 *
 * Two exact names whose addresses collide are an error.
 *
 * Return: 0 and @out owned by the caller (hybridge_config_free()), or -1
 */
HYBRIDGE_MUSTUSE int hybridge_config_load(const char *path, char *const *env,
					  enum hybridge_role role,
					  struct hybridge_config *out,
					  struct hybridge_error *err);

/** hybridge_config_find() - The connection of that name, or NULL */
const struct hybridge_connection *
hybridge_config_find(const struct hybridge_config *config, const char *name);

/** hybridge_config_free() - Wipe secrets, release everything; zeroes @config */
void hybridge_config_free(struct hybridge_config *config);

/** hybridge_connection_free() - Wipe secrets, release everything; zeroes @connection */
void hybridge_connection_free(struct hybridge_connection *connection);

/**
 * hybridge_parse_duration() - Read "500ms", "10s", "5m", "2h" or plain seconds
 * Return: 0 and milliseconds in @out, or -1
 */
HYBRIDGE_MUSTUSE int hybridge_parse_duration(const char *text, uint32_t *out);

/**
 * hybridge_parse_host_port() - Read HOST:PORT or [V6]:PORT
 * @host: Owned by the caller on success, without brackets
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int hybridge_parse_host_port(const char *text, char **host,
					      uint16_t *port,
					      struct hybridge_error *err);

#endif
