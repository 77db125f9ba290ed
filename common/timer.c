/*
 * timer.c - the loop's deadlines in a binary heap: arming, moving and disarming
 * one of n timers costs log n, whatever their durations.
 */
#include "timer.h"

#include <stdlib.h>

static void place(struct timer_heap *heap, size_t at,
		  struct hybridge_timer *timer)
{
	heap->items[at] = timer;
	timer->slot = (uint32_t)(at + 1);
}

static void sift_up(struct timer_heap *heap, size_t at)
{
	struct hybridge_timer *timer = heap->items[at];

	while (at > 0) {
		size_t parent = (at - 1) / 2;

		if (heap->items[parent]->deadline_us <= timer->deadline_us)
			break;
		place(heap, at, heap->items[parent]);
		at = parent;
	}
	place(heap, at, timer);
}

static void sift_down(struct timer_heap *heap, size_t at)
{
	struct hybridge_timer *timer = heap->items[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= heap->len)
			break;
		if (child + 1 < heap->len &&
		    heap->items[child + 1]->deadline_us <
			    heap->items[child]->deadline_us)
			child++;
		if (timer->deadline_us <= heap->items[child]->deadline_us)
			break;
		place(heap, at, heap->items[child]);
		at = child;
	}
	place(heap, at, timer);
}

int timer_heap_set(struct timer_heap *heap, struct hybridge_timer *timer,
		   int64_t deadline_us)
{
	size_t at;

	if (timer->slot == 0) {
		if (heap->len == heap->room) {
			size_t room = heap->room ? 2 * heap->room : 64;
			struct hybridge_timer **items =
				reallocarray(heap->items, room,
					     sizeof(struct hybridge_timer *));

			if (!items)
				return -1;
			heap->items = items;
			heap->room = room;
		}
		place(heap, heap->len++, timer);
	}
	timer->deadline_us = deadline_us;
	at = timer->slot - 1;
	sift_up(heap, at);
	sift_down(heap, timer->slot - 1);
	return 0;
}

void timer_heap_clear(struct timer_heap *heap, struct hybridge_timer *timer)
{
	struct hybridge_timer *last;
	size_t at;

	if (timer->slot == 0)
		return;
	at = timer->slot - 1;
	timer->slot = 0;
	last = heap->items[--heap->len];
	if (last == timer)
		return;
	place(heap, at, last);
	sift_up(heap, at);
	sift_down(heap, last->slot - 1);
}

struct hybridge_timer *timer_heap_pop(struct timer_heap *heap, int64_t now_us)
{
	struct hybridge_timer *timer;

	if (heap->len == 0 || heap->items[0]->deadline_us > now_us)
		return NULL;
	timer = heap->items[0];
	timer_heap_clear(heap, timer);
	return timer;
}

int64_t timer_heap_next(const struct timer_heap *heap)
{
	return heap->len == 0 ? -1 : heap->items[0]->deadline_us;
}

void timer_heap_free(struct timer_heap *heap)
{
	free(heap->items);
	*heap = (struct timer_heap){0};
}
