/*
 * test_utf8.c - what is UTF-8 and what is not, byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <hybridge/utf8.h>

static void characters_of_every_length_are_valid(void **state)
{
	static const char *const good[] = {"",
					   "a",
					   "\x7f",
					   "gr\xc3\xbc\xc3\x9f",
					   "\xc2\x80",
					   "\xdf\xbf",
					   "\xe0\xa0\x80",
					   "\xed\x9f\xbf",
					   "\xee\x80\x80",
					   "\xef\xbf\xbf",
					   "\xf0\x90\x80\x80",
					   "\xf4\x8f\xbf\xbf"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		print_message("%zu\n", i);
		assert_true(hybridge_utf8_is_valid(good[i], strlen(good[i])));
	}
	assert_true(hybridge_utf8_is_valid("a\0b", 3));
}

static void overlong_cut_and_impossible_ones_are_not(void **state)
{
	static const char *const bad[] = {"\x80",
					  "\xbf",
					  "\xc0\xaf",
					  "\xc1\xbf",
					  "\xe0\x9f\xbf",
					  "\xed\xa0\x80",
					  "\xf0\x8f\xbf\xbf",
					  "\xf4\x90\x80\x80",
					  "\xf5\x80\x80\x80",
					  "\xff",
					  "\xc3",
					  "\xe2\x82",
					  "\xf0\x9f\x98",
					  "\xc3(",
					  "\xe2(\xa1",
					  "\xe2\x82(",
					  "\xf0\x9f\x98(",
					  "ok\xc3"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		print_message("%zu\n", i);
		assert_false(hybridge_utf8_is_valid(bad[i], strlen(bad[i])));
		assert_false(hybridge_utf8_is_text(bad[i], strlen(bad[i])));
	}
	/* What follows the text in memory does not make it whole. */
	assert_false(hybridge_utf8_is_valid("\xc3\xa4", 1));
	assert_int_equal(
		hybridge_utf8_len((const unsigned char *)"\xe2\x82\xac", 2), 0);
	assert_int_equal(
		hybridge_utf8_len((const unsigned char *)"\xe2\x82\xac", 3), 3);
}

static void text_has_no_control_characters(void **state)
{
	(void)state;
	assert_true(hybridge_utf8_is_text("gr\xc3\xbc", 4));
	assert_false(hybridge_utf8_is_text("a\nb", 3));
	assert_false(hybridge_utf8_is_text("a\x7f", 2));
	assert_false(hybridge_utf8_is_text("a\0b", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(characters_of_every_length_are_valid),
		cmocka_unit_test(overlong_cut_and_impossible_ones_are_not),
		cmocka_unit_test(text_has_no_control_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
