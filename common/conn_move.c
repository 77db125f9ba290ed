/*
 * conn_move.c - moves a connection from one loop to another, with all that it holds.
 *
 * Theory of operation.  What a connection has in its loop are a place in the epoll set,
 * tasks, a timer, and bytes in the scratch buffers; all else is its own and goes along.
 * The new epoll set reports readiness afresh, so no change is lost between the two.
 */
#include "conn_inside.h"

static void leave_scratch(struct hybridge_conn *conn)
{
	struct scratch *scratch = loop_scratch(conn->loop);

	if (scratch->in_owner == conn)
		conn_stash_scratch(scratch);
	/* A failure shows when it is read or written to. */
	if (scratch->out_owner == conn)
		(void)conn_flush_scratch(scratch);
}

void hybridge_conn_leave(struct hybridge_conn *conn)
{
	hybridge_loop_cancel(conn->loop, &conn->again);
	hybridge_loop_cancel(conn->loop, &conn->flush);
	if (conn->ops)
		return;
	leave_scratch(conn);
	hybridge_loop_unwatch(conn->loop, &conn->source);
}

int hybridge_conn_enter(struct hybridge_conn *conn, struct hybridge_loop *loop)
{
	conn->loop = loop;
	if (!conn->ops && conn_watch(conn) != 0)
		return -1;
	/* What is in its own buffers, the kernel does not report. */
	hybridge_conn_again(conn);
	return 0;
}
