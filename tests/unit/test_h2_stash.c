/*
 * test_h2_stash.c - what waits for a stream's owner: in order, whole, and where it lies only
 * if nobody else's bytes lie before it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../common/h2_stash.h"

#define LARGE  ((size_t)40 * 1024)
#define LITTLE ((size_t)2000)
#define FRAME  ((size_t)9) /* an HTTP/2 frame's head lies between two pieces */

struct world {
	struct h2_chunks chunks;
	struct h2_chunk *chunk;
	uint8_t *at; /* where the next piece will lie */
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->chunk = h2_chunk_fresh(&world->chunks);
	assert_non_null(world->chunk);
	world->at = world->chunk->bytes + SCRATCH_HEAD + FRAME;
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	h2_chunks_free(&world->chunks);
	free(world);
	return 0;
}

/* A piece of @len bytes, all @value, comes for @stash. */
static void come(struct world *world, struct h2_stash *stash, size_t len,
		 uint8_t value)
{
	memset(world->at, value, len);
	assert_int_equal(h2_stash_add(stash, world->chunk, world->at, len), 0);
	world->at += len + FRAME;
}

/* What a holder of lent bytes may do to those before them. */
static uint8_t *lend(struct world *world, struct h2_stash *stash, size_t len)
{
	uint8_t *buf;

	h2_lent_drop(&world->chunks);
	assert_int_equal(h2_stash_lend(stash, &world->chunks, &buf), len);
	memset(buf - SCRATCH_HEAD, 0xee, SCRATCH_HEAD);
	return buf;
}

static void expect_all(const uint8_t *buf, size_t len, uint8_t value)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != value)
			fail_msg("byte %zu of %zu is %u, not %u", i, len,
				 buf[i], value);
}

static void expect_taken(struct world *world, struct h2_stash *stash,
			 size_t len, uint8_t value)
{
	uint8_t *buf = malloc(len + 1);

	assert_non_null(buf);
	assert_int_equal(h2_stash_take(stash, &world->chunks, buf, len), len);
	expect_all(buf, len, value);
	free(buf);
}

static void a_large_piece_is_lent_where_it_lies(void **state)
{
	struct world *world = *state;
	struct h2_stash stash = {0};
	const uint8_t *lay = world->at;

	come(world, &stash, LARGE, 1);
	assert_ptr_equal(lend(world, &stash, LARGE), lay);
	expect_all(lay, LARGE, 1);
	assert_int_equal(stash.len, 0);
}

static void pieces_of_one_stream_are_lent_one_behind_the_other(void **state)
{
	struct world *world = *state;
	struct h2_stash stash = {0};

	come(world, &stash, LARGE, 1);
	come(world, &stash, LARGE, 2);
	expect_all(lend(world, &stash, LARGE), LARGE, 1);
	expect_all(lend(world, &stash, LARGE), LARGE, 2);
	assert_int_equal(stash.len, 0);
}

static void a_piece_behind_another_streams_is_not_lent(void **state)
{
	struct world *world = *state;
	struct h2_stash one = {0};
	struct h2_stash two = {0};
	uint8_t *buf;

	come(world, &one, LARGE, 1);
	come(world, &two, LARGE, 2);
	assert_int_equal(h2_stash_lend(&two, &world->chunks, &buf), 0);
	expect_all(lend(world, &one, LARGE), LARGE, 1);
	expect_taken(world, &two, LARGE, 2);
	assert_int_equal(two.len, 0);
}

static void a_piece_between_two_of_another_stream_spoils_neither(void **state)
{
	struct world *world = *state;
	struct h2_stash one = {0};
	struct h2_stash two = {0};
	uint8_t *buf;

	come(world, &one, LARGE, 1);
	come(world, &two, LARGE, 2);
	come(world, &one, LARGE, 3);
	expect_all(lend(world, &one, LARGE), LARGE, 1);
	assert_int_equal(h2_stash_lend(&one, &world->chunks, &buf), 0);
	expect_taken(world, &one, LARGE, 3);
	expect_taken(world, &two, LARGE, 2);
}

static void little_is_copied_and_not_lent(void **state)
{
	struct world *world = *state;
	struct h2_stash stash = {0};
	uint8_t *buf;

	come(world, &stash, 10, 1);
	come(world, &stash, 20, 2);
	assert_int_equal(h2_stash_lend(&stash, &world->chunks, &buf), 0);
	assert_int_equal(world->chunk->refs, 1);
	expect_taken(world, &stash, 10, 1);
	expect_taken(world, &stash, 20, 2);
}

static void little_behind_a_piece_of_its_own_chunk_stays_there(void **state)
{
	struct world *world = *state;
	struct h2_stash stash = {0};

	come(world, &stash, LARGE, 1);
	come(world, &stash, LITTLE, 2);
	come(world, &stash, LARGE, 3);
	expect_all(lend(world, &stash, LARGE), LARGE, 1);
	expect_all(lend(world, &stash, LITTLE), LITTLE, 2);
	expect_all(lend(world, &stash, LARGE), LARGE, 3);
	assert_int_equal(stash.len, 0);
}

static void what_can_be_lent_is_not_read_along_with_what_cannot(void **state)
{
	struct world *world = *state;
	struct h2_stash stash = {0};
	uint8_t buf[100];

	come(world, &stash, 10, 1);
	come(world, &stash, LARGE, 2);
	assert_int_equal(
		h2_stash_take(&stash, &world->chunks, buf, sizeof(buf)), 10);
	expect_all(buf, 10, 1);
	expect_all(lend(world, &stash, LARGE), LARGE, 2);
	assert_int_equal(stash.len, 0);
}

static void the_rest_of_a_piece_that_was_begun_is_lent(void **state)
{
	struct world *world = *state;
	struct h2_stash stash = {0};

	come(world, &stash, LARGE, 1);
	expect_taken(world, &stash, 1000, 1);
	expect_all(lend(world, &stash, LARGE - 1000), LARGE - 1000, 1);
}

static void a_chunk_is_read_into_again_when_nobody_holds_it(void **state)
{
	struct world *world = *state;
	struct h2_stash stash = {0};

	come(world, &stash, LARGE, 1);
	(void)lend(world, &stash, LARGE);
	h2_lent_drop(&world->chunks);
	assert_ptr_equal(h2_chunk_fresh(&world->chunks), world->chunk);
	come(world, &stash, LARGE, 2);
	assert_ptr_not_equal(h2_chunk_fresh(&world->chunks), world->chunk);
	h2_stash_free(&stash, &world->chunks);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(a_large_piece_is_lent_where_it_lies),
		WITH_WORLD(pieces_of_one_stream_are_lent_one_behind_the_other),
		WITH_WORLD(a_piece_behind_another_streams_is_not_lent),
		WITH_WORLD(
			a_piece_between_two_of_another_stream_spoils_neither),
		WITH_WORLD(little_is_copied_and_not_lent),
		WITH_WORLD(little_behind_a_piece_of_its_own_chunk_stays_there),
		WITH_WORLD(what_can_be_lent_is_not_read_along_with_what_cannot),
		WITH_WORLD(the_rest_of_a_piece_that_was_begun_is_lent),
		WITH_WORLD(a_chunk_is_read_into_again_when_nobody_holds_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
