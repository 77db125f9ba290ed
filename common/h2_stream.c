/*
 * h2_stream.c - one stream of an HTTP/2 session, behind conn.h's calls.
 *
 * Theory of operation.  What comes is lent to the owner where it lies, in the
 * session's chunk, all of a chunk's at once, and only what it leaves is kept (@stash): at most a
 * window, for windows open as the owner reads.  What is written goes out with what other streams
 * write in this turn; a large piece goes at once, from where it lies.  What flow
 * control or the connection does not take is kept (conn.out), and then the owner is told
 * that something is pending (@is_stuck), and called when it has gone.  Whoever has filled the
 * connection is told the same (@conn.is_held), though nothing of it is kept here: what it would
 * write next is better left where it is.
 */
#include "h2_inside.h"

#include <errno.h>
#include <string.h>

#include <utlist.h>

#define AT_ONCE      ((size_t)16 * 1024) /* from here on, written without a copy */
#define PENDING_FREE ((size_t)64 * 1024) /* may wait for the end of the turn */
#define FLUSH_AT     ((size_t)96 * 1024) /* is enough for a send() */

_Static_assert(offsetof(struct h2_stream, conn) == 0,
	       "a stream is freed as a connection");

static void nobody_ready(void *owner, struct hybridge_conn *conn)
{
	(void)owner;
	(void)conn;
}

static struct h2_chunks *chunks_of(const struct h2_stream *stream)
{
	return &loop_scratch(stream->conn.loop)->chunks;
}

/* What it would write would wait here, instead of where it comes from. */
static void hold_back(struct h2_stream *stream)
{
	if (stream->conn.is_held)
		return;
	stream->conn.is_held = true;
	DL_APPEND2(stream->session->held, stream, held_prev, held_next);
}

static void let_go(struct h2_stream *stream)
{
	stream->conn.is_held = false;
	DL_DELETE2(stream->session->held, stream, held_prev, held_next);
	conn_again_in_turn(&stream->conn);
}

void h2_streams_let_go(struct hybridge_h2 *session)
{
	while (session->held)
		let_go(session->held);
}

/* From here on HTTP/2's callbacks do not find it. */
static void detach(struct h2_stream *stream)
{
	struct hybridge_h2 *session = stream->session;

	if (!session)
		return;
	if (session->request && session->request->stream == stream)
		session->request->stream = NULL;
	if (stream->conn.is_held)
		let_go(stream);
	if (session->fresh == stream)
		session->fresh = NULL;
	h2_window_close(stream);
	if (!stream->is_unborn)
		session->num_streams--;
	DL_DELETE(session->streams, stream);
	nghttp2_session_set_stream_user_data(session->ng, stream->id, NULL);
	stream->session = NULL;
	h2_path_look(session);
}

static void release(struct h2_stream *stream)
{
	struct hybridge_h2 *session = stream->session;

	detach(stream);
	free(stream->reason);
	stream->reason = NULL;
	h2_stash_free(&stream->stash, chunks_of(stream));
	stream->lent_len = 0;
	conn_release(&stream->conn);
	if (session)
		h2_end_if_drained(session);
}

static void reset(struct h2_stream *stream)
{
	if (stream->session) {
		nghttp2_submit_rst_stream(stream->session->ng,
					  NGHTTP2_FLAG_NONE, stream->id,
					  NGHTTP2_CANCEL);
		h2_send_later(stream->session);
	}
	release(stream);
}

/* What waits is held up by other streams, or by a reader that is slow: only its session tells
 * whether the peer is dead, and that ends the stream as well. */
static void out_of_patience(struct hybridge_timer *timer)
{
	struct hybridge_conn *conn =
		hybridge_container(timer, struct hybridge_conn, patience);
	bool goes_on = queue_len(&conn->out) > 0 ? conn_be_patient(conn) == 0
						 : conn_goes_on(conn);

	if (!goes_on)
		reset(h2_stream_of(conn));
}

/* 0 at the end, -1 with errno else. */
static int no_more(const struct h2_stream *stream)
{
	if (stream->eof && !stream->conn.in_error)
		return 0;
	errno = stream->conn.in_error ? stream->conn.in_error : EAGAIN;
	return -1;
}

