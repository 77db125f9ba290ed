/*
 * loop.h - the event loop: descriptors, timers, and work for the end of a turn.
 *
 * All descriptors live in one epoll set, so the cost of a turn does not depend
 * on how many streams are open.  libwebsockets serves the plain HTTP endpoints, and
 * owns the main loop while one of them has a client.
 *
 * Rules.  One loop, one thread: every call below is for the loop's own thread,
 * except hybridge_loop_post().  A callback never frees an object that may
 * still be on the way through this turn: it marks it and defers a task that
 * frees it when every event of the turn has been delivered.
 */
#ifndef HYBRIDGE_LOOP_H
#define HYBRIDGE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hybridge/error.h>

struct hybridge_loop;
struct lws_context;

/**
 * struct hybridge_source - A descriptor whose readiness is wanted; embed it
 * @fd:    Descriptor, -1 when there is none
 * @ready: Called with EPOLL* bits; NULL while not watched
 */
struct hybridge_source {
	int fd;
	void (*ready)(struct hybridge_source *source, uint32_t events);
};

/**
 * struct hybridge_task - Work for the end of a turn; embed it, zeroed
 * @run: Called once for each time that it was deferred
 * Other members are the loop's own.
 */
struct hybridge_task {
	void (*run)(struct hybridge_task *task);
	struct hybridge_task *next;
	struct hybridge_task *prev;
	struct hybridge_task **queue; /* its first; set while queued */
};

/**
 * struct hybridge_timer - One deadline; embed it, zeroed
 * @fire: Called once when it is reached
 * Other members are the loop's own.
 */
struct hybridge_timer {
	void (*fire)(struct hybridge_timer *timer);
	int64_t deadline_us;
	uint32_t slot; /* 1 + index in the heap; 0 while not armed */
};

/** hybridge_container() - The object that embeds a source, task or timer */
#define hybridge_container(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/**
 * hybridge_loop_new() - Make a loop
 * Return: The loop, release with hybridge_loop_free(); or NULL with @err set
 */
HYBRIDGE_MUSTUSE struct hybridge_loop *
hybridge_loop_new(struct hybridge_error *err);

/**
 * hybridge_loop_new_bare() - The same without libwebsockets, and so without HTTP endpoints:
 * for a thread that only moves bytes
 */
HYBRIDGE_MUSTUSE struct hybridge_loop *
hybridge_loop_new_bare(struct hybridge_error *err);

/** hybridge_loop_free() - Release a loop that no longer runs; NULL is fine */
void hybridge_loop_free(struct hybridge_loop *loop);

/** hybridge_loop_run() - Serve until hybridge_loop_stop() */
void hybridge_loop_run(struct hybridge_loop *loop);

/** hybridge_loop_hold_log() - hybridge_log_hold() while it runs, no line for
 * longer than 10 ms: for one loop of a process */
void hybridge_loop_hold_log(struct hybridge_loop *loop);

/** hybridge_loop_stop() - End hybridge_loop_run() after this turn */
void hybridge_loop_stop(struct hybridge_loop *loop);

/**
 * hybridge_loop_lws() - The libwebsockets context, for plain HTTP endpoints; NULL: none
 * Its timers run only while it has guests: hybridge_loop_guest().
 */
struct lws_context *hybridge_loop_lws(struct hybridge_loop *loop);

/**
 * hybridge_loop_guest() - libwebsockets has one more, or one less, descriptor of its own
 * Only while it has any, is it asked for events.
 */
void hybridge_loop_guest(struct hybridge_loop *loop, bool came);

/** hybridge_loop_now_us() - CLOCK_MONOTONIC in microseconds, read once a turn */
int64_t hybridge_loop_now_us(const struct hybridge_loop *loop);

/**
 * hybridge_loop_watch() - Report readiness of @source->fd, edge-triggered
 * @source: fd and ready are set; EPOLLIN, EPOLLOUT and EPOLLRDHUP are reported
 *          on each change, once right away if already so
 *
 * Return: 0, or -1 with errno
 */
HYBRIDGE_MUSTUSE int hybridge_loop_watch(struct hybridge_loop *loop,
					 struct hybridge_source *source);

/**
 * hybridge_loop_watch_level() - As hybridge_loop_watch(), EPOLLIN alone, for
 * as long as it is so: for listeners, which take a few connections a turn
 */
HYBRIDGE_MUSTUSE int hybridge_loop_watch_level(struct hybridge_loop *loop,
					       struct hybridge_source *source);

/**
 * hybridge_loop_unwatch() - Stop reporting; call before close()
 * Events of this turn that were not delivered yet are dropped.  The memory of
 * @source must stay until the end of the turn.
 */
void hybridge_loop_unwatch(struct hybridge_loop *loop,
			   struct hybridge_source *source);

/**
 * hybridge_loop_defer() - Run @task when this turn's events are delivered
 * A task that is already queued stays where it is.  A task that defers itself
 * again from its own run() runs once per turn, and the loop does not sleep
 * meanwhile.
 */
void hybridge_loop_defer(struct hybridge_loop *loop,
			 struct hybridge_task *task);

/**
 * hybridge_loop_defer_last() - The same, behind all that hybridge_loop_defer() has queued
 * For what sends what was written: everybody's bytes of a turn go out together, and at its end,
 * not after a look at what else there is.
 */
void hybridge_loop_defer_last(struct hybridge_loop *loop,
			      struct hybridge_task *task);

/**
 * hybridge_loop_defer_bulk() - The same, one such task a turn, when all else of it is done and sent
 * For whatever takes long: what came meanwhile, and is little, does not wait for more than one.
 */
void hybridge_loop_defer_bulk(struct hybridge_loop *loop,
			      struct hybridge_task *task);

/** hybridge_loop_cancel() - Take a task out of its queue; fine when not queued */
void hybridge_loop_cancel(struct hybridge_loop *loop,
			  struct hybridge_task *task);

/**
 * hybridge_loop_post() - From any thread: run @task in the loop's thread
 * @task: Must not be queued or posted already
 *
 * Tasks that one thread posts are run in the order in which it posted them.
 */
void hybridge_loop_post(struct hybridge_loop *loop, struct hybridge_task *task);

/**
 * hybridge_timer_set() - Arm, or move, a timer
 * @delay_ms: From now; 0 fires in the next turn
 *
 * Return: 0, or -1 when out of memory
 */
HYBRIDGE_MUSTUSE int hybridge_timer_set(struct hybridge_loop *loop,
					struct hybridge_timer *timer,
					uint32_t delay_ms);

/** hybridge_timer_clear() - Disarm; fine when not armed */
void hybridge_timer_clear(struct hybridge_loop *loop,
			  struct hybridge_timer *timer);

#endif
