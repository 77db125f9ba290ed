/*
 * test_timer.c - the heap of deadlines against a plain array that is searched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>

#include "../../common/timer.h"

#define TIMERS 300

/* The model: what is armed, and for when. */
static struct hybridge_timer timers[TIMERS];
static int64_t armed_for[TIMERS]; /* -1: not armed */

static int64_t model_next(void)
{
	int64_t next = -1;

	for (size_t i = 0; i < TIMERS; i++)
		if (armed_for[i] >= 0 && (next < 0 || armed_for[i] < next))
			next = armed_for[i];
	return next;
}

static uint32_t draw(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % below;
}

static void check_slots(const struct timer_heap *heap)
{
	size_t armed = 0;

	for (size_t i = 0; i < TIMERS; i++) {
		armed += armed_for[i] >= 0;
		assert_int_equal(timers[i].slot != 0, armed_for[i] >= 0);
		if (timers[i].slot != 0)
			assert_ptr_equal(heap->items[timers[i].slot - 1],
					 &timers[i]);
	}
	assert_int_equal(heap->len, armed);
}

static void pop_all(struct timer_heap *heap, int64_t now)
{
	struct hybridge_timer *timer;

	while ((timer = timer_heap_pop(heap, now))) {
		size_t i = (size_t)(timer - timers);

		assert_true(armed_for[i] >= 0 && armed_for[i] <= now);
		assert_int_equal(armed_for[i], model_next());
		assert_int_equal(timer->slot, 0);
		armed_for[i] = -1;
	}
	assert_true(model_next() < 0 || model_next() > now);
}

static void random_operations_agree_with_a_searched_array(void **state)
{
	struct timer_heap heap = {0};
	uint32_t seed = 7;
	int64_t now = 0;

	(void)state;
	for (size_t i = 0; i < TIMERS; i++)
		armed_for[i] = -1;
	for (int step = 0; step < 60000; step++) {
		size_t i = draw(&seed, TIMERS);
		int64_t when = now + draw(&seed, 500);

		switch (draw(&seed, 8)) {
		case 0:
		case 1:
		case 2:
		case 3:
			assert_int_equal(
				timer_heap_set(&heap, &timers[i], when), 0);
			armed_for[i] = when;
			break;
		case 4:
		case 5:
			timer_heap_clear(&heap, &timers[i]);
			armed_for[i] = -1;
			break;
		default:
			now += draw(&seed, 20);
			pop_all(&heap, now);
		}
		assert_int_equal(timer_heap_next(&heap), model_next());
		if (step % 100 == 0)
			check_slots(&heap);
	}
	pop_all(&heap, INT64_MAX);
	check_slots(&heap);
	assert_int_equal(timer_heap_next(&heap), -1);
	timer_heap_free(&heap);
}

static void nothing_is_due_before_its_time(void **state)
{
	struct timer_heap heap = {0};
	struct hybridge_timer timer = {0};

	(void)state;
	assert_null(timer_heap_pop(&heap, INT64_MAX));
	assert_int_equal(timer_heap_set(&heap, &timer, 10), 0);
	assert_null(timer_heap_pop(&heap, 9));
	assert_ptr_equal(timer_heap_pop(&heap, 10), &timer);
	assert_null(timer_heap_pop(&heap, 10));
	timer_heap_clear(&heap, &timer); /* fine when not armed */
	timer_heap_free(&heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_agree_with_a_searched_array),
		cmocka_unit_test(nothing_is_due_before_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
