/*
 * plan.c - makes a configuration's routes, and releases them when nobody needs them.
 */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include <hybridge/endpoint.h>
#include <hybridge/pool.h>
#include <hybridge/tls.h>

#include "relay_dial.h"
#include "request.h"
#include "route.h"
#include "sender.h"
#include "tally.h"
#include "warm.h"

#define LOOK_MS \
	1000 /* whether a retired one may go: its sessions end by themselves */

/* Of an earlier route to the same relay, or a new one; NULL when out of memory. */
static struct hybridge_pool *find_pool(struct plan *plan, size_t index)
{
	const struct hybridge_connstr *relay =
		&plan->config.connections[index].relay;

	for (size_t i = 0; i < index; i++) {
		const struct hybridge_connstr *other =
			&plan->config.connections[i].relay;

		if (strcmp(other->host, relay->host) == 0 &&
		    other->port == relay->port &&
		    other->plaintext == relay->plaintext)
			return plan->routes[i].pool;
	}
	return relay_pool(&plan->routes[index]);
}

static void free_pool(struct plan *plan, size_t index)
{
	struct hybridge_pool *pool = plan->routes[index].pool;

	for (size_t i = index; i < plan->config.num_connections; i++)
		if (plan->routes[i].pool == pool)
			plan->routes[i].pool = NULL;
	hybridge_pool_free(pool);
}

static bool make_route(struct plan *plan, size_t index)
{
	struct route *route = &plan->routes[index];
	const struct hybridge_connection *connection =
		&plan->config.connections[index];
	const struct hybridge_connstr *relay = &connection->relay;

	route->plan = plan;
	route->connection = connection;
	route->start_queued.run = request_start_queued;
	route->tally = tally_of(plan->sender, connection->name);
	route->host_header = hybridge_endpoint_host(relay->host, relay->port,
						    !relay->plaintext);
	route->warm = warm_new(route);
	route->pool = find_pool(plan, index);
	return route->tally && route->host_header && route->warm && route->pool;
}

static int make_routes(struct plan *plan, struct hybridge_error *err)
{
	size_t num = plan->config.num_connections;
	size_t made = 0;

	plan->routes = calloc(num, sizeof(*plan->routes));
	while (plan->routes && made < num && make_route(plan, made))
		made++;
	if (plan->routes && made == num)
		return 0;
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

/* All but the configuration, which may be another's yet. */
static void free_routes(struct plan *plan)
{
	for (size_t i = 0; plan->routes && i < plan->config.num_connections;
	     i++) {
		struct route *route = &plan->routes[i];

		hybridge_loop_cancel(plan->sender->loop, &route->start_queued);
		warm_free(route->warm);
		free_pool(plan, i);
		hybridge_token_cancel(route->fetch);
		token_forget(&route->token);
		free(route->host_header);
	}
	free(plan->routes);
	SSL_CTX_free(plan->tls);
}

static bool is_over(const struct plan *plan)
{
	if (plan->num_requests > 0)
		return false;
	for (size_t i = 0; i < plan->config.num_connections; i++) {
		if (hybridge_pool_sessions(plan->routes[i].pool) > 0)
			return false;
	}
	return true;
}

static void on_look(struct hybridge_timer *timer)
{
	struct plan *plan = hybridge_container(timer, struct plan, look);

	if (!is_over(plan)) {
		/* Without memory it stays until the sender goes. */
		(void)!hybridge_timer_set(plan->sender->loop, timer, LOOK_MS);
		return;
	}
	DL_DELETE(plan->sender->retired, plan);
	plan_free(plan);
}

struct plan *plan_new(struct sender *sender, struct hybridge_config *config,
		      struct hybridge_error *err)
{
	struct plan *plan = calloc(1, sizeof(*plan));

	if (!plan) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return NULL;
	}
	plan->sender = sender;
	plan->config = *config;
	plan->look.fire = on_look;
	plan->tls = hybridge_tls_client_ctx(config->ca_file,
					    config->fast_crypto, err);
	if (!plan->tls || make_routes(plan, err) != 0) {
		free_routes(plan);
		free(plan);
		return NULL;
	}
	*config = (struct hybridge_config){0}; /* taken over */
	return plan;
}

void plan_drop_spare(struct plan *plan)
{
	for (size_t i = 0; i < plan->config.num_connections; i++) {
		warm_drop(plan->routes[i].warm);
		hybridge_pool_close(plan->routes[i].pool);
	}
}

void plan_retire(struct plan *plan)
{
	plan->is_retired = true;
	plan_drop_spare(plan);
	DL_APPEND(plan->sender->retired, plan);
	(void)!hybridge_timer_set(plan->sender->loop, &plan->look, LOOK_MS);
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	hybridge_timer_clear(plan->sender->loop, &plan->look);
	free_routes(plan);
	hybridge_config_free(&plan->config);
	free(plan);
}
