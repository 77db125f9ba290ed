/*
 * sessions.h - HTTP/2 sessions to the relays that speak it, by host, port and worker.
 */
#ifndef AGENT_SESSIONS_H
#define AGENT_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/error.h>
#include <hybridge/h2.h>
#include <hybridge/url.h>

struct agent;

/**
 * struct sessions_place - Where a relay is
 * @host:   Lives as long as its owner says
 * @worker: HYBRIDGE_WORKER_PARAMETER of the address: a session carries streams of one alone
 */
struct sessions_place {
	const char *host;
	uint16_t port;
	bool tls;
	unsigned int worker;
};

/** sessions_place_of() - Where a rendezvous address leads; borrows its host */
struct sessions_place sessions_place_of(const struct hybridge_url *address);

/** sessions_learn() - The relay there has said that it speaks HTTP/2 */
void sessions_learn(struct agent *agent, const struct sessions_place *place);

/** sessions_take() - A session for one more stream to there, to be used in this turn; NULL:
 * dial */
struct hybridge_h2 *sessions_take(struct agent *agent,
				  const struct sessions_place *place);

/** sessions_leave() - Those to there do not answer: use none of them any more */
void sessions_leave(struct agent *agent, const struct sessions_place *place);

/** sessions_retire() - Use none of them any more: their streams go on */
void sessions_retire(struct agent *agent);

/** sessions_free() - Drop all, and their streams */
void sessions_free(struct agent *agent);

#endif
