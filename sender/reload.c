/*
 * reload.c - gives a sender that runs another configuration.
 */
#include "reload.h"

#include <string.h>
#include <unistd.h>

#include <hybridge/log.h>

#include "sender.h"
#include "sources.h"

/* How long until what could not be read is tried again. */
#define AGAIN_US ((int64_t)1000 * 1000)

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
	if (!*sources)
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	else if (hybridge_config_load(path, environ, HYBRIDGE_ROLE_SENDER, out,
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

/* One that fails again as it did before is not logged again. */
static void failed(struct sender *sender, const struct hybridge_error *err)
{
	struct reload_failure *last = &sender->reload_failure;

	last->at_us = hybridge_loop_now_us(sender->loop);
	if (strcmp(last->why.what, err->what) == 0)
		return;
	last->why = *err;
	hybridge_log_error(HYBRIDGE_LOG_ERROR, "configuration not changed", err,
			   NULL);
}

static void read_again(struct sender *sender)
{
	struct hybridge_error err = {0};

	if (change_plan(sender, &err) != 0) {
		failed(sender, &err);
		return;
	}
	sender->reload_failure = (struct reload_failure){0};
	hybridge_log(
		HYBRIDGE_LOG_INFO, "configuration read again",
		HYBRIDGE_NUM("connections",
			     sender->plan->config.num_connections),
		HYBRIDGE_STR("hint", "programs read theirs when they start"));
}

void reload(struct sender *sender)
{
	if (sender->stopping)
		return;
	/* Who asks for it is answered, whatever was said before. */
	sender->reload_failure = (struct reload_failure){0};
	read_again(sender);
}

/* What failed may have been for want of descriptors, or of a right that no file's time tells of. */
static bool is_due(const struct sender *sender)
{
	const struct reload_failure *last = &sender->reload_failure;

	return last->why.code != HYBRIDGE_OK &&
	       hybridge_loop_now_us(sender->loop) - last->at_us >= AGAIN_US;
}

void reload_if_changed(struct sender *sender)
{
	bool changed;

	if (sender->stopping || !sender->sources)
		return;
	changed = sources_changed(sender->sources);
	if (sender->idle_exit && (changed || is_due(sender)))
		read_again(sender);
	else if (changed)
		hybridge_log(HYBRIDGE_LOG_WARNING,
			     "configuration has changed, and is not used",
			     HYBRIDGE_STR("hint", "SIGHUP has it read again"));
}
