/*
 * h2_window.c - how much the peer may send of a stream before the stream's owner has read.
 *
 * Theory of operation.  A window is looked at whenever half of it has been used up, and it
 * grows for an owner that keeps up.  Where the network is far it follows the round trip.
 * Where the peer is near, what is on its way is what others wait behind, and larger windows
 * only make bulk cheaper: in larger batches, with fewer turns, and at last without any
 * process on its way having to wait for another.  So bulk has a window by who else is there:
 *
 *	H2_WINDOW_LEAST  little has come of late, for whoever it was: somebody waits
 *	H2_WINDOW        likewise, but the peer is not that near: a frame at a time would be slow
 *	H2_WINDOW_BULK   there is other bulk; a stream's share of what passes is that of its window
 *	H2_WINDOW_ALONE  nobody; it is given back as soon as something comes for another stream
 *
 * All streams of a session get at once what the last one had got to.
 */
#include "h2_inside.h"

#include <stdint.h>

static bool is_near(const struct hybridge_h2 *session)
{
	return session->round_trip_us <= H2_NEAR_US;
}

static bool is_next_door(const struct hybridge_h2 *session)
{
	return session->round_trip_us > 0 &&
	       session->round_trip_us <= H2_NEXT_DOOR_US;
}

static size_t above_usual(int32_t window)
{
	return window > H2_WINDOW ? (size_t)(window - H2_WINDOW) : 0;
}

static bool set_window(struct h2_stream *stream, int32_t window)
{
	struct hybridge_h2 *session = stream->session;
	size_t grown = session->grown - above_usual(stream->window) +
		       above_usual(window);

	if (window > H2_WINDOW_MAX || grown > H2_WINDOWS_MAX ||
	    nghttp2_session_set_local_window_size(
		    session->ng, NGHTTP2_FLAG_NONE, stream->id, window) != 0)
		return false;
	session->grown = grown;
	stream->window = window;
	return true;
}

void h2_window_shared(const struct h2_stream *stream)
{
	struct hybridge_h2 *session = stream->session;
	struct h2_stream *alone = session->alone;

	if (!alone || alone == stream)
		return;
	session->alone = NULL;
	(void)set_window(alone, H2_WINDOW_BULK);
}

void h2_window_open(struct h2_stream *stream)
{
	stream->window = H2_WINDOW;
	h2_window_shared(stream);
}

void h2_window_close(struct h2_stream *stream)
{
	stream->session->grown -= above_usual(stream->window);
	if (stream->session->alone == stream)
		stream->session->alone = NULL;
}

/* An owner that leaves something is slower than the path: more would only wait longer. */
static bool keeps_up(const struct h2_stream *stream)
{
	return !stream->was_left && !stream->is_left;
}

/* What the path, or bulk, has needed before, it needs again. */
static int32_t next_window(const struct h2_stream *stream)
{
	int32_t proven = stream->session->proven_window;
	int32_t least = proven > H2_WINDOW ? proven : H2_WINDOW;

	return stream->window < least ? least : 2 * stream->window;
}

/*
 * Half of the window has been used up: the peer learns of that half a round trip later, and
 * what it then sends is here another half later.  A lost packet, of either way, adds one or two.
 */
static void tune_far(struct h2_stream *stream, int64_t took_us)
{
	struct hybridge_h2 *session = stream->session;
	bool is_held = took_us < H2_WINDOW_TRIPS * session->round_trip_us;
	int32_t window = next_window(stream);

	if (keeps_up(stream) &&
	    (is_held || stream->window < session->proven_window) &&
	    set_window(stream, window))
		session->proven_window = window;
}

static int32_t most_when_near(const struct hybridge_h2 *session)
{
	if (hybridge_turn_is_awaited(session->loop))
		return is_next_door(session) ? H2_WINDOW_LEAST : H2_WINDOW;
	return hybridge_turn_is_alone(session->loop) ? H2_WINDOW_ALONE
						     : H2_WINDOW_BULK;
}

static void tune_near(struct h2_stream *stream, int64_t took_us)
{
	struct hybridge_h2 *session = stream->session;
	int32_t most = most_when_near(session);
	bool is_bulk = took_us < H2_BULK_US ||
		       stream->window >= H2_WINDOW_BULK ||
		       stream->window < H2_WINDOW ||
		       stream->window < session->proven_window;
	int32_t window = next_window(stream);

	if (window > most)
		window = most;
	if (window > stream->window && (!is_bulk || !keeps_up(stream)))
		return;
	if (window == stream->window || !set_window(stream, window))
		return;
	if (window > H2_WINDOW_BULK)
		session->alone = stream;
	else if (session->alone == stream)
		session->alone = NULL;
	if (window <= H2_WINDOW_BULK && window > session->proven_window)
		session->proven_window = window;
}

static void tune(struct h2_stream *stream)
{
	struct hybridge_h2 *session = stream->session;
	int64_t now_us = hybridge_loop_now_us(session->loop);
	int64_t took_us = now_us - stream->used_since_us;

	if (is_near(session))
		tune_near(stream, took_us);
	else
		tune_far(stream, took_us);
	stream->used = 0;
	stream->used_since_us = now_us;
	stream->was_left = stream->is_left;
	session->pressed_us = now_us;
	h2_path_measure(session);
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
