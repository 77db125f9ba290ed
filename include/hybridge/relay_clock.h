/*
 * relay_clock.h - how far this machine's clock is from the relay's, by the relay's own words.
 *
 * A relay ends its reasons with "Timestamp:TIME" (PROTOCOL.md 1.4).  A token that was signed
 * with a wrong clock is turned down as expired, and nothing else tells why.
 */
#ifndef HYBRIDGE_RELAY_CLOCK_H
#define HYBRIDGE_RELAY_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/error.h>

#define HYBRIDGE_RELAY_CLOCK_MAX 64

/** HYBRIDGE_RELAY_CLOCK_OFF_S - From here on a clock counts as wrong: tokens are good for five
 * minutes more or less, and an answer may have been on its way for some seconds */
#define HYBRIDGE_RELAY_CLOCK_OFF_S 60

/**
 * hybridge_relay_clock_ahead() - Seconds by which this machine's clock is ahead
 * @reason: A relay's, with a time as Azure writes it: 2025-04-24T11:08:15 or, as it used to be,
 *          5/7/2018 5:51:25 PM; UTC
 * @now:    Seconds since the epoch
 * @ahead:  Set when there is one; below 0 when this clock is behind
 *
 * Return: Whether the reason has a time
 */
bool hybridge_relay_clock_ahead(const char *reason, int64_t now,
				int64_t *ahead);

/** hybridge_relay_clock_text() - "3 hours ahead of the relay's" */
void hybridge_relay_clock_text(int64_t ahead,
			       char out[static HYBRIDGE_RELAY_CLOCK_MAX]);

/**
 * hybridge_relay_clock_hint() - For a token that was turned down: the hint, if the clock is wrong
 * @reason: The relay's
 * @now:    Seconds since the epoch
 * @err:    Its hint is set, unless the clock is right or nothing is known of it
 */
void hybridge_relay_clock_hint(const char *reason, int64_t now,
			       struct hybridge_error *err);

#endif
