/*
 * warm.c - keeps a few connections to the relay open in advance.
 *
 * Theory of operation.  A slot is empty, being dialled, or holds a connection.
 * Only use fills slots: a stream that was opened asks for as many as streams have come
 * lately, WARM_MAX at most.  A connection that the relay closes is dropped and not
 * replaced, and all are dropped when nobody asked for WARM_IDLE_MS: relays limit
 * how long a connection may stay without a request, and an idle sender should cost them nothing.
 */
#include "warm.h"

#include <errno.h>
#include <stdlib.h>

#include <hybridge/dial.h>

#include "relay_dial.h"
#include "route.h"
#include "sender.h"

#define WARM_MAX     4
#define WARM_IDLE_MS 30000
#define WARM_DIAL_MS 10000
#define WARM_AGE_US \
	60000000 /* gateways forget an idle connection without a word */

struct slot {
	struct warm *warm;
	struct hybridge_dial *dial;
	struct hybridge_conn *conn;
	int64_t since_us;
};

struct warm {
	struct sender *sender;
	struct route *route;
	unsigned int wanted;
	struct slot slots[WARM_MAX];
	struct hybridge_timer idle;
};

static void empty_slot(struct slot *slot)
{
	hybridge_dial_cancel(slot->dial);
	slot->dial = NULL;
	hybridge_conn_close(slot->conn, HYBRIDGE_CONN_ORDERLY);
	slot->conn = NULL;
}

void warm_drop(struct warm *warm)
{
	warm->wanted = 0;
	hybridge_timer_clear(warm->sender->loop, &warm->idle);
	for (size_t i = 0; i < WARM_MAX; i++)
		empty_slot(&warm->slots[i]);
}

static void on_idle(struct hybridge_timer *timer)
{
	warm_drop(hybridge_container(timer, struct warm, idle));
}

/* Nothing may come before our request but what belongs to TLS: session tickets. */
static void on_ready(void *owner, struct hybridge_conn *conn)
{
	struct slot *slot = owner;
	char byte;

	if (hybridge_conn_read(conn, &byte, 1) >= 0 || errno != EAGAIN)
		empty_slot(slot);
}

static void on_dialled(void *owner, struct hybridge_conn *conn, int os_errno,
		       const struct hybridge_error *err)
{
	struct slot *slot = owner;

	(void)os_errno;
	(void)err; /* the next stream will meet it, and say so */
	slot->dial = NULL;
	slot->conn = conn;
	slot->since_us = hybridge_loop_now_us(slot->warm->sender->loop);
	if (conn)
		hybridge_conn_set_owner(conn, on_ready, slot);
}

void warm_refill(struct warm *warm)
{
	unsigned int have = 0;

	if (warm->sender->stopping || warm->route->plan->is_retired)
		return;
	for (size_t i = 0; i < WARM_MAX && have < warm->wanted; i++) {
		struct slot *slot = &warm->slots[i];

		have++;
		if (slot->conn || slot->dial)
			continue;
		slot->dial =
			relay_dial(warm->route, WARM_DIAL_MS, on_dialled, slot);
	}
}

struct hybridge_conn *warm_take(struct warm *warm)
{
	if (warm->wanted < WARM_MAX)
		warm->wanted++;
	/* Without the timer nothing would end their waiting. */
	if (hybridge_timer_set(warm->sender->loop, &warm->idle, WARM_IDLE_MS) !=
	    0)
		warm_drop(warm);
	for (size_t i = 0; i < WARM_MAX; i++) {
		struct slot *slot = &warm->slots[i];
		struct hybridge_conn *conn = slot->conn;

		if (!conn)
			continue;
		if (!hybridge_conn_hung_up(conn) &&
		    hybridge_loop_now_us(warm->sender->loop) - slot->since_us <
			    WARM_AGE_US) {
			slot->conn = NULL;
			return conn;
		}
		empty_slot(slot);
	}
	return NULL;
}

unsigned int warm_count(const struct warm *warm)
{
	unsigned int count = 0;

	for (size_t i = 0; i < WARM_MAX; i++)
		count += warm->slots[i].conn != NULL;
	return count;
}

struct warm *warm_new(struct route *route)
{
	struct warm *warm = calloc(1, sizeof(*warm));

	if (!warm)
		return NULL;
	warm->sender = route->plan->sender;
	warm->route = route;
	warm->idle.fire = on_idle;
	for (size_t i = 0; i < WARM_MAX; i++)
		warm->slots[i].warm = warm;
	return warm;
}

void warm_free(struct warm *warm)
{
	if (!warm)
		return;
	warm_drop(warm);
	free(warm);
}
