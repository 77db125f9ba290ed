/*
 * stream.c - streams that have been joined, until they end: their log lines and counts.
 *
 * Theory of operation.  A stream belongs to the main thread; its splice, and the two
 * connections, to the loop that it is joined in.  Where that is a worker's:
 *
 *	JOINING --- end of this turn --> MOVED: the connections have left our loop, or
 *	            were streams of the worker's anyway; there they are spliced
 *	JOINING --- streams_stop() ----> OVER
 *	MOVED ----- its worker says so -> OVER: the worker frees it, as a stop may be on
 *	            its way
 *
 * and in our own loop it is SPLICED from the start until it is OVER.
 */
#include "stream.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include <hybridge/log.h>

#include "far.h"
#include "splice.h"
#include "worker.h"

enum stream_state { JOINING, SPLICED, MOVED, OVER };

/**
 * struct stream - One
 * @worker: NULL: it is spliced in the main thread's loop
 * @conns:  While it is JOINING; then the worker's
 * @calls:  MOVED: of the connections that stood in for a stream of the worker
 * @splice: Of the thread that it is spliced in; NULL: not yet, or over
 * @totals: Payload so far; that thread writes, the main thread reads
 * @report: Written before @done is posted
 * @start, @stop, @reap: Posted to the worker
 * @begin:  The end of the turn in which it was made
 * @done:   Posted by the worker
 */
struct stream {
	struct relay *relay;
	struct worker *worker;
	enum stream_state state;
	struct hybridge_conn *conns[SPLICE_SIDES];
	struct far *calls[SPLICE_SIDES];
	struct splice *splice;
	_Atomic uint64_t totals[SPLICE_SIDES];
	struct splice_report report;
	bool is_stopping;
	struct meter *meter;
	char session[TRACKING_SHORT];
	int64_t waited_ms;
	int64_t opened_us;
	struct hybridge_task begin;
	struct hybridge_task start;
	struct hybridge_task stop;
	struct hybridge_task reap;
	struct hybridge_task done;
	struct stream *prev;
	struct stream *next;
};

static void stream_move(struct stream *stream, enum stream_state next)
{
	static const bool legal[OVER + 1][OVER + 1] = {
		[JOINING] = {[MOVED] = true, [SPLICED] = true, [OVER] = true},
		[SPLICED] = {[OVER] = true},
		[MOVED] = {[OVER] = true},
	};

	if (!legal[stream->state][next])
		abort();
	stream->state = next;
}

static void log_end(const struct stream *stream,
		    const struct splice_report *report)
{
	int64_t now_us = hybridge_loop_now_us(stream->relay->loop);
	const char *by = report->by == SPLICE_SENDER ? "sender" : "listener";

	hybridge_log(
		HYBRIDGE_LOG_INFO, "session closed",
		HYBRIDGE_STR("entity", stream->meter->entity),
		HYBRIDGE_STR("session", stream->session),
		HYBRIDGE_STR("end", splice_end_name(report->end)),
		HYBRIDGE_NUM("open_ms", (now_us - stream->opened_us) / 1000),
		HYBRIDGE_NUM("wait_ms", stream->waited_ms),
		HYBRIDGE_NUM("from_sender", report->bytes[SPLICE_SENDER]),
		HYBRIDGE_NUM("from_listener", report->bytes[SPLICE_LISTENER]),
		/* These only where a rule was broken. */
		(struct hybridge_field){report->why ? "by" : NULL, by, 0},
		HYBRIDGE_STR("why", report->why));
}

/* Main thread: the last that happens to it here. */
static void end(struct stream *stream)
{
	struct relay *relay = stream->relay;
	struct meter *meter = stream->meter;
	bool was_moved = stream->state == MOVED;

	stream_move(stream, OVER);
	meter->streams--;
	meter->ended[stream->report.end]++;
	for (size_t i = 0; i < SPLICE_SIDES; i++)
		meter->bytes[i] += stream->report.bytes[i];
	DL_DELETE(relay->streams, stream);
	worker_release(stream->worker);
	log_end(stream, &stream->report);
	if (was_moved) {
		relay->num_away--;
		worker_post(stream->worker, &stream->reap);
	} else {
		free(stream);
	}
	relay_stop_if_drained(relay);
}

static void run_done(struct hybridge_task *task)
{
	end(hybridge_container(task, struct stream, done));
}

static void run_reap(struct hybridge_task *task)
{
	free(hybridge_container(task, struct stream, reap));
}

static void on_done(void *owner, const struct splice_report *report)
{
	struct stream *stream = owner;

	stream->splice = NULL;
	stream->report = *report;
	if (stream->worker)
		hybridge_loop_post(stream->relay->loop, &stream->done);
	else
		end(stream);
}

/* In the thread of @loop; both connections are closed when it fails. */
static int join(struct stream *stream, struct hybridge_loop *loop)
{
	struct splice_args args = {
		.ping_ms = stream->relay->config.ping_ms,
		.totals = stream->totals,
		.done = on_done,
		.owner = stream,
	};

	memcpy(args.conns, stream->conns, sizeof(args.conns));
	stream->splice = splice_start(loop, &args);
	return stream->splice ? 0 : -1;
}

