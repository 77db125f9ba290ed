/*
 * request.c - one held connect(), from the shim's message to the end of its stream.
 *
 * Theory of operation.
 *
 *	QUEUED ----- place, or a warm connection -> DIALING, UPGRADING
 *	DIALING ---- connected -------------------> UPGRADING
 *	UPGRADING -- 101 -------------------------> COMPLETING
 *	UPGRADING -- warm connection was dead ----> DIALING
 *	UPGRADING -- its path forgot it ----------> DIALING
 *	COMPLETING - the program is connected ----> OPEN
 *	OPEN ------- the stream ended ------------> ENDED
 *	any before OPEN, failed ------------------> REFUSING
 *	REFUSING --- the program was told --------> ENDED
 *	any before OPEN, the program gave up -----> ENDED
 *
 * Only request_move() changes the state.  ENDED is final: a task frees the request at the end
 * of the turn.  The one timer serves whatever the state waits for: while the relay is
 * asked, a look at the program once a second; while the program must be told, a step
 * every few milliseconds, since the shim may still be between its message and its connect().
 */
#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include <hybridge/log.h>
#include <hybridge/verdict.h>

#include "origin.h"
#include "relay_dial.h"
#include "request_make.h"
#include "request_report.h"
#include "request_table.h"
#include "route.h"
#include "route_token.h"
#include "sender.h"
#include "warm.h"

#define LOOK_MS        1000
#define FIRST_LOOK_MS  10 /* most requests are answered before */
#define STEP_MS        1
#define STEP_LATER_MS  10
#define STEPS_QUICK_US 50000
#define PATIENCE_US    10000000 /* for a program between message and connect() */

static const char *const state_names[] = {
	[REQUEST_QUEUED] = "queued",       [REQUEST_DIALING] = "dialing",
	[REQUEST_UPGRADING] = "upgrading", [REQUEST_COMPLETING] = "completing",
	[REQUEST_OPEN] = "open",           [REQUEST_REFUSING] = "refusing",
	[REQUEST_ENDED] = "ended",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) ==
		       REQUEST_NUM_STATES,
	       "every state has a name");

static bool request_move(struct request *request, enum request_state next)
{
	static const bool legal[REQUEST_NUM_STATES][REQUEST_NUM_STATES] = {
		[REQUEST_QUEUED] = {[REQUEST_DIALING] = true,
				    [REQUEST_UPGRADING] = true,
				    [REQUEST_REFUSING] = true,
				    [REQUEST_ENDED] = true},
		[REQUEST_DIALING] = {[REQUEST_UPGRADING] = true,
				     [REQUEST_REFUSING] = true,
				     [REQUEST_ENDED] = true},
		[REQUEST_UPGRADING] = {[REQUEST_DIALING] = true,
				       [REQUEST_COMPLETING] = true,
				       [REQUEST_REFUSING] = true,
				       [REQUEST_ENDED] = true},
		[REQUEST_COMPLETING] = {[REQUEST_OPEN] = true,
					[REQUEST_REFUSING] = true,
					[REQUEST_ENDED] = true},
		[REQUEST_OPEN] = {[REQUEST_ENDED] = true},
		[REQUEST_REFUSING] = {[REQUEST_ENDED] = true},
	};

	if (!legal[request->state][next])
		return false;
	hybridge_log(HYBRIDGE_LOG_DEBUG, "request moved",
		     HYBRIDGE_STR("session", request->session),
		     HYBRIDGE_STR("from", state_names[request->state]),
		     HYBRIDGE_STR("to", state_names[next]));
	request->state = next;
	return true;
}

static int64_t now_us(const struct request *request)
{
	return hybridge_loop_now_us(request->sender->loop);
}

/* What is left of the time that a connect() may take; 0 when it is over. */
static uint32_t left_ms(const struct request *request)
{
	int64_t gone_ms = (now_us(request) - request->started_us) / 1000;
	int64_t left =
		request->sender->plan->config.connect_timeout_ms - gone_ms;

	return left > 0 ? (uint32_t)left : 0;
}

/* The end. */

static void unqueue(struct request *request)
{
	if (request->queued)
		DL_DELETE2(request->route->queue, request, queue_prev,
			   queue_next);
	request->queued = false;
}

/* No longer on the way to the relay: somebody else may be. */
static void leave_relay(struct request *request)
{
	struct route *route = request->route;

	if (!route)
		return;
	hybridge_dial_cancel(request->dial);
	request->dial = NULL;
	hybridge_stream_ask_cancel(request->ask);
	request->ask = NULL;
	unqueue(request);
	if (request->placed) {
		route->dialing--;
		/* From a task: one that fails at once would start the next from here. */
		if (route->queue)
			hybridge_loop_defer(request->sender->loop,
					    &route->start_queued);
	}
	request->placed = false;
}

