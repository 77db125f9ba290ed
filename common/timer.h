/*
 * timer.h - the loop's deadlines in a binary heap, private to loop.c.
 */
#ifndef HYBRIDGE_COMMON_TIMER_H
#define HYBRIDGE_COMMON_TIMER_H

#include <stddef.h>
#include <stdint.h>

#include <hybridge/loop.h>

/**
 * struct timer_heap - Armed timers, the earliest first; start with {0}
 * @items: Owned array of borrowed timers
 */
struct timer_heap {
	struct hybridge_timer **items;
	size_t len;
	size_t room;
};

/**
 * timer_heap_set() - Arm a timer, or move one that is armed
 * Return: 0, or -1 when out of memory: the timer is then not armed
 */
HYBRIDGE_MUSTUSE int timer_heap_set(struct timer_heap *heap,
				    struct hybridge_timer *timer,
				    int64_t deadline_us);

/** timer_heap_clear() - Disarm; fine when not armed */
void timer_heap_clear(struct timer_heap *heap, struct hybridge_timer *timer);

/**
 * timer_heap_pop() - Disarm the earliest timer if it is due
 * Return: The timer, or NULL when none is due at @now_us
 */
struct hybridge_timer *timer_heap_pop(struct timer_heap *heap, int64_t now_us);

/** timer_heap_next() - The earliest deadline, or -1 when none is armed */
int64_t timer_heap_next(const struct timer_heap *heap);

/** timer_heap_free() - Release the array */
void timer_heap_free(struct timer_heap *heap);

#endif
