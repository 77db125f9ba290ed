/*
 * conn.h - one non-blocking connection: over TCP, plain or TLS, or as a stream
 * among others on such a connection (h2.h).
 *
 * Idle and flowing connections own no buffers: reads and writes go through
 * scratch space of the loop; only what the kernel does not take at once is
 * kept, and released when it has gone.  Back-pressure is the owner's rule:
 * read X only while the connection that X's bytes go to has nothing pending.
 */
#ifndef HYBRIDGE_CONN_H
#define HYBRIDGE_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <openssl/ssl.h>

#include <hybridge/error.h>
#include <hybridge/loop.h>

struct hybridge_conn;

/**
 * hybridge_conn_fn - Called when something changed: bytes to read, room to
 * write, end or error.  The callee tries what it wants to do next; the calls
 * below say what is possible.  It may close the connection.
 */
typedef void hybridge_conn_fn(void *owner, struct hybridge_conn *conn);

/**
 * hybridge_conn_new() - Take over a connected (or connecting) socket
 * @fd:      Non-blocking socket; owned by the connection even on failure
 * @on_ready: Called from the loop, never from inside another call of this header
 *
 * Sets TCP_NODELAY where that is possible.
 *
 * Return: The connection, end it with hybridge_conn_close(); NULL when out of memory
 */
HYBRIDGE_MUSTUSE struct hybridge_conn *
hybridge_conn_new(struct hybridge_loop *loop, int fd,
		  hybridge_conn_fn *on_ready, void *owner);

/**
 * hybridge_conn_arm_reset() - From now on even our death is a reset for the peer
 * Only an orderly hybridge_conn_close() takes that back (socket(7): SO_LINGER).
 */
void hybridge_conn_arm_reset(struct hybridge_conn *conn);

/** hybridge_conn_set_owner() - Hand the connection to somebody else; on_ready
 * will be called for the new owner in this turn, whether or not anything changed */
void hybridge_conn_set_owner(struct hybridge_conn *conn,
			     hybridge_conn_fn *on_ready, void *owner);

/**
 * hybridge_conn_fd() - Its descriptor: for socket options and addresses only
 * Return: -1 when it shares a socket with others (h2.h)
 */
int hybridge_conn_fd(const struct hybridge_conn *conn);

/** hybridge_conn_is_watched() - Whether what lies below finds out by itself that the
 * peer is silent, so that the owner need not ping (h2.h) */
bool hybridge_conn_is_watched(const struct hybridge_conn *conn);

/** hybridge_conn_half_closes() - Whether the peer's end says nothing of the other direction,
 * which may go on: so it is on a stream among others (h2.h), not with TLS */
bool hybridge_conn_half_closes(const struct hybridge_conn *conn);

/**
 * hybridge_conn_start_tls() - From here on, TLS
 * @ssl: SSL_set_connect_state() or SSL_set_accept_state() done; now owned by @conn
 *
 * Return: 0, or -1 when out of memory
 */
HYBRIDGE_MUSTUSE int hybridge_conn_start_tls(struct hybridge_conn *conn,
					     SSL *ssl);

/**
 * hybridge_conn_handshake() - Go on with the TLS handshake
 * @peer: Whom we talk to, for the message
 * Return: 1 done, 0 not yet, -1 failed with @err set
 */
HYBRIDGE_MUSTUSE int hybridge_conn_handshake(struct hybridge_conn *conn,
					     const char *peer,
					     struct hybridge_error *err);

/** hybridge_conn_speaks_h2() - Whether the handshake, which is done, chose HTTP/2 */
bool hybridge_conn_speaks_h2(const struct hybridge_conn *conn);

/** hybridge_conn_ssl() - For who wants to know what was negotiated; NULL: plain TCP */
const SSL *hybridge_conn_ssl(const struct hybridge_conn *conn);

/**
 * hybridge_conn_keep_buffers() - Do not release TLS buffers (33 KiB) after every record
 * For the few connections that many streams share.
 */
void hybridge_conn_keep_buffers(struct hybridge_conn *conn);

/** hybridge_conn_free_buffers() - Release them now, until they are needed again */
void hybridge_conn_free_buffers(struct hybridge_conn *conn);

/**
 * hybridge_conn_read() - Read what is there, up to @len bytes
 *
 * May return less than there is; only EAGAIN says that there is nothing more
 * now and that on_ready will be called when there is.  An owner that stops
 * before EAGAIN must come back on its own (hybridge_conn_again()).
 *
 * Return: bytes; 0 at the end of the stream; -1 with errno (EAGAIN, ECONNRESET,
 *         EPROTO for broken TLS ...)
 */
ssize_t hybridge_conn_read(struct hybridge_conn *conn, void *buf, size_t len);

/**
 * HYBRIDGE_CONN_HEAD - Bytes before what hybridge_conn_take() gives, or
 * hybridge_conn_write_over() gets, that may be overwritten
 */
#define HYBRIDGE_CONN_HEAD 32

/**
 * HYBRIDGE_CONN_HEADER - What a connection may put before bytes that it is given at most
 * A frame that is shorter than a number of full TLS records by this much fills them.
 */
#define HYBRIDGE_CONN_HEADER 9

/**
 * hybridge_conn_take() - As hybridge_conn_read(), of a batch, without a copy where possible
 * @buf: Set to where the bytes are: in memory of the loop, the caller's to change until it
 *       returns to the loop, or reads again
 */
ssize_t hybridge_conn_take(struct hybridge_conn *conn, uint8_t **buf);

/** HYBRIDGE_CONN_BATCHES - Most batches that are taken at once */
#define HYBRIDGE_CONN_BATCHES 4

