/*
 * fake_clock.h - time that passes when a test says so.
 *
 * The program's own clock_gettime() is linked in place of libc's.  The kernel's timers know nothing
 * of it: a loop whose time was moved must be turned, and not be left asleep.
 */
#ifndef HYBRIDGE_TESTS_FAKE_CLOCK_H
#define HYBRIDGE_TESTS_FAKE_CLOCK_H

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <hybridge/loop.h>

/* Time that passes when a test says so, beyond what passes by itself. */
static _Atomic time_t ahead_s;

/* NOLINTNEXTLINE(readability-inconsistent-*): glibc's names are reserved */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	int ret = (int)syscall(SYS_clock_gettime, clock, now);

	now->tv_sec += ahead_s;
	return ret;
}

struct single_turn {
	struct hybridge_loop *loop;
	struct hybridge_task last;
};

static inline void run_last(struct hybridge_task *task)
{
	hybridge_loop_stop(
		hybridge_container(task, struct single_turn, last)->loop);
}

/* One turn without sleep: the kernel, which would wake us, knows nothing of @ahead_s. */
static inline void take_turn(struct hybridge_loop *loop)
{
	struct single_turn turn = {.loop = loop, .last.run = run_last};

	hybridge_loop_defer(loop, &turn.last);
	hybridge_loop_run(loop);
}

#endif
