/*
 * h2_inside.h - what the parts of HTTP/2 share: a session, a stream of it.
 *
 *	h2_session.c  reads and sends, watches over the peer, ends
 *	h2_path.c     measures the network, and tunes the socket to it
 *	h2_frames.c   what nghttp2 tells, and the limits that it is given
 *	h2_stream.c   a stream behind conn.h's calls
 *	h2_window.c   how much the peer may send of it
 *	h2_head.c     heads of requests and answers
 *	h2_move.c     a session that changes its loop
 */
#ifndef HYBRIDGE_COMMON_H2_INSIDE_H
#define HYBRIDGE_COMMON_H2_INSIDE_H

#include <nghttp2/nghttp2.h>

#include <hybridge/h2.h>
#include <hybridge/silence.h>
#include <hybridge/turn.h>

#include "conn_inside.h"
#include "h2_stash.h"

/*
 * A DATA frame holds a whole WebSocket frame of ours with its header, in four TLS records at
 * most; no frame of another stream waits for more than that.
 */
#define H2_FRAME_MAX   ((uint32_t)64 * 1024 - HYBRIDGE_CONN_HEADER)
#define H2_WINDOW      ((int32_t)256 * 1024) /* of a stream, to begin with */
#define H2_EARLY_MAX   ((size_t)16 * 1024)   /* before a request is answered */
#define H2_WINDOW_MAX  ((int32_t)8 << 20)
#define H2_WINDOWS_MAX ((size_t)64 << 20) /* of all, what is above H2_WINDOW */
#define H2_HEAD_MAX    HYBRIDGE_HTTP_HEAD_MAX
#define H2_PRESSED_US  1000000
/* Bytes of a PING from a server whose side of the connection is worn. */
#define H2_WORN "hb-worn"
/* Round trips that half a window is to last, at least.  Bytes come in bursts, so that this tells
 * nothing of a peer that is near. */
#define H2_WINDOW_TRIPS 4
#define H2_NEAR_US      1000
/* What uses up half a window in less than that is bulk, and gets more where the peer is
 * near as well: with larger batches and fewer turns it costs a fifth less. */
#define H2_WINDOW_BULK  ((int32_t)1 << 20)
#define H2_BULK_US      10000
#define H2_WINDOW_ALONE H2_WINDOW_MAX
/*
 * Where the peer is next door, and somebody waits: one whole frame, and no second one.  Who has
 * less than that left sends none (is_silly()), and the receiver gives back half of the window or
 * more: were it some bytes smaller, the one could wait for what the other keeps.
 */
#define H2_NEXT_DOOR_US 200
#define H2_WINDOW_LEAST (2 * (int32_t)H2_FRAME_MAX - 1)
/* At most so much is encrypted before the kernel has taken what was before it. */
#define H2_COMMIT ((size_t)128 * 1024)

/** struct h2_bucket - Something that may happen so often; zeroed it is full */
struct h2_bucket {
	double spent;
	int64_t since_us;
};

/**
 * struct h2_request - The request whose head is being received
 * @stream: Whose; NULL: it went away meanwhile
 * @text:   Names and values of its headers
 */
struct h2_request {
	struct h2_stream *stream;
	struct hybridge_http_head head;
	struct hybridge_span authority;
	struct hybridge_span protocol;
	bool is_too_large;
	size_t len;
	char text[H2_HEAD_MAX];
};

