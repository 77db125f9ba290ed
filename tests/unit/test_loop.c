/*
 * test_loop.c - the event loop: what is delivered when, and what no longer is.
 */
#include "engine_fixture.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/* A pipe end that is watched, and what happened to it. */
struct probe {
	struct fixture *fx;
	struct hybridge_source source;
	int far;
	unsigned int calls;
	uint32_t events;
	struct probe
		*victim; /* unwatched by the first of the two that is called */
};

static void probe_ready(struct hybridge_source *source, uint32_t events)
{
	struct probe *probe = hybridge_container(source, struct probe, source);

	probe->calls++;
	probe->events |= events;
	if (probe->victim && probe->victim->calls == 0)
		hybridge_loop_unwatch(probe->fx->loop, &probe->victim->source);
}

static void probe_open(struct fixture *fx, struct probe *probe, bool level)
{
	int fds[2];
	int ret;

	*probe = (struct probe){.fx = fx};
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	probe->source.fd = fds[0];
	probe->source.ready = probe_ready;
	probe->far = fds[1];
	ret = level ? hybridge_loop_watch_level(fx->loop, &probe->source)
		    : hybridge_loop_watch(fx->loop, &probe->source);
	assert_int_equal(ret, 0);
}

static void probe_close(struct probe *probe)
{
	hybridge_loop_unwatch(probe->fx->loop, &probe->source);
	close(probe->source.fd);
	close(probe->far);
}

static void changes_are_reported_once(void **state)
{
	struct fixture *fx = *state;
	struct probe probe;

	probe_open(fx, &probe, false);
	FIXTURE_UNTIL(fx, probe.calls == 1);
	assert_int_equal(probe.events, EPOLLOUT); /* so right away */
	fixture_step(fx, 10);
	assert_int_equal(probe.calls, 1);
	fixture_send(fx, probe.far, "x", 1);
	FIXTURE_UNTIL(fx, probe.calls == 2);
	assert_int_equal(probe.events, EPOLLOUT | EPOLLIN);
	fixture_step(fx, 10);
	assert_int_equal(probe.calls, 2); /* unread, but not new */
	shutdown(probe.far, SHUT_WR);
	FIXTURE_UNTIL(fx, probe.calls == 3);
	assert_true(probe.events & EPOLLRDHUP);
	probe_close(&probe);
}

static void a_level_is_reported_for_as_long_as_it_lasts(void **state)
{
	struct fixture *fx = *state;
	struct probe probe;
	unsigned int calls;
	char c;

	probe_open(fx, &probe, true);
	fixture_step(fx, 10);
	assert_int_equal(probe.calls, 0); /* writable is not asked for */
	fixture_send(fx, probe.far, "x", 1);
	FIXTURE_UNTIL(fx, probe.calls >= 5);
	assert_int_equal(recv(probe.source.fd, &c, 1, 0), 1);
	fixture_step(fx, 5);
	calls = probe.calls;
	fixture_step(fx, 10);
	assert_int_equal(probe.calls, calls);
	probe_close(&probe);
}

static void what_is_unwatched_in_the_same_turn_is_not_called(void **state)
{
	struct fixture *fx = *state;
	struct probe probes[2];

	probe_open(fx, &probes[0], true);
	probe_open(fx, &probes[1], true);
	probes[0].victim = &probes[1];
	probes[1].victim = &probes[0];
	/* Both become ready while the loop is not looking. */
	fixture_send(fx, probes[0].far, "x", 1);
	fixture_send(fx, probes[1].far, "x", 1);
	FIXTURE_UNTIL(fx, probes[0].calls + probes[1].calls > 0);
	fixture_step(fx, 10);
	assert_true(probes[0].calls == 0 || probes[1].calls == 0);
	probe_close(&probes[0]);
	probe_close(&probes[1]);
}

static void more_events_than_fit_one_turn_are_all_delivered(void **state)
{
	struct fixture *fx = *state;
	static struct probe probes[400]; /* a turn takes 256 */
	size_t called = 0;

	for (size_t i = 0; i < 400; i++) {
		probe_open(fx, &probes[i], false);
		fixture_nonblocking(probes[i].far);
	}
	for (int tries = 0; called < 400 && tries < 100; tries++) {
		fixture_step(fx, 1);
		called = 0;
		for (size_t i = 0; i < 400; i++)
			called += probes[i].calls > 0;
	}
	assert_int_equal(called, 400);
	for (size_t i = 0; i < 400; i++)
		probe_close(&probes[i]);
}

/* Tasks write their letters into one text. */
static char trace[100];

struct letter {
	struct hybridge_task task;
	struct hybridge_loop *loop;
	char letter;
	int times;              /* defers itself so often */
	struct letter *defers;  /* another one */
	struct letter *cancels; /* another one */
	bool stops;
};

