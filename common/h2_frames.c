/*
 * h2_frames.c - what nghttp2 tells of a session, and the limits that it is given.
 *
 * A peer can only do so much of what costs more to serve than to ask for: requests that are
 * reset before they are answered, frames that carry nothing.  Beyond that the session
 * ends with ENHANCE_YOUR_CALM (RFC 9113 10.5).
 */
#include "h2_inside.h"

#include <errno.h>
#include <string.h>

#include <hybridge/log.h>

#define RESETS_BURST      1000 /* requests that are taken back unanswered */
#define RESETS_PER_S      200
#define ODDITIES_BURST    2000 /* SETTINGS, PING, PRIORITY, empty DATA */
#define ODDITIES_PER_S    200
#define LIBRARY_BURST     1000000 /* counted here instead, without those answered */
#define ACKS_MAX          64 /* of SETTINGS and PING, that wait to be sent */
#define CONTINUATIONS_MAX 8
#define STREAMS_OF_SERVER 0 /* a client lets nobody push */

/* Whether once more is too much. */
static bool overflows(struct h2_bucket *bucket, int64_t now_us, double burst,
		      double per_s)
{
	double back = (double)(now_us - bucket->since_us) * per_s / 1e6;

	bucket->since_us = now_us;
	bucket->spent = bucket->spent > back ? bucket->spent - back : 0;
	bucket->spent += 1;
	return bucket->spent > burst;
}

static void calm_down(struct hybridge_h2 *session)
{
	nghttp2_session_terminate_session(session->ng,
					  NGHTTP2_ENHANCE_YOUR_CALM);
}

static void count_oddity(struct hybridge_h2 *session)
{
	if (overflows(&session->oddities, hybridge_loop_now_us(session->loop),
		      ODDITIES_BURST, ODDITIES_PER_S))
		calm_down(session);
}

static struct h2_stream *get(nghttp2_session *ng, int32_t id)
{
	return nghttp2_session_get_stream_user_data(ng, id);
}

