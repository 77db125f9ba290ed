/*
 * h2_session.c - one HTTP/2 session on one connection; nghttp2 frames and parses.
 *
 * Theory of operation.  A session always reads: what its streams' owners do not
 * take is bounded by the streams' windows, and what it answers of itself by nghttp2.
 * What streams have written in a turn goes out together at its end, in full TLS
 * records; not more than H2_COMMIT of it is encrypted while the kernel takes nothing, so that
 * a HEADERS, a PING or a keystroke is never behind more than that.
 *
 * Nothing of it is freed before the end of the turn: h2_lose() closes the connection and
 * resets the streams, a task tells the owner and frees.
 */
#include "h2_inside.h"

#include <errno.h>
#include <string.h>

#include <utlist.h>

#define WORTH_A_RECORD ((size_t)8 * 1024) /* bytes; fewer are gathered */

static void run_finish(struct hybridge_task *task)
{
	struct hybridge_h2 *session =
		hybridge_container(task, struct hybridge_h2, finish);

	if (session->ops)
		session->ops->over(session->owner, &session->err);
	/* Other sessions take new ones when they need them. */
	h2_chunks_free(&loop_scratch(session->loop)->chunks);
	nghttp2_session_del(session->ng);
	free(session->request);
	free(session);
}

static void end(struct hybridge_h2 *session, enum hybridge_conn_how how,
		int os_errno)
{
	struct h2_stream *stream, *next;

	hybridge_conn_close(session->conn, how);
	session->conn = NULL;
	hybridge_timer_clear(session->loop, &session->ping);
	hybridge_loop_cancel(session->loop, &session->flush);
	DL_FOREACH_SAFE (session->streams, stream, next)
		h2_stream_gone(stream, os_errno);
	hybridge_loop_defer(session->loop, &session->finish);
}

void h2_lose(struct hybridge_h2 *session, int os_errno, enum hybridge_code code,
	     const char *why)
{
	if (!session->conn)
		return;
	hybridge_fail(&session->err, code, "the HTTP/2 session was lost: %s",
		      why);
	end(session, HYBRIDGE_CONN_RESET, os_errno);
}

void h2_end_if_drained(struct hybridge_h2 *session)
{
	if (!session->conn || !session->is_draining || session->num_streams > 0)
		return;
	/* Inside nghttp2 it cannot be asked to send; a task will come back. */
	h2_send_later(session);
}

static void put(struct hybridge_h2 *session, const uint8_t *buf, size_t len)
{
	if (hybridge_conn_write(session->conn, buf, len) != 0)
		session->is_broken = true; /* said when it has been sent */
}

static void write_gathered(struct hybridge_h2 *session)
{
	struct scratch *scratch = loop_scratch(session->loop);
	size_t len = scratch->gathered_len;

	scratch->gathered_len = 0;
	if (len > 0)
		put(session, scratch->gathered, len);
}

static size_t gather(struct scratch *scratch, const uint8_t *buf, size_t len)
{
	size_t room = sizeof(scratch->gathered) - scratch->gathered_len;
	size_t n = len < room ? len : room;

	memcpy(scratch->gathered + scratch->gathered_len, buf, n);
	scratch->gathered_len += n;
	return n;
}

/* A record that is half full costs less than filling it. */
void h2_write(struct hybridge_h2 *session, const uint8_t *buf, size_t len)
{
	struct scratch *scratch = loop_scratch(session->loop);

	session->committed += len;
	if (len >= WORTH_A_RECORD) {
		size_t rest = len % SCRATCH_RECORD;
		size_t n = rest == len || rest >= WORTH_A_RECORD ? len
								 : len - rest;

		write_gathered(session);
		put(session, buf, n);
		buf += n;
		len -= n;
	}
	while (len > 0) {
		size_t n = gather(scratch, buf, len);

		if (scratch->gathered_len == SCRATCH_RECORD)
			write_gathered(session);
		buf += n;
		len -= n;
	}
}

/* Offers what nghttp2 has until it has no more or H2_COMMIT is reached. */
static int commit(struct hybridge_h2 *session)
{
	const uint8_t *data;
	ssize_t n = 0;

	session->committed = 0;
	while (session->committed < H2_COMMIT &&
	       (n = nghttp2_session_mem_send(session->ng, &data)) > 0)
		h2_write(session, data, (size_t)n);
	write_gathered(session);
	session->unflushed += session->committed;
	h2_path_sent(session, session->committed);
	return n < 0 ? -1 : 0;
}

static void finish_if_done(struct hybridge_h2 *session)
{
	if (session->is_draining && session->num_streams == 0)
		end(session, HYBRIDGE_CONN_ORDERLY, 0);
	else if (nghttp2_session_want_read(session->ng) == 0 &&
		 nghttp2_session_want_write(session->ng) == 0)
		h2_lose(session, ECONNRESET, HYBRIDGE_EPROTOCOL,
			"the peer broke the protocol, or went beyond what it "
			"may ask for");
}

