/*
 * test_agent_reserve.c - the descriptors that an agent keeps to refuse with: one at a time has
 * them.
 */
#include "engine_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../agent/reserve.h"

#define WAITING 3

struct waiting {
	struct reserve_turn turn;
	int fd; /* opened when it was granted */
};

static void on_granted(struct reserve_turn *turn)
{
	struct waiting *waiting =
		hybridge_container(turn, struct waiting, turn);

	waiting->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Returns what the limit was; @fds has all that there were left. */
static struct rlimit use_up(int *fds, size_t max, size_t *num)
{
	struct rlimit before, small;
	int next = dup(0);

	assert_true(next >= 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	small = before;
	small.rlim_cur = (rlim_t)next + 4;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
	*num = 0;
	while (*num < max && (fds[*num] = dup(0)) >= 0)
		(*num)++;
	assert_int_equal(errno, EMFILE);
	return before;
}

static void one_at_a_time_has_descriptors_when_there_are_no_others(void **state)
{
	struct fixture *fx = *state;
	struct hybridge_error err;
	struct reserve *reserve = reserve_new(fx->loop, &err);
	struct waiting waiting[WAITING];
	struct rlimit before;
	int fds[8] = {0};
	size_t num;

	assert_non_null(reserve);
	before = use_up(fds, 8, &num);
	assert_true(reserve_is_whole(reserve));
	for (size_t i = 0; i < WAITING; i++) {
		waiting[i] =
			(struct waiting){.turn.granted = on_granted, .fd = -1};
		reserve_ask(reserve, &waiting[i].turn);
		reserve_ask(reserve, &waiting[i].turn); /* twice is once */
	}
	assert_false(reserve_is_whole(reserve));
	fixture_step(fx, 1);
	assert_true(waiting[0].fd >= 0);
	assert_int_equal(waiting[1].fd, -1);
	/* Who does not want to wait any more is passed by. */
	reserve_leave(reserve, &waiting[1].turn);
	close(waiting[0].fd);
	reserve_leave(reserve, &waiting[0].turn);
	fixture_step(fx, 1);
	assert_int_equal(waiting[1].fd, -1);
	assert_true(waiting[2].fd >= 0);
	assert_false(reserve_is_whole(reserve));
	close(waiting[2].fd);
	reserve_leave(reserve, &waiting[2].turn);
	assert_true(reserve_is_whole(reserve));
	assert_true(dup(0) < 0);
	while (num > 0)
		close(fds[--num]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	reserve_free(reserve);
}

static void
who_waits_for_a_lost_reserve_has_it_when_others_close_theirs(void **state)
{
	struct fixture *fx = *state;
	struct hybridge_error err;
	struct reserve *reserve = reserve_new(fx->loop, &err);
	struct waiting thief = {.turn.granted = on_granted, .fd = -1};
	struct waiting next = thief;
	struct rlimit before;
	int fds[16] = {0};
	size_t num, stolen = 0;

	assert_non_null(reserve);
	before = use_up(fds, 8, &num);
	reserve_ask(reserve, &thief.turn);
	reserve_ask(reserve, &next.turn);
	fixture_step(fx, 1);
	assert_true(thief.fd >= 0);
	while ((fds[num] = dup(0)) >= 0) {
		num++;
		stolen++;
	}
	assert_true(stolen > 0);
	reserve_leave(reserve, &thief.turn);
	fixture_step(fx, 200);
	assert_int_equal(next.fd, -1);
	close(fds[--num]);
	fixture_step(fx, 200);
	assert_true(next.fd >= 0);
	reserve_leave(reserve, &next.turn);
	close(next.fd);
	close(thief.fd);
	while (num > 0)
		close(fds[--num]);
	assert_true(reserve_is_whole(reserve));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	reserve_free(reserve);
}

#define WITH_LOOP(test) \
	cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(
			one_at_a_time_has_descriptors_when_there_are_no_others),
		WITH_LOOP(
			who_waits_for_a_lost_reserve_has_it_when_others_close_theirs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
