/*
 * upgrade.h - the client's WebSocket handshake (RFC 6455 section 4.1) on a
 * connection that is ready.
 */
#ifndef HYBRIDGE_UPGRADE_H
#define HYBRIDGE_UPGRADE_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/conn.h>
#include <hybridge/error.h>
#include <hybridge/loop.h>

/** HYBRIDGE_FEATURES - Header in which our relay says what it can beyond Azure's: a list
 * of tokens, HYBRIDGE_FEATURE_H2 among them */
#define HYBRIDGE_FEATURES   "Hybridge-Features"
#define HYBRIDGE_FEATURE_H2 "h2"

/** HYBRIDGE_WORKER_PARAMETER - Query parameter of our relay's rendezvous addresses: a number, the
 * same for addresses that may share an HTTP/2 session.  Without it: 0 */
#define HYBRIDGE_WORKER_PARAMETER "sb-hc-worker"

/** HYBRIDGE_REASON_MAX - Of a status line's text, with its NUL: the time at the end of a relay's
 * is wanted (relay_clock.h), behind two names of the length that people give */
#define HYBRIDGE_REASON_MAX 512

struct hybridge_h2;
struct hybridge_upgrade;

/**
 * struct hybridge_upgrade_args - What to ask for; texts need to live only during the call
 * @host:       Host header: with port when it is not the scheme's default
 * @target:     Path and query
 * @headers:    More header lines, each ending with CR LF, or NULL (may hold a token)
 * @protocol:   Sec-WebSocket-Protocol to offer, or NULL
 * @timeout_ms: Until the head of the answer must be there
 */
struct hybridge_upgrade_args {
	const char *host;
	const char *target;
	const char *headers;
	const char *protocol;
	uint32_t timeout_ms;
};

/**
 * struct hybridge_upgrade_result - What came back
 * @status: HTTP status; 0 when there was no answer
 * @reason: Status line's text, control characters replaced; "" when none
 * @speaks_h2: The relay has said that it speaks HTTP/2 as well (pool.h)
 * @os_errno: When status is 0: ETIMEDOUT, ECONNRESET ...
 * @err:    Set unless status is 101
 */
struct hybridge_upgrade_result {
	int status;
	char reason[HYBRIDGE_REASON_MAX];
	bool speaks_h2;
	int os_errno;
	struct hybridge_error err;
};

/**
 * hybridge_upgrade_fn - How it ended; called once, from the loop
 * @conn:   The connection, the owner's again when status is 101 (hybridge_conn_set_owner()
 *          it before returning): bytes that followed the head are still to be read from
 *          it; NULL otherwise: it is closed
 */
typedef void hybridge_upgrade_fn(void *owner, struct hybridge_conn *conn,
				 const struct hybridge_upgrade_result *result);

/**
 * hybridge_upgrade_start() - Send the request and wait for the answer
 * @conn: Owned by the upgrade until it is done
 *
 * Checks Sec-WebSocket-Accept, and refuses extensions that were not offered.
 *
 * Return: Handle, valid until @done was called or hybridge_upgrade_cancel();
 *         NULL when out of memory (then @conn is closed and @done is not called)
 */
HYBRIDGE_MUSTUSE struct hybridge_upgrade *
hybridge_upgrade_start(struct hybridge_loop *loop, struct hybridge_conn *conn,
		       const struct hybridge_upgrade_args *args,
		       hybridge_upgrade_fn *done, void *owner);

/**
 * hybridge_upgrade_over() - The same as one more stream of an HTTP/2 session (h2.h)
 *
 * @done is given the stream, and status 101 when it was opened.  Status 0 with EAGAIN
 * says that the session did not look at the request: it may be made elsewhere.
 *
 * Return: As hybridge_upgrade_start(); NULL also when the session has no room
 */
HYBRIDGE_MUSTUSE struct hybridge_upgrade *
hybridge_upgrade_over(struct hybridge_loop *loop, struct hybridge_h2 *session,
		      const struct hybridge_upgrade_args *args,
		      hybridge_upgrade_fn *done, void *owner);

/**
 * hybridge_upgrade_lost() - Whether the connection, or its session's, seems to lead nowhere
 * (hybridge_h2_lost()).  Nothing was answered, so that the same may be asked elsewhere once
 * this is cancelled.
 */
bool hybridge_upgrade_lost(const struct hybridge_upgrade *upgrade);

/** hybridge_upgrade_cancel() - Give up and close; @done will not be called.  NULL is fine */
void hybridge_upgrade_cancel(struct hybridge_upgrade *upgrade);

#endif
