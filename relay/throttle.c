/*
 * throttle.c - slows callers down that fail again and again.
 *
 * Theory of operation.  Each origin has an allowance of answers that goes up
 * with every tick and down with every answer.  When it is used up, answers wait
 * in line: then they leave at the pace of the ticks, and so do the next attempts
 * of a client that dials again when it is answered.  What waits costs a connection, so
 * the lines have an end.  An origin that has got its allowance back is forgotten.
 */
#include "throttle.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include <hybridge/address.h>
#include <hybridge/log.h>
#include <hybridge/table.h>

#include "origin.h"

/* An answer that waits. */
struct delayed {
	struct offender *offender;
	struct hybridge_conn *conn;
	struct answer answer;
	char *reason;
	char *body; /* NULL: none of its own */
	struct hybridge_task reap;
	struct delayed *prev;
	struct delayed *next;
};

struct offender {
	struct origin origin;
	struct throttle *throttle;
	unsigned int allowance;
	struct delayed *line;
	size_t len;
	UT_hash_handle hh;
};

struct throttle {
	struct hybridge_loop *loop;
	struct offender *offenders;
	size_t num_delayed;
	struct hybridge_timer tick; /* armed while there are offenders */
};

static void on_tick(struct hybridge_timer *timer);

struct throttle *throttle_new(struct hybridge_loop *loop)
{
	struct throttle *throttle = calloc(1, sizeof(*throttle));

	if (throttle) {
		throttle->loop = loop;
		throttle->tick.fire = on_tick;
	}
	return throttle;
}

static void delayed_free(struct delayed *delayed)
{
	free(delayed->reason);
	free(delayed->body);
	free(delayed);
}

static void run_reap(struct hybridge_task *task)
{
	delayed_free(hybridge_container(task, struct delayed, reap));
}

/* Out of its line; the connection is the caller's. */
static struct hybridge_conn *leave(struct delayed *delayed)
{
	struct offender *offender = delayed->offender;

	DL_DELETE(offender->line, delayed);
	offender->len--;
	offender->throttle->num_delayed--;
	hybridge_loop_defer(offender->throttle->loop, &delayed->reap);
	return delayed->conn;
}

static void answer_first(struct offender *offender)
{
	struct delayed *first = offender->line;
	struct hybridge_conn *conn = leave(first);

	answer_send(conn, &first->answer);
}

static void on_delayed(void *owner, struct hybridge_conn *conn)
{
	/* What it goes on to say is not read. */
	if (hybridge_conn_hung_up(conn))
		hybridge_conn_close(leave(owner), HYBRIDGE_CONN_RESET);
}

static void forget(struct offender *offender)
{
	HASH_DEL(offender->throttle->offenders, offender);
	free(offender);
}

static int arm(struct throttle *throttle)
{
	return hybridge_timer_set(throttle->loop, &throttle->tick,
				  THROTTLE_TICK_MS);
}

static void on_tick(struct hybridge_timer *timer)
{
	struct throttle *throttle =
		hybridge_container(timer, struct throttle, tick);
	struct offender *offender;
	struct offender *next;

	HASH_ITER (hh, throttle->offenders, offender, next) {
		if (offender->line)
			answer_first(offender);
		else if (++offender->allowance >= THROTTLE_BURST)
			forget(offender);
	}
	if (throttle->offenders && arm(throttle) != 0)
		throttle_flush(throttle);
}

static struct offender *find_offender(const struct throttle *throttle,
				      const struct hybridge_ip *ip)
{
	struct origin origin = origin_of(ip);
	struct offender *offender;

	HASH_FIND(hh, throttle->offenders, &origin, sizeof(origin), offender);
	return offender;
}

static struct offender *get_offender(struct throttle *throttle,
				     const struct hybridge_ip *ip)
{
	struct offender *offender = find_offender(throttle, ip);

	if (offender)
		return offender;
	offender = calloc(1, sizeof(*offender));
	if (!offender)
		return NULL;
	offender->origin = origin_of(ip);
	offender->throttle = throttle;
	offender->allowance = THROTTLE_BURST;
	if (throttle->tick.slot == 0 && arm(throttle) != 0) {
		free(offender);
		return NULL;
	}
	HASH_ADD(hh, throttle->offenders, origin, sizeof(offender->origin),
		 offender);
	if (offender->hh.tbl)
		return offender;
	free(offender);
	return NULL;
}

static bool is_full(const struct throttle *throttle,
		    const struct offender *offender)
{
	return offender->allowance == 0 &&
	       (offender->len >= THROTTLE_LINE ||
		throttle->num_delayed >= THROTTLE_ALL);
}

static void log_start(const struct hybridge_ip *ip)
{
	char text[HYBRIDGE_IP_TEXT];

	hybridge_ip_format(ip, text);
	hybridge_log(HYBRIDGE_LOG_WARNING,
		     "too many failures, answers are delayed from here on",
		     HYBRIDGE_STR("remote", text));
}

/* 0, or -1 when out of memory. */
static int delay(struct offender *offender, struct hybridge_conn *conn,
		 const struct answer *answer)
{
	struct delayed *delayed = calloc(1, sizeof(*delayed));

	if (!delayed)
		return -1;
	delayed->offender = offender;
	delayed->conn = conn;
	delayed->reap.run = run_reap;
	delayed->reason = strdup(answer->reason ? answer->reason : "");
	delayed->body = answer->body ? strdup(answer->body) : NULL;
	if (!delayed->reason || !delayed->body != !answer->body) {
		delayed_free(delayed);
		return -1;
	}
	delayed->answer = *answer;
	delayed->answer.reason = delayed->reason;
	delayed->answer.body = delayed->body;
	DL_APPEND(offender->line, delayed);
	offender->len++;
	offender->throttle->num_delayed++;
	hybridge_conn_set_owner(conn, on_delayed, delayed);
	return 0;
}

void throttle_answer(struct throttle *throttle, const struct hybridge_ip *ip,
		     struct hybridge_conn *conn, const struct answer *answer)
{
	struct offender *offender = get_offender(throttle, ip);
	struct answer refusal = *answer;

	if (offender && offender->allowance > 0) {
		if (--offender->allowance == 0)
			log_start(ip);
	} else if (!offender || is_full(throttle, offender)) {
		refusal.status = 429;
		refusal.headers = "Retry-After: 30\r\n";
	} else if (delay(offender, conn, answer) == 0) {
		return;
	}
	answer_send(conn, &refusal);
}

bool throttle_is_full(const struct throttle *throttle,
		      const struct hybridge_ip *ip)
{
	const struct offender *offender = find_offender(throttle, ip);

	return offender && is_full(throttle, offender);
}

void throttle_flush(struct throttle *throttle)
{
	struct offender *offender;
	struct offender *next;

	hybridge_timer_clear(throttle->loop, &throttle->tick);
	HASH_ITER (hh, throttle->offenders, offender, next) {
		while (offender->line)
			answer_first(offender);
		forget(offender);
	}
}

void throttle_free(struct throttle *throttle)
{
	free(throttle);
}
