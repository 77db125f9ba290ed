/*
 * conn_inside.h - what conn.c, conn_tls.c and conn_move.c share: the connection itself.
 */
#ifndef HYBRIDGE_COMMON_CONN_INSIDE_H
#define HYBRIDGE_COMMON_CONN_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <openssl/ssl.h>

#include <hybridge/conn.h>
#include <hybridge/loop.h>
#include <hybridge/turn.h>

#include "queue.h"
#include "scratch.h"

/**
 * struct conn_ops - What stands in for the socket of a connection that has none of its
 * own; each does what the call of conn.h does that is named like it
 * @read, @take: After what was given back has been read; @take is hybridge_conn_take_some()
 *         with @room for no more than that
 * @write: Never with 0 bytes
 * @pending: Only while there are some in @out
 */
struct conn_ops {
	ssize_t (*read)(struct hybridge_conn *conn, void *buf, size_t len);
	int (*take)(struct hybridge_conn *conn, struct iovec *bufs, int room);
	int (*write)(struct hybridge_conn *conn, const void *buf, size_t len);
	int (*write_over)(struct hybridge_conn *conn, uint8_t *buf, size_t len);
	int (*flush)(struct hybridge_conn *conn);
	size_t (*pending)(const struct hybridge_conn *conn);
	int (*end)(struct hybridge_conn *conn);
	void (*close)(struct hybridge_conn *conn, enum hybridge_conn_how how);
};

/** struct hybridge_conn - One connection; zeroed but for what is set when it is made */
struct hybridge_conn {
	const struct conn_ops *ops; /* NULL: it has a socket */
	struct hybridge_source source;
	struct hybridge_loop *loop;
	hybridge_conn_fn *on_ready;
	void *owner;
	struct hybridge_task again;
	struct hybridge_task flush;
	struct hybridge_task reap;
	struct hybridge_timer patience;
	size_t waiting; /* length of @out when @patience was armed */
	struct hybridge_conn *next; /* while draining */
	struct hybridge_conn *prev;
	SSL *ssl;
	struct queue out;   /* to the kernel */
	struct queue stash; /* TLS records, to OpenSSL */
	struct queue back;  /* plain bytes given back, to the next reader */
	bool readable;
	bool writable;
	bool hung_up; /* RDHUP or HUP was seen: a short read says nothing */
	bool at_end;  /* the end was read from the socket */
	bool ending;  /* shut down writing when @out is empty */
	bool ended;
	bool draining;
	bool failed; /* EPOLLERR was seen */
	bool armed;  /* SO_LINGER makes any close a reset */
	/*
	 * errno of the first failure.  Two, because a peer that closed after its
	 * last word makes our sends fail while that word is still to be read.
	 */
	int out_error;
	int in_error;
	int64_t bulk_us; /* when much was moved at once, 0: never */
	bool is_held; /* what it would write would have to wait: counts as pending */
};

/**
 * conn_init() - Set what every connection has
 * @conn: Zeroed; where a larger object begins, which is freed with it
 */
void conn_init(struct hybridge_conn *conn, struct hybridge_loop *loop,
	       hybridge_conn_fn *on_ready, void *owner);

/**
 * conn_be_patient() - Arm @patience of a connection that is being closed
 * Return: 0, or -1 when out of memory
 */
HYBRIDGE_MUSTUSE int conn_be_patient(struct hybridge_conn *conn);

/**
 * conn_goes_on() - When @patience is over: whether to go on waiting, which is armed then
 * A peer that takes what is pending, however slowly, gets all of it.
 */
bool conn_goes_on(struct hybridge_conn *conn);

/** conn_watch() - Have its loop report readiness of its socket; 0, or -1 with errno */
HYBRIDGE_MUSTUSE int conn_watch(struct hybridge_conn *conn);

/** conn_release() - Free @conn at the end of the turn, its queues and tasks at once */
void conn_release(struct hybridge_conn *conn);

/**
 * conn_receive() - One recv(2) from the socket, below TLS
 * Return: bytes, 0 at the end, -1 with errno: EAGAIN, or what broke the connection
 */
ssize_t conn_receive(struct hybridge_conn *conn, void *buf, size_t len);

/** conn_note_moved() - At once, by a system call or a frame, so many bytes were moved, or it failed (below 0) */
static inline void conn_note_moved(struct hybridge_conn *conn, ssize_t n)
{
	if (n > HYBRIDGE_TURN_LITTLE)
		conn->bulk_us = hybridge_loop_now_us(conn->loop);
}

/** conn_again_in_turn() - hybridge_conn_again(), or where it has moved much of late, hybridge_conn_later() */
void conn_again_in_turn(struct hybridge_conn *conn);

/** conn_flush_out() - Send what was kept, as far as the kernel takes it; 0, or -1 when broken */
int conn_flush_out(struct hybridge_conn *conn);

/** conn_shut_when_empty() - shutdown(2) of a connection that is ending, behind what was kept */
void conn_shut_when_empty(struct hybridge_conn *conn);

/** conn_run_flush() - For its task: hybridge_conn_flush(), and again where that fails */
void conn_run_flush(struct hybridge_task *task);

/**
 * conn_flush_scratch() - Send the records in @scratch, or keep them with their owner
 * Return: 0, or -1: the owner's out_error says why
 */
int conn_flush_scratch(struct scratch *scratch);

/** conn_stash_scratch() - Keep the records in @scratch that were not read yet with their
 * owner: its in_error is set when there is no memory for that */
void conn_stash_scratch(struct scratch *scratch);

/**
 * conn_tls_read() - As hybridge_conn_read()
 * @enough: Reads no further record when it has got so much
 */
ssize_t conn_tls_read(struct hybridge_conn *conn, uint8_t *buf, size_t len,
		      size_t enough);

/** conn_read_enough() - As hybridge_conn_read(), and conn_tls_read() where there is TLS */
ssize_t conn_read_enough(struct hybridge_conn *conn, uint8_t *buf, size_t len,
			 size_t enough);

/**
 * conn_tls_write() - Make records of all of it, to be flushed
 * Return: 0, or -1 with out_error set
 */
HYBRIDGE_MUSTUSE int conn_tls_write(struct hybridge_conn *conn, const void *buf,
				    size_t len);

/** conn_tls_end() - Write close_notify, to be flushed */
void conn_tls_end(struct hybridge_conn *conn);

/** conn_tls_drop() - Forget everything about TLS, not what it left to be sent; nothing is
 * read or written through it any more */
void conn_tls_drop(struct hybridge_conn *conn);

#endif
