/*
 * warm.h - connections to a relay that wait, open, for their upgrade request, so
 * that a stream need not wait for TCP and TLS.
 */
#ifndef SENDER_WARM_H
#define SENDER_WARM_H

#include <hybridge/conn.h>
#include <hybridge/error.h>

struct route;
struct warm;

/** warm_new() - An empty stock for one connection; NULL when out of memory */
HYBRIDGE_MUSTUSE struct warm *warm_new(struct route *route);

/**
 * warm_take() - A connection that is ready for its upgrade
 * Counts as use: use is what makes the stock fill up, a few at most.
 *
 * Return: Now the caller's (hybridge_conn_set_owner() it), or NULL: dial
 */
struct hybridge_conn *warm_take(struct warm *warm);

/** warm_refill() - After a stream was opened: open what was taken; never more than was used */
void warm_refill(struct warm *warm);

/** warm_count() - How many wait */
unsigned int warm_count(const struct warm *warm);

/** warm_drop() - Close all that wait: we are leaving */
void warm_drop(struct warm *warm);

/** warm_free() - Close all and release.  NULL is fine */
void warm_free(struct warm *warm);

#endif
