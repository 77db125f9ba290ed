/*
 * config.c - turns settings into the configuration of one program.
 *
 * settings.c has merged file and environment; config_connection.c builds
 * each connection; here are the keys that belong to none, the choice of the
 * connections that a role uses, and the checks across all of them.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <hybridge/config.h>
#include <hybridge/settings_values.h>
#include <hybridge/text.h>
#include <hybridge/url.h>

#include "config_clash.h"
#include "config_connection.h"
#include "config_keys.h"
#include "config_values.h"

#define CONNECT_TIMEOUT_MS 30000
#define IDLE_EXIT_MS       600000
#define KEEPALIVE_MS       30000
#define MAX_CONNECTIONS    UINT16_MAX /* what a map entry can count */

static int fail_memory(struct hybridge_error *err)
{
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

static const char *get_variable(char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; env && *env; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	return NULL;
}

/* The first of two spellings that is set and not empty. */
static const char *get_either(char *const *env, const char *upper,
			      const char *lower)
{
	const char *value = get_variable(env, upper);

	if (!value || *value == '\0')
		value = get_variable(env, lower);
	return value && *value != '\0' ? value : NULL;
}

static int load_proxy(const struct hybridge_settings *settings,
		      char *const *env, struct hybridge_config *config,
		      struct hybridge_error *err)
{
	const struct hybridge_setting *item =
		hybridge_settings_find(settings, CONFIG_PROXY, "");
	const char *fallback = get_either(env, "HTTPS_PROXY", "https_proxy");
	const char *no_proxy = get_either(env, "NO_PROXY", "no_proxy");
	const char *value = item ? item->value : fallback;
	const char *why;

	if (no_proxy) {
		config->no_proxy = strdup(no_proxy);
		if (!config->no_proxy)
			return fail_memory(err);
	}
	if (!value || *value == '\0')
		return 0;
	why = config_parse_proxy(value, &config->proxy);
	if (!why)
		return 0;
	/* The value itself may hold a password. */
	if (item) {
		hybridge_settings_fail(settings, item, err, ": %s", why);
		hybridge_hint(err, "it looks like http://proxy.corp:3128");
	} else {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "environment: HTTPS_PROXY: %s", why);
		hybridge_hint(err, "set HYBRIDGE_PROXY=http://HOST:PORT, or "
				   "HYBRIDGE_PROXY= for no proxy");
	}
	return -1;
}

static int load_range(const struct hybridge_settings *settings,
		      struct hybridge_config *config,
		      struct hybridge_error *err)
{
	const struct hybridge_setting *item =
		hybridge_settings_get(settings, CONFIG_RANGE, "");

	if (!item || hybridge_range_parse(hybridge_text_span(item->value),
					  &config->range))
		return 0;
	hybridge_settings_fail(settings, item, err,
			       ": '%.60s' is not a block of IPv4 addresses",
			       item->value);
	hybridge_hint(err,
		      "it looks like 127.64.0.0/10: a length from 8 to 24, "
		      "and zeros after it");
	return -1;
}

static int load_socket(const struct hybridge_settings *settings,
		       struct hybridge_config *config,
		       struct hybridge_error *err)
{
	const struct hybridge_setting *item =
		hybridge_settings_get(settings, CONFIG_SOCKET, "");
	const size_t room = sizeof(((struct sockaddr_un *)0)->sun_path);

	if (!item)
		return 0;
	if (item->value[0] != '/' || strlen(item->value) >= room) {
		hybridge_settings_fail(
			settings, item, err,
			": '%.120s' is not an absolute path of less than "
			"%zu bytes",
			item->value, room);
		return -1;
	}
	return hybridge_settings_text(settings, CONFIG_SOCKET, "",
				      &config->socket, err);
}

static int load_status_listen(const struct hybridge_settings *settings,
			      struct hybridge_config *config,
			      struct hybridge_error *err)
{
	const struct hybridge_setting *item =
		hybridge_settings_get(settings, CONFIG_STATUS_LISTEN, "");
	struct hybridge_error cause = {0};
	char *host = NULL;
	uint16_t port;