static void end(struct request *request)
{
	struct sender *sender = request->sender;

	if (!request_move(request, REQUEST_ENDED))
		return;
	leave_relay(request);
	hybridge_conn_close(request->ws, HYBRIDGE_CONN_RESET);
	request->ws = NULL;
	hold_close(&request->hold);
	hybridge_timer_clear(sender->loop, &request->tick);
	request_leave(request);
	hybridge_loop_defer(sender->loop, &request->reap);
	sender_changed(sender);
}

static void abandon(struct request *request)
{
	request_report_abandoned(request, state_names[request->state]);
	end(request);
}

/* Telling the program. */

static void set_tick(struct request *request, uint32_t ms)
{
	/* Without a timer nobody would ever tell the program: its socket tells it then. */
	if (hybridge_timer_set(request->sender->loop, &request->tick, ms) != 0)
		end(request);
}

/* Comes back soon, while the shim is on its way to connect(). */
static void step_again(struct request *request)
{
	int64_t waited = now_us(request) - request->steps_us;

	if (waited > PATIENCE_US)
		abandon(request);
	else
		set_tick(request,
			 waited < STEPS_QUICK_US ? STEP_MS : STEP_LATER_MS);
}

static void step_refusing(struct request *request)
{
	switch (hold_refuse(&request->hold, request->verdict)) {
	case HOLD_WAIT:
		step_again(request);
		break;
	case HOLD_DONE:
	case HOLD_GONE:
	case HOLD_FAILED:
		end(request);
		break;
	}
}

void request_refuse(struct request *request, int verdict)
{
	if (!request_move(request, REQUEST_REFUSING))
		return;
	leave_relay(request);
	hybridge_conn_close(request->ws, HYBRIDGE_CONN_RESET);
	request->ws = NULL;
	request->verdict = verdict;
	request->steps_us = now_us(request);
	step_refusing(request);
}

/* Logs, counts and refuses. */
static void fail(struct request *request, int verdict, int status,
		 const char *reason, const struct hybridge_error *err)
{
	request_report_refused(request, verdict, status, reason, err);
	if (request->route)
		route_failed(request->route, now_us(request), err);
	request_refuse(request, verdict);
}

static void on_pump_end(void *owner, enum hybridge_end how, uint16_t close_code,
			const struct hybridge_pump_stats *stats)
{
	struct request *request = owner;

	request->pump = NULL;
	request_report_closed(request, how, close_code, stats);
	route_ended(request->route, stats);
	end(request);
}

/* Neither end is read before the pump does it. */
static void on_ready_early(void *owner, struct hybridge_conn *conn)
{
	(void)owner;
	(void)conn;
}

static void open_stream(struct request *request, int fd)
{
	struct sender *sender = request->sender;
	struct route *route = request->route;
	struct hybridge_conn *tcp =
		hybridge_conn_new(sender->loop, fd, on_ready_early, request);
	struct hybridge_conn *ws = request->ws;

	if (!tcp) {
		end(request);
		return;
	}
	request->ws = NULL; /* the pump's, as is @tcp */
	request->pump = hybridge_pump_start(sender->loop, tcp, ws,
					    route->plan->config.keepalive_ms,
					    on_pump_end, request);
	if (!request->pump || !request_move(request, REQUEST_OPEN)) {
		end(request);
		return;
	}
	hybridge_timer_clear(sender->loop, &request->tick);
	request_forget_cookie(request);
	request->opened_us = now_us(request);
	route_succeeded(route, request->opened_us);
	request_report_opened(request);
	if (hybridge_pool_sessions(route->pool) == 0)
		warm_refill(route->warm);
}

static void step_completing(struct request *request)
{
	struct hybridge_error err = {0};
	int fd = -1;

	switch (hold_complete(&request->hold, &fd)) {
	case HOLD_WAIT:
		step_again(request);
		break;
	case HOLD_DONE:
		request_locate(request);
		open_stream(request, fd);
		break;
	case HOLD_GONE:
		abandon(request);
		break;
	case HOLD_FAILED:
		hybridge_fail(&err, HYBRIDGE_ESYSTEM,
			      "the program's socket cannot be connected: %s",
			      strerror(errno));
		fail(request, ENETUNREACH, 0, NULL, &err);
		break;
	}
}

/* At the relay. */

static void start_dial(struct request *request);

