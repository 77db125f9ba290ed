/*
 * reload.c - gives a sender that runs another configuration.
 */
#include "reload.h"

#include <string.h>
#include <unistd.h>

#include <hybridge/log.h>

#include "sender.h"
#include "sources.h"

/* Which files there are is known only when they have been read once. */
int reload_read(const char *path, struct sources **sources,
		struct hybridge_config *out, struct hybridge_error *err)
{
	struct hybridge_config config = {0};

	if (hybridge_config_load(path, environ, HYBRIDGE_ROLE_SENDER, &config,
				 err) != 0)
		return -1;
	*sources = sources_new(&config);
	hybridge_config_free(&config);
	if (hybridge_config_load(path, environ, HYBRIDGE_ROLE_SENDER, out,
				 err) == 0)
		return 0;
	sources_free(*sources);
	*sources = NULL;
	return -1;
}

static void warn_of_restart(const char *key, const char *now, const char *next)
{
	if (strcmp(now ? now : "", next ? next : "") != 0)
		hybridge_log(HYBRIDGE_LOG_WARNING, "setting needs a restart",
			     HYBRIDGE_STR("key", key),
			     HYBRIDGE_STR("now", now ? now : ""),
			     HYBRIDGE_STR("file", next ? next : ""));
}

/* What is taken once, when the sender starts. */
static void compare(const struct hybridge_config *now,
		    const struct hybridge_config *next)
{
	warn_of_restart("HYBRIDGE_SOCKET", now->socket, next->socket);
	warn_of_restart("HYBRIDGE_STATUS_LISTEN", now->status_listen,
			next->status_listen);
}

static int change_plan(struct sender *sender, struct hybridge_error *err)
{
	struct plan *old = sender->plan;
	struct sources *sources = NULL;
	struct hybridge_config config = {0};
	struct plan *plan = NULL;

	if (reload_read(old->config.path, &sources, &config, err) == 0)
		plan = plan_new(sender, &config, err);
	hybridge_config_free(&config);
	if (!plan) {
		sources_free(sources);
		return -1;
	}
	compare(&old->config, &plan->config);
	hybridge_log_setup("hybridge-sender", plan->config.log_level,
			   plan->config.log_format);
	sources_free(sender->sources);
	sender->sources = sources;
	sender->plan = plan;
	plan_retire(old);
	return 0;
}

void reload(struct sender *sender)
{
	struct hybridge_error err = {0};

	if (sender->stopping)
		return;
	if (change_plan(sender, &err) != 0) {
		hybridge_log_error(HYBRIDGE_LOG_ERROR,
				   "configuration not changed", &err, NULL);
		return;
	}
	hybridge_log(
		HYBRIDGE_LOG_INFO, "configuration read again",
		HYBRIDGE_NUM("connections",
			     sender->plan->config.num_connections),
		HYBRIDGE_STR("hint", "programs read theirs when they start"));
}

void reload_if_changed(struct sender *sender)
{
	if (sender->stopping || !sender->sources ||
	    !sources_changed(sender->sources))
		return;
	if (sender->idle_exit)
		reload(sender);
	else
		hybridge_log(HYBRIDGE_LOG_WARNING,
			     "configuration has changed, and is not used",
			     HYBRIDGE_STR("hint", "SIGHUP has it read again"));
}