	if (!item)
		return 0;
	if (hybridge_parse_host_port(item->value, &host, &port, &cause) < 0) {
		hybridge_settings_fail(settings, item, err, ": %s", cause.what);
		hybridge_hint(err, "it looks like 127.0.0.1:9471");
		return -1;
	}
	free(host);
	return hybridge_settings_text(settings, CONFIG_STATUS_LISTEN, "",
				      &config->status_listen, err);
}

static int load_globals(const struct hybridge_settings *settings,
			char *const *env, struct hybridge_config *config,
			struct hybridge_error *err)
{
	config->range = HYBRIDGE_RANGE_DEFAULT;
	config->connect_timeout_ms = CONNECT_TIMEOUT_MS;
	config->idle_exit_ms = IDLE_EXIT_MS;
	config->keepalive_ms = KEEPALIVE_MS;
	config->http2 = true;
	config->log_level = HYBRIDGE_LOG_INFO;
	config->log_format = HYBRIDGE_LOG_AUTO;
	if (settings->path) {
		config->path = strdup(settings->path);
		if (!config->path)
			return fail_memory(err);
	}
	if (load_range(settings, config, err) < 0 ||
	    load_socket(settings, config, err) < 0 ||
	    hybridge_settings_path(settings, CONFIG_CA_FILE, "",
				   &config->ca_file, err) < 0 ||
	    load_proxy(settings, env, config, err) < 0 ||
	    load_status_listen(settings, config, err) < 0 ||
	    hybridge_settings_duration(settings, CONFIG_CONNECT_TIMEOUT, false,
				       &config->connect_timeout_ms, err) < 0 ||
	    hybridge_settings_duration(settings, CONFIG_IDLE_EXIT, false,
				       &config->idle_exit_ms, err) < 0 ||
	    hybridge_settings_duration(settings, CONFIG_KEEPALIVE, false,
				       &config->keepalive_ms, err) < 0 ||
	    hybridge_settings_switch(settings, CONFIG_HTTP2, &config->http2,
				     err) < 0 ||
	    hybridge_settings_fast_crypto(settings, CONFIG_FAST_CRYPTO,
					  &config->fast_crypto, err) < 0 ||
	    hybridge_settings_log_level(settings, CONFIG_LOG_LEVEL,
					&config->log_level, err) < 0 ||
	    hybridge_settings_log_format(settings, CONFIG_LOG_FORMAT,
					 &config->log_format, err) < 0)
		return -1;
	return 0;
}

/* What a role needs of a connection to use it at all. */
static bool is_wanted(const struct hybridge_settings *settings,
		      const char *conn, enum hybridge_role role)
{
	switch (role) {
	case HYBRIDGE_ROLE_SENDER:
		return hybridge_settings_get(settings, CONFIG_HOSTS, conn) !=
		       NULL;
	case HYBRIDGE_ROLE_AGENT:
		return hybridge_settings_get(settings, CONFIG_TARGET, conn) ||
		       hybridge_settings_get(settings, CONFIG_ALLOW, conn);
	case HYBRIDGE_ROLE_CLI:
		break;
	}
	/* All of one's values may be empty, which is as good as absent. */
	for (enum config_key k = 0; config_key_is_connection(k); k++)
		if (hybridge_settings_get(settings, k, conn))
			return true;
	return false;
}

/* Whether this is the first setting with its connection's NAME. */
static bool is_first(const struct hybridge_settings *settings, size_t index)
{
	const struct hybridge_setting *item = &settings->items[index];

	for (size_t i = 0; i < index; i++)
		if (config_key_is_connection(
			    (enum config_key)settings->items[i].key) &&
		    strcmp(settings->items[i].star, item->star) == 0)
			return false;
	return true;
}

static int add_connection(const struct hybridge_settings *settings,
			  const struct hybridge_setting *first,
			  struct config_entries *entries,
			  struct hybridge_config *config,
			  struct hybridge_error *err)
{
	struct hybridge_connection *all;
	struct hybridge_connection *new;

