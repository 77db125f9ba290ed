/*
 * config.c - the one table of the relay's keys, and what their values mean.
 */
#include "config.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <hybridge/authority.h>
#include <hybridge/file.h>
#include <hybridge/settings_values.h>
#include <hybridge/text.h>

#include "worker.h"

#define DRAIN_DEFAULT_MS    10000
#define MAX_STREAMS_DEFAULT 5000 /* as Azure Relay allows for a namespace */
#define PING_DEFAULT_MS     30000
#define WORKERS_DEFAULT     "auto"
#define FEW_CPUS            2
#define PING_MIN_MS         100 /* less is no use, and costs */

enum relay_key {
	KEY_LISTEN,
	KEY_CERT,
	KEY_KEY,
	KEY_HOSTS,
	KEY_PUBLIC,
	KEY_DIR,
	KEY_DRAIN,
	KEY_MAX_STREAMS,
	KEY_WORKERS,
	KEY_PING,
	KEY_RECYCLE,
	KEY_HTTP2,
	KEY_STATUS_LISTEN,
	KEY_FAST_CRYPTO,
	KEY_LOG_LEVEL,
	KEY_LOG_FORMAT,
	KEY_ALLOW_OPEN_FILES,
	NUM_KEYS,
};

const struct hybridge_key relay_config_keys[] = {
	[KEY_LISTEN] = {"HYBRIDGE_RELAY_LISTEN", "HOST:PORT",
			"Where the relay listens; port 0 takes any.", false},
	[KEY_CERT] = {"HYBRIDGE_RELAY_CERT", "PATH",
		      "Certificate and chain, PEM.  Without it and its key "
		      "there is no TLS: allowed on loopback only.",
		      false},
	[KEY_KEY] = {"HYBRIDGE_RELAY_KEY", "PATH",
		     "Private key of the certificate, PEM.", false},
	[KEY_HOSTS] = {"HYBRIDGE_RELAY_HOSTS", "'HOST…'",
		       "Names that the relay answers to: tokens are signed "
		       "for one of them.  Added to the listening address's, "
		       "localhost and 127.0.0.1.",
		       false},
	[KEY_PUBLIC] = {"HYBRIDGE_RELAY_PUBLIC", "HOST[:PORT]",
			"What agents dial to accept a stream; default: what "
			"they dialled to listen.",
			false},
	[KEY_DIR] = {"HYBRIDGE_RELAY_DIR", "PATH",
		     "Folder with one .env file per hybrid connection.", false},
	[KEY_DRAIN] = {"HYBRIDGE_RELAY_DRAIN", "DURATION",
		       "How long streams may go on after SIGTERM.", false},
	[KEY_MAX_STREAMS] = {"HYBRIDGE_RELAY_MAX_STREAMS", "NUMBER",
			     "Streams of one hybrid connection at the same "
			     "time.",
			     false},
	[KEY_WORKERS] = {"HYBRIDGE_RELAY_WORKERS", "auto|NUMBER",
			 "Threads that move the bytes of streams; 0 or 1: "
			 "one thread does all.",
			 false},
	[KEY_PING] = {"HYBRIDGE_RELAY_PING", "DURATION",
		      "Silence after which a control channel or a stream is "
		      "pinged; three times as long, and it is dead.",
		      false},
	[KEY_RECYCLE] = {"HYBRIDGE_RELAY_RECYCLE", "DURATION",
			 "Age at which a control channel is closed and must "
			 "be opened anew, as Azure does after 24h; 0: never.",
			 false},
	[KEY_HTTP2] =
		{"HYBRIDGE_HTTP2", "on|off",
		 "Whether our own senders and agents may put many streams "
		 "on one connection.",
		 false},
	[KEY_STATUS_LISTEN] = {"HYBRIDGE_STATUS_LISTEN", "HOST:PORT",
			       "Where /livez, /readyz and /metrics are served.",
			       false},
	[KEY_FAST_CRYPTO] = {"HYBRIDGE_FAST_CRYPTO", "auto|on|off",
			     "Whether libipsec-mb encrypts for OpenSSL.",
			     false},
	[KEY_LOG_LEVEL] = {"HYBRIDGE_LOG_LEVEL", "error|warning|info|debug",
			   "Least important event that is logged.", false},
	[KEY_LOG_FORMAT] = {"HYBRIDGE_LOG_FORMAT", "auto|text|logfmt|json",
			    "Form of the log on standard error.", false},
	[KEY_ALLOW_OPEN_FILES] = {"HYBRIDGE_ALLOW_OPEN_FILES", "0|1",
				  "Whether a file with a secret may be open to "
				  "others.",
				  false},
	[NUM_KEYS] = {NULL, NULL, NULL, false},
};

