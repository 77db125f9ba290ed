/*
 * test_sender_names.c - the table of names by address, and its bound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "../../sender/names.h"

static void a_name_is_found_by_its_address(void **state)
{
	struct names names = {0};

	(void)state;
	assert_null(names_find(&names, 1));
	assert_int_equal(names_remember(&names, 1, "a.corp"), 0);
	assert_int_equal(names_remember(&names, 2, "b.corp"), 0);
	assert_string_equal(names_find(&names, 1), "a.corp");
	assert_string_equal(names_find(&names, 2), "b.corp");
	assert_null(names_find(&names, 3));
	names_free(&names);
}

static void the_last_name_of_an_address_counts(void **state)
{
	struct names names = {0};

	(void)state;
	assert_int_equal(names_remember(&names, 1, "a.corp"), 0);
	assert_int_equal(names_remember(&names, 1, "other.corp"), 0);
	assert_string_equal(names_find(&names, 1), "other.corp");
	assert_int_equal(names_count(&names), 1);
	names_free(&names);
}

static void an_address_that_two_names_share_has_none_for_good(void **state)
{
	struct names names = {0};

	(void)state;
	names_share(&names, 1);
	assert_int_equal(names_remember(&names, 1, "a.corp"), 0);
	names_share(&names, 1);
	assert_null(names_find(&names, 1));
	assert_int_equal(names_remember(&names, 1, "a.corp"), 0);
	assert_null(names_find(&names, 1));
	assert_int_equal(names_count(&names), 1);
	names_free(&names);
}

static void
a_full_table_drops_the_name_that_was_not_used_for_longest(void **state)
{
	struct names names = {0};
	char text[32];

	(void)state;
	for (uint32_t i = 0; i < NAMES_MAX; i++) {
		snprintf(text, sizeof(text), "n%u.corp", i);
		assert_int_equal(names_remember(&names, i, text), 0);
	}
	assert_int_equal(names_count(&names), NAMES_MAX);
	/* Seen again: no longer the oldest. */
	assert_int_equal(names_remember(&names, 0, "n0.corp"), 0);
	assert_int_equal(names_count(&names), NAMES_MAX);
	assert_int_equal(names_remember(&names, NAMES_MAX, "new.corp"), 0);
	assert_int_equal(names_count(&names), NAMES_MAX);
	assert_string_equal(names_find(&names, 0), "n0.corp");
	assert_null(names_find(&names, 1));
	assert_string_equal(names_find(&names, 2), "n2.corp");
	assert_string_equal(names_find(&names, NAMES_MAX), "new.corp");
	names_free(&names);
	assert_int_equal(names_count(&names), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_found_by_its_address),
		cmocka_unit_test(the_last_name_of_an_address_counts),
		cmocka_unit_test(
			an_address_that_two_names_share_has_none_for_good),
		cmocka_unit_test(
			a_full_table_drops_the_name_that_was_not_used_for_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
