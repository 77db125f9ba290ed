/*
 * stand_in.c - a connection that stands in for one that lives in another loop.
 */
#include <hybridge/stand_in.h>

#include <errno.h>
#include <stdlib.h>

#include "conn_inside.h"

/**
 * struct stand_in - One
 * @conn: The first: it is freed as a connection.  What is written waits in its conn.out
 */
struct stand_in {
	struct hybridge_conn conn;
	void (*closed)(void *owner, enum hybridge_conn_how how);
	void *owner;
};

_Static_assert(offsetof(struct stand_in, conn) == 0,
	       "a stand-in is freed as a connection");

static void nobody_ready(void *owner, struct hybridge_conn *conn)
{
	(void)owner;
	(void)conn;
}

static ssize_t stand_in_read(struct hybridge_conn *conn, void *buf, size_t len)
{
	(void)conn;
	(void)buf;
	(void)len;
	errno = EAGAIN;
	return -1;
}

static int stand_in_take(struct hybridge_conn *conn, struct iovec *bufs,
			 int room)
{
	(void)conn;
	(void)bufs;
	(void)room;
	errno = EAGAIN;
	return -1;
}

static int stand_in_write(struct hybridge_conn *conn, const void *buf,
			  size_t len)
{
	if (queue_add(&conn->out, buf, len) == 0)
		return 0;
	errno = ENOMEM;
	return -1;
}

static int stand_in_write_over(struct hybridge_conn *conn, uint8_t *buf,
			       size_t len)
{
	return stand_in_write(conn, buf, len);
}

static int stand_in_flush(struct hybridge_conn *conn)
{
	(void)conn;
	return 0;
}

/* What is written is short: nobody waits for it to be gone. */
static size_t stand_in_pending(const struct hybridge_conn *conn)
{
	(void)conn;
	return 0;
}

static void stand_in_close(struct hybridge_conn *conn,
			   enum hybridge_conn_how how)
{
	struct stand_in *stand_in =
		hybridge_container(conn, struct stand_in, conn);

	hybridge_stand_in_leave(conn);
	stand_in->closed(stand_in->owner, how);
}

static const struct conn_ops stand_in_ops = {
	.read = stand_in_read,
	.take = stand_in_take,
	.write = stand_in_write,
	.write_over = stand_in_write_over,
	.flush = stand_in_flush,
	.pending = stand_in_pending,
	.end = stand_in_flush,
	.close = stand_in_close,
};

struct hybridge_conn *
hybridge_stand_in_new(struct hybridge_loop *loop,
		      void (*closed)(void *owner, enum hybridge_conn_how how),
		      void *owner)
{
	struct stand_in *stand_in = calloc(1, sizeof(*stand_in));

	if (!stand_in)
		return NULL;
	conn_init(&stand_in->conn, loop, nobody_ready, NULL);
	stand_in->conn.ops = &stand_in_ops;
	stand_in->closed = closed;
	stand_in->owner = owner;
	return &stand_in->conn;
}

void *hybridge_stand_in_owner(const struct hybridge_conn *conn)
{
	const struct stand_in *stand_in =
		(const struct stand_in *)(const void *)conn;

	return conn->ops == &stand_in_ops ? stand_in->owner : NULL;
}

void hybridge_stand_in_hang_up(struct hybridge_conn *conn)
{
	conn->hung_up = true;
	conn->on_ready(conn->owner, conn);
}

void hybridge_stand_in_leave(struct hybridge_conn *conn)
{
	conn->on_ready = nobody_ready;
	hybridge_conn_leave(conn);
}

const void *hybridge_stand_in_written(const struct hybridge_conn *conn,
				      size_t *len)
{
	const struct queue *out = &conn->out;

	*len = queue_len(out);
	return *len > 0 ? out->buf + out->at : NULL;
}

void hybridge_stand_in_free(struct hybridge_conn *conn)
{
	conn_release(conn);
}
