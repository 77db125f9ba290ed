/*
 * turn.c - whom a loop has served of late, and so how long one of them may keep it.
 *
 * Several batches at once cost bulk a little less, but whoever has a keystroke for the same
 * loop waits for them, in each process on its way.  So bulk takes several only while
 * nothing little comes.
 */
#include <hybridge/turn.h>

#include "scratch.h"

#define BATCHES 4

void hybridge_turn_served(struct hybridge_loop *loop,
			  struct hybridge_turn *turn, uint64_t bytes)
{
	struct scratch *scratch = loop_scratch(loop);
	int64_t now_us = hybridge_loop_now_us(loop);

	if (scratch->served != turn) {
		scratch->served = turn;
		scratch->served_since_us = now_us;
	}
	if (bytes > HYBRIDGE_TURN_LITTLE)
		turn->bulk_us = now_us;
	else if (now_us - turn->bulk_us >= HYBRIDGE_TURN_LATE_US)
		scratch->little_us = now_us;
}

bool hybridge_turn_is_alone(struct hybridge_loop *loop)
{
	return hybridge_loop_now_us(loop) -
		       loop_scratch(loop)->served_since_us >=
	       HYBRIDGE_TURN_LATE_US;
}

bool hybridge_turn_is_awaited(struct hybridge_loop *loop)
{
	return hybridge_loop_now_us(loop) - loop_scratch(loop)->little_us <
	       HYBRIDGE_TURN_LATE_US;
}

bool hybridge_turn_goes_on(struct hybridge_loop *loop, int batches,
			   uint64_t bytes)
{
	return batches < BATCHES && (bytes <= HYBRIDGE_TURN_LITTLE ||
				     !hybridge_turn_is_awaited(loop));
}
