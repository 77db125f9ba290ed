/*
 * reserve.h - descriptors that are kept so that a stream can be refused when there are no others.
 */
#ifndef AGENT_RESERVE_H
#define AGENT_RESERVE_H

#include <stdbool.h>

#include <hybridge/error.h>
#include <hybridge/loop.h>

struct reserve;

/**
 * struct reserve_turn - Who waits for the reserve or has it; embed it, zeroed
 * @granted: Called from the loop when the descriptors have just been closed: what opens some
 *           now has them.  May call reserve_leave()
 * @is_in:   In line, or granted
 */
struct reserve_turn {
	void (*granted)(struct reserve_turn *turn);
	bool is_in;
	struct reserve_turn *prev, *next;
};

/** reserve_new() - Open the descriptors; NULL when there are none or no memory, with @err set */
HYBRIDGE_MUSTUSE struct reserve *reserve_new(struct hybridge_loop *loop,
					     struct hybridge_error *err);

/** reserve_is_whole() - All are open, and nobody has them or waits for them */
bool reserve_is_whole(struct reserve *reserve);

/** reserve_ask() - Get in line; one at a time has the reserve.  Nothing happens to who is in */
void reserve_ask(struct reserve *reserve, struct reserve_turn *turn);

/** reserve_leave() - Give it back, or leave the line.  Nothing happens to who is not in */
void reserve_leave(struct reserve *reserve, struct reserve_turn *turn);

/** reserve_free() - Close the descriptors; nobody may be in.  NULL is fine */
void reserve_free(struct reserve *reserve);

#endif