/** struct hybridge_h2 - One session; see h2_session.c */
struct hybridge_h2 {
	struct hybridge_loop *loop;
	struct hybridge_conn *conn; /* NULL: over */
	nghttp2_session *ng;
	const struct hybridge_h2_ops *ops; /* NULL: the owner is gone */
	void *owner;
	struct hybridge_h2_args args;
	struct h2_stream *streams;
	struct h2_stream *held; /* until the connection takes something */
	size_t num_streams;     /* without those unborn */
	size_t grown; /* by how much windows are above H2_WINDOW, in all */
	struct h2_request *request; /* NULL: none is coming in */
	bool is_ready;              /* client: streams may be opened */
	bool has_opened;            /* server: a WebSocket, once */
	bool is_draining;
	bool is_broken;          /* it could not be written to */
	bool is_reading;         /* inside nghttp2_session_mem_recv() */
	bool is_sending;         /* inside nghttp2_session_mem_send() */
	struct h2_chunk *chunk;  /* is_reading: what nghttp2 reads from */
	size_t frame_left;       /* of the DATA frame that has come in part */
	struct h2_stream *fresh; /* has bytes in @chunk, and was not told yet */
	size_t committed;
	size_t unflushed;
	unsigned int pass; /* counts the times that everything was offered */
	struct hybridge_silence silence;
	int64_t pressed_us;    /* when there was bulk, 0: never */
	int64_t sent_since_us; /* @sent so much since then, in large pieces */
	size_t sent;           /* bytes */
	int64_t round_trip_us; /* shortest of late; 0: none yet */
	int32_t proven_window; /* the largest that a stream has had beside others */
	struct h2_stream *alone; /* has more than that; or NULL */
	int64_t shortest_us;     /* when that was found out */
	int64_t measured_us;     /* when it was asked for last */
	int64_t bulk_us;         /* when much was sent last, 0: never */
	int64_t looked_us;       /* when the kernel was asked for losses */
	bool is_worn;            /* either side: a new one would be faster */
	struct h2_bucket resets;
	struct h2_bucket oddities;
	struct hybridge_error err;
	struct hybridge_timer ping;
	struct hybridge_task flush;
	struct hybridge_task finish;
};

/**
 * struct h2_stream - One stream; see h2_stream.c
 * @conn:     The first: it is freed as a connection
 * @conn.out:   Waits for flow control or the session
 */
struct h2_stream {
	struct hybridge_conn conn;
	struct hybridge_h2 *session; /* NULL: HTTP/2 knows it no more */
	struct h2_stream *prev;
	struct h2_stream *next;
	int32_t id;
	bool eof;       /* the peer's END_STREAM has come */
	bool is_unborn; /* until h2_stream_born() */
	bool is_refused;
	bool is_answered;
	bool is_early; /* sent too much before it was answered: being reset */
	bool is_websocket; /* server: what was asked for */
	bool is_stuck;     /* its owner was told that something is pending */
	bool has_filled;   /* wrote much since it was flushed last */
	struct h2_stream *held_prev; /* while @conn.is_held */
	struct h2_stream *held_next;
	unsigned int pass; /* session->pass when something was written last */
	int heading; /* client: status, while the answer's head comes in */
	int status;
	char *reason;          /* client: or NULL; owned */
	struct h2_stash stash; /* has come, and waits; the window bounds it */
	uint8_t *lent;         /* what has just come, in the session's chunk */
	size_t lent_len;
	uint8_t *
		borrowed; /* what is just being written, with room for a frame's head */
	size_t borrowed_len;
	int32_t window;
	bool is_left;          /* of what is in @stash, by its owner */
	bool was_left;         /* at @used_since_us */
	int32_t used;          /* of the window, since @used_since_us */
	int64_t used_since_us; /* 0: nothing was used yet */
};

/* h2_session.c */

/** h2_send() - Send what nghttp2 has, as far as the connection takes it; not from
 * nghttp2's callbacks, where it is put off */
void h2_send(struct hybridge_h2 *session);

/** h2_send_later() - The same at the end of the turn: many streams, one send() */
void h2_send_later(struct hybridge_h2 *session);

/** h2_write() - Bytes for the connection, in order: small ones are gathered */
void h2_write(struct hybridge_h2 *session, const uint8_t *buf, size_t len);

/**
 * h2_lose() - End the session, every stream is reset
 * @os_errno: What its streams fail with
 */
void h2_lose(struct hybridge_h2 *session, int os_errno, enum hybridge_code code,
	     const char *why);

/** h2_end_if_drained() - End it when it is draining and has no stream left */
void h2_end_if_drained(struct hybridge_h2 *session);

/* h2_frames.c */

/** h2_frames_open() - Set session->ng up, and queue our settings; 0, or -1 */
HYBRIDGE_MUSTUSE int h2_frames_open(struct hybridge_h2 *session);

/** h2_frames_provider() - Where nghttp2 gets a stream's bytes */
const nghttp2_data_provider *h2_frames_provider(void);

/* h2_path.c */

