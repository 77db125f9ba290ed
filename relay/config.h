/*
 * config.h - the relay's own settings.
 *
 * One table, relay_config_keys, names every key.  Precedence, the first wins:
 * environment, file.
 */
#ifndef HYBRIDGE_RELAY_CONFIG_H
#define HYBRIDGE_RELAY_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/config.h>
#include <hybridge/error.h>
#include <hybridge/log.h>

/** relay_config_keys - Every key of the relay's file, ends with a NULL name */
extern const struct hybridge_key relay_config_keys[];

/**
 * struct relay_config - What the file and the environment say
 * @listen_host:   HYBRIDGE_RELAY_LISTEN, without brackets
 * @listen_port:   Its port, "0" for any
 * @cert, @key:    PEM files; both NULL: no TLS
 * @hosts:         NULL-terminated: names that tokens may be signed for
 * @public_host:   HOST:PORT for rendezvous addresses, or NULL
 * @dir:           Folder with one *.env file per hybrid connection
 * @drain_ms:      How long streams may go on after SIGTERM
 * @max_streams:   Of one hybrid connection, at the same time
 * @workers:       Threads that move bytes; below 2: none but the main thread
 * @ping_ms:       Silence after which a channel or a stream is pinged
 * @recycle_ms:    Age at which a control channel is closed; 0: never
 * @http2:         HYBRIDGE_HTTP2
 * @status_listen: HOST:PORT or NULL
 * @fast_crypto:   Who encrypts TLS records
 * @allow_open:    Files with secrets may be open to others
 */
struct relay_config {
	char *listen_host;
	char *listen_port;
	char *cert;
	char *key;
	char **hosts;
	char *public_host;
	char *dir;
	uint32_t drain_ms;
	uint32_t max_streams;
	uint32_t workers;
	uint32_t ping_ms;
	uint32_t recycle_ms;
	bool http2;
	char *status_listen;
	enum hybridge_fast_crypto fast_crypto;
	enum hybridge_log_level log_level;
	enum hybridge_log_format log_format;
	bool allow_open;
};

/**
 * relay_config_load() - Read and check the relay's settings
 * @path: Env file, or NULL: environment only
 * @env:  As environ(7)
 * @out:  Filled in on success, untouched on failure
 *
 * Whether a relay without TLS may listen where it wants to shows when the
 * address is resolved: door_open() decides.
 *
 * Return: 0 and @out owned by the caller (relay_config_free()), or -1
 */
HYBRIDGE_MUSTUSE int relay_config_load(const char *path, char *const *env,
				       struct relay_config *out,
				       struct hybridge_error *err);

/** relay_config_free() - Release everything; zeroes @config */
void relay_config_free(struct relay_config *config);

#endif
