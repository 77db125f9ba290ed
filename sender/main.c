/*
 * main.c - hybridge-sender: carries the connections that programs make, through the relay.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hybridge/daemon.h>
#include <hybridge/local.h>
#include <hybridge/log.h>
#include <hybridge/status.h>

#include "local.h"
#include "reload.h"
#include "sender.h"
#include "socket.h"
#include "sources.h"
#include "status.h"
#include "wildcard.h"

/* Before anything can go wrong: where to say so. */
static void choose_stderr(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--activated") == 0)
			socket_log_to_file(SOCKET_ACTIVATED_FD);
}

static int open_socket(const struct hybridge_config *config,
		       const struct hybridge_daemon_options *options,
		       struct socket_file *out, struct hybridge_error *err)
{
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
	char path[SOCKET_PATH_MAX];

	if (options->activated)
		return socket_inherit(SOCKET_ACTIVATED_FD, out, err);
	if (hybridge_local_socket_path(config->socket, runtime_dir, geteuid(),
				       path) != 0) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "the socket's path is longer than %d bytes",
			      SOCKET_PATH_MAX - 1);
		hybridge_hint(err, "set HYBRIDGE_SOCKET to a shorter one");
		return -1;
	}
	if (socket_open(path, !config->socket, out, err) != 0)
		return -1;
	out->whole_folder = options->one_run;
	return 0;
}

static void on_stop(void *owner)
{
	sender_stop(owner);
}

static void on_reload(void *owner)
{
	hybridge_daemon_notify("RELOADING=1");
	reload(owner);
	hybridge_daemon_notify("READY=1");
}

static const struct hybridge_daemon_ops daemon_ops = {
	.stop = on_stop,
	.reload = on_reload,
};

static int serve(struct sender *sender, struct hybridge_daemon_options *options,
		 struct hybridge_error *err)
{
	const char *status_listen = sender->plan->config.status_listen;
	struct socket_file file = SOCKET_NONE;
	struct local *local;

	if (open_socket(&sender->plan->config, options, &file, err) != 0)
		return -1;
	local = local_start(sender, &file, err);
	if (!local) {
		socket_close(&file);
		return -1;
	}
	if (hybridge_daemon_signals(sender->loop, &daemon_ops, sender, err) !=
	    0)
		return -1;
	if (status_listen)
		sender->status = hybridge_status_listen(
			sender->loop, status_listen, &status_ops, sender, err);
	if (status_listen && !sender->status)
		return -1;
	wildcard_open(sender, local_path(local));
	sender->idle_exit = options->activated;
	sender_changed(sender);
	hybridge_log(HYBRIDGE_LOG_INFO, "started",
		     HYBRIDGE_STR("version", HYBRIDGE_VERSION),
		     HYBRIDGE_STR("aes_gcm",
				  hybridge_fast_crypto_name(
					  sender->plan->config.fast_crypto)),
		     HYBRIDGE_STR("socket", local_path(local)),
		     HYBRIDGE_NUM("connections",
				  sender->plan->config.num_connections));
	hybridge_daemon_ready(options, local_path(local));
	hybridge_loop_run(sender->loop);
	hybridge_log_fields(HYBRIDGE_LOG_INFO, "stopped", NULL);
	return 0;
}

static int run(struct hybridge_daemon_options *options,
	       struct hybridge_error *err)
{
	struct hybridge_config config = {0};
	struct hybridge_loop *loop = NULL;
	struct sender *sender = NULL;
	struct sources *sources = NULL;
	int ret = -1;

	if (reload_read(options->config, &sources, &config, err) != 0)
		goto out;
	hybridge_log_setup("hybridge-sender", config.log_level,
			   config.log_format);
	loop = hybridge_loop_new(err);
	if (!loop)
		goto out;
	sender = sender_new(loop, &config, err);
	if (!sender)
		goto out;
	sender->sources = sources;
	sources = NULL; /* taken over */
	ret = serve(sender, options, err);
out:
	sender_free(sender);
	sources_free(sources);
	hybridge_loop_free(loop);
	hybridge_config_free(&config);
	return ret;
}

int main(int argc, char **argv)
{
	struct hybridge_daemon_options options;
	struct hybridge_error err = {0};

	choose_stderr(argc, argv);
	if (hybridge_daemon_parse(
		    argc, argv,
		    "Carries the connections that programs make to mapped "
		    "hosts through an Azure Relay Hybrid Connection.",
		    &options, &err) == 0 &&
	    run(&options, &err) == 0)
		return 0;
	hybridge_error_print(stderr, &err);
	return hybridge_exit_status(err.code);
}