/**
 * hybridge_conn_take_some() - As hybridge_conn_take(), of what came together
 * @bufs: Set to where each batch is, in order; the list is the loop's, too.  What lies before
 *        one of them may only be overwritten when those before it are done with
 * Return: their number; 0 at the end of the stream; -1 with errno
 */
int hybridge_conn_take_some(struct hybridge_conn *conn, struct iovec **bufs);

/**
 * hybridge_conn_unread() - Put bytes back in front of what will be read next
 * Return: 0, or -1 when out of memory
 */
HYBRIDGE_MUSTUSE int hybridge_conn_unread(struct hybridge_conn *conn,
					  const void *buf, size_t len);

/** hybridge_conn_again() - Call on_ready once more in the next turn */
void hybridge_conn_again(struct hybridge_conn *conn);

/** hybridge_conn_later() - The same when there is more than one turn should move: others
 * have theirs first */
void hybridge_conn_later(struct hybridge_conn *conn);

/**
 * hybridge_conn_write() - Send bytes, all of them, in order
 *
 * Takes everything: what the kernel does not take now is kept and goes out
 * when there is room.  TLS records of one turn are sent together: at
 * hybridge_conn_flush(), or by itself at the end of the turn.
 *
 * Return: 0, or -1 with errno when the connection is broken
 */
HYBRIDGE_MUSTUSE int hybridge_conn_write(struct hybridge_conn *conn,
					 const void *buf, size_t len);

/**
 * hybridge_conn_write_over() - As hybridge_conn_write(), with less to copy
 * @buf: It, and HYBRIDGE_CONN_HEADER bytes before it, may be overwritten
 */
HYBRIDGE_MUSTUSE int hybridge_conn_write_over(struct hybridge_conn *conn,
					      uint8_t *buf, size_t len);

/**
 * hybridge_conn_writev() - As hybridge_conn_write(), of several pieces
 * @pieces: Changed: where they lie, not what they hold
 */
HYBRIDGE_MUSTUSE int hybridge_conn_writev(struct hybridge_conn *conn,
					  struct iovec *pieces, int num);

/** hybridge_conn_flush() - Send now what is waiting; 0, or -1 with errno */
int hybridge_conn_flush(struct hybridge_conn *conn);

/**
 * hybridge_conn_pending() - Bytes that the kernel has not taken; flush first
 * More than 0 as well where none wait, but what is written next would have to: on_ready is called
 * when that is over.
 */
size_t hybridge_conn_pending(const struct hybridge_conn *conn);

/** hybridge_conn_hung_up() - Whether the peer has closed or reset its side, even
 * if its bytes have not been read: a held sender that went away is seen by this */
bool hybridge_conn_hung_up(const struct hybridge_conn *conn);

/** hybridge_conn_broken() - Whether it was reset or has failed, even if that has
 * not been read yet: an owner that holds its reading back is told by this */
bool hybridge_conn_broken(const struct hybridge_conn *conn);

/**
 * hybridge_conn_unanswered() - Whether the peer's machine seems to be gone
 * True while bytes, or questions about a closed window, are on their way and nothing at all has
 * come back for @ms.  A peer whose program takes nothing is not meant: its kernel answers.  Always
 * false on a unix socket, whose peer cannot vanish.  Source: tcp(7), TCP_INFO.
 */
bool hybridge_conn_unanswered(const struct hybridge_conn *conn, uint32_t ms);

/**
 * hybridge_conn_lost() - Whether the path seems to have forgotten this connection
 * True when nothing at all has come back for @ms and the kernel has sent the same bytes again
 * twice at least: another connection may come through where this one does not.  False on a
 * unix socket.
 */
bool hybridge_conn_lost(const struct hybridge_conn *conn, uint32_t ms);

/**
 * hybridge_conn_end() - No more writing: close_notify and FIN behind what is pending
 * Return: 0, or -1 with errno.  Reading goes on.
 */
int hybridge_conn_end(struct hybridge_conn *conn);

/**
 * hybridge_conn_ended() - Whether hybridge_conn_end() was called and everything is
 * with the kernel
 */
bool hybridge_conn_ended(const struct hybridge_conn *conn);

/**
 * hybridge_conn_leave() - Take the connection out of its loop, to enter another
 *
 * With all that is pending or not read yet.  Only from a task or a timer: then no event of
 * this turn can still be on its way.  Until hybridge_conn_enter() no call of this
 * header may be made, and the caller may pass it to another thread.
 */
void hybridge_conn_leave(struct hybridge_conn *conn);

/**
 * hybridge_conn_enter() - Go on in another loop, from its own thread
 * on_ready will be called there in any case: set the owner first, or in this turn.
 *
 * Return: 0, or -1 with errno: then all that may be done with it is to close it
 */
HYBRIDGE_MUSTUSE int hybridge_conn_enter(struct hybridge_conn *conn,
					 struct hybridge_loop *loop);

/**
 * enum hybridge_conn_how - How to close
 */
enum hybridge_conn_how {
	/*
	 * What is pending still goes out, then FIN; what still comes in is
	 * discarded until the peer's FIN, so that no reset overtakes our last
	 * bytes.  Given up when nothing has moved on for 5 s: what is pending
	 * then is lost, and that is a reset.  Not so on a stream among others
	 * (h2.h): what is pending there waits for as long as the session lives,
	 * whose pings find a dead peer.  A peer that never takes it holds what
	 * an open stream of the session holds, and counts as one.
	 */
	HYBRIDGE_CONN_ORDERLY,
	HYBRIDGE_CONN_RESET, /* RST: the other end must not take it for an end */
};

/**
 * hybridge_conn_close() - Give the connection up
 * @conn: NULL is fine.  on_ready is not called again, and no call below may be
 *        made any more
 */
void hybridge_conn_close(struct hybridge_conn *conn,
			 enum hybridge_conn_how how);

#endif
