/*
 * main.c - hybridge-relay: the meeting point of senders and listeners.
 */
#include <stdio.h>
#include <unistd.h>

#include <hybridge/daemon.h>
#include <hybridge/log.h>
#include <hybridge/status.h>

#include "config.h"
#include "door.h"
#include "relay.h"
#include "stream.h"
#include "worker.h"

static void on_stop(void *owner)
{
	relay_stop(owner);
}

static void on_reload(void *owner)
{
	relay_reload(owner);
}

static bool is_ready(void *owner, FILE *to)
{
	const struct relay *relay = owner;

	if (relay->draining)
		fputs("the relay is shutting down\n", to);
	return !relay->draining;
}

static void write_metrics(void *owner, FILE *to)
{
	const struct relay *relay = owner;

	streams_count(relay);
	fprintf(to,
		"# HELP hybridge_build_info Version of this program.\n"
		"# TYPE hybridge_build_info gauge\n"
		"hybridge_build_info{version=\"%s\"} 1\n",
		HYBRIDGE_VERSION);
	fprintf(to,
		"# HELP hybridge_relay_max_streams "
		"Streams that each hybrid connection may have.\n"
		"# TYPE hybridge_relay_max_streams gauge\n"
		"hybridge_relay_max_streams %u\n",
		relay->config.max_streams);
	meters_write(&relay->meters, to);
	workers_write(relay->workers, to);
}

static const struct hybridge_status_ops status_ops = {
	.ready = is_ready,
	.metrics = write_metrics,
};

static const struct hybridge_daemon_ops daemon_ops = {
	.stop = on_stop,
	.reload = on_reload,
};

static int open_doors(struct relay *relay, bool activated,
		      struct hybridge_error *err)
{
	const char *status = relay->config.status_listen;

	relay->door = door_open(relay, activated, err);
	if (!relay->door)
		return -1;
	if (status && !hybridge_status_listen(relay->loop, status, &status_ops,
					      relay, err))
		return -1;
	return hybridge_daemon_signals(relay->loop, &daemon_ops, relay, err);
}

static void serve(struct relay *relay, struct hybridge_daemon_options *options)
{
	const char *address = door_address(relay->door);

	hybridge_log(
		HYBRIDGE_LOG_INFO, "listening",
		HYBRIDGE_STR("address", address),
		HYBRIDGE_STR("tls", relay->tls ? "yes" : "no"),
		HYBRIDGE_STR("aes_gcm", hybridge_fast_crypto_name(
						relay->config.fast_crypto)),
		HYBRIDGE_NUM("entities", HASH_COUNT(relay->entities.table)));
	if (!relay->entities.table)
		hybridge_log(HYBRIDGE_LOG_WARNING,
			     "no hybrid connection is defined",
			     HYBRIDGE_STR("dir", relay->config.dir));
	hybridge_daemon_ready(options, address);
	hybridge_loop_run(relay->loop);
	hybridge_log_fields(HYBRIDGE_LOG_INFO, "stopped", NULL);
}

int main(int argc, char **argv)
{
	struct hybridge_daemon_options options;
	struct relay_config config = {0};
	struct hybridge_loop *loop = NULL;
	struct relay *relay = NULL;
	struct hybridge_error err = {0};

	if (hybridge_daemon_parse(argc, argv,
				  "Joins the streams of senders and listeners, "
				  "as Azure Relay does.",
				  &options, &err) != 0 ||
	    relay_config_load(options.config, environ, &config, &err) != 0)
		goto out;
	hybridge_log_setup("hybridge-relay", config.log_level,
			   config.log_format);
	loop = hybridge_loop_new(&err);
	if (!loop)
		goto out;
	relay = relay_new(loop, &config, &err);
	if (relay && open_doors(relay, options.activated, &err) == 0)
		serve(relay, &options);
out:
	if (err.code != HYBRIDGE_OK)
		hybridge_error_print(stderr, &err);
	if (relay)
		relay_close_all(relay);
	hybridge_loop_free(loop);
	relay_free(relay);
	relay_config_free(&config);
	return hybridge_exit_status(err.code);
}
