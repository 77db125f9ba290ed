/*
 * sender.c - makes the sender, and decides when it leaves.
 */
#include "sender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hybridge/log.h>
#include <hybridge/tls.h>

#include "local.h"
#include "origin.h"
#include "relay_dial.h"
#include "request.h"
#include "socket.h"
#include "sources.h"
#include "warm.h"
#include "wildcard.h"
#include <hybridge/endpoint.h>

#define STOP_PATIENCE_MS 5000
#define LEAVE_AGAIN_MS   1000 /* when somebody else has the lock */
#define LOG_BOUND_US     1000000

static void on_idle(struct hybridge_timer *timer);
static void on_patience(struct hybridge_timer *timer);

/* Of an earlier route to the same relay, or a new one; NULL when out of memory. */
static struct hybridge_pool *find_pool(struct sender *sender, size_t index)
{
	const struct hybridge_connstr *relay =
		&sender->config.connections[index].relay;

	for (size_t i = 0; i < index; i++) {
		const struct hybridge_connstr *other =
			&sender->config.connections[i].relay;

		if (strcmp(other->host, relay->host) == 0 &&
		    other->port == relay->port &&
		    other->plaintext == relay->plaintext)
			return sender->routes[i].pool;
	}
	return relay_pool(sender, &sender->routes[index]);
}

static void free_pool(struct sender *sender, size_t index)
{
	struct hybridge_pool *pool = sender->routes[index].pool;

	for (size_t i = index; i < sender->config.num_connections; i++)
		if (sender->routes[i].pool == pool)
			sender->routes[i].pool = NULL;
	hybridge_pool_free(pool);
}

static int make_routes(struct sender *sender, struct hybridge_error *err)
{
	size_t num = sender->config.num_connections;

	sender->routes = calloc(num, sizeof(*sender->routes));
	for (size_t i = 0; sender->routes && i < num; i++) {
		struct route *route = &sender->routes[i];
		const struct hybridge_connstr *relay =
			&sender->config.connections[i].relay;

		route->loop = sender->loop;
		route->connection = &sender->config.connections[i];
		route->start_queued.run = request_start_queued;
		route->host_header = hybridge_endpoint_host(
			relay->host, relay->port, !relay->plaintext);
		route->warm = warm_new(sender, route);
		route->pool = find_pool(sender, i);
		if (!route->host_header || !route->warm || !route->pool)
			goto fail;
	}
	if (sender->routes)
		return 0;
fail:
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

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
	sender->config = *config;
	sender->since_us = hybridge_loop_now_us(loop);
	sender->idle.fire = on_idle;
	sender->patience.fire = on_patience;
	sender->tls = hybridge_tls_client_ctx(config->ca_file,
					      config->fast_crypto, err);
	if (!sender->tls || make_routes(sender, err) != 0) {
		sender->config = (struct hybridge_config){0};
		sender_free(sender);
		return NULL;
	}
	*config = (struct hybridge_config){0}; /* taken over */
	return sender;
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
		if (sender->num_requests == 0 &&
		    (!sender->handed_over || local_is_idle(sender->local)))
			hybridge_loop_stop(sender->loop);
	} else if (sender->idle_exit && is_idle(sender)) {
		arm(sender, &sender->idle, sender->config.idle_exit_ms);
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

/* What waits for the next stream is of no use any more; sessions end with their last one. */
static void drop_spare_connections(struct sender *sender)
{
	for (size_t i = 0; i < sender->config.num_connections; i++) {
		warm_drop(sender->routes[i].warm);
		hybridge_pool_close(sender->routes[i].pool);
	}
}

void sender_hand_over(struct sender *sender)
{
	sender->stopping = true;
	sender->handed_over = true;
	hybridge_timer_clear(sender->loop, &sender->idle);
	drop_spare_connections(sender);
	sender_changed(sender);
}

void sender_stop(struct sender *sender)
{
	hybridge_log(HYBRIDGE_LOG_INFO, "stopping",
		     HYBRIDGE_NUM("requests", sender->num_requests));
	sender->stopping = true;
	sender->handed_over = false;
	if (sender->local)
		local_stop(sender->local);
	drop_spare_connections(sender);
	for_each(sender, refuse);
	arm(sender, &sender->patience, STOP_PATIENCE_MS);
	sender_changed(sender);
}

void sender_free(struct sender *sender)
{
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
	for (size_t i = 0; sender->routes && i < sender->config.num_connections;
	     i++) {
		warm_free(sender->routes[i].warm);
		free_pool(sender, i);
		hybridge_token_cancel(sender->routes[i].fetch);
		token_forget(&sender->routes[i].token);
		free(sender->routes[i].host_header);
	}
	free(sender->routes);
	names_free(&sender->names);
	wildcard_close(sender->wildcard_file);
	origin_free(sender->origin);
	sources_free(sender->sources);
	SSL_CTX_free(sender->tls);
	hybridge_config_free(&sender->config);
	free(sender);
}