void h2_send(struct hybridge_h2 *session)
{
	int ret = 0;

	if (!session->conn || session->is_sending)
		return;
	if (session->is_reading) {
		h2_send_later(session);
		return;
	}
	session->is_sending = true;
	while (ret == 0 && hybridge_conn_pending(session->conn) == 0) {
		ret = commit(session);
		if (ret != 0 || session->committed < H2_COMMIT)
			break;
		session->unflushed = 0;
		ret = hybridge_conn_flush(session->conn);
	}
	session->pass++;
	session->is_sending = false;
	if (ret != 0 || session->is_broken)
		h2_lose(session, ECONNRESET, HYBRIDGE_EUNREACH,
			"it cannot be written to");
	else
		finish_if_done(session);
}

void h2_send_later(struct hybridge_h2 *session)
{
	hybridge_loop_defer_last(session->loop, &session->flush);
}

static void run_flush(struct hybridge_task *task)
{
	struct hybridge_h2 *session =
		hybridge_container(task, struct hybridge_h2, flush);

	h2_send(session);
	if (session->conn) {
		session->unflushed = 0;
		(void)hybridge_conn_flush(session->conn);
	}
}

/*
 * How much to read, so that it ends where a frame does, if those to come are as long as bulk's:
 * a frame in two pieces stays in two all the way.
 */
static size_t whole_frames(const struct hybridge_h2 *session)
{
	size_t frame = HYBRIDGE_CONN_HEADER + H2_FRAME_MAX;
	size_t frames = session->frame_left > 0 ? 1 : SCRATCH_PLAIN / frame;

	return session->frame_left + frames * frame - WORTH_A_RECORD;
}

/* A batch, of so many bytes; 0 when there are no more. */
static size_t read_some(struct hybridge_h2 *session)
{
	struct h2_chunks *chunks = &loop_scratch(session->loop)->chunks;
	struct h2_chunk *chunk;
	ssize_t n, used;

	if (chunks->num_lent > 0)
		h2_lent_drop(chunks);
	chunk = h2_chunk_fresh(chunks);
	if (!chunk) {
		h2_lose(session, ENOMEM, HYBRIDGE_ESYSTEM, "out of memory");
		return 0;
	}
	n = conn_read_enough(session->conn, chunk->bytes + SCRATCH_HEAD,
			     SCRATCH_PLAIN, whole_frames(session));
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n == 0 && session->is_draining && session->num_streams == 0) {
		end(session, HYBRIDGE_CONN_ORDERLY, 0);
		return 0;
	}
	if (n <= 0) {
		h2_lose(session, ECONNRESET, HYBRIDGE_EUNREACH,
			n == 0 ? "the peer closed the connection"
			       : strerror(errno));
		return 0;
	}
	hybridge_silence_heard(&session->silence,
			       hybridge_loop_now_us(session->loop));
	session->chunk = chunk;
	session->is_reading = true;
	used = nghttp2_session_mem_recv(session->ng,
					chunk->bytes + SCRATCH_HEAD, (size_t)n);
	session->is_reading = false;
	h2_deliver(session);
	if (used < 0)
		h2_lose(session, EPROTO, HYBRIDGE_EPROTOCOL,
			nghttp2_strerror((int)used));
	return session->conn ? (size_t)n : 0;
}

static void on_ready(void *owner, struct hybridge_conn *conn)
{
	struct hybridge_h2 *session = owner;
	uint64_t bytes = 0;
	int reads = 0;
	size_t n;

	do {
		n = read_some(session);
		bytes += n;
	} while (n > 0 && hybridge_turn_goes_on(session->loop, ++reads, bytes));
	if (n > 0 && session->conn)
		hybridge_conn_later(conn);
	if (session->conn && hybridge_conn_pending(conn) == 0)
		h2_streams_let_go(session);
	/* At the end of the turn, unless others wait for it already. */
	if (session->conn && (nghttp2_session_want_write(session->ng) ||
			      !nghttp2_session_want_read(session->ng)))
		h2_send_later(session);
}

/* Whether there are bytes that the peer does not take: behind them, or their window, a ping tells
 * no more of it than that. */
static bool has_waiting(const struct hybridge_h2 *session)
{
	const struct h2_stream *stream;

	if (hybridge_conn_pending(session->conn) > 0)
		return true;
	DL_FOREACH (session->streams, stream)
		if (queue_len(&stream->conn.out) > 0)
			return true;
	return false;
}

/* While bytes wait for the peer, its kernel's acknowledgements are its answers. */
static enum hybridge_silence_step check_silence(struct hybridge_h2 *session)
{
	int64_t now_us = hybridge_loop_now_us(session->loop);
	uint32_t ping_ms = session->args.ping_ms;
	enum hybridge_silence_step step =
		hybridge_silence_check(&session->silence, now_us, ping_ms);