static ssize_t stream_read(struct hybridge_conn *conn, void *buf, size_t len)
{
	struct h2_stream *stream = h2_stream_of(conn);
	size_t n = h2_stash_take(&stream->stash, chunks_of(stream), buf, len);

	if (n == 0 && stream->lent_len > 0) {
		n = stream->lent_len < len ? stream->lent_len : len;
		memcpy(buf, stream->lent, n);
		stream->lent += n;
		stream->lent_len -= n;
	}
	if (n == 0)
		return no_more(stream);
	h2_consume(stream, n);
	return (ssize_t)n;
}

/* Whether what has just come can be used where it lies: what is before it nobody needs. */
static bool is_free_standing(const struct h2_stream *stream)
{
	const struct h2_chunk *chunk =
		stream->session ? stream->session->chunk : NULL;

	return stream->lent_len > 0 && chunk && stream->stash.len == 0 &&
	       (size_t)(stream->lent - chunk->bytes) >=
		       chunk->pinned + SCRATCH_HEAD;
}

/* In place, unless what lies before it is another stream's, or it was little that waited. */
static int stream_take(struct hybridge_conn *conn, struct iovec *bufs, int room)
{
	struct h2_stream *stream = h2_stream_of(conn);
	struct h2_chunks *chunks = chunks_of(stream);
	uint8_t *plain = loop_scratch(conn->loop)->plain + SCRATCH_HEAD;
	size_t used = 0;
	int num = 0;

	if (stream->stash.len == 0 && stream->lent_len == 0)
		return no_more(stream);
	if (chunks->num_lent > 0)
		h2_lent_drop(chunks);
	while (num < room && stream->stash.len > 0) {
		uint8_t *buf;
		size_t len = h2_stash_lend(&stream->stash, chunks, &buf);

		if (len == 0)
			break;
		bufs[num++] = (struct iovec){buf, len};
		used += len;
	}
	if (num < room && is_free_standing(stream)) {
		bufs[num++] = (struct iovec){stream->lent, stream->lent_len};
		used += stream->lent_len;
		stream->lent_len = 0;
	}
	if (num == 0) {
		used = (size_t)stream_read(conn, plain, SCRATCH_PLAIN);
		bufs[0] = (struct iovec){plain, used};
		return 1;
	}
	h2_consume(stream, used);
	return num;
}

static bool goes_at_once(const struct h2_stream *stream, size_t len)
{
	const struct hybridge_h2 *session = stream->session;

	return len >= AT_ONCE && queue_len(&stream->conn.out) == 0 &&
	       !session->is_reading && !session->is_sending &&
	       hybridge_conn_pending(session->conn) == 0;
}

static void resume(struct h2_stream *stream)
{
	/* It says so when there is nothing to resume. */
	(void)nghttp2_session_resume_data(stream->session->ng, stream->id);
	h2_send_later(stream->session);
}

/* Whether anything may be written; else errno is set. */
static bool may_write(const struct hybridge_conn *conn)
{
	if (h2_stream_view(conn)->session && !conn->out_error && !conn->ending)
		return true;
	errno = conn->out_error ? conn->out_error : EPIPE;
	return false;
}

/* Appends a copy; before a large one there is room for a frame's head. */
static int keep(struct queue *out, const void *buf, size_t len)
{
	static const uint8_t room[HYBRIDGE_CONN_HEADER];
	bool wants_room = queue_len(out) == 0 && len >= AT_ONCE;

	if (wants_room && queue_add(out, room, sizeof(room)) != 0)
		return -1;
	if (queue_add(out, buf, len) != 0) {
		if (wants_room)
			queue_free(out);
		return -1;
	}
	if (wants_room)
		queue_drop(out, sizeof(room));
	return 0;
}

static int stream_write(struct hybridge_conn *conn, const void *buf, size_t len)
{
	struct h2_stream *stream = h2_stream_of(conn);

	if (!may_write(conn))
		return -1;
	resume(stream);
	if (keep(&conn->out, buf, len) != 0) {
		conn->out_error = ENOMEM;
		errno = ENOMEM;
		return -1;
	}
	/* It was offered before, and was not taken whole. */
	if (queue_len(&conn->out) > len &&
	    stream->pass != stream->session->pass)
		stream->is_stuck = true;
	if (queue_len(&conn->out) > PENDING_FREE)
		stream->is_stuck = true;
	stream->pass = stream->session->pass;
	return 0;
}

