/*
 * test_h2_chunk.c - memory that sessions read into: used again while it is warm, and given back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "../../common/h2_chunk.h"

#define MANY      ((size_t)100)
#define SPARE_MAX ((size_t)64) /* h2_chunk.c */

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct h2_chunks));
	assert_non_null(*state);
	return 0;
}

static int teardown(void **state)
{
	h2_chunks_free(*state);
	free(*state);
	return 0;
}

/* One that has been read into, and that a stream holds. */
static struct h2_chunk *hold(struct h2_chunks *chunks)
{
	struct h2_chunk *chunk = h2_chunk_fresh(chunks);

	assert_non_null(chunk);
	chunk->refs++;
	return chunk;
}

static void hold_and_drop(struct h2_chunks *chunks, size_t num)
{
	struct h2_chunk *held[MANY];

	for (size_t i = 0; i < num; i++)
		held[i] = hold(chunks);
	/* The last is still the one to read into. */
	for (size_t i = 0; i < num; i++)
		h2_chunk_drop(chunks, held[i]);
}

static void the_last_that_was_dropped_is_used_first(void **state)
{
	struct h2_chunks *chunks = *state;
	struct h2_chunk *first = hold(chunks);
	struct h2_chunk *second = hold(chunks);
	struct h2_chunk *third = hold(chunks);

	h2_chunk_drop(chunks, first);
	h2_chunk_drop(chunks, second);
	assert_int_equal(chunks->num_spare, 2);
	assert_ptr_equal(hold(chunks), second);
	assert_ptr_equal(hold(chunks), first);
	h2_chunk_drop(chunks, third);
	h2_chunk_drop(chunks, second);
	h2_chunk_drop(chunks, first);
}

static void one_that_is_held_is_not_spare(void **state)
{
	struct h2_chunks *chunks = *state;
	struct h2_chunk *twice = hold(chunks);

	twice->refs++;
	(void)hold(chunks);
	h2_chunk_drop(chunks, twice);
	assert_int_equal(chunks->num_spare, 0);
	h2_chunk_drop(chunks, twice);
	assert_int_equal(chunks->num_spare, 1);
	h2_chunk_drop(chunks, chunks->reading);
}

static void more_than_a_window_is_not_kept(void **state)
{
	struct h2_chunks *chunks = *state;

	hold_and_drop(chunks, MANY);
	assert_int_equal(chunks->num_spare, SPARE_MAX);
}

static void what_was_of_no_use_is_given_back(void **state)
{
	struct h2_chunks *chunks = *state;

	hold_and_drop(chunks, 21);
	h2_chunks_trim(chunks);
	assert_int_equal(chunks->num_spare, 20);
	hold_and_drop(chunks, 6);
	h2_chunks_trim(chunks);
	assert_in_range(chunks->num_spare, 5, 6);
	h2_chunks_trim(chunks);
	assert_int_equal(chunks->num_spare, 0);
}

#define WITH_CHUNKS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CHUNKS(the_last_that_was_dropped_is_used_first),
		WITH_CHUNKS(one_that_is_held_is_not_spare),
		WITH_CHUNKS(more_than_a_window_is_not_kept),
		WITH_CHUNKS(what_was_of_no_use_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
