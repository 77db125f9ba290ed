/*
 * worker.h - threads that move the bytes of streams, each with a loop of its own.
 *
 * Everything that a relay knows and decides belongs to the main thread; a worker is handed
 * what costs per byte: connections, spliced, and HTTP/2 sessions.  The two talk by posts
 * alone: main to worker with worker_post(), worker to main with hybridge_loop_post(), each
 * in order.  Whoever is told "over" frees nothing that may still be posted: it says
 * "free it" the same way, and that comes last.
 *
 * Workers never log, and read nothing of struct relay but its loop and its configuration.
 */
#ifndef HYBRIDGE_RELAY_WORKER_H
#define HYBRIDGE_RELAY_WORKER_H

#include <stdint.h>
#include <stdio.h>

#include <hybridge/error.h>
#include <hybridge/loop.h>

#define WORKERS_MAX 64

struct worker;
struct workers;

/**
 * workers_start() - Start threads
 * @num: 2 to WORKERS_MAX; fewer are none: the main thread does all
 *
 * Return: 0, and *@out is NULL or to be ended with workers_stop(); -1 with @err set
 */
HYBRIDGE_MUSTUSE int workers_start(unsigned int num, struct workers **out,
				   struct hybridge_error *err);

/**
 * workers_stop() - End the threads, and free their loops
 * What they were given must be over.  NULL is fine
 */
void workers_stop(struct workers *workers);

/**
 * workers_pick() - The worker for one more stream or session: one with the fewest
 * Counted until worker_release().  NULL when there are none
 */
struct worker *workers_pick(struct workers *workers);

/** worker_keep() - Count one more for @worker; NULL is fine */
void worker_keep(struct worker *worker);

/** worker_release() - Count one less; NULL is fine */
void worker_release(struct worker *worker);

/** worker_loop() - Its loop: for the worker's own thread */
struct hybridge_loop *worker_loop(const struct worker *worker);

/** worker_number() - 1 to the number of workers; 0 for NULL, the main thread */
unsigned int worker_number(const struct worker *worker);

/** worker_post() - Run @task in the worker's thread; as hybridge_loop_post() */
void worker_post(struct worker *worker, struct hybridge_task *task);

/** workers_write() - What each carries, in Prometheus' text format 0.0.4; NULL is fine */
void workers_write(const struct workers *workers, FILE *to);

#endif
