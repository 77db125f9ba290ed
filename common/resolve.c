/*
 * resolve.c - host names to addresses, off the loop's thread.
 *
 * Theory of operation.  getaddrinfo(3) blocks, so each distinct name that is
 * being looked up has a thread of its own.  The thread owns a struct job and nothing else; when it has an
 * answer it posts the job to the loop.  A loop that went away meanwhile has set job->loop to NULL
 * under the job's lock: then the thread itself frees the job.
 */
#include "resolve.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include <hybridge/table.h>

#define ANSWER_GOOD_FOR_US (5 * INT64_C(1000000))

/* What the thread works on. */
struct job {
	struct hybridge_task task;
	pthread_mutex_t lock;
	struct hybridge_loop *loop; /* NULL: nobody wants the answer */
	struct lookup *lookup;
	char *host;
	char port[8];
	struct addrinfo *list;
	int gai_error;
};

/* One name: being looked up while @job is set, answered afterwards. */
struct lookup {
	UT_hash_handle hh;
	struct resolver *resolver;
	struct job *job;
	struct resolve_wait *waits;
	struct addrinfo *list;
	int gai_error;
	int64_t answered_us;
	bool delivering;
	struct hybridge_task deliver;
	char key[]; /* PORT/HOST */
};

struct resolver {
	struct hybridge_loop *loop;
	struct lookup *lookups;
};

static void job_free(struct job *job)
{
	if (job->list)
		freeaddrinfo(job->list);
	pthread_mutex_destroy(&job->lock);
	free(job->host);
	free(job);
}

static void *run_job(void *arg)
{
	static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
					      .ai_flags = AI_NUMERICSERV};
	struct job *job = arg;
	struct hybridge_loop *loop;

	job->gai_error = getaddrinfo(job->host, job->port, &hints, &job->list);
	pthread_mutex_lock(&job->lock);
	loop = job->loop;
	/* Under the lock, so that the loop cannot go away in between. */
	if (loop)
		hybridge_loop_post(loop, &job->task);
	pthread_mutex_unlock(&job->lock);
	if (!loop)
		job_free(job);
	return NULL;
}

static void lookup_free(struct lookup *lookup)
{
	struct job *job = lookup->job;

	HASH_DEL(lookup->resolver->lookups, lookup);
	hybridge_loop_cancel(lookup->resolver->loop, &lookup->deliver);
	if (job) {
		pthread_mutex_lock(&job->lock);
		job->loop = NULL;
		pthread_mutex_unlock(&job->lock);
	}
	if (lookup->list)
		freeaddrinfo(lookup->list);
	free(lookup);
}

static void run_deliver(struct hybridge_task *task)
{
	struct lookup *lookup =
		hybridge_container(task, struct lookup, deliver);

	struct resolve_wait *wait;
	size_t num;

	/* Who asks again from inside done() is answered in the next turn. */
	DL_COUNT(lookup->waits, wait, num);
	lookup->delivering = true;
	for (; num > 0 && lookup->waits; num--) {
		wait = lookup->waits;
		resolve_cancel(wait);
		wait->done(wait, lookup->list, lookup->gai_error);
	}
	lookup->delivering = false;
}

static void on_answer(struct hybridge_task *task)
{
	struct job *job = hybridge_container(task, struct job, task);
	struct lookup *lookup = job->lookup;
	bool wanted;

	/* Also waits for a thread that is still on its way out of the lock. */
	pthread_mutex_lock(&job->lock);
	wanted = job->loop != NULL;
	pthread_mutex_unlock(&job->lock);
	if (!wanted) {
		job_free(job);
		return;
	}
	lookup->list = job->list;
	lookup->gai_error = job->gai_error;
	lookup->answered_us = hybridge_loop_now_us(lookup->resolver->loop);
	lookup->job = NULL;
	job->list = NULL;
	job_free(job);
	run_deliver(&lookup->deliver);
}

static int start_thread(struct job *job)
{
	sigset_t all, saved;
	pthread_attr_t attr;
	pthread_t thread;
	int ret;

	/* Signals are the loop's business. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	ret = pthread_create(&thread, &attr, run_job, job);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	return ret == 0 ? 0 : -1;
}

static int start_job(struct lookup *lookup, const char *host, uint16_t port)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return -1;
	pthread_mutex_init(&job->lock, NULL);
	job->task.run = on_answer;
	job->loop = lookup->resolver->loop;
	job->lookup = lookup;
	job->host = strdup(host);
	snprintf(job->port, sizeof(job->port), "%u", port);
	if (!job->host || start_thread(job) != 0) {
		job_free(job);
		return -1;
	}
	lookup->job = job;
	return 0;
}

static struct resolver *get_resolver(struct hybridge_loop *loop)
{
	struct resolver **slot = loop_resolver(loop);

	if (!*slot) {
		*slot = calloc(1, sizeof(**slot));
		if (*slot)
			(*slot)->loop = loop;
	}
	return *slot;
}

static struct lookup *find_lookup(const struct resolver *resolver,
				  const char *key, size_t len)
{
	struct lookup *lookup;

	HASH_FIND(hh, resolver->lookups, key, len, lookup);
	return lookup;
}

/* The look-up that @key shares, a new one if none is under way or fresh. */
static struct lookup *get_lookup(struct resolver *resolver, const char *key,
				 const char *host, uint16_t port)
{
	int64_t now_us = hybridge_loop_now_us(resolver->loop);
	struct lookup *lookup, *next;
	size_t len = strlen(key);

	HASH_ITER (hh, resolver->lookups, lookup, next)
		if (!lookup->job && !lookup->waits && !lookup->delivering &&
		    now_us - lookup->answered_us > ANSWER_GOOD_FOR_US)
			lookup_free(lookup);
	lookup = find_lookup(resolver, key, len);
	if (lookup)
		return lookup;
	lookup = calloc(1, sizeof(*lookup) + len + 1);
	if (!lookup)
		return NULL;
	memcpy(lookup->key, key, len + 1);
	lookup->resolver = resolver;
	lookup->deliver.run = run_deliver;
	HASH_ADD_KEYPTR(hh, resolver->lookups, lookup->key, len, lookup);
	if (!lookup->hh.tbl) {
		free(lookup);
		return NULL;
	}
	if (start_job(lookup, host, port) != 0) {
		lookup_free(lookup);
		return NULL;
	}
	return lookup;
}

int resolve_start(struct hybridge_loop *loop, const char *host, uint16_t port,
		  struct resolve_wait *wait)
{
	struct resolver *resolver = get_resolver(loop);
	struct lookup *lookup = NULL;
	char *key = NULL;

	if (resolver && asprintf(&key, "%u/%s", port, host) >= 0)
		lookup = get_lookup(resolver, key, host, port);
	free(key);
	if (!lookup)
		return -1;
	wait->lookup = lookup;
	DL_APPEND(lookup->waits, wait);
	/* An answer that is already there comes from the loop as well. */
	if (!lookup->job)
		hybridge_loop_defer(loop, &lookup->deliver);
	return 0;
}

void resolve_cancel(struct resolve_wait *wait)
{
	if (!wait->lookup)
		return;
	DL_DELETE(wait->lookup->waits, wait);
	wait->lookup = NULL;
}

void resolver_free(struct resolver *resolver)
{
	struct lookup *lookup, *next;

	if (!resolver)
		return;
	HASH_ITER (hh, resolver->lookups, lookup, next)
		lookup_free(lookup);
	free(resolver);
}