/* One file may serve several programs: their keys are no mistake here. */
static bool is_foreign(struct hybridge_span name)
{
	struct hybridge_span star;
	size_t key;

	return hybridge_settings_find_key(&hybridge_config_table, name, &key,
					  &star);
}

static const struct hybridge_settings_table table = {
	.keys = relay_config_keys,
	.foreign = is_foreign,
	.environment = "HYBRIDGE_RELAY_",
	.hint = "the relay's keys are HYBRIDGE_RELAY_ and LISTEN, CERT, KEY, "
		"HOSTS, PUBLIC, DIR, DRAIN, MAX_STREAMS, WORKERS, PING or "
		"RECYCLE; "
		"HYBRIDGE_STATUS_LISTEN, HYBRIDGE_HTTP2, "
		"HYBRIDGE_FAST_CRYPTO, HYBRIDGE_LOG_LEVEL, "
		"HYBRIDGE_LOG_FORMAT, HYBRIDGE_ALLOW_OPEN_FILES",
};

void relay_config_free(struct relay_config *config)
{
	if (!config)
		return;
	free(config->listen_host);
	free(config->listen_port);
	free(config->cert);
	free(config->key);
	for (size_t i = 0; config->hosts && config->hosts[i]; i++)
		free(config->hosts[i]);
	free(config->hosts);
	free(config->public_host);
	free(config->dir);
	free(config->status_listen);
	*config = (struct relay_config){0};
}

static int fail_memory(struct hybridge_error *err)
{
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

static int read_listen(const struct hybridge_settings *settings,
		       struct relay_config *config, struct hybridge_error *err)
{
	const struct hybridge_setting *item =
		hybridge_settings_get(settings, KEY_LISTEN, "");
	const char *colon = item ? strrchr(item->value, ':') : NULL;
	struct hybridge_authority authority = {0};
	struct hybridge_span host;

	if (!item) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "%s: HYBRIDGE_RELAY_LISTEN is missing",
			      settings->path ? settings->path : "environment");
		hybridge_hint(err, "say where to listen, for example "
				   "HYBRIDGE_RELAY_LISTEN=0.0.0.0:443");
		return -1;
	}
	/* The port apart: 0 is one here. */
	host = (struct hybridge_span){
		item->value, colon ? (size_t)(colon - item->value) : 0};
	if (!colon || hybridge_authority_split(host, &authority) ||
	    authority.has_port ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    strlen(colon + 1) > 5 || strtoul(colon + 1, NULL, 10) > 65535 ||
	    colon[1] == '\0') {
		hybridge_settings_fail(settings, item, err,
				       ": '%.80s' is not HOST:PORT",
				       item->value);
		hybridge_hint(err, "for example 0.0.0.0:443 or [::]:443");
		return -1;
	}
	config->listen_host = strndup(authority.host.text, authority.host.len);
	config->listen_port = strdup(colon + 1);
	return config->listen_host && config->listen_port ? 0
							  : fail_memory(err);
}

static int check_key_file(const struct relay_config *config,
			  struct hybridge_error *err)
{
	struct hybridge_file file = {0};
	int ret;

	if (config->allow_open)
		return 0;
	if (hybridge_file_read(config->key, &file, err) < 0)
		return -1;
	ret = hybridge_file_check_private(&file, err);
	hybridge_file_free(&file);
	return ret;
}

static int read_tls(const struct hybridge_settings *settings,
		    struct relay_config *config, struct hybridge_error *err)
{
	const struct hybridge_setting *cert =
		hybridge_settings_get(settings, KEY_CERT, "");
	const struct hybridge_setting *key =
		hybridge_settings_get(settings, KEY_KEY, "");

