/*
 * backoff.c - waiting times that grow, and differ from one agent to the next.
 */
#include "backoff.h"

#include <sys/random.h>

#define JITTER_PERCENT 20

static const uint32_t steps_ms[] = {0, 1000, 2000, 5000, 10000, 30000};
#define NUM_STEPS (sizeof(steps_ms) / sizeof(steps_ms[0]))

uint32_t backoff_jitter(uint32_t ms, unsigned int percent, uint32_t random)
{
	uint64_t span = (uint64_t)ms * percent / 100;

	return (uint32_t)(ms - span + (2 * span * random) / UINT32_MAX);
}

uint32_t backoff_next(struct backoff *backoff, uint32_t random)
{
	uint32_t ms = steps_ms[backoff->failures];

	if (backoff->failures < NUM_STEPS - 1)
		backoff->failures++;
	return backoff_jitter(ms, JITTER_PERCENT, random);
}

void backoff_up(struct backoff *backoff, int64_t up_ms)
{
	if (up_ms >= BACKOFF_RESET_MS)
		backoff->failures = 0;
}

uint32_t backoff_random(void)
{
	uint32_t value = 0;

	/* Up to 256 bytes come whole, or the process waits (getrandom(2)). */
	while (getrandom(&value, sizeof(value), 0) != (ssize_t)sizeof(value))
		;
	return value;
}
