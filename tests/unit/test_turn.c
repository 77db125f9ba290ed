/*
 * test_turn.c - how long one stream may keep the loop: less while little comes for anybody.
 */
#include "engine_fixture.h"

#include <hybridge/turn.h>

#define BULK    ((size_t)64 * 1024)
#define SEVERAL 4

static struct hybridge_turn one, other;

static bool is_alone_with(struct fixture *fx, struct hybridge_turn *who)
{
	hybridge_turn_served(fx->loop, who, BULK);
	return hybridge_turn_is_alone(fx->loop);
}

static bool has_several_with(struct fixture *fx, struct hybridge_turn *who)
{
	hybridge_turn_served(fx->loop, who, BULK);
	return hybridge_turn_goes_on(fx->loop, SEVERAL - 1,
				     (SEVERAL - 1) * BULK) &&
	       !hybridge_turn_goes_on(fx->loop, SEVERAL, SEVERAL * BULK);
}

static void bulk_has_several_batches_be_it_of_many(void **state)
{
	struct fixture *fx = *state;

	for (int i = 0; i < 10; i++) {
		assert_true(has_several_with(fx, &one));
		assert_true(has_several_with(fx, &other));
	}
	assert_false(hybridge_turn_is_alone(fx->loop));
}

static void a_stream_is_alone_when_no_other_was_served_for_a_while(void **state)
{
	struct fixture *fx = *state;

	assert_false(is_alone_with(fx, &one));
	FIXTURE_UNTIL(fx, is_alone_with(fx, &one));
	assert_false(is_alone_with(fx, &other));
	assert_false(is_alone_with(fx, &one));
	FIXTURE_UNTIL(fx, is_alone_with(fx, &one));
}

static void little_for_anybody_leaves_bulk_one_batch_for_a_while(void **state)
{
	struct fixture *fx = *state;

	hybridge_turn_served(fx->loop, &other, 1);
	assert_false(has_several_with(fx, &one));
	assert_false(hybridge_turn_goes_on(fx->loop, 1, BULK));
	/* What is not much may go on. */
	assert_true(hybridge_turn_goes_on(fx->loop, 1, 1));
	FIXTURE_UNTIL(fx, has_several_with(fx, &one));
}

/* The end of a batch, say. */
static void little_of_bulk_is_not_waited_for(void **state)
{
	struct fixture *fx = *state;

	assert_true(has_several_with(fx, &one));
	hybridge_turn_served(fx->loop, &one, 1);
	hybridge_turn_served(fx->loop, &other, 1);
	assert_true(hybridge_turn_is_awaited(fx->loop));
	FIXTURE_UNTIL(fx, has_several_with(fx, &one));
	hybridge_turn_served(fx->loop, &one, 1);
	assert_false(hybridge_turn_is_awaited(fx->loop));
}

static void a_stream_that_begins_is_one_that_others_wait_for(void **state)
{
	struct fixture *fx = *state;

	FIXTURE_UNTIL(fx, is_alone_with(fx, &one));
	hybridge_turn_served(fx->loop, &other, 0);
	assert_false(hybridge_turn_is_alone(fx->loop));
	assert_true(hybridge_turn_is_awaited(fx->loop));
}

static int setup(void **state)
{
	one = other = (struct hybridge_turn){0};
	return fixture_setup(state);
}

static void little_of_the_stream_itself_leaves_it_alone(void **state)
{
	struct fixture *fx = *state;

	FIXTURE_UNTIL(fx, is_alone_with(fx, &one));
	hybridge_turn_served(fx->loop, &one, 1);
	assert_true(hybridge_turn_is_alone(fx->loop));
}

#define WITH_TURNS(test) \
	cmocka_unit_test_setup_teardown(test, setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TURNS(bulk_has_several_batches_be_it_of_many),
		WITH_TURNS(
			a_stream_is_alone_when_no_other_was_served_for_a_while),
		WITH_TURNS(
			little_for_anybody_leaves_bulk_one_batch_for_a_while),
		WITH_TURNS(little_of_bulk_is_not_waited_for),
		WITH_TURNS(a_stream_that_begins_is_one_that_others_wait_for),
		WITH_TURNS(little_of_the_stream_itself_leaves_it_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
