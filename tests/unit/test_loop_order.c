/*
 * test_loop_order.c - in which order a turn does its work: little things, what sends, bulk.
 */
#include "engine_fixture.h"

#include <sys/epoll.h>

/* Steps write their letters into one text. */
static char trace[64];

enum queue { NONE, USUAL, LAST, BULK };

struct step {
	struct hybridge_task task;
	struct hybridge_loop *loop;
	char letter;
	int times; /* queues itself so often, as bulk */
	struct step *next;
	enum queue where; /* @next goes there */
	struct step *cancels;
};

static void defer(struct hybridge_loop *loop, struct step *step,
		  enum queue where)
{
	if (where == USUAL)
		hybridge_loop_defer(loop, &step->task);
	else if (where == LAST)
		hybridge_loop_defer_last(loop, &step->task);
	else if (where == BULK)
		hybridge_loop_defer_bulk(loop, &step->task);
}

static void note(char letter)
{
	size_t len = strlen(trace);

	assert_true(len + 1 < sizeof(trace));
	trace[len] = letter;
	trace[len + 1] = '\0';
}

static void step_run(struct hybridge_task *task)
{
	struct step *step = hybridge_container(task, struct step, task);

	note(step->letter);
	if (step->times-- > 0)
		defer(step->loop, step, BULK);
	defer(step->loop, step->next, step->where);
	if (step->cancels)
		hybridge_loop_cancel(step->loop, &step->cancels->task);
}

static void steps_open(struct fixture *fx, struct step *steps, size_t num)
{
	trace[0] = '\0';
	for (size_t i = 0; i < num; i++)
		steps[i] = (struct step){.task.run = step_run,
					 .loop = fx->loop,
					 .letter = (char)('a' + i)};
}

static void what_sends_comes_last_but_in_the_same_turn(void **state)
{
	struct fixture *fx = *state;
	struct step steps[5];

	steps_open(fx, steps, 5);
	steps[0].next = &steps[1]; /* another turn */
	steps[0].where = USUAL;
	steps[2].next = &steps[3]; /* this one */
	steps[2].where = LAST;
	steps[3].next = &steps[4]; /* the next, behind its others */
	steps[3].where = LAST;
	defer(fx->loop, &steps[2], LAST);
	defer(fx->loop, &steps[2], LAST); /* which is once */
	defer(fx->loop, &steps[0], USUAL);
	fixture_step(fx, 5);
	assert_string_equal(trace, "acdbe");
}

static void one_bulk_task_a_turn_goes_behind_all_else(void **state)
{
	struct fixture *fx = *state;
	struct step steps[5];

	steps_open(fx, steps, 5);
	defer(fx->loop, &steps[0], BULK);
	defer(fx->loop, &steps[1], BULK);
	steps[0].next = &steps[2]; /* sends what it wrote in its own turn */
	steps[0].where = LAST;
	steps[0].times = 1;
	steps[3].next = &steps[4];
	steps[3].where = LAST;
	defer(fx->loop, &steps[3], USUAL);
	fixture_step(fx, 5);
	assert_string_equal(trace, "deacbac");
}

static void tasks_of_every_kind_can_be_cancelled(void **state)
{
	struct fixture *fx = *state;
	struct step steps[6];

	steps_open(fx, steps, 6);
	steps[0].cancels = &steps[1];
	steps[2].cancels = &steps[3];
	steps[4].cancels = &steps[5];
	defer(fx->loop, &steps[0], USUAL);
	defer(fx->loop, &steps[1], LAST);
	defer(fx->loop, &steps[2], LAST);
	defer(fx->loop, &steps[3], BULK);
	defer(fx->loop, &steps[4], BULK);
	defer(fx->loop, &steps[5], BULK);
	fixture_step(fx, 5);
	assert_string_equal(trace, "ace");
}

struct probe {
	struct hybridge_source source;
	struct step *bulk;
};

static void probe_ready(struct hybridge_source *source, uint32_t events)
{
	struct probe *probe = hybridge_container(source, struct probe, source);
	char c;

	if (!(events & EPOLLIN))
		return;
	assert_int_equal(read(source->fd, &c, 1), 1);
	note('!');
	probe->bulk->times = 0;
}

/* It would go on for ever, but for an event that comes between two of its turns. */
static void events_come_between_two_bulk_tasks(void **state)
{
	struct fixture *fx = *state;
	struct step steps[1];
	struct probe probe = {.source.ready = probe_ready, .bulk = steps};
	int fds[2];

	steps_open(fx, steps, 1);
	steps[0].times = 20;
	assert_int_equal(pipe(fds), 0);
	probe.source.fd = fds[0];
	assert_int_equal(hybridge_loop_watch(fx->loop, &probe.source), 0);
	defer(fx->loop, &steps[0], BULK);
	assert_int_equal(write(fds[1], "x", 1), 1);
	fixture_step(fx, 5);
	/* What was queued before the loop ran may come first. */
	assert_non_null(strchr(trace, '!'));
	assert_in_range(strlen(trace), 2, 4);
	hybridge_loop_unwatch(fx->loop, &probe.source);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(what_sends_comes_last_but_in_the_same_turn),
		WITH_LOOP(one_bulk_task_a_turn_goes_behind_all_else),
		WITH_LOOP(tasks_of_every_kind_can_be_cancelled),
		WITH_LOOP(events_come_between_two_bulk_tasks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
