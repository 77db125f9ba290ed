/*
 * h2_window.c - how much the peer may send of a stream before the stream's owner has read.
 *
 * Theory of operation.  A window is looked at whenever half of it has been used up.  It grows
 * where the network is far and it holds the stream back; near or far it grows for
 * bulk, which costs less in larger batches and fewer turns.  All streams of a session get what the
 * last one got to: near a peer a stream's share of what passes is that of its window.
 */
#include "h2_inside.h"

#include <stdint.h>

void h2_window_open(struct h2_stream *stream)
{
	stream->window = H2_WINDOW;
}

void h2_window_close(struct h2_stream *stream)
{
	stream->session->grown -= (size_t)(stream->window - H2_WINDOW);
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

/* What the path has needed before, it needs again. */
static void enlarge(struct h2_stream *stream)
{
	struct hybridge_h2 *session = stream->session;
	int32_t proven = session->proven_window;
	int32_t window = stream->window < proven ? proven : 2 * stream->window;
	size_t by = (size_t)(window - stream->window);

	if (window > H2_WINDOW_MAX || session->grown + by > H2_WINDOWS_MAX ||
	    nghttp2_session_set_local_window_size(
		    session->ng, NGHTTP2_FLAG_NONE, stream->id, window) != 0)
		return;
	session->grown += by;
	session->proven_window = window;
	stream->window = window;
}

static void tune(struct h2_stream *stream)
{
	struct hybridge_h2 *session = stream->session;
	int64_t now_us = hybridge_loop_now_us(session->loop);

	if (is_too_small(stream, now_us))
		enlarge(stream);
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
