/*
 * turn.h - whom a loop has served of late, and so how long one of them may keep it.
 */
#ifndef HYBRIDGE_TURN_H
#define HYBRIDGE_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hybridge/loop.h>

#define HYBRIDGE_TURN_LITTLE \
	16384 /* bytes; bulk comes in larger pieces, mostly */
#define HYBRIDGE_TURN_LATE_US ((int64_t)200000)

/** struct hybridge_turn - What a loop knows of a stream, both ways; embed it, zeroed
 * @bulk_us: When it moved much last */
struct hybridge_turn {
	int64_t bulk_us;
};

/** hybridge_turn_served() - A stream has moved so many bytes in its turn, or has just begun */
void hybridge_turn_served(struct hybridge_loop *loop,
			  struct hybridge_turn *turn, uint64_t bytes);

/** hybridge_turn_is_alone() - Whether no stream but the one that was served last has been served of late */
bool hybridge_turn_is_alone(struct hybridge_loop *loop);

/** hybridge_turn_is_awaited() - Whether little has come of late for a stream that is no bulk:
 * somebody waits for it */
bool hybridge_turn_is_awaited(struct hybridge_loop *loop);

/**
 * hybridge_turn_goes_on() - Whether a stream may move one more batch before others have their turn
 * @batches: It has moved in this turn, of 128 KiB at most
 * @bytes:   In these
 */
bool hybridge_turn_goes_on(struct hybridge_loop *loop, int batches,
			   uint64_t bytes);

#endif
