/*
 * far.h - a call on a stream that lives on a worker, and what stands in for the stream on
 * the main thread.
 *
 * The stand-in is a struct hybridge_conn of the main loop that takes an answer and no
 * more: what is written to it follows the answer when it is closed, it is never read from, and
 * it is hung up when the stream is.  Bytes never pass between threads: to carry some, the stream
 * is spliced on its worker, far_give() and far_take().
 *
 *	worker: far_new(), far_send() ----------> main: @arrived gets the stand-in
 *	worker: the stream hung up -------------> main: the stand-in did
 *	main: hybridge_conn_close(stand-in) ----> worker: answers, closes the stream
 *	main: far_give(), a post of its own ----> worker: far_take() answers
 *	worker: done with either ---------------> main: @gone, and it is freed
 */
#ifndef HYBRIDGE_RELAY_FAR_H
#define HYBRIDGE_RELAY_FAR_H

#include <stdbool.h>

#include <hybridge/conn.h>
#include <hybridge/error.h>
#include <hybridge/h2.h>
#include <hybridge/http.h>

#include "worker.h"

struct far;

/**
 * struct far_args - Where a call comes from
 * @loop:    The main thread's
 * @arrived: Main thread: serve the call; @conn, the stand-in, is the callee's from here on
 * @gone:    Main thread: called once, after @arrived, when nothing of the call is left
 */
struct far_args {
	struct hybridge_loop *loop;
	struct worker *worker;
	void (*arrived)(void *owner, struct hybridge_conn *conn,
			const struct hybridge_http_head *head);
	void (*gone)(void *owner);
	void *owner;
};

/**
 * far_new() - Note a call, in the thread that has its stream
 * @stream: Owned by it on success
 * @head:   Copied
 *
 * Return: The call, for far_send() or far_discard(); NULL when out of memory
 */
HYBRIDGE_MUSTUSE struct far *far_new(const struct far_args *args,
				     struct hybridge_conn *stream,
				     const struct hybridge_http_head *head);

/** far_leave() - Before far_send(), main thread: the stream moves to the worker with its session */
void far_leave(struct far *call);

/** far_send() - Worker: the stream is here, the main thread shall serve the call */
void far_send(struct far *call);

/** far_discard() - Main thread, before far_send(): reset the stream and forget the call */
void far_discard(struct far *call);

/** far_of() - The call that a connection stands in for, or NULL */
struct far *far_of(struct hybridge_conn *conn);

/** far_worker() - Where the stream lives that a connection stands in for; NULL: it is no stand-in */
struct worker *far_worker(const struct hybridge_conn *conn);

/**
 * far_answer() - As hybridge_h2_answer(), on a stand-in
 * It goes out when the stand-in is closed, or with far_take().
 */
HYBRIDGE_MUSTUSE int far_answer(struct hybridge_conn *conn,
				const struct hybridge_h2_answer *answer);

/** far_give() - Main thread: the stand-in is given up for its stream, which far_take() will get */
void far_give(struct far *call);

/** far_take() - Worker: answer, and take the stream; the call is gone */
HYBRIDGE_MUSTUSE struct hybridge_conn *far_take(struct far *call);

#endif
