/*
 * h2_move.c - moves an HTTP/2 session, with its streams, from one loop to another.
 */
#include "h2_inside.h"

#include <errno.h>
#include <string.h>

#include <utlist.h>

/* What its streams have not read may lie where the loop reads into next. */
static void leave_chunk(struct hybridge_h2 *session)
{
	struct h2_chunks *chunks = &loop_scratch(session->loop)->chunks;

	h2_lent_drop(chunks); /* nobody works on it in a task */
	if (!chunks->reading || chunks->reading->refs == 1)
		return;
	h2_chunk_drop(chunks, chunks->reading);
	chunks->reading = NULL;
}

int hybridge_h2_leave(struct hybridge_h2 *session)
{
	struct h2_stream *stream;

	if (!session->conn)
		return -1;
	hybridge_timer_clear(session->loop, &session->ping);
	hybridge_loop_cancel(session->loop, &session->flush);
	leave_chunk(session);
	DL_FOREACH (session->streams, stream) {
		hybridge_timer_clear(session->loop, &stream->conn.patience);
		hybridge_conn_leave(&stream->conn);
	}
	hybridge_conn_leave(session->conn);
	return 0;
}

/* One that is being closed has its patience from the start again. */
static int enter_stream(struct h2_stream *stream, struct hybridge_loop *loop)
{
	if (hybridge_conn_enter(&stream->conn, loop) != 0)
		return -1;
	return stream->conn.draining ? conn_be_patient(&stream->conn) : 0;
}

void hybridge_h2_enter(struct hybridge_h2 *session, struct hybridge_loop *loop,
		       const struct hybridge_h2_ops *ops, void *owner)
{
	struct h2_stream *stream;
	int ret;

	session->loop = loop;
	session->ops = ops;
	session->owner = owner;
	ret = hybridge_conn_enter(session->conn, loop);
	DL_FOREACH (session->streams, stream)
		ret = enter_stream(stream, loop) == 0 ? ret : -1;
	if (ret != 0 || hybridge_timer_set(loop, &session->ping,
					   session->args.ping_ms) != 0)
		h2_lose(session, ENOMEM, HYBRIDGE_ESYSTEM, strerror(errno));
	else
		h2_send_later(session);
}
