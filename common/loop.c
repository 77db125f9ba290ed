/*
 * loop.c - the event loop.
 *
 * Theory of operation.  A turn, engine_turn(), delivers events, then fires the
 * timers that are due, then runs the deferred tasks.  A timerfd in the epoll set
 * wakes us for the earliest timer: an lws timer would count in milliseconds,
 * rounded down, and poll without sleeping through the rest.
 *
 * libwebsockets' poll() costs time in proportion to the descriptors it knows, so it
 * gets to know only one of ours: the epoll set, adopted as a raw file.  While it
 * has guests, clients of the HTTP endpoints, it runs the main loop, and a turn is
 * what it does when that descriptor becomes readable; then the loop must not sleep
 * while tasks are queued, and an eventfd in the epoll set is kept readable.  Without
 * guests, nearly always, turns sleep in epoll_wait() themselves: one system call
 * less for each.
 */
#include <hybridge/loop.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <libwebsockets.h>

#include <hybridge/log.h>

#include "h2_chunk.h"
#include "resolve.h"
#include "scratch.h"
#include "timer.h"

#define EVENTS_PER_TURN 256
#define TURNS_PER_WAKE  16
#define LOG_HOLD_MS     10
/* What lws may poll: our epoll set, its own pipe, status listeners and their clients. */
#define LWS_FDS 256

struct hybridge_loop {
	struct lws_context *lws;
	struct lws_vhost *vhost;
	int epoll_fd;
	struct hybridge_source alarm; /* timerfd: a timer is due */
	int64_t alarm_us; /* deadline that @alarm is armed for, or -1 */
	struct hybridge_source
		nudge; /* eventfd: tasks are queued, or were posted */
	bool nudged;
	bool in_turn;
	bool stopping;
	bool holds_log;
	struct hybridge_timer log_timer; /* armed while lines wait */
	unsigned int guests;
	int64_t now_us;
	struct timer_heap timers;
	struct hybridge_task *tasks; /* first; its prev is the last */
	struct hybridge_task *last;  /* likewise, of those that come behind */
	struct hybridge_task *bulk;  /* and of those that come one a turn */
	struct hybridge_task mark;   /* where the next turn's tasks begin */
	pthread_mutex_t post_lock;
	struct hybridge_task *posted; /* first; through their next */
	struct hybridge_task *posted_last;
	struct resolver *resolver;
	struct epoll_event events[EVENTS_PER_TURN];
	struct scratch scratch;
};

static int64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void nudge(struct hybridge_loop *loop)
{
	if (!loop->nudged && eventfd_write(loop->nudge.fd, 1) == 0)
		loop->nudged = true;
}

static void nudge_ready(struct hybridge_source *source, uint32_t events)
{
	struct hybridge_loop *loop =
		hybridge_container(source, struct hybridge_loop, nudge);
	eventfd_t count;

	(void)events;
	if (eventfd_read(source->fd, &count) != 0)
		return; /* already read: EAGAIN */
	loop->nudged = false;
	pthread_mutex_lock(&loop->post_lock);
	struct hybridge_task *posted = loop->posted;
	loop->posted = NULL;
	loop->posted_last = NULL;
	pthread_mutex_unlock(&loop->post_lock);
	while (posted) {
		struct hybridge_task *task = posted;

		posted = task->next;
		task->next = NULL;
		hybridge_loop_defer(loop, task);
	}
}

/* Sleeps for up to @timeout_ms (-1: for as long as it takes) when there are none. */
static void deliver_events(struct hybridge_loop *loop, int timeout_ms)
{
	int n = epoll_wait(loop->epoll_fd, loop->events, EVENTS_PER_TURN,
			   timeout_ms);

	loop->now_us = clock_us();
	for (int i = 0; i < n; i++) {
		struct hybridge_source *source = loop->events[i].data.ptr;

		/* An earlier event of this turn may have unwatched it. */
		if (source->ready)
			source->ready(source, loop->events[i].events);
	}
}

