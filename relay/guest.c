/*
 * guest.c - one HTTP/2 session of a caller: each of its streams is a call.
 *
 * A guest is a stranger until one of its streams was opened: until then it takes one of the
 * places that the door gives to its address, like a connection without a request.
 *
 * Theory of operation.  Its first call says where a guest belongs: a sender's goes to the
 * worker with the fewest, a listener's to the worker that has the sender it comes to meet, for
 * a stream needs both on one.  That call and those in its wake are noted, the
 * session moves at the end of the turn, and from there on the worker passes on what is called.
 *
 *	HOME ---- a call that belongs to a worker -> MOVING
 *	HOME ---- one that does not --------------> SETTLED: it stays in the main thread's loop
 *	MOVING -- end of the turn ----------------> AWAY: its session is the worker's
 *	any ----- the session has ended ----------> OVER
 *
 * A guest that was AWAY is freed by its worker, when all of its calls are gone: then nothing
 * that was posted to either thread can still be on its way.
 */
#include "guest.h"

#include <stdlib.h>

#include <utlist.h>

#include <hybridge/h2.h>
#include <hybridge/log.h>
#include <hybridge/url.h>

#include "answer.h"
#include "far.h"
#include "held.h"
#include "relay.h"
#include "serve.h"

#define STREAMS_MAX 4096 /* of one session; a sender opens several */

enum guest_state { HOME, SETTLED, MOVING, AWAY, OVER };

/* A call that was noted while the session moves. */
struct noted {
	struct far *call;
	struct noted *next;
};

/**
 * struct guest - One
 * @session:   AWAY: the worker's, NULL when it has ended
 * @worker:    MOVING, AWAY
 * @noted:     MOVING
 * @num_calls: AWAY: those that the worker has passed on, and that are not gone
 * @was_away:  Its worker has it
 * @has_called: AWAY: the first of the calls that it moved with has come
 * @err:       Why it ended; written before @over is posted
 * @move:      The end of the turn in which it was called
 * @arrive, @drain, @drop, @reap: Posted to the worker
 * @opened, @over: Posted by the worker
 */
struct guest {
	struct relay *relay;
	enum guest_state state;
	struct hybridge_h2 *session;
	struct worker *worker;
	struct noted *noted;
	size_t num_calls;
	bool was_away;
	bool has_called;
	bool is_draining;
	bool is_dropped;
	struct hybridge_error err;
	struct caller caller;
	char remote[HYBRIDGE_IP_TEXT];
	void (*known)(void *owner); /* NULL: was called */
	void *owner;
	struct hybridge_task move;
	struct hybridge_task arrive;
	struct hybridge_task drain;
	struct hybridge_task drop;
	struct hybridge_task reap;
	struct hybridge_task opened;
	struct hybridge_task over;
	struct guest *prev;
	struct guest *next;
};

static void guest_move(struct guest *guest, enum guest_state next)
{
	static const bool legal[OVER + 1][OVER + 1] = {
		[HOME] = {[SETTLED] = true, [MOVING] = true, [OVER] = true},
		[SETTLED] = {[OVER] = true},
		[MOVING] = {[AWAY] = true, [OVER] = true},
		[AWAY] = {[OVER] = true},
	};

	if (!legal[guest->state][next])
		abort();
	guest->state = next;
}

static void become_known(struct guest *guest)
{
	void (*known)(void *owner) = guest->known;

	guest->known = NULL;
	if (known)
		known(guest->owner);
}

static void discard_noted(struct guest *guest)
{
	struct noted *noted, *next;

	LL_FOREACH_SAFE(guest->noted, noted, next)
	{
		far_discard(noted->call);
		free(noted);
	}
	guest->noted = NULL;
}

/* Out of every list.  Freed when nothing is on its way to it. */
static void leave(struct guest *guest)
{
	struct relay *relay = guest->relay;

	if (guest->state == MOVING)
		hybridge_loop_cancel(relay->loop, &guest->move);
	discard_noted(guest);
	guest_move(guest, OVER);
	DL_DELETE(relay->guests, guest);
	worker_release(guest->worker);
	if (!guest->was_away)
		free(guest);
}

static void free_if_gone(struct guest *guest)
{
	struct relay *relay = guest->relay;

	if (guest->state != OVER || guest->num_calls > 0)
		return;
	relay->num_away--;
	worker_post(guest->worker, &guest->reap);
	relay_stop_if_drained(relay);
}

