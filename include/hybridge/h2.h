/*
 * h2.h - many WebSockets on one connection: HTTP/2 (RFC 9113) with extended
 * CONNECT (RFC 8441), between our own components.
 *
 * A stream is a struct hybridge_conn like any other: conn.h's contracts hold, so
 * pump, splice and channel need not know.  Its FIN is END_STREAM, its reset is
 * RST_STREAM, and when the session is lost every stream of it is reset.
 * What flow control does not let out yet is pending.
 */
#ifndef HYBRIDGE_H2_H
#define HYBRIDGE_H2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hybridge/conn.h>
#include <hybridge/error.h>
#include <hybridge/http.h>
#include <hybridge/loop.h>
#include <hybridge/upgrade.h>

/** HYBRIDGE_LOST_MS - So long a kernel's silence is borne with before another way is tried */
#define HYBRIDGE_LOST_MS 2000

struct hybridge_h2;

/** HYBRIDGE_H2_PREFACE - How a client begins (RFC 9113 3.4), up to its blank line: a
 * server that reads HTTP/1.1 sees it as the head of a request */
#define HYBRIDGE_H2_PREFACE "PRI * HTTP/2.0\r\n\r\n"

/**
 * struct hybridge_h2_ops - What the owner of a session is told, from the loop
 * @ready:   Client: the server's settings came, streams may be opened; may be NULL
 * @request: Server: somebody opened @stream, the owner's from here on.  @head is valid
 *           during the call; an extended CONNECT looks like an HTTP/1.1 upgrade, with
 *           Connection, Upgrade and a random Sec-WebSocket-Key.  Answer with
 *           hybridge_h2_answer(), now or later
 * @opened:  Server: for the first time an extended CONNECT is answered with 200; called
 *           inside hybridge_h2_answer().  May be NULL
 * @worn:    Losses have made its connection slow on a long path, in one direction at least:
 *           what comes next is better off on a new one.  Called at most once, from inside a
 *           read or a send: call nothing of the session.  May be NULL
 * @over:    The session has ended and every stream with it; it is freed after this
 *           call.  @err has no code when that was in good order
 */
struct hybridge_h2_ops {
	void (*ready)(void *owner);
	void (*request)(void *owner, struct hybridge_conn *stream,
			const struct hybridge_http_head *head);
	void (*opened)(void *owner);
	void (*worn)(void *owner);
	void (*over)(void *owner, const struct hybridge_error *err);
};

/**
 * struct hybridge_h2_args - How a session behaves
 * @is_server:   We accept streams, else we open them
 * @streams_max: Server: streams that a client may have open at once
 * @ping_ms:     Ping the peer when it has been silent for so long; it is dead after
 *               three times that
 * @is_proxied:  Somebody may take our bytes and send them on, so that the kernel's
 *               round trip is not all of the path's
 */
struct hybridge_h2_args {
	bool is_server;
	bool is_proxied;
	uint32_t streams_max;
	uint32_t ping_ms;
};

/**
 * hybridge_h2_new() - Speak HTTP/2 on a connection
 * @conn: Ready to talk, TLS handshake done; owned by the session from here on.  What a
 *        server has read of the preface is to be put back (hybridge_conn_unread())
 *
 * Return: The session, until @ops->over was called or hybridge_h2_drop(); NULL when out
 *         of memory (then @conn is closed and nothing is called)
 */
HYBRIDGE_MUSTUSE struct hybridge_h2 *
hybridge_h2_new(struct hybridge_loop *loop, struct hybridge_conn *conn,
		const struct hybridge_h2_args *args,
		const struct hybridge_h2_ops *ops, void *owner);

/**
 * hybridge_h2_drain() - Take no new streams (GOAWAY); those that are open go on, and when
 * the last has ended @over is called
 */
void hybridge_h2_drain(struct hybridge_h2 *session);

