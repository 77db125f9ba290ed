/*
 * test_text.c - pieces of text put together, and numbers in decimal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <hybridge/text.h>

static void pieces_are_joined_in_order(void **state)
{
	const struct hybridge_span parts[] = {
		{"abc", 2}, {NULL, 0}, {"", 0}, {"cde", 3}};
	char *text = hybridge_text_join(parts, 4);

	(void)state;
	assert_string_equal(text, "abcde");
	free(text);
	text = hybridge_text_join(NULL, 0);
	assert_string_equal(text, "");
	free(text);
}

static void numbers_are_written_in_decimal(void **state)
{
	static const struct {
		uint32_t number;
		const char *text;
	} cases[] = {{0, "0"},
		     {9, "9"},
		     {10, "10"},
		     {443, "443"},
		     {65535, "65535"},
		     {1000000, "1000000"},
		     {UINT32_MAX, "4294967295"}};
	char out[HYBRIDGE_TEXT_NUMBER];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_span span =
			hybridge_text_number(cases[i].number, out);

		/* It is a string as well. */
		assert_string_equal(span.text, cases[i].text);
		assert_int_equal(span.len, strlen(cases[i].text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_joined_in_order),
		cmocka_unit_test(numbers_are_written_in_decimal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
