/*
 * test_agent_backoff.c - how long the agent waits between attempts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../agent/backoff.h"

#define MIDDLE (UINT32_MAX / 2) /* no jitter, but for rounding */

static void the_wait_grows_to_half_a_minute_and_stays_there(void **state)
{
	static const uint32_t expected_ms[] = {0,     1000,  2000,  5000,
					       10000, 30000, 30000, 30000};
	struct backoff backoff = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(expected_ms) / sizeof(expected_ms[0]);
	     i++)
		assert_in_range(backoff_next(&backoff, MIDDLE) + 1,
				expected_ms[i], expected_ms[i] + 1);
}

static void jitter_stays_within_its_percentage(void **state)
{
	struct backoff low = {.failures = 5}, high = {.failures = 5};

	(void)state;
	assert_int_equal(backoff_next(&low, 0), 24000);
	assert_int_equal(backoff_next(&high, UINT32_MAX), 36000);
	/* The renewal of a token of an hour: no overflow. */
	assert_int_equal(backoff_jitter(2700000, 5, 0), 2565000);
	assert_int_equal(backoff_jitter(2700000, 5, UINT32_MAX), 2835000);
	assert_int_equal(backoff_jitter(0, 20, UINT32_MAX), 0);
}

static void only_a_minute_of_success_starts_it_over(void **state)
{
	struct backoff backoff = {.failures = 4};

	(void)state;
	backoff_up(&backoff, BACKOFF_RESET_MS - 1);
	assert_int_equal(backoff.failures, 4);
	backoff_up(&backoff, BACKOFF_RESET_MS);
	assert_int_equal(backoff_next(&backoff, MIDDLE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_wait_grows_to_half_a_minute_and_stays_there),
		cmocka_unit_test(jitter_stays_within_its_percentage),
		cmocka_unit_test(only_a_minute_of_success_starts_it_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