static int on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *head,
			  void *data)
{
	struct hybridge_h2 *session = data;

	(void)ng;
	session->frame_left = head->type == NGHTTP2_DATA ? head->length : 0;
	return 0;
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame,
			    void *data)
{
	struct hybridge_h2 *session = data;
	struct h2_stream *stream;

	if (frame->hd.type != NGHTTP2_HEADERS ||
	    frame->headers.cat != NGHTTP2_HCAT_REQUEST || !session->conn)
		return 0;
	stream = h2_stream_new(session, NULL, NULL);
	if (!stream)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	stream->id = frame->hd.stream_id;
	nghttp2_session_set_stream_user_data(ng, stream->id, stream);
	if (h2_head_begin(session, stream) == 0)
		return 0;
	hybridge_conn_close(&stream->conn, HYBRIDGE_CONN_RESET);
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* NOLINTNEXTLINE(readability-function-size): nghttp2 gives the signature */
static int on_header(nghttp2_session *ng, const nghttp2_frame *frame,
		     const uint8_t *name, size_t name_len, const uint8_t *value,
		     size_t value_len, uint8_t flags, void *data)
{
	struct hybridge_h2 *session = data;
	struct hybridge_span key = {(const char *)name, name_len};
	struct hybridge_span text = {(const char *)value, value_len};
	struct h2_stream *stream = get(ng, frame->hd.stream_id);

	(void)flags;
	if (frame->hd.type != NGHTTP2_HEADERS || !stream)
		return 0;
	if (!session->args.is_server)
		h2_head_answer(stream, key, text);
	else if (session->request && session->request->stream == stream)
		h2_head_add(session->request, key, text);
	return 0;
}

static void on_settings(struct hybridge_h2 *session)
{
	if (session->is_ready || session->args.is_server)
		return;
	if (nghttp2_session_get_remote_settings(
		    session->ng, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) !=
	    1) {
		h2_lose(session, EPROTO, HYBRIDGE_EPROTOCOL,
			"the server takes no WebSockets over it");
		return;
	}
	session->is_ready = true;
	if (session->ops && session->ops->ready)
		session->ops->ready(session->owner);
}

static void on_ping(struct hybridge_h2 *session, const nghttp2_ping *ping)
{
	if ((ping->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
		count_oddity(session);
		if (!session->args.is_server &&
		    memcmp(ping->opaque_data, H2_WORN, sizeof(H2_WORN)) == 0)
			h2_path_worn(session);
	} else {
		h2_path_answered(session, ping->opaque_data);
	}
}

static void on_goaway(struct hybridge_h2 *session)
{
	session->is_draining = true;
	h2_end_if_drained(session);
}

static void on_head(struct hybridge_h2 *session, struct h2_stream *stream,
		    const nghttp2_frame *frame)
{
	if (session->args.is_server &&
	    frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		h2_head_done(session);
	} else if (stream && stream->heading >= 200 && stream->status == 0) {
		stream->status = stream->heading;
		hybridge_conn_again(&stream->conn);
	}
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *data)
{
	struct hybridge_h2 *session = data;
	struct h2_stream *stream;

	if (!session->conn)
		return 0;
	stream = get(ng, frame->hd.stream_id);
	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
		on_head(session, stream, frame);
		break;
	case NGHTTP2_SETTINGS:
		if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
			count_oddity(session);
			on_settings(session);
		}
		break;
	case NGHTTP2_PING:
		on_ping(session, &frame->ping);
		break;
	case NGHTTP2_GOAWAY:
		on_goaway(session);
		break;
	case NGHTTP2_PRIORITY:
		count_oddity(session);
		break;
	case NGHTTP2_WINDOW_UPDATE:
		/* It says so when nothing waited for it. */
		if (frame->hd.stream_id != 0)
			(void)nghttp2_session_resume_data(ng,
							  frame->hd.stream_id);
		break;
	case NGHTTP2_DATA:
		if (frame->hd.length == 0 &&
		    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
			count_oddity(session);
		break;
	default:
		break;
	}
	/* The owner may have given it up meanwhile. */
	stream = get(ng, frame->hd.stream_id);
	if (stream && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
	    (frame->hd.type == NGHTTP2_DATA ||
	     frame->hd.type == NGHTTP2_HEADERS))
		h2_stream_ended(stream);
	return 0;
}

/* Who was not answered yet may be a stranger, and has no claim to a window's worth of memory. */
static bool is_too_early(const struct hybridge_h2 *session,
			 const struct h2_stream *stream, size_t len)
{
	return session->args.is_server && !stream->is_answered &&
	       stream->stash.len + stream->lent_len + len > H2_EARLY_MAX;
}

static void refuse_early(nghttp2_session *ng, struct h2_stream *stream)
{
	/* Of what came with it, the rest is on its way here. */
	if (!stream->is_early)
		(void)nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE,
						stream->id,
						NGHTTP2_ENHANCE_YOUR_CALM);
	stream->is_early = true;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id,
		   const uint8_t *bytes, size_t len, void *data)
{
	struct hybridge_h2 *session = data;
	struct h2_stream *stream;

	(void)flags;
	session->frame_left -=
		len < session->frame_left ? len : session->frame_left;
	if (session->fresh && session->fresh->id != id)
		h2_deliver(session);
	if (!session->conn)
		return 0;
	stream = get(ng, id);
	/* The sum of the streams' windows is the bound; this one is no limit. */
	nghttp2_session_consume_connection(ng, len);
	if (stream && is_too_early(session, stream, len))
		refuse_early(ng, stream);
	else if (stream)
		h2_stream_came(stream,
			       session->chunk->bytes +
				       (bytes - session->chunk->bytes),
			       len);
	else
		nghttp2_session_consume_stream(ng, id, len);
	return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code,
			   void *data)
{
	struct hybridge_h2 *session = data;
	struct h2_stream *stream = get(ng, id);
	bool in_order;

	if (!stream || !session->conn)
		return 0;
	in_order = stream->eof && stream->conn.ended;
	stream->is_refused = code == NGHTTP2_REFUSED_STREAM;
	if (session->args.is_server && !stream->is_answered &&
	    overflows(&session->resets, hybridge_loop_now_us(session->loop),
		      RESETS_BURST, RESETS_PER_S))
		calm_down(session);
	h2_stream_gone(stream, in_order ? 0 : ECONNRESET);
	return 0;
}

/* NOLINTNEXTLINE(readability-function-size): nghttp2 gives the signature */
static ssize_t read_length(nghttp2_session *ng, uint8_t type, int32_t id,
			   int32_t session_window, int32_t stream_window,
			   uint32_t frame_max, void *data)
{
	(void)ng;
	(void)type;
	(void)id;
	(void)session_window; /* nghttp2 itself heeds both windows */
	(void)stream_window;
	(void)data;
	return frame_max < H2_FRAME_MAX ? (ssize_t)frame_max
					: (ssize_t)H2_FRAME_MAX;
}

/*
 * A frame that is cut where a window ends comes in two pieces through every hop behind
 * (RFC 9293 3.8.6.2.1 calls that the silly window syndrome).  Only where more of the window is
 * surely on its way.
 */