static void log_end(const struct guest *guest, const struct hybridge_error *err)
{
	/* Callers come and go; only one that misbehaves is news. */
	hybridge_log(err->code == HYBRIDGE_EPROTOCOL ? HYBRIDGE_LOG_INFO
						     : HYBRIDGE_LOG_DEBUG,
		     "HTTP/2 session ended",
		     HYBRIDGE_STR("remote", guest->remote),
		     HYBRIDGE_STR("error", err->code ? err->what : NULL));
}

/* Serves a call, on a stream of ours or on what stands in for one. */
static void serve(struct guest *guest, struct hybridge_conn *conn,
		  const struct hybridge_http_head *head)
{
	const struct answer no_request = {.status = 400};
	struct call call = {
		.relay = guest->relay,
		.conn = conn,
		.head = head,
		.guest = guest,
		.ip = &guest->caller.ip,
		.remote_address = guest->remote,
		.remote_port = guest->caller.port,
	};

	if (serve_call(&call) != 0)
		answer_send(conn, &no_request);
}

/* AWAY: what the worker passes on to the main thread. */

static void on_call_arrived(void *owner, struct hybridge_conn *conn,
			    const struct hybridge_http_head *head)
{
	struct guest *guest = owner;

	guest->num_calls++;
	guest->has_called = true;
	if (guest->relay->closing)
		hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
	else
		serve(guest, conn, head);
}

static void on_call_gone(void *owner)
{
	struct guest *guest = owner;

	guest->num_calls--;
	free_if_gone(guest);
}

static struct far *note_call(struct guest *guest, struct hybridge_conn *stream,
			     const struct hybridge_http_head *head)
{
	const struct far_args args = {
		.loop = guest->relay->loop,
		.worker = guest->worker,
		.arrived = on_call_arrived,
		.gone = on_call_gone,
		.owner = guest,
	};

	return far_new(&args, stream, head);
}

static void run_opened(struct hybridge_task *task)
{
	become_known(hybridge_container(task, struct guest, opened));
}

static void run_over(struct hybridge_task *task)
{
	struct guest *guest = hybridge_container(task, struct guest, over);

	log_end(guest, &guest->err);
	become_known(guest);
	leave(guest);
	free_if_gone(guest);
}

/* AWAY: in the worker's thread. */

static void on_away_request(void *owner, struct hybridge_conn *stream,
			    const struct hybridge_http_head *head)
{
	struct far *call = note_call(owner, stream, head);

	if (call)
		far_send(call);
	else
		hybridge_conn_close(stream, HYBRIDGE_CONN_RESET);
}

static void on_away_opened(void *owner)
{
	struct guest *guest = owner;

	hybridge_loop_post(guest->relay->loop, &guest->opened);
}

static void on_away_over(void *owner, const struct hybridge_error *err)
{
	struct guest *guest = owner;

	guest->session = NULL;
	guest->err = *err;
	hybridge_loop_post(guest->relay->loop, &guest->over);
}

static void run_arrive(struct hybridge_task *task)
{
	static const struct hybridge_h2_ops ops = {
		.request = on_away_request,
		.opened = on_away_opened,
		.over = on_away_over,
	};
	struct guest *guest = hybridge_container(task, struct guest, arrive);
	struct noted *noted, *next;

	hybridge_h2_enter(guest->session, worker_loop(guest->worker), &ops,
			  guest);
	LL_FOREACH_SAFE(guest->noted, noted, next)
	{
		far_send(noted->call);
		free(noted);
	}
	guest->noted = NULL;
}

static void run_drain(struct hybridge_task *task)
{
	struct guest *guest = hybridge_container(task, struct guest, drain);

	if (guest->session)
		hybridge_h2_drain(guest->session);
}

static void run_drop(struct hybridge_task *task)
{
	const struct hybridge_error none = {0};
	struct guest *guest = hybridge_container(task, struct guest, drop);

	if (!guest->session)
		return; /* it was over by itself */
	hybridge_h2_drop(guest->session);
	on_away_over(guest, &none);
}

static void run_reap(struct hybridge_task *task)
{
	free(hybridge_container(task, struct guest, reap));
}

/* HOME: in the main thread's loop. */

/* Its session leaves our loop, with the streams that were noted. */
static void run_move(struct hybridge_task *task)
{
	struct guest *guest = hybridge_container(task, struct guest, move);
	struct noted *noted;

	if (hybridge_h2_leave(guest->session) != 0)
		return; /* on_over() comes */
	LL_FOREACH (guest->noted, noted)
		far_leave(noted->call);
	guest_move(guest, AWAY);
	guest->was_away = true;
	guest->relay->num_away++;
	worker_post(guest->worker, &guest->arrive);
}