	if (!cert != !key) {
		hybridge_settings_fail(settings, cert ? cert : key, err,
				       " is given without HYBRIDGE_RELAY_%s",
				       cert ? "KEY" : "CERT");
		hybridge_hint(err, "TLS needs both; neither: no TLS, on "
				   "loopback only");
		return -1;
	}
	if (hybridge_settings_path(settings, KEY_CERT, "", &config->cert, err) <
		    0 ||
	    hybridge_settings_path(settings, KEY_KEY, "", &config->key, err) <
		    0)
		return -1;
	return config->key ? check_key_file(config, err) : 0;
}

static int read_public(const struct hybridge_settings *settings,
		       struct relay_config *config, struct hybridge_error *err)
{
	const struct hybridge_setting *item =
		hybridge_settings_get(settings, KEY_PUBLIC, "");
	struct hybridge_authority authority;
	const char *why;

	if (!item)
		return 0;
	why = hybridge_authority_split(hybridge_text_span(item->value),
				       &authority);
	if (why) {
		hybridge_settings_fail(settings, item, err, ": '%.80s': %s",
				       item->value, why);
		hybridge_hint(err, "it looks like relay.example:443");
		return -1;
	}
	return hybridge_settings_text(settings, KEY_PUBLIC, "",
				      &config->public_host, err);
}

static int add_host(char ***hosts, size_t *len, struct hybridge_span name)
{
	char **grown = reallocarray(*hosts, *len + 2, sizeof(*grown));

	if (!grown)
		return -1;
	*hosts = grown;
	grown[*len] = strndup(name.text, name.len);
	grown[*len + 1] = NULL;
	return grown[(*len)++] ? 0 : -1;
}

/* Blanks separate names; a port that was pasted along does not count. */
static int read_hosts(const struct hybridge_settings *settings,
		      struct relay_config *config, struct hybridge_error *err)
{
	const struct hybridge_setting *item =
		hybridge_settings_get(settings, KEY_HOSTS, "");
	struct hybridge_authority authority;
	size_t len = 0;
	bool ok = true;

	for (const char *p = item ? item->value : ""; *p;) {
		struct hybridge_span word = {p, strcspn(p, " \t,")};
		const char *why =
			word.len > 0
				? hybridge_authority_split(word, &authority)
				: NULL;

		if (why) {
			hybridge_settings_fail(
				settings, item, err, ": '%.*s': %s",
				word.len < 80 ? (int)word.len : 80, word.text,
				why);
			hybridge_hint(err, "names separated by blanks, for "
					   "example 'relay.example'");
			return -1;
		}
		if (word.len > 0)
			ok = ok && add_host(&config->hosts, &len,
					    authority.host) == 0;
		p += word.len + (p[word.len] ? 1 : 0);
	}
	if (config->public_host &&
	    !hybridge_authority_split(hybridge_text_span(config->public_host),
				      &authority))
		ok = ok && add_host(&config->hosts, &len, authority.host) == 0;
	ok = ok && add_host(&config->hosts, &len,
			    hybridge_text_span(config->listen_host)) == 0;
	ok = ok && add_host(&config->hosts, &len,
			    hybridge_text_span("localhost")) == 0;
	ok = ok && add_host(&config->hosts, &len,
			    hybridge_text_span("127.0.0.1")) == 0;
	return ok ? 0 : fail_memory(err);
}

static int read_ping(const struct hybridge_settings *settings,
		     struct relay_config *config, struct hybridge_error *err)
{
	if (hybridge_settings_duration(settings, KEY_PING, true,
				       &config->ping_ms, err) < 0)
		return -1;
	if (config->ping_ms >= PING_MIN_MS)
		return 0;
	hybridge_settings_fail(settings,
			       hybridge_settings_get(settings, KEY_PING, ""),
			       err, " is less than %d ms", PING_MIN_MS);
	hybridge_hint(err, "a peer that answers late is taken for dead");
	return -1;
}

static int read_limits(const struct hybridge_settings *settings,
		       struct relay_config *config, struct hybridge_error *err)
{
	const struct hybridge_setting *item;

