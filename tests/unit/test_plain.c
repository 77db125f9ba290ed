/*
 * test_plain.c - blocks of bytes looked at together, held against a look at each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../common/plain.h"

#define LONGEST 70

static const char *const stops[] = {"\"\\/", "%++", " ==", "\0\0"};

static size_t one_by_one(const char *text, size_t len, const char stop[3])
{
	size_t at = 0;

	for (; at < len; at++) {
		unsigned char c = (unsigned char)text[at];

		if (c < 0x20 || c >= 0x7f || memchr(stop, c, 3))
			break;
	}
	return at;
}

/* In memory of its own, so that a sanitizer sees a read beyond it. */
static size_t measured(const char *text, size_t len, const char stop[3])
{
	char *copy = malloc(len ? len : 1);
	size_t found;

	assert_non_null(copy);
	memcpy(copy, text, len);
	found = plain_len(copy, len, stop);
	free(copy);
	return found;
}

static void every_byte_stops_or_not_wherever_it_is(void **state)
{
	char text[LONGEST];

	(void)state;
	for (size_t stop = 0; stop < sizeof(stops) / sizeof(*stops); stop++)
		for (int byte = 0; byte < 256; byte++)
			for (size_t at = 0; at < LONGEST; at++) {
				memset(text, 'x', sizeof(text));
				text[at] = (char)byte;
				assert_int_equal(measured(text, sizeof(text),
							  stops[stop]),
						 one_by_one(text, sizeof(text),
							    stops[stop]));
			}
}

static void every_length_is_looked_at_to_its_end_and_no_further(void **state)
{
	char text[LONGEST + 1];

	(void)state;
	for (size_t len = 0; len <= LONGEST; len++) {
		memset(text, 'x', sizeof(text));
		assert_int_equal(measured(text, len, stops[0]), len);
		text[len] = '"';
		assert_int_equal(plain_len(text, len, stops[0]), len);
		for (size_t at = 0; at < len; at++) {
			memset(text, 'x', sizeof(text));
			text[at] = '/';
			assert_int_equal(measured(text, len, stops[0]), at);
		}
	}
}

static void the_first_of_several_counts(void **state)
{
	(void)state;
	assert_int_equal(
		measured("0123456789abcdef0123/567\"9abcdef", 32, stops[0]),
		20);
	assert_int_equal(measured("0123456\n89abc/ef", 16, stops[0]), 7);
	assert_int_equal(measured("\xc3\xa9", 2, stops[0]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_stops_or_not_wherever_it_is),
		cmocka_unit_test(
			every_length_is_looked_at_to_its_end_and_no_further),
		cmocka_unit_test(the_first_of_several_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