/** hybridge_h2_drop() - End it now, every stream is reset; @over is not called.  NULL is fine */
void hybridge_h2_drop(struct hybridge_h2 *session);

/**
 * hybridge_h2_leave() - Take the session out of its loop, to enter another
 *
 * As hybridge_conn_leave(), with all of its streams; a stream that HTTP/2 knows no more, but
 * that its owner still has, the owner moves likewise.
 *
 * Return: 0, or -1 when it has ended: then it stays, and @ops->over is called here
 */
HYBRIDGE_MUSTUSE int hybridge_h2_leave(struct hybridge_h2 *session);

/**
 * hybridge_h2_enter() - Go on in another loop, from its own thread
 * @ops, @owner: From here on
 * When that fails the session ends: @ops->over is called, from the loop.
 */
void hybridge_h2_enter(struct hybridge_h2 *session, struct hybridge_loop *loop,
		       const struct hybridge_h2_ops *ops, void *owner);

/** hybridge_h2_streams() - How many are open, those included that wait for an answer */
size_t hybridge_h2_streams(const struct hybridge_h2 *session);

/** hybridge_h2_room() - Client: how many more may be opened now; 0 before @ready, and
 * from a GOAWAY of either side on */
size_t hybridge_h2_room(const struct hybridge_h2 *session);

/**
 * hybridge_h2_pressed() - Whether there was bulk on it lately, either way, beside which
 * others would wait
 */
bool hybridge_h2_pressed(const struct hybridge_h2 *session);

/**
 * hybridge_h2_lost() - Whether its connection seems to lead nowhere (hybridge_conn_lost(),
 * HYBRIDGE_LOST_MS): what comes next should not be asked on it
 */
bool hybridge_h2_lost(const struct hybridge_h2 *session);

/** hybridge_h2_worn() - Whether @worn was called, or would have been */
bool hybridge_h2_worn(const struct hybridge_h2 *session);

/**
 * hybridge_h2_open() - Ask for a WebSocket; hybridge_upgrade_over() waits for the answer
 * @args: As for an HTTP/1.1 upgrade; timeout_ms is not used
 *
 * Return: The stream, the caller's; NULL with errno: EAGAIN no room, ENOMEM
 */
HYBRIDGE_MUSTUSE struct hybridge_conn *
hybridge_h2_open(struct hybridge_h2 *session,
		 const struct hybridge_upgrade_args *args,
		 hybridge_conn_fn *on_ready, void *owner);

/**
 * hybridge_h2_status() - Client: what the stream's request was answered with
 * @reason: Set to the text that came with it, "" when none; valid as long as the stream
 *
 * Return: HTTP status, 0 before the answer
 */
int hybridge_h2_status(const struct hybridge_conn *conn, const char **reason);

/** hybridge_h2_refused() - Client: it broke without having been looked at, so that it may
 * be asked for again elsewhere (RFC 9113 8.7) */
bool hybridge_h2_refused(const struct hybridge_conn *conn);

/** hybridge_h2_stream_lost() - hybridge_h2_lost() of the session that it is a stream of */
bool hybridge_h2_stream_lost(const struct hybridge_conn *conn);

/** hybridge_h2_is_stream() - Whether a connection is a stream of a session */
bool hybridge_h2_is_stream(const struct hybridge_conn *conn);

/**
 * struct hybridge_h2_answer - Server: head of an answer
 * @status:  200 opens the WebSocket
 * @reason:  Text that HTTP/1.1 has in its status line, for people; NULL or "": none
 * @headers: More header lines, each ending with CR LF, or NULL
 */
struct hybridge_h2_answer {
	int status;
	const char *reason;
	const char *headers;
};

/**
 * hybridge_h2_answer() - Answer a request; bytes written before it would follow it
 * Return: 0, or -1 with errno when the stream is broken or was answered already
 */
HYBRIDGE_MUSTUSE int
hybridge_h2_answer(struct hybridge_conn *conn,
		   const struct hybridge_h2_answer *answer);

#endif