	if (step == HYBRIDGE_SILENCE_WAIT || !has_waiting(session) ||
	    hybridge_conn_unanswered(session->conn, ping_ms))
		return step;
	hybridge_silence_heard(&session->silence, now_us);
	/* What waits for a window only is nothing that a kernel has to acknowledge; a ping is. */
	return HYBRIDGE_SILENCE_ASK;
}

static void ask(struct hybridge_h2 *session)
{
	hybridge_conn_free_buffers(session->conn);
	/* Behind what is pending there would be one more each time. */
	if (hybridge_conn_pending(session->conn) > 0)
		return;
	nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE, NULL);
	h2_send_later(session);
}

static void on_ping(struct hybridge_timer *timer)
{
	struct hybridge_h2 *session =
		hybridge_container(timer, struct hybridge_h2, ping);
	enum hybridge_silence_step step = check_silence(session);

	h2_chunks_trim(&loop_scratch(session->loop)->chunks);
	if (step == HYBRIDGE_SILENCE_DEAD) {
		h2_lose(session, ETIMEDOUT, HYBRIDGE_ETIMEOUT,
			"the peer is silent");
		return;
	}
	if (step == HYBRIDGE_SILENCE_ASK)
		ask(session);
	if (hybridge_timer_set(session->loop, timer, session->args.ping_ms) !=
	    0)
		h2_lose(session, ENOMEM, HYBRIDGE_ESYSTEM, "out of memory");
}

struct hybridge_h2 *hybridge_h2_new(struct hybridge_loop *loop,
				    struct hybridge_conn *conn,
				    const struct hybridge_h2_args *args,
				    const struct hybridge_h2_ops *ops,
				    void *owner)
{
	struct hybridge_h2 *session = calloc(1, sizeof(*session));

	if (!session)
		goto fail;
	session->loop = loop;
	session->args = *args;
	session->ops = ops;
	session->owner = owner;
	hybridge_silence_heard(&session->silence, hybridge_loop_now_us(loop));
	session->ping.fire = on_ping;
	session->flush.run = run_flush;
	session->finish.run = run_finish;
	if (h2_frames_open(session) != 0 ||
	    hybridge_timer_set(loop, &session->ping, args->ping_ms) != 0)
		goto fail;
	session->conn = conn;
	h2_path_open(session);
	hybridge_conn_keep_buffers(conn);
	hybridge_conn_set_owner(conn, on_ready, session);
	h2_send_later(session);
	return session;
fail:
	if (session)
		nghttp2_session_del(session->ng);
	free(session);
	hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
	return NULL;
}

void hybridge_h2_drain(struct hybridge_h2 *session)
{
	if (!session->conn || session->is_draining)
		return;
	session->is_draining = true;
	nghttp2_submit_goaway(
		session->ng, NGHTTP2_FLAG_NONE,
		nghttp2_session_get_last_proc_stream_id(session->ng),
		NGHTTP2_NO_ERROR, NULL, 0);
	h2_send_later(session);
}

/* Whether nobody would miss anything. */
static bool has_ended(const struct hybridge_h2 *session)
{
	const struct h2_stream *stream;

	DL_FOREACH (session->streams, stream)
		if (!stream->conn.draining || !stream->conn.ended)
			return false;
	return true;
}

void hybridge_h2_drop(struct hybridge_h2 *session)
{
	if (!session)
		return;
	session->ops = NULL;
	/* What was said last still goes out. */
	if (!session->is_reading)
		h2_send(session);
	if (session->conn)
		end(session,
		    has_ended(session) ? HYBRIDGE_CONN_ORDERLY
				       : HYBRIDGE_CONN_RESET,
		    ECONNRESET);
}

size_t hybridge_h2_streams(const struct hybridge_h2 *session)
{
	return session->num_streams;
}

size_t hybridge_h2_room(const struct hybridge_h2 *session)
{
	uint32_t most;

	if (!session->conn || !session->is_ready || session->is_draining)
		return 0;
	most = nghttp2_session_get_remote_settings(
		session->ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
	return session->num_streams < most ? most - session->num_streams : 0;
}

bool hybridge_h2_pressed(const struct hybridge_h2 *session)
{
	return session->pressed_us > 0 &&
	       hybridge_loop_now_us(session->loop) - session->pressed_us <
		       H2_PRESSED_US;
}

bool hybridge_h2_lost(const struct hybridge_h2 *session)
{
	int64_t silent_us =
		hybridge_loop_now_us(session->loop) - session->silence.heard_us;

	/* The kernel need not be asked while the peer talks. */
	return session->conn && silent_us >= (int64_t)HYBRIDGE_LOST_MS * 1000 &&
	       hybridge_conn_lost(session->conn, HYBRIDGE_LOST_MS);
}

bool hybridge_h2_worn(const struct hybridge_h2 *session)
{
	return session->is_worn;
}