static void letter_run(struct hybridge_task *task)
{
	struct letter *letter = hybridge_container(task, struct letter, task);
	size_t len = strlen(trace);

	assert_true(len + 1 < sizeof(trace));
	trace[len] = letter->letter;
	trace[len + 1] = '\0';
	if (letter->times-- > 0)
		hybridge_loop_defer(letter->loop, task);
	if (letter->defers)
		hybridge_loop_defer(letter->loop, &letter->defers->task);
	if (letter->cancels)
		hybridge_loop_cancel(letter->loop, &letter->cancels->task);
	if (letter->stops)
		hybridge_loop_stop(letter->loop);
}

static void letters_open(struct fixture *fx, struct letter *letters, size_t num)
{
	trace[0] = '\0';
	for (size_t i = 0; i < num; i++)
		letters[i] = (struct letter){.task.run = letter_run,
					     .loop = fx->loop,
					     .letter = (char)('a' + i)};
}

static void tasks_run_in_order_and_once(void **state)
{
	struct fixture *fx = *state;
	struct letter letters[4];

	letters_open(fx, letters, 4);
	for (size_t i = 0; i < 4; i++)
		hybridge_loop_defer(fx->loop, &letters[i].task);
	hybridge_loop_defer(fx->loop, &letters[1].task); /* stays in place */
	fixture_step(fx, 5);
	assert_string_equal(trace, "abcd");
}

static void tasks_deferred_by_tasks_wait_for_the_next_turn(void **state)
{
	struct fixture *fx = *state;
	struct letter letters[3];

	letters_open(fx, letters, 3);
	letters[0].times = 3;
	letters[1].defers = &letters[2];
	hybridge_loop_defer(fx->loop, &letters[0].task);
	hybridge_loop_defer(fx->loop, &letters[1].task);
	fixture_step(fx, 5);
	assert_string_equal(trace, "abacaa");
}

static void a_task_that_defers_itself_for_ever_starves_nobody(void **state)
{
	struct fixture *fx = *state;
	struct letter letters[1];
	struct probe probe;

	letters_open(fx, letters, 1);
	letters[0].task.run = letter_run;
	letters[0].times = 1 << 30;
	letters[0].letter = '\0';
	hybridge_loop_defer(fx->loop, &letters[0].task);
	probe_open(fx, &probe, true);
	fixture_send(fx, probe.far, "x", 1);
	fixture_step(fx, 20);         /* so timers fire */
	assert_true(probe.calls > 1); /* and events come */
	assert_true(letters[0].times < (1 << 30) - 20);
	hybridge_loop_cancel(fx->loop, &letters[0].task);
	probe_close(&probe);
}

/* Runs the loop until it is stopped, which must be soon: lws wakes up by itself
 * every 30 s, and would hide that nobody else woke it. */
static void run_briefly(struct fixture *fx)
{
	time_t begun = time(NULL);

	hybridge_loop_run(fx->loop);
	assert_in_range(time(NULL) - begun, 0, 15);
}

/* Counts itself down, then stops the loop. */
struct countdown {
	struct hybridge_task task;
	struct hybridge_loop *loop;
	int left;
};

static void countdown_run(struct hybridge_task *task)
{
	struct countdown *down =
		hybridge_container(task, struct countdown, task);

	if (--down->left > 0)
		hybridge_loop_defer(down->loop, task);
	else
		hybridge_loop_stop(down->loop);
}

static void a_loop_with_tasks_does_not_sleep(void **state)
{
	struct fixture *fx = *state;
	struct countdown down = {{.run = countdown_run}, fx->loop, 1000};

	hybridge_loop_defer(fx->loop, &down.task);
	run_briefly(fx); /* nothing else wakes it */
	assert_int_equal(down.left, 0);
}

static void cancelled_tasks_do_not_run(void **state)
{
	static const struct {
		const char *name;
		size_t who;
		size_t whom;
		const char *want;
	} cases[] = {
		{"a later one", 0, 2, "abd"},  {"the next one", 0, 1, "acd"},
		{"the last one", 0, 3, "abc"}, {"an earlier one", 2, 0, "abcd"},
		{"itself", 1, 1, "abcd"},
	};
	struct fixture *fx = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct letter letters[4];

		print_message("case: %s\n", cases[i].name);
		letters_open(fx, letters, 4);
		letters[cases[i].who].cancels = &letters[cases[i].whom];
		for (size_t k = 0; k < 4; k++)
			hybridge_loop_defer(fx->loop, &letters[k].task);
		fixture_step(fx, 5);
		assert_string_equal(trace, cases[i].want);
	}
	/* The only one of a turn, and one that was not queued. */
	struct letter letters[1];

	letters_open(fx, letters, 1);
	hybridge_loop_defer(fx->loop, &letters[0].task);
	hybridge_loop_cancel(fx->loop, &letters[0].task);
	hybridge_loop_cancel(fx->loop, &letters[0].task);
	fixture_step(fx, 5);
	assert_string_equal(trace, "");
}

