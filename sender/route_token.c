/*
 * route_token.c - fetches tokens that somebody else makes, while requests wait in the queue.
 */
#include "route_token.h"

#include <time.h>

#include <hybridge/log.h>

#include "route.h"
#include "sender.h"

#define AGAIN_S 30 /* after a failure, while the old one is still good */

static struct hybridge_loop *loop_of(const struct route *route)
{
	return route->plan->sender->loop;
}

static bool is_good(const struct token_cache *cache, time_t now)
{
	return cache->token.text && !cache->rejected &&
	       (cache->token.expires == 0 || now < cache->token.expires);
}

static void on_token(void *owner, struct hybridge_endpoint_token *token,
		     const struct hybridge_error *err)
{
	struct route *route = owner;
	time_t now = time(NULL);

	route->fetch = NULL;
	if (token) {
		token_put(&route->token, token, now);
	} else if (is_good(&route->token, now)) {
		hybridge_log_error(HYBRIDGE_LOG_WARNING, "token not renewed",
				   err, route->connection->name);
		route->token.token.renew = now + AGAIN_S;
	} else {
		route->token_error = *err;
	}
	hybridge_loop_defer(loop_of(route), &route->start_queued);
}

bool route_token_ready(struct route *route)
{
	time_t now = time(NULL);
	bool good = is_good(&route->token, now);

	if (!hybridge_token_is_external(route->connection))
		return true;
	if (!route->fetch && (!good || now >= route->token.token.renew)) {
		route->fetch = hybridge_token_fetch(
			loop_of(route), route->connection, on_token, route);
		if (!route->fetch) {
			hybridge_fail(&route->token_error, HYBRIDGE_ESYSTEM,
				      "out of memory");
			hybridge_loop_defer(loop_of(route),
					    &route->start_queued);
		}
	}
	return good;
}
