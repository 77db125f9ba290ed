/*
 * backoff.h - how long to wait before the next attempt.
 */
#ifndef AGENT_BACKOFF_H
#define AGENT_BACKOFF_H

#include <stdint.h>

#define BACKOFF_RESET_MS \
	60000 /* up for this long: the next failure is a new one */

/** struct backoff - Start with {0} */
struct backoff {
	unsigned int failures;
};

/**
 * backoff_next() - One more failure: how long to wait now
 * @random: Any 32 random bits
 *
 * 0, 1, 2, 5, 10, 30, 30 ... seconds, each ± 20 %.
 *
 * Return: Milliseconds
 */
uint32_t backoff_next(struct backoff *backoff, uint32_t random);

/** backoff_up() - It worked for @up_ms; start over when that was long enough */
void backoff_up(struct backoff *backoff, int64_t up_ms);

/**
 * backoff_jitter() - A duration ± @percent
 * @random: Any 32 random bits
 */
uint32_t backoff_jitter(uint32_t ms, unsigned int percent, uint32_t random);

/** backoff_random() - 32 random bits */
uint32_t backoff_random(void);

#endif