static bool is_silly(nghttp2_session *ng, int32_t id, size_t left)
{
	const int32_t whole = (int32_t)H2_FRAME_MAX;
	int32_t may = nghttp2_session_get_stream_remote_window_size(ng, id);

	return may < whole && left > (size_t)may &&
	       nghttp2_session_get_remote_settings(
		       ng, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE) >=
		       4 * H2_FRAME_MAX &&
	       nghttp2_session_get_remote_window_size(ng) >= whole;
}

/* NOLINTNEXTLINE(readability-*): nghttp2 gives the signature */
static ssize_t on_read(nghttp2_session *ng, int32_t id, uint8_t *buf,
		       size_t len, uint32_t *flags, nghttp2_data_source *source,
		       void *data)
{
	const struct h2_stream *stream = get(ng, id);
	size_t left;
	bool ends;

	(void)buf;
	(void)source;
	(void)data;
	if (!stream)
		return NGHTTP2_ERR_DEFERRED;
	left = h2_stream_left(stream, &ends);
	if ((left == 0 && !ends) || is_silly(ng, id, left))
		return NGHTTP2_ERR_DEFERRED;
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (left <= len && ends)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)(left < len ? left : len);
}

static int on_send_data(nghttp2_session *ng, nghttp2_frame *frame,
			const uint8_t *head, size_t len,
			nghttp2_data_source *source, void *data)
{
	struct hybridge_h2 *session = data;
	struct h2_stream *stream = get(ng, frame->hd.stream_id);
	bool ends;

	(void)source;
	if (!stream)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (session->committed >= H2_COMMIT)
		return NGHTTP2_ERR_WOULDBLOCK;
	if (h2_stream_left(stream, &ends) < len)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	h2_stream_send(stream, head, len);
	h2_stream_took(stream, len,
		       (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0);
	return 0;
}

const nghttp2_data_provider *h2_frames_provider(void)
{
	static const nghttp2_data_provider provider = {.read_callback =
							       on_read};

	return &provider;
}

static nghttp2_session_callbacks *make_callbacks(void)
{
	nghttp2_session_callbacks *calls;

	if (nghttp2_session_callbacks_new(&calls) != 0)
		return NULL;
	nghttp2_session_callbacks_set_on_begin_frame_callback(calls,
							      on_begin_frame);
	nghttp2_session_callbacks_set_on_begin_headers_callback(
		calls, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls,
								  on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(calls,
							       on_stream_close);
	nghttp2_session_callbacks_set_data_source_read_length_callback(
		calls, read_length);
	nghttp2_session_callbacks_set_send_data_callback(calls, on_send_data);
	return calls;
}

static int make_session(struct hybridge_h2 *session)
{
	nghttp2_session_callbacks *calls = make_callbacks();
	nghttp2_option *option = NULL;
	int ret = -1;

	if (!calls || nghttp2_option_new(&option) != 0)
		goto out;
	nghttp2_option_set_no_auto_window_update(option, 1);
	nghttp2_option_set_no_closed_streams(option, 1);
	nghttp2_option_set_max_outbound_ack(option, ACKS_MAX);
	nghttp2_option_set_max_continuations(option, CONTINUATIONS_MAX);
	nghttp2_option_set_stream_reset_rate_limit(option, LIBRARY_BURST,
						   LIBRARY_BURST);
	if (session->args.is_server)
		ret = nghttp2_session_server_new2(&session->ng, calls, session,
						  option);
	else
		ret = nghttp2_session_client_new2(&session->ng, calls, session,
						  option);
out:
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(calls);
	return ret == 0 ? 0 : -1;
}

int h2_frames_open(struct hybridge_h2 *session)
{
	const nghttp2_settings_entry server[] = {
		{NGHTTP2_SETTINGS_MAX_FRAME_SIZE, H2_FRAME_MAX},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_WINDOW},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_HEAD_MAX},
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
		 session->args.streams_max},
		{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
	};
	const nghttp2_settings_entry client[] = {
		{NGHTTP2_SETTINGS_MAX_FRAME_SIZE, H2_FRAME_MAX},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_WINDOW},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_HEAD_MAX},
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_OF_SERVER},
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
	};

	if (make_session(session) != 0 ||
	    nghttp2_submit_settings(session->ng, NGHTTP2_FLAG_NONE,
				    session->args.is_server ? server : client,
				    5) != 0 ||
	    nghttp2_session_set_local_window_size(
		    session->ng, NGHTTP2_FLAG_NONE, 0, INT32_MAX) != 0)
		return -1;
	return 0;
}