	if (config->num_connections == MAX_CONNECTIONS) {
		hybridge_settings_fail(settings, first, err,
				       ": more than %d connections",
				       MAX_CONNECTIONS);
		return -1;
	}
	all = reallocarray(config->connections, config->num_connections + 1,
			   sizeof(*all));
	if (!all)
		return fail_memory(err);
	config->connections = all;
	new = &all[config->num_connections];
	if (config_connection_load(settings, first,
				   (uint16_t)config->num_connections, entries,
				   new, err) < 0)
		return -1;
	config->num_connections++;
	for (; all < new; all++) {
		if (strcmp(all->name, new->name) != 0)
			continue;
		/* The short form's entity is another connection's NAME. */
		hybridge_settings_fail(settings, first, err,
				       ": two connections are called '%s'",
				       new->name);
		hybridge_hint(err, "give every connection a NAME of its own: "
				   "HYBRIDGE_NAME_CONNECTION");
		return -1;
	}
	return 0;
}

static int fail_none(const struct hybridge_settings *settings,
		     enum hybridge_role role, struct hybridge_error *err)
{
	const char *key = role == HYBRIDGE_ROLE_AGENT ? "TARGET" : "HOSTS";

	hybridge_fail(
		err, HYBRIDGE_ECONFIG, "%s: no connection has a %s",
		settings->path ? settings->path : "environment",
		hybridge_config_keys[role == HYBRIDGE_ROLE_AGENT ? CONFIG_TARGET
								 : CONFIG_HOSTS]
			.name);
	hybridge_hint(err,
		      "add HYBRIDGE_NAME_CONNECTION='Endpoint=sb://…' and "
		      "HYBRIDGE_NAME_%s='db.corp:5432'",
		      key);
	return -1;
}

static int load_connections(const struct hybridge_settings *settings,
			    enum hybridge_role role,
			    struct hybridge_config *config,
			    struct hybridge_error *err)
{
	struct config_entries entries = {NULL, 0};
	int ret = 0;

	for (size_t i = 0; i < settings->len && ret == 0; i++) {
		const struct hybridge_setting *item = &settings->items[i];

		if (config_key_is_connection((enum config_key)item->key) &&
		    is_first(settings, i) &&
		    is_wanted(settings, item->star, role))
			ret = add_connection(settings, item, &entries, config,
					     err);
	}
	config->map.entries = entries.items;
	config->map.len = entries.len;
	if (ret == 0 && config->num_connections == 0 &&
	    role != HYBRIDGE_ROLE_CLI)
		ret = fail_none(settings, role, err);
	return ret;
}

int hybridge_config_load(const char *path, char *const *env,
			 enum hybridge_role role, struct hybridge_config *out,
			 struct hybridge_error *err)
{
	struct hybridge_settings settings = {0};
	struct hybridge_config config = {0};
	int ret = -1;

	if (hybridge_settings_read(path, env, &hybridge_config_table, false,
				   &settings, err) < 0 ||
	    load_globals(&settings, env, &config, err) < 0 ||
	    load_connections(&settings, role, &config, err) < 0 ||
	    config_check_clashes(&settings, &config, err) < 0)
		goto out;
	*out = config;
	config = (struct hybridge_config){0}; /* handed to the caller */
	ret = 0;
out:
	hybridge_config_free(&config);
	hybridge_settings_free(&settings);
	return ret;
}

const struct hybridge_connection *
hybridge_config_find(const struct hybridge_config *config, const char *name)
{
	for (size_t i = 0; i < config->num_connections; i++)
		if (strcmp(config->connections[i].name, name) == 0)
			return &config->connections[i];
	return NULL;
}

void hybridge_config_free(struct hybridge_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->num_connections; i++)
		hybridge_connection_free(&config->connections[i]);
	free(config->connections);
	/* Const for those who read the map; the array is ours. */
	/* NOLINTNEXTLINE(performance-no-int-to-ptr) */
	free((void *)(uintptr_t)config->map.entries);
	free(config->socket);
	free(config->ca_file);
	hybridge_text_free_secret(config->proxy);
	free(config->no_proxy);
	free(config->status_listen);
	free(config->path);
	*config = (struct hybridge_config){0};
}
