/*
 * throttle.h - slows callers down that fail again and again.
 *
 * A client with a wrong key dials again at once, and some dial twice for each
 * refusal.  Whoever fails too often is answered later and later; a good
 * client of the same origin is never made to wait.
 */
#ifndef HYBRIDGE_RELAY_THROTTLE_H
#define HYBRIDGE_RELAY_THROTTLE_H

#include <stdbool.h>

#include <hybridge/error.h>
#include <hybridge/hostmap.h>
#include <hybridge/loop.h>

#include "answer.h"

#define THROTTLE_BURST   30  /* answers of one origin that go out at once */
#define THROTTLE_TICK_MS 500 /* after these, one answer in this time */
#define THROTTLE_LINE    512 /* answers of one origin that wait */
#define THROTTLE_ALL     4096

struct throttle;

/** throttle_new() - Release with throttle_free(); NULL when out of memory */
HYBRIDGE_MUSTUSE struct throttle *throttle_new(struct hybridge_loop *loop);

/**
 * throttle_answer() - Tell a caller that it failed, now or when its origin's turn comes
 * @ip:     Who calls
 * @conn:   Taken over
 * @answer: Its reason and body are copied, its headers and type must be static
 *
 * Beyond THROTTLE_LINE waiting answers the status is 429, at once.
 */
void throttle_answer(struct throttle *throttle, const struct hybridge_ip *ip,
		     struct hybridge_conn *conn, const struct answer *answer);

/** throttle_is_full() - Whether the next answer to this caller would be 429: not worth a line in the log */
bool throttle_is_full(const struct throttle *throttle,
		      const struct hybridge_ip *ip);

/** throttle_flush() - Answer all that wait, and forget who failed */
void throttle_flush(struct throttle *throttle);

/** throttle_free() - After throttle_flush(); NULL is fine */
void throttle_free(struct throttle *throttle);

#endif