static void on_answered(void *owner, struct hybridge_conn *conn,
			const struct hybridge_stream_answer *answer)
{
	struct request *request = owner;
	const struct hybridge_upgrade_result *result = &answer->result;
	struct route *route = request->route;
	struct hybridge_error err = {0};

	request->ask = NULL;
	if (result->speaks_h2 && route->plan->config.http2 &&
	    !request->sender->stopping)
		hybridge_pool_learn(route->pool);
	if (answer->refused) {
		fail(request, hybridge_verdict_of_preamble(result->os_errno),
		     101, NULL, &result->err);
	} else if (result->status == 101) {
		leave_relay(request);
		request->ws = conn;
		hybridge_conn_set_owner(conn, on_ready_early, request);
		request_move(request, REQUEST_COMPLETING);
		request->steps_us = now_us(request);
		step_completing(request);
	} else if (result->status == 0 && request->warm &&
		   result->os_errno != ETIMEDOUT) {
		/* The relay had closed it before our request came. */
		request->warm = false;
		start_dial(request);
	} else if (result->status == 0) {
		err = result->err;
		if (result->os_errno == ETIMEDOUT)
			hybridge_hint(&err, "is the agent or its service slow? "
					    "else raise "
					    "HYBRIDGE_CONNECT_TIMEOUT");
		hybridge_hint(&err,
			      "check that %s is a relay, and what is "
			      "between it and this machine",
			      route->host_header);
		fail(request, hybridge_verdict_of_dial(result->os_errno), 0,
		     NULL, &err);
	} else {
		if (result->status == 401)
			token_reject(&route->token);
		hybridge_verdict_explain(result,
					 route->connection->relay.entity, &err);
		fail(request,
		     hybridge_verdict_of_status(result->status, result->reason),
		     result->status, result->reason, &err);
	}
}

/* On @conn, or as one more stream of @session. */
static void start_upgrade(struct request *request, struct hybridge_conn *conn,
			  struct hybridge_h2 *session)
{
	struct hybridge_error err = {0};

	if (!request_move(request, REQUEST_UPGRADING)) {
		hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
		return;
	}
	request->ask = relay_ask(request, conn, session, left_ms(request),
				 on_answered, &err);
	if (!request->ask)
		fail(request, ENETUNREACH, 0, NULL, &err);
}

static void on_dialled(void *owner, struct hybridge_conn *conn, int os_errno,
		       const struct hybridge_error *err)
{
	struct request *request = owner;
	struct hybridge_error cause = {0};

	request->dial = NULL;
	if (conn) {
		start_upgrade(request, conn, NULL);
		return;
	}
	cause = *err;
	request_explain_dial(os_errno, &cause);
	fail(request, hybridge_verdict_of_dial(os_errno), 0, NULL, &cause);
}

static void start_dial(struct request *request)
{
	struct hybridge_error err = {0};

	if (!request_move(request, REQUEST_DIALING))
		return;
	request->dial = relay_dial(request->route, left_ms(request), on_dialled,
				   request);
	if (request->dial)
		return;
	hybridge_fail(&err, HYBRIDGE_ESYSTEM, "out of memory");
	fail(request, ENETUNREACH, 0, NULL, &err);
}

/* Takes a place at the relay. */
static void begin(struct request *request)
{
	struct route *route = request->route;
	struct hybridge_h2 *session = hybridge_pool_take(route->pool);
	struct hybridge_conn *conn = session ? NULL : warm_take(route->warm);

	request->placed = true;
	route->dialing++;
	request->warm = conn != NULL || session != NULL;
	if (request->warm)
		start_upgrade(request, conn, session);
	else
		start_dial(request);
}

void request_start_queued(struct hybridge_task *task)
{
	struct route *route =
		hybridge_container(task, struct route, start_queued);

	struct hybridge_error denied = route->token_error;

	route->token_error = (struct hybridge_error){0};
	while (route->queue && (denied.code != HYBRIDGE_OK ||
				(route->dialing < ROUTE_DIALS_MAX &&
				 route_token_ready(route)))) {
		struct request *request = route->queue;

		unqueue(request);
		if (denied.code != HYBRIDGE_OK)
			fail(request, EACCES, 0, NULL, &denied);
		else
			begin(request);
	}
}

/* When to look again: soon, until the program's connect() has been seen. */
static uint32_t next_look_ms(const struct request *request, uint32_t left)
{
	int64_t waited = now_us(request) - request->started_us;

	if (!request->hold.started)
		return waited < STEPS_QUICK_US ? STEP_MS : STEP_LATER_MS;
	/* The dial and the upgrade have the same time-out. */
	return left > 0 && left < LOOK_MS ? left : LOOK_MS;
}

/* A router, say, has lost what it knew of this connection: a new one may come through. */
static bool is_lost(const struct request *request)
{
	return request->warm && request->ask &&
	       hybridge_stream_ask_lost(request->ask);
}

static void ask_elsewhere(struct request *request)
{
	hybridge_stream_ask_cancel(request->ask);
	request->ask = NULL;
	request->warm = false;
	start_dial(request);
}