static void a_stop_ends_the_turn_and_the_rest_runs_next_time(void **state)
{
	struct fixture *fx = *state;
	struct letter letters[2];

	letters_open(fx, letters, 2);
	letters[0].stops = true;
	letters[0].times = 1;
	hybridge_loop_defer(fx->loop, &letters[0].task);
	hybridge_loop_defer(fx->loop, &letters[1].task);
	hybridge_loop_run(fx->loop);
	assert_string_equal(trace, "ab");
	hybridge_loop_run(fx->loop);
	assert_string_equal(trace, "aba");
}

/* Timers write their letters, too. */
struct alarm {
	struct hybridge_timer timer;
	struct fixture *fx;
	char letter;
	int rearm; /* so often, after 0 ms */
	struct alarm *clears;
	struct alarm *moves; /* to 0 ms */
};

static void alarm_fire(struct hybridge_timer *timer)
{
	struct alarm *alarm = hybridge_container(timer, struct alarm, timer);
	size_t len = strlen(trace);

	trace[len] = alarm->letter;
	trace[len + 1] = '\0';
	if (alarm->rearm-- > 0)
		assert_int_equal(hybridge_timer_set(alarm->fx->loop, timer, 0),
				 0);
	if (alarm->clears)
		hybridge_timer_clear(alarm->fx->loop, &alarm->clears->timer);
	if (alarm->moves)
		assert_int_equal(hybridge_timer_set(alarm->fx->loop,
						    &alarm->moves->timer, 0),
				 0);
}

static void alarms_open(struct fixture *fx, struct alarm *alarms, size_t num)
{
	trace[0] = '\0';
	for (size_t i = 0; i < num; i++)
		alarms[i] = (struct alarm){.timer.fire = alarm_fire,
					   .fx = fx,
					   .letter = (char)('a' + i)};
}

static void timers_fire_in_order_of_their_deadlines(void **state)
{
	static const uint32_t delays[] = {25, 5, 15, 0, 20, 10};
	struct fixture *fx = *state;
	struct alarm alarms[6];

	alarms_open(fx, alarms, 6);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(hybridge_timer_set(fx->loop, &alarms[i].timer,
						    delays[i]),
				 0);
	fixture_step(fx, 40);
	assert_string_equal(trace, "dbfcea");
}

static void timers_rearm_move_and_clear_from_callbacks(void **state)
{
	struct fixture *fx = *state;
	struct alarm alarms[4];

	alarms_open(fx, alarms, 4);
	alarms[0].rearm = 2;
	alarms[1].clears = &alarms[2];
	alarms[1].moves = &alarms[3];
	assert_int_equal(hybridge_timer_set(fx->loop, &alarms[0].timer, 1), 0);
	assert_int_equal(hybridge_timer_set(fx->loop, &alarms[1].timer, 10), 0);
	assert_int_equal(hybridge_timer_set(fx->loop, &alarms[2].timer, 20), 0);
	assert_int_equal(hybridge_timer_set(fx->loop, &alarms[3].timer, 10000),
			 0);
	fixture_step(fx, 40);
	assert_string_equal(trace, "aaabd");
}

static void timers_never_fire_early_nor_much_too_late(void **state)
{
	struct fixture *fx = *state;
	struct timespec begun, now;

	for (uint32_t ms = 0; ms < 12; ms++) {
		clock_gettime(CLOCK_MONOTONIC, &begun);
		fixture_step(fx, ms); /* returns when its timer fires */
		clock_gettime(CLOCK_MONOTONIC, &now);
		uint64_t us = (uint64_t)((now.tv_sec - begun.tv_sec) * 1000000 +
					 (now.tv_nsec - begun.tv_nsec) / 1000);
		assert_in_range(us + 1, 1000 * ms, 1000 * ms + 500000);
	}
}

static int64_t clock_of_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void waiting_for_a_timer_is_sleeping(void **state)
{
	struct fixture *fx = *state;
	int64_t wall, cpu;

	fixture_step(fx, 1);
	wall = -clock_of_us(CLOCK_MONOTONIC);
	cpu = -clock_of_us(CLOCK_PROCESS_CPUTIME_ID);
	for (int i = 0; i < 300; i++)
		fixture_step(fx, 1);
	wall += clock_of_us(CLOCK_MONOTONIC);
	cpu += clock_of_us(CLOCK_PROCESS_CPUTIME_ID);
	print_message("%lld us, %lld of them busy\n", (long long)wall,
		      (long long)cpu);
	assert_true(cpu < wall / 2);
}

/* Posts from other threads. */
#define POSTERS 4
#define POSTS   500

