/*
 * test_loop_lws.c - the event loop beside libwebsockets: who runs when.
 */
#include "engine_fixture.h"

#include <libwebsockets.h>

/* Something that lws does on its own, between our turns; and what that leads to. */
struct outside {
	lws_sorted_usec_list_t sul;
	struct hybridge_task task;
	struct hybridge_loop *loop;
	int calls; /* of lws */
	int tasks; /* that ran */
	bool stops; /* lws's callback stops the loop; else a task that it defers does */
};

static void on_outside(lws_sorted_usec_list_t *sul)
{
	struct outside *outside = lws_container_of(sul, struct outside, sul);

	outside->calls++;
	if (outside->stops)
		hybridge_loop_stop(outside->loop);
	else
		hybridge_loop_defer(outside->loop, &outside->task);
}

static void run_task(struct hybridge_task *task)
{
	struct outside *outside =
		hybridge_container(task, struct outside, task);

	outside->tasks++;
	hybridge_loop_stop(outside->loop);
}

static void schedule(struct fixture *fx, struct outside *outside, bool stops)
{
	*outside = (struct outside){
		.task.run = run_task, .loop = fx->loop, .stops = stops};
	lws_sul_schedule(hybridge_loop_lws(fx->loop), 0, &outside->sul,
			 on_outside, 1000);
}

/* Runs the loop until it is stopped, which must be soon: lws wakes up by itself
 * every 30 s, and would hide that nobody else woke it. */
static void run_briefly(struct fixture *fx)
{
	time_t begun = time(NULL);

	hybridge_loop_run(fx->loop);
	assert_in_range(time(NULL) - begun, 0, 15);
}

static void work_deferred_by_an_lws_callback_does_not_wait(void **state)
{
	struct fixture *fx = *state;
	struct outside outside;

	hybridge_loop_guest(fx->loop, true);
	schedule(fx, &outside, false);
	run_briefly(fx);
	assert_int_equal(outside.tasks, 1);
}

static void a_stop_by_an_lws_callback_is_heeded_at_once(void **state)
{
	struct fixture *fx = *state;
	struct outside outside;

	hybridge_loop_guest(fx->loop, true);
	schedule(fx, &outside, true);
	run_briefly(fx);
	assert_int_equal(outside.calls, 1);
	fixture_step(fx, 5); /* and it runs again */
}

static void lws_is_served_while_it_has_guests_and_no_longer(void **state)
{
	struct fixture *fx = *state;
	struct outside outside;

	hybridge_loop_guest(fx->loop, true);
	hybridge_loop_guest(fx->loop, true);
	hybridge_loop_guest(fx->loop, false);
	schedule(fx, &outside, true);
	run_briefly(fx);
	assert_int_equal(outside.calls, 1);
	hybridge_loop_guest(fx->loop, false);
	schedule(fx, &outside, true);
	fixture_step(fx, 20);
	assert_int_equal(outside.calls, 0);
	lws_sul_cancel(&outside.sul);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(work_deferred_by_an_lws_callback_does_not_wait),
		WITH_LOOP(a_stop_by_an_lws_callback_is_heeded_at_once),
		WITH_LOOP(lws_is_served_while_it_has_guests_and_no_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
