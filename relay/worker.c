/*
 * worker.c - threads that move the bytes of streams, each with a loop of its own.
 */
#include "worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct worker {
	struct hybridge_loop *loop;
	pthread_t thread;
	unsigned int number;
	size_t load; /* streams and sessions; the main thread's */
	struct hybridge_task stop;
};

struct workers {
	size_t num;
	size_t next; /* of those with the same load, in turn */
	struct worker list[];
};

static void *run(void *arg)
{
	struct worker *worker = arg;

	hybridge_loop_run(worker->loop);
	return NULL;
}

static void run_stop(struct hybridge_task *task)
{
	hybridge_loop_stop(hybridge_container(task, struct worker, stop)->loop);
}

static int start(struct worker *worker, struct hybridge_error *err)
{
	sigset_t all, saved;
	char name[16];
	int ret;

	worker->stop.run = run_stop;
	worker->loop = hybridge_loop_new_bare(err);
	if (!worker->loop)
		return -1;
	/* Signals are the main loop's business. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	ret = pthread_create(&worker->thread, NULL, run, worker);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	if (ret != 0) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM,
			      "cannot start worker %u: %s", worker->number,
			      strerror(ret));
		hybridge_loop_free(worker->loop);
		return -1;
	}
	/* As `top -H` shows it. */
	snprintf(name, sizeof(name), "worker %u", worker->number);
	pthread_setname_np(worker->thread, name);
	return 0;
}

int workers_start(unsigned int num, struct workers **out,
		  struct hybridge_error *err)
{
	struct workers *workers;

	*out = NULL;
	if (num < 2)
		return 0;
	workers = calloc(1, sizeof(*workers) + num * sizeof(struct worker));
	if (!workers) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return -1;
	}
	while (workers->num < num) {
		struct worker *worker = &workers->list[workers->num];

		worker->number = (unsigned int)workers->num + 1;
		if (start(worker, err) != 0) {
			workers_stop(workers);
			return -1;
		}
		workers->num++;
	}
	*out = workers;
	return 0;
}

void workers_stop(struct workers *workers)
{
	if (!workers)
		return;
	for (size_t i = 0; i < workers->num; i++)
		hybridge_loop_post(workers->list[i].loop,
				   &workers->list[i].stop);
	for (size_t i = 0; i < workers->num; i++) {
		pthread_join(workers->list[i].thread, NULL);
		hybridge_loop_free(workers->list[i].loop);
	}
	free(workers);
}

struct worker *workers_pick(struct workers *workers)
{
	struct worker *best;

	if (!workers)
		return NULL;
	best = &workers->list[workers->next];
	for (size_t i = 1; i < workers->num; i++) {
		struct worker *at =
			&workers->list[(workers->next + i) % workers->num];

		if (at->load < best->load)
			best = at;
	}
	workers->next = best->number % workers->num;
	worker_keep(best);
	return best;
}

void worker_keep(struct worker *worker)
{
	if (worker)
		worker->load++;
}

void worker_release(struct worker *worker)
{
	if (worker)
		worker->load--;
}

struct hybridge_loop *worker_loop(const struct worker *worker)
{
	return worker->loop;
}

unsigned int worker_number(const struct worker *worker)
{
	return worker ? worker->number : 0;
}

void worker_post(struct worker *worker, struct hybridge_task *task)
{
	hybridge_loop_post(worker->loop, task);
}

static double cpu_seconds(const struct worker *worker)
{
	struct timespec used = {0};
	clockid_t clock;

	if (pthread_getcpuclockid(worker->thread, &clock) != 0 ||
	    clock_gettime(clock, &used) != 0)
		return 0;
	return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

void workers_write(const struct workers *workers, FILE *to)
{
	if (!workers)
		return;
	fputs("# HELP hybridge_relay_worker_load "
	      "Streams and sessions that a worker has.\n"
	      "# TYPE hybridge_relay_worker_load gauge\n",
	      to);
	for (size_t i = 0; i < workers->num; i++)
		fprintf(to, "hybridge_relay_worker_load{worker=\"%zu\"} %zu\n",
			i + 1, workers->list[i].load);
	fputs("# HELP hybridge_relay_worker_cpu_seconds_total "
	      "CPU time that a worker has used.\n"
	      "# TYPE hybridge_relay_worker_cpu_seconds_total counter\n",
	      to);
	for (size_t i = 0; i < workers->num; i++)
		fprintf(to,
			"hybridge_relay_worker_cpu_seconds_total{worker=\"%zu\""
			"} %.3f\n",
			i + 1, cpu_seconds(&workers->list[i]));
}
