/*
 * h2_window.c - how much the peer may send of a stream before the stream's owner has read.
 *
 * Theory of operation.  A window is looked at whenever half of it has been used up.  It grows
 * where the network is far and it holds the stream back; near or far it grows for
 * bulk, which costs less in larger batches and fewer turns.  All streams of a session get what the
 * last one got to: near a peer a stream's share of what passes is that of its window.
 *
 * What is on its way is what others wait behind, so bulk gets no more than it takes to be
 * cheap.  But as long as there are no others, a stream gets more, by which no process on its
 * way has to wait for another, and gives it back when something comes for another stream.
 */
#include "h2_inside.h"

#include <stdint.h>

void h2_window_open(struct h2_stream *stream)
{
	stream->window = H2_WINDOW;
	h2_window_used(stream);
}

void h2_window_close(struct h2_stream *stream)
{
	stream->session->grown -= (size_t)(stream->window - H2_WINDOW);
	if (stream->session->alone == stream)
		stream->session->alone = NULL;
}

/*
 * Whether a window, of which half is used up, may hold its stream back: the peer learns of
 * that half a round trip later, and what it then sends is here another half later.  A lost
 * packet, of either way, adds one or two.  An owner that leaves something is slower than
 * the path: a larger window would only hold more.  Where another stream has a larger
 * one, this one would get less than its share.
 */
static bool is_too_small(const struct h2_stream *stream, int64_t now_us)
{
	const struct hybridge_h2 *session = stream->session;
	int64_t took_us = now_us - stream->used_since_us;
	bool is_bulk = stream->window < H2_WINDOW_BULK && took_us < H2_BULK_US;
	bool is_held = session->round_trip_us > H2_NEAR_US &&
		       took_us < H2_WINDOW_TRIPS * session->round_trip_us;

	return !stream->was_left && !stream->is_left &&
	       (is_bulk || is_held || stream->window < session->proven_window);
}

static bool is_alone(const struct h2_stream *stream, int64_t now_us)
{
	const struct hybridge_h2 *session = stream->session;
	const struct scratch *scratch = loop_scratch(session->loop);

	return scratch->last_used == stream &&
	       now_us - scratch->last_used_since_us >= H2_ALONE_US &&
	       session->round_trip_us > 0 &&
	       session->round_trip_us <= H2_NEAR_US;
}

static bool set_window(struct h2_stream *stream, int32_t window)
{
	struct hybridge_h2 *session = stream->session;
	size_t grown = session->grown - (size_t)(stream->window - H2_WINDOW) +
		       (size_t)(window - H2_WINDOW);

	if (window > H2_WINDOW_MAX || grown > H2_WINDOWS_MAX ||
	    nghttp2_session_set_local_window_size(
		    session->ng, NGHTTP2_FLAG_NONE, stream->id, window) != 0)
		return false;
	session->grown = grown;
	stream->window = window;
	return true;
}

/* What the path has needed before, it needs again. */
static void enlarge(struct h2_stream *stream)
{
	struct hybridge_h2 *session = stream->session;
	int32_t proven = session->proven_window;
	int32_t window = stream->window < proven ? proven : 2 * stream->window;

	if (set_window(stream, window))
		session->proven_window = window;
}

static void give_back(struct hybridge_h2 *session)
{
	struct h2_stream *stream = session->alone;

	session->alone = NULL;
	if (stream)
		(void)set_window(stream, session->proven_window);
}

static void tune(struct h2_stream *stream)
{
	struct hybridge_h2 *session = stream->session;
	int64_t now_us = hybridge_loop_now_us(session->loop);
	bool alone = is_alone(stream, now_us);

	if (is_too_small(stream, now_us))
		enlarge(stream);
	else if (session->alone && (!alone || session->alone != stream))
		give_back(session);
	else if (alone && !session->alone && !stream->was_left &&
		 !stream->is_left && stream->window >= H2_WINDOW_BULK &&
		 set_window(stream, H2_WINDOW_ALONE))
		session->alone = stream;
	stream->used = 0;
	stream->used_since_us = now_us;
	stream->was_left = stream->is_left;
	session->pressed_us = now_us;
	h2_path_measure(session);
}

void h2_window_used(const struct h2_stream *stream)
{
	struct hybridge_h2 *session = stream->session;
	struct scratch *scratch = loop_scratch(session->loop);

	if (scratch->last_used == stream)
		return;
	scratch->last_used = stream;
	scratch->last_used_since_us = hybridge_loop_now_us(session->loop);
	give_back(session);
}

void h2_consume(struct h2_stream *stream, size_t len)
{
	struct hybridge_h2 *session = stream->session;

	stream->is_left = stream->is_left && stream->stash.len > 0;
	if (!session || len == 0)
		return;
	nghttp2_session_consume_stream(session->ng, stream->id, len);
	if (stream->used_since_us == 0)
		stream->used_since_us = hybridge_loop_now_us(session->loop);
	stream->used += (int32_t)len;
	if (stream->used >= stream->window / 2)
		tune(stream);
	if (nghttp2_session_want_write(session->ng))
		h2_send_later(session);
}