static int stream_write_over(struct hybridge_conn *conn, uint8_t *buf,
			     size_t len)
{
	struct h2_stream *stream = h2_stream_of(conn);
	size_t left;

	if (!may_write(conn) || !goes_at_once(stream, len))
		return stream_write(conn, buf, len);
	resume(stream);
	stream->borrowed = buf;
	stream->borrowed_len = len;
	h2_send(stream->session);
	left = stream->borrowed_len;
	stream->borrowed_len = 0;
	stream->has_filled = true;
	if (left == 0 && conn->out_error == 0)
		return 0;
	if (!may_write(conn))
		return -1;
	stream->is_stuck = true;
	return stream_write(conn, buf + len - left, left);
}

static int stream_flush(struct hybridge_conn *conn)
{
	struct h2_stream *stream = h2_stream_of(conn);
	struct hybridge_h2 *session = stream->session;

	/* What fits into one send() waits for the end of the turn. */
	if (session && session->unflushed >= FLUSH_AT && !session->is_sending) {
		session->unflushed = 0;
		(void)hybridge_conn_flush(session->conn);
	}
	if (session && stream->has_filled &&
	    hybridge_conn_pending(session->conn) > 0)
		hold_back(stream);
	stream->has_filled = false;
	if (conn->out_error == 0)
		return 0;
	errno = conn->out_error;
	return -1;
}

static size_t stream_pending(const struct hybridge_conn *conn)
{
	const struct h2_stream *stream = h2_stream_view(conn);

	if (!stream->session || stream->is_stuck ||
	    stream->pass != stream->session->pass)
		return queue_len(&conn->out);
	return conn->is_held;
}

static int stream_end(struct hybridge_conn *conn)
{
	struct h2_stream *stream = h2_stream_of(conn);

	if (conn->out_error) {
		errno = conn->out_error;
		return -1;
	}
	if (stream->session)
		resume(stream);
	return 0;
}

static void stream_close(struct hybridge_conn *conn, enum hybridge_conn_how how)
{
	struct h2_stream *stream = h2_stream_of(conn);
	size_t unread = stream->stash.len + stream->lent_len;
	bool waits = !stream->eof || queue_len(&conn->out) > 0;

	conn->on_ready = nobody_ready;
	conn->owner = NULL;
	if (how == HYBRIDGE_CONN_RESET || !stream->session ||
	    hybridge_conn_end(conn) != 0 ||
	    (waits && conn_be_patient(conn) != 0)) {
		reset(stream);
		return;
	}
	conn->draining = true;
	stream->lent_len = 0;
	h2_stash_free(&stream->stash, chunks_of(stream));
	h2_consume(stream, unread);
}

static const struct conn_ops stream_ops = {
	.read = stream_read,
	.take = stream_take,
	.write = stream_write,
	.write_over = stream_write_over,
	.flush = stream_flush,
	.pending = stream_pending,
	.end = stream_end,
	.close = stream_close,
};

bool hybridge_h2_is_stream(const struct hybridge_conn *conn)
{
	return conn->ops == &stream_ops;
}

bool hybridge_h2_stream_lost(const struct hybridge_conn *conn)
{
	const struct h2_stream *stream = h2_stream_view(conn);

	return stream->session && hybridge_h2_lost(stream->session);
}

struct h2_stream *h2_stream_new(struct hybridge_h2 *session,
				hybridge_conn_fn *on_ready, void *owner)
{
	struct h2_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	conn_init(&stream->conn, session->loop,
		  on_ready ? on_ready : nobody_ready, owner);
	stream->conn.ops = &stream_ops;
	stream->conn.patience.fire = out_of_patience;
	stream->session = session;
	h2_window_open(stream);
	stream->is_unborn = true;
	DL_APPEND(session->streams, stream);
	return stream;
}

void h2_stream_born(struct h2_stream *stream)
{
	stream->is_unborn = false;
	stream->session->num_streams++;
}