static void append(struct hybridge_task **queue, struct hybridge_task *task)
{
	task->queue = queue;
	if (!*queue) {
		task->next = task;
		task->prev = task;
		*queue = task;
		return;
	}
	task->next = *queue;
	task->prev = (*queue)->prev;
	task->prev->next = task;
	(*queue)->prev = task;
}

static void run_one(struct hybridge_loop *loop, struct hybridge_task *task)
{
	hybridge_loop_cancel(loop, task);
	task->run(task);
}

static void run_queue(struct hybridge_loop *loop, struct hybridge_task **queue)
{
	if (!*queue)
		return;
	if ((*queue)->next == *queue) { /* most often */
		run_one(loop, *queue);
		return;
	}
	/* Tasks that are deferred from now on belong to the next turn; a mark keeps
	 * its place even if the last task of this turn is cancelled meanwhile. */
	append(queue, &loop->mark);
	while (*queue != &loop->mark)
		run_one(loop, *queue);
	hybridge_loop_cancel(loop, &loop->mark);
}

static bool has_tasks(const struct hybridge_loop *loop)
{
	return loop->tasks || loop->last || loop->bulk;
}

static void run_and_send(struct hybridge_loop *loop)
{
	run_queue(loop, &loop->tasks);
	run_queue(loop, &loop->last);
	/* What sends may have written into what sends in turn. */
	run_queue(loop, &loop->last);
}

static void run_tasks(struct hybridge_loop *loop)
{
	run_and_send(loop);
	if (!loop->bulk)
		return;
	run_one(loop, loop->bulk);
	run_and_send(loop);
}

static void fire_timers(struct hybridge_loop *loop)
{
	struct hybridge_timer *timer;

	while ((timer = timer_heap_pop(&loop->timers, loop->now_us)))
		timer->fire(timer);
}

static void alarm_ready(struct hybridge_source *source, uint32_t events)
{
	struct hybridge_loop *loop =
		hybridge_container(source, struct hybridge_loop, alarm);

	(void)events;
	loop->alarm_us = -1; /* it has gone off, and must be armed anew */
}

static void arm_alarm(struct hybridge_loop *loop)
{
	int64_t next = timer_heap_next(&loop->timers);
	struct itimerspec at = {0};

	/*
	 * Most timers are cleared long before they are due.  So an alarm that would go
	 * off too early is left alone: it wakes us once for nothing, and is set anew.
	 */
	if (next < 0 || (loop->alarm_us >= 0 && loop->alarm_us <= next))
		return;
	at.it_value.tv_sec = next / 1000000;
	at.it_value.tv_nsec = next % 1000000 * 1000;
	if (timerfd_settime(loop->alarm.fd, TFD_TIMER_ABSTIME, &at, NULL) == 0)
		loop->alarm_us = next;
}

static void run_log_timer(struct hybridge_timer *timer)
{
	(void)timer;
	hybridge_log_flush();
}

/*
 * Lines wait for so long.  By a timer that is armed once, not by a time-out of each
 * epoll_wait(): that would have the kernel set its clock each time, which costs more than the lines.
 */
static void limit_log(struct hybridge_loop *loop)
{
	if (!hybridge_log_waits() || loop->log_timer.slot != 0)
		return;
	loop->log_timer.fire = run_log_timer;
	if (hybridge_timer_set(loop, &loop->log_timer, LOG_HOLD_MS) != 0)
		hybridge_log_flush();
}

static void engine_turn(struct hybridge_loop *loop, int timeout_ms)
{
	loop->in_turn = true;
	for (int turn = 0; turn < TURNS_PER_WAKE; turn++) {
		deliver_events(loop, timeout_ms);
		fire_timers(loop);
		run_tasks(loop);
		if (!has_tasks(loop) || loop->stopping)
			break;
		timeout_ms = 0;
	}
	loop->in_turn = false;
	if (has_tasks(loop) && loop->guests > 0)
		nudge(loop);
	limit_log(loop);
	arm_alarm(loop);
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user,
		  void *in, size_t len)
{
	(void)user;
	(void)in;
	(void)len;
	if (reason == LWS_CALLBACK_RAW_RX_FILE)
		engine_turn(lws_context_user(lws_get_context(wsi)), 0);
	return 0;
}