/* While the relay is asked: does the program still wait? */
static void look(struct request *request)
{
	struct hybridge_error err = {0};
	enum hold_state held = hold_look(&request->hold);
	uint32_t left = left_ms(request);

	request_locate(request);
	if (held == HOLD_OVER ||
	    (held == HOLD_NOT_YET &&
	     now_us(request) - request->started_us > PATIENCE_US)) {
		abandon(request);
	} else if (left == 0 && request->state == REQUEST_QUEUED) {
		request_explain_queued(request, &err);
		fail(request, ETIMEDOUT, 0, NULL, &err);
	} else {
		set_tick(request, next_look_ms(request, left));
		if (is_lost(request))
			ask_elsewhere(request);
	}
}

static void on_tick(struct hybridge_timer *timer)
{
	struct request *request =
		hybridge_container(timer, struct request, tick);

	switch (request->state) {
	case REQUEST_QUEUED:
	case REQUEST_DIALING:
	case REQUEST_UPGRADING:
		look(request);
		break;
	case REQUEST_COMPLETING:
		step_completing(request);
		break;
	case REQUEST_REFUSING:
		step_refusing(request);
		break;
	case REQUEST_OPEN:
	case REQUEST_ENDED:
	case REQUEST_NUM_STATES:
		break;
	}
}

/* A program that dissolved its connect() and began another: only the new one counts. */
static void replace_older(struct sender *sender, uint64_t cookie)
{
	struct request *older = request_of_cookie(sender, cookie);

	if (older)
		abandon(older);
}

static void admit(struct request *request, enum route_found found,
		  const struct hybridge_error *denied)
{
	struct sender *sender = request->sender;
	struct route *route = request->route;
	struct hybridge_error err = *denied;

	if (err.code == HYBRIDGE_OK && found != ROUTE_FOUND)
		request_explain_unmapped(request, found, &err);
	sender->unmapped += found != ROUTE_FOUND;
	if (err.code != HYBRIDGE_OK || !route) {
		fail(request,
		     err.code == HYBRIDGE_EDENIED ? EACCES : ECONNREFUSED, 0,
		     NULL, &err);
		return;
	}
	if (route_token_ready(route) && route->dialing < ROUTE_DIALS_MAX) {
		begin(request);
	} else {
		DL_APPEND2(route->queue, request, queue_prev, queue_next);
		request->queued = true;
	}
	if (request->state < REQUEST_COMPLETING)
		set_tick(request, FIRST_LOOK_MS);
}

static void start(struct sender *sender, const struct hybridge_local_msg *msg,
		  const char *file, const int *fds, size_t num_fds,
		  const struct hybridge_error *why)
{
	struct hybridge_error bad_hold = {0};
	struct hold hold = HOLD_NONE;
	uint64_t cookie;
	char host[256];
	size_t index = 0;
	enum route_found found = route_find(&sender->plan->config,
					    &sender->names, msg, host, &index);
	bool early = msg->flags & HYBRIDGE_LOCAL_EARLY;
	struct request *request;

	if (hold_take(fds, num_fds, early, &hold, &bad_hold) != 0 &&
	    hold.app < 0) {
		hybridge_log_error(HYBRIDGE_LOG_WARNING,
				   "connect request dropped", &bad_hold, NULL);
		hold_close(&hold);
		return;
	}
	cookie = hold_cookie(&hold);
	replace_older(sender, cookie);
	request = request_make(sender, msg, host);
	if (!request) {
		hybridge_fail(&bad_hold, HYBRIDGE_ESYSTEM, "out of memory");
		hybridge_log_error(HYBRIDGE_LOG_ERROR,
				   "connect request dropped", &bad_hold, NULL);
		(void)hold_refuse(&hold, ECONNREFUSED);
		hold_close(&hold);
		return;
	}
	request->tick.fire = on_tick;
	request->hold = hold;
	sender->early += early;
	request->cookie = cookie;
	request->route =
		found == ROUTE_FOUND ? &sender->plan->routes[index] : NULL;
	request_enter(request);
	if (why->code != HYBRIDGE_OK)
		bad_hold = *why;
	else if (request->route && bad_hold.code == HYBRIDGE_OK)
		origin_check(sender, msg, file, index, &bad_hold);
	admit(request, found, &bad_hold);
}

void request_start(struct sender *sender, const struct hybridge_local_msg *msg,
		   const char *file, const int *fds, size_t num_fds)
{
	static const struct hybridge_error nothing = {0};

	start(sender, msg, file, fds, num_fds, &nothing);
}

void request_start_refused(struct sender *sender,
			   const struct hybridge_local_msg *msg, const int *fds,
			   size_t num_fds, const struct hybridge_error *why)
{
	start(sender, msg, "", fds, num_fds, why);
}

void request_reset(struct request *request)
{
	if (request->pump)
		hybridge_pump_stop(request->pump);
	else
		end(request);
}
