/*
 * silence.h - how long a peer's silence is borne with: three pings, none answered.
 *
 * Time alone proves nothing: it passes for a process that was stopped, or a machine that
 * was suspended, too, and nobody was asked meanwhile.
 */
#ifndef HYBRIDGE_SILENCE_H
#define HYBRIDGE_SILENCE_H

#include <stdint.h>

#define HYBRIDGE_SILENT_PINGS \
	3 /* after so many times the interval it is dead */

/**
 * struct hybridge_silence - What is known of a peer
 * @heard_us: When it was last heard of, or need not be; as hybridge_loop_now_us() counts
 * @asked:    How often it was asked since
 */
struct hybridge_silence {
	int64_t heard_us;
	unsigned int asked;
};

/** enum hybridge_silence_step - What to do about it */
enum hybridge_silence_step {
	HYBRIDGE_SILENCE_WAIT, /* nothing */
	HYBRIDGE_SILENCE_ASK, /* ping, or leave it to bytes that wait for an acknowledgement */
	HYBRIDGE_SILENCE_DEAD,
};

/** hybridge_silence_heard() - Something came from the peer, or nothing had to */
static inline void hybridge_silence_heard(struct hybridge_silence *silence,
					  int64_t now_us)
{
	silence->heard_us = now_us;
	silence->asked = 0;
}

/** hybridge_silence_check() - To be called once every @ping_ms; counts on the advice being taken */
static inline enum hybridge_silence_step
hybridge_silence_check(struct hybridge_silence *silence, int64_t now_us,
		       uint32_t ping_ms)
{
	int64_t silent_ms = (now_us - silence->heard_us) / 1000;

	if (silent_ms < ping_ms)
		return HYBRIDGE_SILENCE_WAIT;
	if (silent_ms >= (int64_t)HYBRIDGE_SILENT_PINGS * ping_ms &&
	    silence->asked >= HYBRIDGE_SILENT_PINGS - 1)
		return HYBRIDGE_SILENCE_DEAD;
	silence->asked++;
	return HYBRIDGE_SILENCE_ASK;
}

#endif
