/*
 * sender.c - makes the sender, and decides when it leaves.
 */
#include "sender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include <hybridge/log.h>

#include "local.h"
#include "origin.h"
#include "request.h"
#include "socket.h"
#include "sources.h"
#include "wildcard.h"

#define STOP_PATIENCE_MS 5000
#define LEAVE_AGAIN_MS   1000 /* when somebody else has the lock */
#define LOG_BOUND_US     1000000

static void on_idle(struct hybridge_timer *timer);
static void on_patience(struct hybridge_timer *timer);

struct sender *sender_new(struct hybridge_loop *loop,
			  struct hybridge_config *config,
			  struct hybridge_error *err)
{
	struct sender *sender = calloc(1, sizeof(*sender));

	if (!sender) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return NULL;
	}
	sender->loop = loop;
	sender->since_us = hybridge_loop_now_us(loop);
	sender->idle.fire = on_idle;
	sender->patience.fire = on_patience;
	sender->plan = plan_new(sender, config, err);
	if (sender->plan)
		return sender;
	sender_free(sender);
	return NULL;
}

/* Leaving: because we were told to, or because nobody needs us. */

static void arm(struct sender *sender, struct hybridge_timer *timer,
		uint32_t ms)
{
	/* Out of memory: rather leave now than never. */
	if (hybridge_timer_set(sender->loop, timer, ms) != 0)
		hybridge_loop_stop(sender->loop);
}

/* Programs may keep the address of a name for long, and somebody must know which name that is. */
static bool knows_more_than_its_file(const struct sender *sender)
{
	return !sender->wildcard_file && names_count(&sender->names) > 0;
}

static bool is_idle(const struct sender *sender)
{
	return sender->num_requests == 0 && !knows_more_than_its_file(sender) &&
	       (!sender->local || local_is_idle(sender->local));
}

static void on_idle(struct hybridge_timer *timer)
{
	struct sender *sender = hybridge_container(timer, struct sender, idle);

	if (!is_idle(sender))
		return;
	if (local_leave(sender->local)) {
		hybridge_log_fields(HYBRIDGE_LOG_INFO, "idle, left", NULL);
		hybridge_loop_stop(sender->loop);
	} else if (is_idle(sender)) {
		arm(sender, timer, LEAVE_AGAIN_MS);
	}
}

/* Requests are what is logged. */
static void bound_log(struct sender *sender)
{
	int64_t now_us = hybridge_loop_now_us(sender->loop);

	if (now_us - sender->log_bound_us < LOG_BOUND_US)
		return;
	sender->log_bound_us = now_us;
	socket_bound_log();
}

void sender_changed(struct sender *sender)
{
	bound_log(sender);
	if (sender->stopping) {
		if (sender->num_requests == 0)
			hybridge_loop_stop(sender->loop);
	} else if (sender->idle_exit && is_idle(sender)) {
		arm(sender, &sender->idle, sender->plan->config.idle_exit_ms);
	} else if (sender->idle_exit) {
		hybridge_timer_clear(sender->loop, &sender->idle);
	}
}

/* What is done to one request may take it off the list. */
static void for_each(const struct sender *sender,
		     void (*act)(struct request *request))
{
	struct request *request = sender->requests;

	while (request) {
		struct request *next = request->next;

		act(request);
		request = next;
	}
}

static void on_patience(struct hybridge_timer *timer)
{
	for_each(hybridge_container(timer, struct sender, patience),
		 request_reset);
}

static void refuse(struct request *request)
{
	request_refuse(request, ECONNREFUSED);
}

void sender_stop(struct sender *sender)
{
	hybridge_log(HYBRIDGE_LOG_INFO, "stopping",
		     HYBRIDGE_NUM("requests", sender->num_requests));
	sender->stopping = true;
	if (sender->local)
		local_stop(sender->local);
	plan_drop_spare(sender->plan);
	for_each(sender, refuse);
	arm(sender, &sender->patience, STOP_PATIENCE_MS);
	sender_changed(sender);
}

void sender_free(struct sender *sender)
{
	struct plan *plan, *next;

	if (!sender)
		return;
	sender->stopping = true;
	local_free(sender->local);
	for_each(sender, request_reset);
	/* Streams end from the loop: one turn more, which the last of them ends. */
	if (sender->num_requests > 0)
		hybridge_loop_run(sender->loop);
	hybridge_timer_clear(sender->loop, &sender->idle);
	hybridge_timer_clear(sender->loop, &sender->patience);
	DL_FOREACH_SAFE (sender->retired, plan, next)
		plan_free(plan);
	plan_free(sender->plan);
	tallies_free(sender);
	names_free(&sender->names);
	wildcard_close(sender->wildcard_file);
	origin_free(sender->origin);
	sources_free(sender->sources);
	free(sender);
}