static void on_lws_log(int level, const char *line)
{
	char text[200];

	lws_strncpy(text, line, sizeof(text));
	text[strcspn(text, "\n")] = '\0';
	hybridge_log((level & LLL_ERR) ? HYBRIDGE_LOG_WARNING
				       : HYBRIDGE_LOG_DEBUG,
		     "libwebsockets said", HYBRIDGE_STR("text", text));
}

static const struct lws_protocols engine_protocols[] = {
	{.name = "engine", .callback = on_lws},
	{.name = NULL},
};

static int make_lws(struct hybridge_loop *loop)
{
	lws_sock_file_fd_type epoll = {.filefd = loop->epoll_fd};
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
		.user = loop,
		.gid = -1,
		.uid = -1,
		.fd_limit_per_thread = LWS_FDS,
		.protocols = engine_protocols,
		.vhost_name = "engine",
	};

	lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
	loop->lws = lws_create_context(&info);
	if (!loop->lws)
		return -1;
	loop->vhost = lws_create_vhost(loop->lws, &info);
	if (!loop->vhost ||
	    !lws_adopt_descriptor_vhost(loop->vhost, LWS_ADOPT_RAW_FILE_DESC,
					epoll, "engine", NULL))
		return -1;
	return 0;
}

struct hybridge_loop *hybridge_loop_new_bare(struct hybridge_error *err)
{
	struct hybridge_loop *loop = calloc(1, sizeof(*loop));

	if (!loop) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&loop->post_lock, NULL);
	loop->now_us = clock_us();
	loop->alarm_us = -1;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->nudge.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->nudge.ready = nudge_ready;
	loop->alarm.fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	loop->alarm.ready = alarm_ready;
	if (loop->epoll_fd < 0 || loop->nudge.fd < 0 || loop->alarm.fd < 0 ||
	    hybridge_loop_watch_level(loop, &loop->nudge) != 0 ||
	    hybridge_loop_watch(loop, &loop->alarm) != 0) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "cannot poll: %s",
			      strerror(errno));
		hybridge_loop_free(loop);
		return NULL;
	}
	return loop;
}

struct hybridge_loop *hybridge_loop_new(struct hybridge_error *err)
{
	struct hybridge_loop *loop = hybridge_loop_new_bare(err);

	if (loop && make_lws(loop) != 0) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM,
			      "libwebsockets did not start: %s",
			      strerror(errno));
		hybridge_loop_free(loop);
		return NULL;
	}
	return loop;
}

void hybridge_loop_free(struct hybridge_loop *loop)
{
	if (!loop)
		return;
	resolver_free(loop->resolver);
	conn_drop_draining(loop);
	/* What is deferred or posted is mostly freeing: it must not be lost. */
	if (loop->nudge.fd >= 0)
		nudge_ready(&loop->nudge, 0);
	while (has_tasks(loop))
		run_tasks(loop);
	/* lws closes the epoll descriptor that it adopted. */
	if (loop->lws)
		lws_context_destroy(loop->lws);
	else if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	if (loop->nudge.fd >= 0)
		close(loop->nudge.fd);
	if (loop->alarm.fd >= 0)
		close(loop->alarm.fd);
	h2_chunks_free(&loop->scratch.chunks);
	free(loop->scratch.request);
	timer_heap_free(&loop->timers);
	pthread_mutex_destroy(&loop->post_lock);
	free(loop);
}

void hybridge_loop_run(struct hybridge_loop *loop)
{
	loop->stopping = false;
	hybridge_log_hold(loop->holds_log);
	/* What was deferred or armed before the loop ran. */
	engine_turn(loop, 0);
	while (!loop->stopping) {
		if (loop->guests == 0)
			engine_turn(loop, has_tasks(loop) ? 0 : -1);
		else if (lws_service(loop->lws, 0) < 0)
			break;
	}
	hybridge_log_hold(false);
}

