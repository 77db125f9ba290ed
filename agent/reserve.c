/*
 * reserve.c - descriptors that are kept so that a stream can be refused when there are no others.
 *
 * A refusal goes over a connection of its own where the relay does not speak HTTP/2, as Azure's:
 * without a descriptor for it the program at the other end would wait until it is tired.
 */
#include "reserve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include <hybridge/loop.h>
#include <hybridge/spare.h>

/* Sockets to two addresses, and what looking up a name takes. */
#define NUM_SPARE 4
#define RETRY_MS  50 /* others have them all: until one of those is closed */

struct reserve {
	struct hybridge_loop *loop;
	int spare[NUM_SPARE];
	struct reserve_turn *line;
	struct reserve_turn *holder;
	struct hybridge_task grant;
	struct hybridge_timer retry;
};

static void run_grant(struct hybridge_task *task)
{
	struct reserve *reserve =
		hybridge_container(task, struct reserve, grant);
	struct reserve_turn *turn = reserve->line;

	if (reserve->holder || !turn)
		return;
	/* All but one may be lost to others: then that one has to do.  No memory: ask at once. */
	if (hybridge_spare_open(reserve->spare, NUM_SPARE) == 0 &&
	    hybridge_timer_set(reserve->loop, &reserve->retry, RETRY_MS) == 0)
		return;
	DL_DELETE(reserve->line, turn);
	reserve->holder = turn;
	hybridge_spare_close(reserve->spare, NUM_SPARE);
	turn->granted(turn);
}

static void on_retry(struct hybridge_timer *timer)
{
	struct reserve *reserve =
		hybridge_container(timer, struct reserve, retry);

	run_grant(&reserve->grant);
}

struct reserve *reserve_new(struct hybridge_loop *loop,
			    struct hybridge_error *err)
{
	struct reserve *reserve = calloc(1, sizeof(*reserve));

	if (!reserve) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return NULL;
	}
	reserve->loop = loop;
	reserve->grant.run = run_grant;
	reserve->retry.fire = on_retry;
	for (size_t i = 0; i < NUM_SPARE; i++)
		reserve->spare[i] = -1;
	if (hybridge_spare_open(reserve->spare, NUM_SPARE) == NUM_SPARE)
		return reserve;
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "cannot open /dev/null: %s",
		      strerror(errno));
	reserve_free(reserve);
	return NULL;
}

bool reserve_is_whole(struct reserve *reserve)
{
	return !reserve->holder && !reserve->line &&
	       hybridge_spare_open(reserve->spare, NUM_SPARE) == NUM_SPARE;
}

void reserve_ask(struct reserve *reserve, struct reserve_turn *turn)
{
	if (turn->is_in)
		return;
	turn->is_in = true;
	DL_APPEND(reserve->line, turn);
	hybridge_loop_defer(reserve->loop, &reserve->grant);
}

void reserve_leave(struct reserve *reserve, struct reserve_turn *turn)
{
	if (!turn->is_in)
		return;
	turn->is_in = false;
	if (reserve->holder != turn) {
		DL_DELETE(reserve->line, turn);
		return;
	}
	reserve->holder = NULL;
	hybridge_spare_open(reserve->spare, NUM_SPARE);
	hybridge_loop_defer(reserve->loop, &reserve->grant);
}

void reserve_free(struct reserve *reserve)
{
	if (!reserve)
		return;
	hybridge_loop_cancel(reserve->loop, &reserve->grant);
	hybridge_timer_clear(reserve->loop, &reserve->retry);
	hybridge_spare_close(reserve->spare, NUM_SPARE);
	free(reserve);
}
