/*
 * sessions.c - HTTP/2 sessions to the relays that speak it, by host, port and worker.
 *
 * A rendezvous address may name another machine than the control channel's, and what one
 * relay can says nothing of another: so each host and port has a pool of its own.  A relay
 * on several cores has the streams of a session all on one of them, and says which in the
 * address.
 */
#include "sessions.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include <hybridge/pool.h>
#include <hybridge/text.h>
#include <hybridge/upgrade.h>

#include "agent.h"

#define DIAL_MS       10000
#define WORKER_DIGITS 4
#define PLACES_MAX \
	64 /* then the oldest goes: a relay may name any host it likes */

/* One relay; @is_retired: dialled as we do no longer, or silent. */
struct sessions {
	char *host;
	struct sessions_place place;
	struct hybridge_pool *pool;
	bool is_retired;
	struct sessions *prev;
	struct sessions *next;
};

static unsigned int worker_of(const char *target)
{
	const char *query = strchr(target, '?');
	struct hybridge_span value = {"", 0};
	unsigned int worker = 0;

	if (query)
		hybridge_query_get(hybridge_text_span(query + 1),
				   HYBRIDGE_WORKER_PARAMETER, &value);
	for (size_t i = 0; i < value.len && i < WORKER_DIGITS; i++)
		if (value.text[i] >= '0' && value.text[i] <= '9')
			worker = worker * 10 +
				 (unsigned int)(value.text[i] - '0');
	return worker;
}

struct sessions_place sessions_place_of(const struct hybridge_url *address)
{
	return (struct sessions_place){
		.host = address->host,
		.port = address->port,
		.tls = address->tls,
		.worker = worker_of(address->target),
	};
}

static struct sessions *find(struct agent *agent,
			     const struct sessions_place *place)
{
	struct sessions *at;

	DL_FOREACH (agent->sessions, at)
		if (!at->is_retired && at->place.port == place->port &&
		    at->place.tls == place->tls &&
		    at->place.worker == place->worker &&
		    strcasecmp(at->place.host, place->host) == 0)
			return at;
	return NULL;
}

static void forget(struct agent *agent, struct sessions *sessions)
{
	DL_DELETE(agent->sessions, sessions);
	hybridge_pool_free(sessions->pool);
	free(sessions->host);
	free(sessions);
}

/* Those that serve nobody any more, and are not likely to. */
static void forget_idle(struct agent *agent)
{
	struct sessions *at, *next;
	int num;

	DL_COUNT(agent->sessions, at, num);
	DL_FOREACH_SAFE (agent->sessions, at, next) {
		if (hybridge_pool_sessions(at->pool) > 0 ||
		    (!at->is_retired && num < PLACES_MAX))
			continue;
		forget(agent, at);
		num--;
	}
}

static struct sessions *add(struct agent *agent,
			    const struct sessions_place *place)
{
	const struct hybridge_dial_args args = {
		.host = place->host,
		.port = place->port,
		.tls = place->tls ? agent->tls : NULL,
		.proxy = agent->config.proxy,
		.no_proxy = agent->config.no_proxy,
		.timeout_ms = DIAL_MS,
	};
	struct sessions *sessions = calloc(1, sizeof(*sessions));

	if (!sessions)
		return NULL;
	sessions->place = *place;
	sessions->host = strdup(place->host);
	sessions->place.host = sessions->host;
	sessions->pool = hybridge_pool_new(agent->loop, &args,
					   agent->config.keepalive_ms);
	if (sessions->host && sessions->pool) {
		DL_APPEND(agent->sessions, sessions);
		return sessions;
	}
	hybridge_pool_free(sessions->pool);
	free(sessions->host);
	free(sessions);
	return NULL;
}

void sessions_learn(struct agent *agent, const struct sessions_place *place)
{
	struct sessions *sessions;

	if (!agent->config.http2 || agent->stopping)
		return;
	sessions = find(agent, place);
	if (!sessions) {
		forget_idle(agent);
		sessions = add(agent, place);
	}
	/* Without memory for it every stream is dialled. */
	if (sessions)
		hybridge_pool_learn(sessions->pool);
}

struct hybridge_h2 *sessions_take(struct agent *agent,
				  const struct sessions_place *place)
{
	struct sessions *sessions = find(agent, place);

	return sessions ? hybridge_pool_take(sessions->pool) : NULL;
}

static void retire(struct sessions *sessions)
{
	sessions->is_retired = true;
	hybridge_pool_close(sessions->pool);
}

void sessions_leave(struct agent *agent, const struct sessions_place *place)
{
	struct sessions *sessions = find(agent, place);

	if (sessions)
		retire(sessions);
}

void sessions_retire(struct agent *agent)
{
	struct sessions *at;

	DL_FOREACH (agent->sessions, at)
		retire(at);
	forget_idle(agent);
}

void sessions_free(struct agent *agent)
{
	struct sessions *at, *next;

	DL_FOREACH_SAFE (agent->sessions, at, next)
		forget(agent, at);
}