/** h2_path_open() - The session has a connection, and may queue frames */
void h2_path_open(struct hybridge_h2 *session);

/** h2_path_measure() - Measure the round trip once more, unless that was just done */
void h2_path_measure(struct hybridge_h2 *session);

/** h2_path_answered() - A PING with these bytes has come back */
void h2_path_answered(struct hybridge_h2 *session, const uint8_t stamp[8]);

/** h2_path_sent() - So many bytes have just been given to the connection */
void h2_path_sent(struct hybridge_h2 *session, size_t len);

/** h2_path_look() - Bulk goes on, or has ended: see whether it has worn the connection */
void h2_path_look(struct hybridge_h2 *session);

/** h2_path_worn() - It has, or the peer says so of its side: tells the owner, once */
void h2_path_worn(struct hybridge_h2 *session);

/* h2_stream.c */

/** h2_stream_new() - A stream of @session, in its list; NULL when out of memory */
HYBRIDGE_MUSTUSE struct h2_stream *h2_stream_new(struct hybridge_h2 *session,
						 hybridge_conn_fn *on_ready,
						 void *owner);

/**
 * h2_stream_born() - Its owner knows of it: from here on it counts as one of the session's
 *
 * A request whose head has only begun does not: nobody answers for it, and nothing waits for it.
 */
void h2_stream_born(struct h2_stream *stream);

/** h2_stream_of() - The stream behind a connection that is one */
static inline struct h2_stream *h2_stream_of(struct hybridge_conn *conn)
{
	return hybridge_container(conn, struct h2_stream, conn);
}

/** h2_stream_view() - The same, to look at */
static inline const struct h2_stream *
h2_stream_view(const struct hybridge_conn *conn)
{
	return (const struct h2_stream *)(const void *)conn;
}

/**
 * h2_stream_came() - Bytes came; h2_deliver() tells the owner
 * No other stream may be session->fresh.
 */
void h2_stream_came(struct h2_stream *stream, uint8_t *data, size_t len);

/** h2_deliver() - Lend what has come to its owner, and keep what that does not take */
void h2_deliver(struct hybridge_h2 *session);

/** h2_streams_let_go() - The connection takes bytes again: those held back go on */
void h2_streams_let_go(struct hybridge_h2 *session);

/** h2_stream_ended() - The peer's END_STREAM came */
void h2_stream_ended(struct h2_stream *stream);

/**
 * h2_stream_gone() - HTTP/2 knows the stream no more
 * @os_errno: What reading fails with, unless its end has come, and writing, unless that
 *            has ended; 0: both have
 */
void h2_stream_gone(struct h2_stream *stream, int os_errno);

/** h2_stream_left() - How much is to be sent now, and whether the end is behind it */
size_t h2_stream_left(const struct h2_stream *stream, bool *ends);

/** h2_stream_send() - Send the first @len bytes of it behind a frame's head */
void h2_stream_send(struct h2_stream *stream, const uint8_t *head, size_t len);

/** h2_stream_took() - So much of it is with the session */
void h2_stream_took(struct h2_stream *stream, size_t len, bool end);

/* h2_window.c */

/** h2_window_open() - A stream is new, and in the session's list */
void h2_window_open(struct h2_stream *stream);

/** h2_window_close() - It leaves its session */
void h2_window_close(struct h2_stream *stream);

/** h2_window_shared() - This stream is served too: the session has none that is alone, but it */
void h2_window_shared(const struct h2_stream *stream);

/** h2_consume() - So much has left our hands: the peer may send as much again */
void h2_consume(struct h2_stream *stream, size_t len);

/* h2_head.c */

/** h2_head_begin() - A request's head begins; 0, or -1 when out of memory */
HYBRIDGE_MUSTUSE int h2_head_begin(struct hybridge_h2 *session,
				   struct h2_stream *stream);

/** h2_head_add() - One more header of it */
void h2_head_add(struct h2_request *request, struct hybridge_span name,
		 struct hybridge_span value);

/** h2_head_done() - It is complete: tells the owner */
void h2_head_done(struct hybridge_h2 *session);

/** h2_head_answer() - Client: one header of a stream's answer */
void h2_head_answer(struct h2_stream *stream, struct hybridge_span name,
		    struct hybridge_span value);

#endif