struct poster {
	struct fixture *fx;
	pthread_t thread;
	size_t run;
	struct post {
		struct hybridge_task task;
		struct poster *poster;
	} posts[POSTS];
};

static unsigned int posted;

static void post_run(struct hybridge_task *task)
{
	struct post *post = hybridge_container(task, struct post, task);
	struct poster *poster = post->poster;

	assert_ptr_equal(post, &poster->posts[poster->run++]);
	if (++posted == POSTERS * POSTS)
		hybridge_loop_stop(poster->fx->loop);
}

static void *post_all(void *arg)
{
	struct poster *poster = arg;

	for (size_t i = 0; i < POSTS; i++) {
		poster->posts[i].task.run = post_run;
		poster->posts[i].poster = poster;
		hybridge_loop_post(poster->fx->loop, &poster->posts[i].task);
	}
	return NULL;
}

static void posts_from_threads_run_in_the_loop_in_their_order(void **state)
{
	struct fixture *fx = *state;
	static struct poster posters[POSTERS];

	posted = 0;
	memset(posters, 0, sizeof(posters));
	for (size_t i = 0; i < POSTERS; i++) {
		posters[i].fx = fx;
		assert_int_equal(pthread_create(&posters[i].thread, NULL,
						post_all, &posters[i]),
				 0);
	}
	run_briefly(fx); /* nothing but the posts wakes it */
	for (size_t i = 0; i < POSTERS; i++)
		pthread_join(posters[i].thread, NULL);
	assert_int_equal(posted, POSTERS * POSTS);
}

static void a_loop_that_is_freed_runs_what_was_deferred_and_posted(void **state)
{
	struct fixture *fx;
	struct letter letters[2];

	(void)state;
	fixture_setup((void **)&fx);
	letters_open(fx, letters, 2);
	letters[0].times = 2;
	hybridge_loop_defer(fx->loop, &letters[0].task);
	hybridge_loop_post(fx->loop, &letters[1].task);
	fixture_teardown((void **)&fx);
	assert_int_equal(strlen(trace), 4);
	assert_non_null(strchr(trace, 'b'));
}

static void a_process_with_many_descriptors_has_loops_too(void **state)
{
	struct fixture *fx;
	int fillers[600];

	(void)state;
	for (size_t i = 0; i < 600; i++)
		fillers[i] = eventfd(0, EFD_CLOEXEC);
	fixture_setup((void **)&fx);
	fixture_step(fx, 5);
	fixture_teardown((void **)&fx);
	for (size_t i = 0; i < 600; i++)
		close(fillers[i]);
}

static void a_loop_without_libwebsockets_serves_as_well(void **state)
{
	struct hybridge_error err = {0};
	struct fixture fx = {.step.fire = fixture_step_over};
	struct probe probe;

	(void)state;
	fx.loop = hybridge_loop_new_bare(&err);
	assert_non_null(fx.loop);
	assert_null(hybridge_loop_lws(fx.loop));
	probe_open(&fx, &probe, false);
	FIXTURE_UNTIL(&fx, probe.calls == 1);
	assert_int_equal(write(probe.far, "x", 1), 1);
	FIXTURE_UNTIL(&fx, probe.calls == 2);
	assert_true(probe.events & EPOLLIN);
	probe_close(&probe);
	hybridge_loop_free(fx.loop);
}

static void freeing_nothing_is_fine(void **state)
{
	(void)state;
	hybridge_loop_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(changes_are_reported_once),
		WITH_LOOP(a_level_is_reported_for_as_long_as_it_lasts),
		WITH_LOOP(what_is_unwatched_in_the_same_turn_is_not_called),
		WITH_LOOP(more_events_than_fit_one_turn_are_all_delivered),
		WITH_LOOP(tasks_run_in_order_and_once),
		WITH_LOOP(tasks_deferred_by_tasks_wait_for_the_next_turn),
		WITH_LOOP(a_task_that_defers_itself_for_ever_starves_nobody),
		WITH_LOOP(a_loop_with_tasks_does_not_sleep),
		WITH_LOOP(cancelled_tasks_do_not_run),
		WITH_LOOP(a_stop_ends_the_turn_and_the_rest_runs_next_time),
		WITH_LOOP(timers_fire_in_order_of_their_deadlines),
		WITH_LOOP(timers_rearm_move_and_clear_from_callbacks),
		WITH_LOOP(timers_never_fire_early_nor_much_too_late),
		WITH_LOOP(waiting_for_a_timer_is_sleeping),
		WITH_LOOP(posts_from_threads_run_in_the_loop_in_their_order),
		cmocka_unit_test(
			a_loop_that_is_freed_runs_what_was_deferred_and_posted),
		cmocka_unit_test(a_process_with_many_descriptors_has_loops_too),
		cmocka_unit_test(a_loop_without_libwebsockets_serves_as_well),
		cmocka_unit_test(freeing_nothing_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