void hybridge_loop_hold_log(struct hybridge_loop *loop)
{
	loop->holds_log = true;
}

void hybridge_loop_stop(struct hybridge_loop *loop)
{
	loop->stopping = true;
	/* Whoever calls, lws may be about to sleep. */
	nudge(loop);
}

struct lws_context *hybridge_loop_lws(struct hybridge_loop *loop)
{
	return loop->lws;
}

void hybridge_loop_guest(struct hybridge_loop *loop, bool came)
{
	if (came)
		loop->guests++;
	else if (loop->guests > 0)
		loop->guests--;
}

int64_t hybridge_loop_now_us(const struct hybridge_loop *loop)
{
	return loop->now_us;
}

static int watch(struct hybridge_loop *loop, struct hybridge_source *source,
		 uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event);
}

int hybridge_loop_watch(struct hybridge_loop *loop,
			struct hybridge_source *source)
{
	return watch(loop, source, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

int hybridge_loop_watch_level(struct hybridge_loop *loop,
			      struct hybridge_source *source)
{
	return watch(loop, source, EPOLLIN);
}

void hybridge_loop_unwatch(struct hybridge_loop *loop,
			   struct hybridge_source *source)
{
	if (!source->ready)
		return;
	source->ready = NULL;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
}

static void defer(struct hybridge_loop *loop, struct hybridge_task **queue,
		  struct hybridge_task *task)
{
	if (task->next)
		return;
	/* Outside an engine turn (an lws callback) nobody else would notice. */
	if (!loop->in_turn)
		nudge(loop);
	append(queue, task);
}

void hybridge_loop_defer(struct hybridge_loop *loop, struct hybridge_task *task)
{
	defer(loop, &loop->tasks, task);
}

void hybridge_loop_defer_last(struct hybridge_loop *loop,
			      struct hybridge_task *task)
{
	defer(loop, &loop->last, task);
}

void hybridge_loop_defer_bulk(struct hybridge_loop *loop,
			      struct hybridge_task *task)
{
	defer(loop, &loop->bulk, task);
}

void hybridge_loop_cancel(struct hybridge_loop *loop,
			  struct hybridge_task *task)
{
	(void)loop;
	if (!task->next)
		return;
	if (task->next == task) {
		*task->queue = NULL;
	} else {
		task->prev->next = task->next;
		task->next->prev = task->prev;
		if (*task->queue == task)
			*task->queue = task->next;
	}
	task->next = NULL;
	task->prev = NULL;
}

void hybridge_loop_post(struct hybridge_loop *loop, struct hybridge_task *task)
{
	bool is_first;

	pthread_mutex_lock(&loop->post_lock);
	is_first = !loop->posted;
	if (is_first)
		loop->posted = task;
	else
		loop->posted_last->next = task;
	loop->posted_last = task;
	pthread_mutex_unlock(&loop->post_lock);
	/* Who posted the first of them has woken the loop, or is about to. */
	if (is_first)
		eventfd_write(loop->nudge.fd, 1);
}

int hybridge_timer_set(struct hybridge_loop *loop, struct hybridge_timer *timer,
		       uint32_t delay_ms)
{
	int64_t deadline_us = clock_us() + (int64_t)delay_ms * 1000;

	if (timer_heap_set(&loop->timers, timer, deadline_us) != 0)
		return -1;
	if (!loop->in_turn)
		arm_alarm(loop);
	return 0;
}

void hybridge_timer_clear(struct hybridge_loop *loop,
			  struct hybridge_timer *timer)
{
	timer_heap_clear(&loop->timers, timer);
}

struct resolver **loop_resolver(struct hybridge_loop *loop)
{
	return &loop->resolver;
}

struct scratch *loop_scratch(struct hybridge_loop *loop)
{
	return &loop->scratch;
}
