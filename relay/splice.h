/*
 * splice.h - joins the WebSockets of a sender and a listener into one stream.
 */
#ifndef HYBRIDGE_RELAY_SPLICE_H
#define HYBRIDGE_RELAY_SPLICE_H

#include <stdint.h>

#include <hybridge/conn.h>
#include <hybridge/error.h>
#include <hybridge/loop.h>

struct splice;

/** enum splice_end - How a stream ended; labels of a metric */
enum splice_end {
	SPLICE_ORDERLY,       /* both sides sent Close */
	SPLICE_SENDER_LOST,   /* its connection broke, or took no more */
	SPLICE_LISTENER_LOST, /* likewise */
	SPLICE_PROTOCOL,      /* one of them broke the protocol */
	SPLICE_SILENT,        /* one of them answered no ping */
	SPLICE_STOPPED,       /* splice_stop() */
	SPLICE_END_NUM,
};

/** splice_end_name() - "orderly", "sender_lost" ... for logs and metrics */
const char *splice_end_name(enum splice_end end);

/** enum splice_side - Index of a leg */
enum splice_side {
	SPLICE_SENDER,
	SPLICE_LISTENER,
	SPLICE_SIDES,
};

/**
 * struct splice_report - How it was
 * @why:   SPLICE_PROTOCOL: what was wrong, a constant text; else NULL
 * @by:    SPLICE_PROTOCOL: who did it
 * @bytes: Payload that came from each side
 */
struct splice_report {
	enum splice_end end;
	const char *why;
	enum splice_side by;
	uint64_t bytes[SPLICE_SIDES];
};

/**
 * splice_fn - The stream has ended; both connections are closed
 * Called once, from the loop; the splice is freed by itself after it.
 */
typedef void splice_fn(void *owner, const struct splice_report *report);

/**
 * struct splice_args - What to join
 * @conns:   Upgraded connections, by side; owned by the splice from here on
 * @ping_ms: Ping a leg after this long without a byte from it; it is dead when it has been
 *           silent three times as long
 * @totals:  Payload so far, by side: 0, and written as bytes pass; another thread may read
 */
struct splice_args {
	struct hybridge_conn *conns[SPLICE_SIDES];
	uint32_t ping_ms;
	_Atomic uint64_t *totals;
	splice_fn *done;
	void *owner;
};

/**
 * splice_start() - Carry frames both ways until it is over
 *
 * A Close is passed on when it comes and not answered for the other side;
 * the other direction goes on until its own Close.  When a leg breaks without
 * a Close, the other is dropped without one.
 *
 * Return: The splice, until @done was called; NULL when out of memory: then both
 *         connections are closed and @done is not called
 */
HYBRIDGE_MUSTUSE struct splice *splice_start(struct hybridge_loop *loop,
					     const struct splice_args *args);

/** splice_stop() - Drop both legs; @done is called with SPLICE_STOPPED, from the loop */
void splice_stop(struct splice *splice);

#endif