	config->drain_ms = DRAIN_DEFAULT_MS;
	config->max_streams = MAX_STREAMS_DEFAULT;
	config->ping_ms = PING_DEFAULT_MS;
	if (hybridge_settings_duration(settings, KEY_DRAIN, true,
				       &config->drain_ms, err) < 0 ||
	    hybridge_settings_duration(settings, KEY_RECYCLE, true,
				       &config->recycle_ms, err) < 0 ||
	    read_ping(settings, config, err) < 0)
		return -1;
	item = hybridge_settings_get(settings, KEY_MAX_STREAMS, "");
	if (!item)
		return 0;
	if (strspn(item->value, "0123456789") != strlen(item->value) ||
	    strlen(item->value) > 7 || strtoul(item->value, NULL, 10) == 0) {
		hybridge_settings_fail(
			settings, item, err,
			": '%.60s' is not a number from 1 to 9999999",
			item->value);
		return -1;
	}
	config->max_streams = (uint32_t)strtoul(item->value, NULL, 10);
	return 0;
}

/* Beside the main thread and the kernel, few CPUs have nothing left for a worker. */
static uint32_t workers_for_this_machine(void)
{
	cpu_set_t cpus;
	int num;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
		return 0;
	num = CPU_COUNT(&cpus);
	if (num <= FEW_CPUS)
		return 0;
	return num < WORKERS_MAX ? (uint32_t)num : WORKERS_MAX;
}

static int read_workers(const struct hybridge_settings *settings,
			struct relay_config *config, struct hybridge_error *err)
{
	const struct hybridge_setting *item =
		hybridge_settings_get(settings, KEY_WORKERS, "");
	const char *value = item ? item->value : WORKERS_DEFAULT;

	if (strcmp(value, "auto") == 0) {
		config->workers = workers_for_this_machine();
		return 0;
	}
	if (strspn(value, "0123456789") != strlen(value) || *value == '\0' ||
	    strlen(value) > 3 || strtoul(value, NULL, 10) > WORKERS_MAX) {
		hybridge_settings_fail(
			settings, item, err,
			": '%.60s' is neither auto nor a number from 0 to %d",
			value, WORKERS_MAX);
		return -1;
	}
	config->workers = (uint32_t)strtoul(value, NULL, 10);
	return 0;
}

static int read_dir(const struct hybridge_settings *settings,
		    struct relay_config *config, struct hybridge_error *err)
{
	if (hybridge_settings_path(settings, KEY_DIR, "", &config->dir, err) <
	    0)
		return -1;
	if (config->dir)
		return 0;
	hybridge_fail(err, HYBRIDGE_ECONFIG,
		      "%s: HYBRIDGE_RELAY_DIR is missing",
		      settings->path ? settings->path : "environment");
	hybridge_hint(err, "it names the folder that holds one .env file per "
			   "hybrid connection");
	return -1;
}

int relay_config_load(const char *path, char *const *env,
		      struct relay_config *out, struct hybridge_error *err)
{
	struct hybridge_settings settings = {0};
	struct relay_config config = {.http2 = true,
				      .log_level = HYBRIDGE_LOG_INFO,
				      .log_format = HYBRIDGE_LOG_AUTO};
	int ret = -1;

	if (hybridge_settings_read(path, env, &table, false, &settings, err) <
	    0)
		return -1;
	config.allow_open = settings.allow_open;
	if (read_listen(&settings, &config, err) < 0 ||
	    read_tls(&settings, &config, err) < 0 ||
	    read_public(&settings, &config, err) < 0 ||
	    read_hosts(&settings, &config, err) < 0 ||
	    read_dir(&settings, &config, err) < 0 ||
	    read_limits(&settings, &config, err) < 0 ||
	    read_workers(&settings, &config, err) < 0 ||
	    hybridge_settings_switch(&settings, KEY_HTTP2, &config.http2, err) <
		    0 ||
	    hybridge_settings_fast_crypto(&settings, KEY_FAST_CRYPTO,
					  &config.fast_crypto, err) < 0 ||
	    hybridge_settings_log_level(&settings, KEY_LOG_LEVEL,
					&config.log_level, err) < 0 ||
	    hybridge_settings_log_format(&settings, KEY_LOG_FORMAT,
					 &config.log_format, err) < 0 ||
	    hybridge_settings_text(&settings, KEY_STATUS_LISTEN, "",
				   &config.status_listen, err) < 0)
		goto out;

	*out = config;
	config = (struct relay_config){0}; /* handed to the caller */
	ret = 0;
out:
	hybridge_settings_free(&settings);
	relay_config_free(&config);
	return ret;
}