/* Behind what was lost nothing is kept: it would be read as if nothing was missing. */
static void keep_piece(struct h2_stream *stream, uint8_t *data, size_t len)
{
	if (len == 0 || stream->conn.in_error != 0)
		return;
	if (h2_stash_add(&stream->stash, stream->session->chunk, data, len) ==
	    0)
		return;
	stream->conn.in_error = ENOMEM;
	hybridge_conn_again(&stream->conn);
}

static void keep_lent(struct h2_stream *stream)
{
	size_t len = stream->lent_len;

	stream->lent_len = 0;
	keep_piece(stream, stream->lent, len);
}

/*
 * The owner is told of all that has come for it with a chunk, but before anything is told to
 * another: what lies before a stream's bytes in the chunk is then either done with or pinned.
 */
void h2_stream_came(struct h2_stream *stream, uint8_t *data, size_t len)
{
	struct hybridge_h2 *session = stream->session;

	if (stream->conn.draining || stream->conn.in_error != 0) {
		h2_consume(stream, len);
	} else if (session->fresh == stream) {
		keep_lent(stream);
		keep_piece(stream, data, len);
	} else if (stream->stash.len > 0) {
		/* An owner that left something knows that there is more. */
		keep_piece(stream, data, len);
	} else {
		stream->lent = data;
		stream->lent_len = len;
		session->fresh = stream;
	}
}

void h2_deliver(struct hybridge_h2 *session)
{
	struct h2_stream *stream = session->fresh;
	struct hybridge_conn *conn;

	if (!stream)
		return;
	session->fresh = NULL;
	h2_window_shared(stream);
	conn = &stream->conn;
	hybridge_loop_cancel(conn->loop, &conn->again);
	conn->on_ready(conn->owner, conn);
	if (stream->session)
		keep_lent(stream);
	stream->is_left = stream->stash.len > 0;
}

void h2_stream_ended(struct h2_stream *stream)
{
	stream->eof = true;
	stream->conn.hung_up = true;
	hybridge_conn_again(&stream->conn);
}

void h2_stream_gone(struct h2_stream *stream, int os_errno)
{
	struct hybridge_conn *conn = &stream->conn;
	struct hybridge_h2 *session = stream->session;

	if (conn->draining || stream->is_unborn) {
		release(stream);
		return;
	}
	keep_lent(stream);
	detach(stream);
	if (os_errno != 0) {
		conn->failed = true;
		conn->hung_up = true;
		if (!stream->eof)
			conn->in_error = os_errno;
		if (!conn->ended)
			conn->out_error = os_errno;
	}
	hybridge_conn_again(conn);
	h2_end_if_drained(session);
}

size_t h2_stream_left(const struct h2_stream *stream, bool *ends)
{
	*ends = stream->borrowed_len == 0 && stream->conn.ending;
	return stream->borrowed_len > 0 ? stream->borrowed_len
					: queue_len(&stream->conn.out);
}

void h2_stream_send(struct h2_stream *stream, const uint8_t *head, size_t len)
{
	struct hybridge_h2 *session = stream->session;
	const struct queue *out = &stream->conn.out;
	uint8_t *from = stream->borrowed;

	/* What lies before it there has been sent. */
	if (stream->borrowed_len == 0)
		from = out->at < HYBRIDGE_CONN_HEADER ? NULL
						      : out->buf + out->at;
	if (from) {
		memcpy(from - HYBRIDGE_CONN_HEADER, head, HYBRIDGE_CONN_HEADER);
		h2_write(session, from - HYBRIDGE_CONN_HEADER,
			 HYBRIDGE_CONN_HEADER + len);
		return;
	}
	h2_write(session, head, HYBRIDGE_CONN_HEADER);
	if (len > 0)
		h2_write(session, out->buf + out->at, len);
}

void h2_stream_took(struct h2_stream *stream, size_t len, bool end)
{
	struct hybridge_conn *conn = &stream->conn;
	bool was_pending = stream_pending(conn) > 0;

	conn_note_moved(conn, (ssize_t)len);
	if (stream->borrowed_len > 0) {
		stream->borrowed += len;
		stream->borrowed_len -= len;
	} else if (len > 0) {
		queue_drop(&conn->out, len);
	}
	conn->ended = conn->ended || end;
	if (stream->borrowed_len > 0 || queue_len(&conn->out) > 0)
		return;
	stream->is_stuck = false;
	if (was_pending || end)
		conn_again_in_turn(conn);
}
