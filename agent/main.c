/*
 * main.c - hybridge-agent: listens at the relay and carries streams to services nearby.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hybridge/daemon.h>
#include <hybridge/log.h>
#include <hybridge/status.h>

#include "agent.h"
#include "status.h"

static void on_stop(void *owner)
{
	agent_stop(owner);
}

static int load(const struct hybridge_daemon_options *options,
		struct hybridge_config *out, struct hybridge_error *err)
{
	if (hybridge_config_load(options->config, environ, HYBRIDGE_ROLE_AGENT,
				 out, err) != 0)
		return -1;
	hybridge_log_setup("hybridge-agent", out->log_level, out->log_format);
	return 0;
}

/* The address of the status page is taken once. */
static void warn_of_restart(const struct hybridge_config *now,
			    const struct hybridge_config *next)
{
	const char *a = now->status_listen ? now->status_listen : "";
	const char *b = next->status_listen ? next->status_listen : "";

	if (strcmp(a, b) != 0)
		hybridge_log(HYBRIDGE_LOG_WARNING,
			     "HYBRIDGE_STATUS_LISTEN needs a restart",
			     HYBRIDGE_STR("now", a), HYBRIDGE_STR("file", b));
}

static void on_reload(void *owner)
{
	struct agent *agent = owner;
	struct hybridge_config config = {0};
	struct hybridge_error err = {0};
	int ret = -1;

	if (agent->stopping)
		return;
	hybridge_daemon_notify("RELOADING=1");
	if (load(agent->options, &config, &err) == 0) {
		warn_of_restart(&agent->config, &config);
		ret = agent_reload(agent, &config, &err);
	}
	if (ret == 0)
		hybridge_log_fields(HYBRIDGE_LOG_INFO,
				    "configuration read again", NULL);
	else
		hybridge_log_error(HYBRIDGE_LOG_ERROR,
				   "configuration not changed", &err, NULL);
	hybridge_config_free(&config);
	hybridge_daemon_notify("READY=1");
}

static const struct hybridge_daemon_ops daemon_ops = {
	.stop = on_stop,
	.reload = on_reload,
};

static int run(struct hybridge_daemon_options *options,
	       struct hybridge_error *err)
{
	struct hybridge_config config = {0};
	struct hybridge_loop *loop = NULL;
	struct agent *agent = NULL;
	int ret = -1;

	if (load(options, &config, err) != 0)
		goto out;
	loop = hybridge_loop_new(err);
	if (!loop)
		goto out;
	agent = agent_new(loop, &config, options, err);
	if (!agent ||
	    hybridge_daemon_signals(loop, &daemon_ops, agent, err) != 0)
		goto out;
	if (agent->config.status_listen &&
	    !hybridge_status_listen(loop, agent->config.status_listen,
				    &status_ops, agent, err))
		goto out;
	hybridge_log(
		HYBRIDGE_LOG_INFO, "started",
		HYBRIDGE_STR("version", HYBRIDGE_VERSION),
		HYBRIDGE_STR("aes_gcm", hybridge_fast_crypto_name(
						agent->config.fast_crypto)),
		HYBRIDGE_NUM("connections", agent->config.num_connections));
	hybridge_loop_run(loop);
	hybridge_log_fields(HYBRIDGE_LOG_INFO, "stopped", NULL);
	ret = 0;
out:
	agent_free(agent);
	hybridge_loop_free(loop);
	hybridge_config_free(&config);
	return ret;
}

int main(int argc, char **argv)
{
	struct hybridge_daemon_options options;
	struct hybridge_error err = {0};

	if (hybridge_daemon_parse(
		    argc, argv,
		    "Listens on Azure Relay Hybrid Connections and carries "
		    "each stream to the target that is configured for it.",
		    &options, &err) == 0 &&
	    run(&options, &err) == 0)
		return 0;
	hybridge_error_print(stderr, &err);
	return hybridge_exit_status(err.code);
}