/* The worker that a session with this call belongs to; NULL: none. */
static struct worker *find_worker(const struct guest *guest,
				  const struct hybridge_http_head *head)
{
	struct relay *relay = guest->relay;
	struct hybridge_span secret = {"", 0};
	struct held *held;
	struct target target;

	if (target_parse(head->target, &target) != 0 || !target.is_hc)
		return NULL;
	if (target.action == TARGET_CONNECT)
		return workers_pick(relay->workers);
	if (target.action != TARGET_ACCEPT)
		return NULL;
	hybridge_query_get(target.query, TARGET_SECRET, &secret);
	held = held_find(relay, secret);
	if (held)
		worker_keep(held->worker);
	return held ? held->worker : NULL;
}

/* A call for later: at the worker.  Resets the stream when there is no memory for that. */
static void note(struct guest *guest, struct hybridge_conn *stream,
		 const struct hybridge_http_head *head)
{
	struct noted *noted = calloc(1, sizeof(*noted));

	if (noted)
		noted->call = note_call(guest, stream, head);
	if (!noted || !noted->call) {
		free(noted);
		hybridge_conn_close(stream, HYBRIDGE_CONN_RESET);
		return;
	}
	LL_APPEND(guest->noted, noted);
}

static void on_request(void *owner, struct hybridge_conn *stream,
		       const struct hybridge_http_head *head)
{
	struct guest *guest = owner;

	if (guest->state == HOME) {
		guest->worker = find_worker(guest, head);
		guest_move(guest, guest->worker ? MOVING : SETTLED);
		if (guest->worker)
			hybridge_loop_defer(guest->relay->loop, &guest->move);
	}
	if (guest->state == MOVING)
		note(guest, stream, head);
	else
		serve(guest, stream, head);
}

static void on_opened(void *owner)
{
	become_known(owner);
}

static void on_over(void *owner, const struct hybridge_error *err)
{
	struct guest *guest = owner;

	log_end(guest, err);
	become_known(guest);
	leave(guest);
}

struct guest *guest_start(struct relay *relay, struct hybridge_conn *conn,
			  const struct caller *caller,
			  void (*known)(void *owner), void *owner)
{
	static const struct hybridge_h2_ops ops = {
		.request = on_request,
		.opened = on_opened,
		.over = on_over,
	};
	const struct hybridge_h2_args args = {
		.is_server = true,
		.streams_max = STREAMS_MAX,
		.ping_ms = relay->config.ping_ms,
	};
	struct guest *guest = calloc(1, sizeof(*guest));

	if (!guest) {
		hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
		return NULL;
	}
	guest->relay = relay;
	guest->caller = *caller;
	guest->known = known;
	guest->owner = owner;
	guest->move.run = run_move;
	guest->arrive.run = run_arrive;
	guest->drain.run = run_drain;
	guest->drop.run = run_drop;
	guest->reap.run = run_reap;
	guest->opened.run = run_opened;
	guest->over.run = run_over;
	hybridge_ip_format(&caller->ip, guest->remote);
	guest->session = hybridge_h2_new(relay->loop, conn, &args, &ops, guest);
	if (!guest->session) {
		free(guest);
		return NULL;
	}
	DL_APPEND(relay->guests, guest);
	return guest;
}

bool guest_is_busy(const struct guest *guest)
{
	if (guest->state == AWAY)
		return guest->num_calls > 0 || !guest->has_called;
	return hybridge_h2_streams(guest->session) > 0;
}

void guest_drop(struct guest *guest)
{
	if (!guest)
		return;
	guest->known = NULL;
	if (guest->state == AWAY) {
		if (!guest->is_dropped)
			worker_post(guest->worker, &guest->drop);
		guest->is_dropped = true;
		return;
	}
	hybridge_h2_drop(guest->session);
	leave(guest);
}

void guest_drain(struct guest *guest)
{
	if (guest->state != AWAY)
		hybridge_h2_drain(guest->session);
	else if (!guest->is_draining)
		worker_post(guest->worker, &guest->drain);
	guest->is_draining = true;
}

void guests_drain(struct relay *relay)
{
	struct guest *guest;

	DL_FOREACH (relay->guests, guest)
		guest_drain(guest);
}

void guests_drop(struct relay *relay)
{
	struct guest *guest;
	struct guest *next;

	DL_FOREACH_SAFE (relay->guests, guest, next) {
		guest_drop(guest);
	}
}