static void close_both(struct stream *stream)
{
	for (size_t i = 0; i < SPLICE_SIDES; i++) {
		hybridge_conn_close(stream->conns[i], HYBRIDGE_CONN_RESET);
		stream->conns[i] = NULL;
	}
}

/* In the worker's thread. */
static void run_start(struct hybridge_task *task)
{
	struct stream *stream = hybridge_container(task, struct stream, start);
	struct hybridge_loop *loop = worker_loop(stream->worker);
	struct splice_report report = {.end = SPLICE_STOPPED};
	bool has_entered = true;

	/* Both, so that both can be closed. */
	for (size_t i = 0; i < SPLICE_SIDES; i++) {
		if (stream->calls[i])
			stream->conns[i] = far_take(stream->calls[i]);
		else if (hybridge_conn_enter(stream->conns[i], loop) != 0)
			has_entered = false;
	}
	if (has_entered && join(stream, loop) == 0)
		return;
	if (!has_entered)
		close_both(stream);
	on_done(stream, &report);
}

static void run_stop(struct hybridge_task *task)
{
	struct stream *stream = hybridge_container(task, struct stream, stop);

	if (stream->splice)
		splice_stop(stream->splice);
}

/* The end of the turn: none of its events is on its way to them any more. */
static void run_begin(struct hybridge_task *task)
{
	struct stream *stream = hybridge_container(task, struct stream, begin);

	for (size_t i = 0; i < SPLICE_SIDES; i++) {
		stream->calls[i] = far_of(stream->conns[i]);
		if (stream->calls[i])
			far_give(stream->calls[i]);
		else
			hybridge_conn_leave(stream->conns[i]);
	}
	stream_move(stream, MOVED);
	stream->relay->num_away++;
	worker_post(stream->worker, &stream->start);
}

static void on_waiting(void *owner, struct hybridge_conn *conn)
{
	/* Whatever it is, the worker will see it, too. */
	(void)owner;
	(void)conn;
}

static struct stream *stream_new(const struct held *held)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->relay = held->relay;
	stream->meter = held->meter;
	stream->waited_ms = held_age_ms(held);
	stream->opened_us = hybridge_loop_now_us(held->relay->loop);
	memcpy(stream->session, held->session, sizeof(stream->session));
	stream->begin.run = run_begin;
	stream->start.run = run_start;
	stream->stop.run = run_stop;
	stream->reap.run = run_reap;
	stream->done.run = run_done;
	return stream;
}

void stream_start(struct held *held, struct hybridge_conn *listener)
{
	struct relay *relay = held->relay;
	struct stream *stream = stream_new(held);
	struct worker *worker = held->worker;
	struct hybridge_conn *conns[SPLICE_SIDES] = {
		[SPLICE_LISTENER] = listener,
	};

	worker_keep(worker);
	conns[SPLICE_SENDER] = held_release(held);
	if (!stream) {
		for (size_t i = 0; i < SPLICE_SIDES; i++)
			hybridge_conn_close(conns[i], HYBRIDGE_CONN_RESET);
		worker_release(worker);
		return;
	}
	stream->worker = worker;
	memcpy(stream->conns, conns, sizeof(conns));
	if (worker) {
		for (size_t i = 0; i < SPLICE_SIDES; i++)
			hybridge_conn_set_owner(conns[i], on_waiting, NULL);
		hybridge_loop_defer(relay->loop, &stream->begin);
	} else if (join(stream, relay->loop) == 0) {
		stream_move(stream, SPLICED);
	} else {
		free(stream);
		return;
	}
	stream->meter->streams++;
	DL_APPEND(relay->streams, stream);
	hybridge_log(HYBRIDGE_LOG_DEBUG, "session opened",
		     HYBRIDGE_STR("entity", stream->meter->entity),
		     HYBRIDGE_STR("session", stream->session),
		     HYBRIDGE_STR("remote", held->remote),
		     HYBRIDGE_NUM("worker", worker_number(worker)),
		     HYBRIDGE_NUM("wait_ms", stream->waited_ms));
}

static void stop(struct stream *stream)
{
	switch (stream->state) {
	case JOINING:
		hybridge_loop_cancel(stream->relay->loop, &stream->begin);
		close_both(stream);
		stream->report.end = SPLICE_STOPPED;
		end(stream);
		break;
	case SPLICED:
		splice_stop(stream->splice);
		break;
	case MOVED:
		if (!stream->is_stopping)
			worker_post(stream->worker, &stream->stop);
		stream->is_stopping = true;
		break;
	case OVER:
		break;
	}
}

void streams_stop(struct relay *relay, bool gone_only)
{
	struct stream *stream;
	struct stream *next;

	DL_FOREACH_SAFE (relay->streams, stream, next) {
		if (!gone_only ||
		    !entities_get(&relay->entities, stream->meter->entity))
			stop(stream);
	}
}

void streams_count(const struct relay *relay)
{
	const struct stream *stream;

	for (struct meter *meter = relay->meters.table; meter;
	     meter = meter->hh.next)
		memset(meter->flowing, 0, sizeof(meter->flowing));
	DL_FOREACH (relay->streams, stream)
		for (size_t i = 0; i < SPLICE_SIDES; i++)
			stream->meter->flowing[i] += atomic_load_explicit(
				&stream->totals[i], memory_order_relaxed);
}
