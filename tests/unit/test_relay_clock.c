/*
 * test_relay_clock.c - what a relay's reason tells of this machine's clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <hybridge/relay_clock.h>

#define NOON INT64_C(1745492895) /* 2025-04-24T11:08:15Z */

static void both_of_azures_forms_are_read_and_nothing_else(void **state)
{
	static const struct {
		const char *reason;
		bool is_known;
		int64_t ahead;
	} cases[] = {
		{"No. TrackingId:x_G0, Timestamp:2025-04-24T11:08:15", true, 0},
		{"Timestamp:2025-04-24T11:08:15.123Z", true, 0},
		{"Timestamp:2025-04-24T14:08:15", true, -10800},
		{"Timestamp:4/24/2025 11:07:15 AM", true, 60},
		{"Timestamp:4/23/2025 11:08:15 PM", true, 43200},
		{"Timestamp:12/31/1969 11:59:59 PM", true, NOON + 1},
		{"", false, 0},
		{"Timestamp:", false, 0},
		{"Timestamp:yesterday", false, 0},
		{"Timestamp:2025-04-24", false, 0},
		{"Timestamp:2025-13-24T11:08:15", false, 0},
		{"2025-04-24T11:08:15", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t ahead = 0;

		print_message("case: %s\n", cases[i].reason);
		assert_int_equal(hybridge_relay_clock_ahead(cases[i].reason,
							    NOON, &ahead),
				 cases[i].is_known);
		assert_int_equal(ahead, cases[i].ahead);
	}
}

static void
a_difference_is_told_in_the_largest_unit_of_which_there_are_two(void **state)
{
	static const struct {
		int64_t ahead;
		const char *text;
	} cases[] = {
		{61, "61 seconds ahead of the relay's"},
		{-119, "119 seconds behind the relay's"},
		{120, "2 minutes ahead of the relay's"},
		{-7199, "119 minutes behind the relay's"},
		{7200, "2 hours ahead of the relay's"},
		{-86400, "24 hours behind the relay's"},
		{-20000 * INT64_C(86400), "20000 days behind the relay's"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[HYBRIDGE_RELAY_CLOCK_MAX];

		hybridge_relay_clock_text(cases[i].ahead, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void only_a_wrong_clock_is_hinted_at(void **state)
{
	static const char reason[] = "Timestamp:2025-04-24T11:08:15";
	struct hybridge_error err = {0};

	(void)state;
	hybridge_relay_clock_hint(reason, NOON + 59, &err);
	hybridge_relay_clock_hint(reason, NOON - 59, &err);
	hybridge_relay_clock_hint("no time", NOON, &err);
	assert_string_equal(err.hint, "");
	hybridge_relay_clock_hint(reason, NOON - 10800, &err);
	assert_string_equal(
		err.hint,
		"set this machine's clock: it is 3 hours behind the relay's");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			both_of_azures_forms_are_read_and_nothing_else),
		cmocka_unit_test(
			a_difference_is_told_in_the_largest_unit_of_which_there_are_two),
		cmocka_unit_test(only_a_wrong_clock_is_hinted_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
