/*
 * stream_ask.h - asks the relay for a stream, as a sender does: the upgrade, and azbridge's
 * preamble where the connection has it.
 */
#ifndef HYBRIDGE_STREAM_ASK_H
#define HYBRIDGE_STREAM_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/config.h>
#include <hybridge/conn.h>
#include <hybridge/error.h>
#include <hybridge/loop.h>
#include <hybridge/upgrade.h>

struct hybridge_h2;
struct hybridge_stream_ask;

/**
 * struct hybridge_stream_ask_args - What for; all but @token and @id must outlive the ask
 * @connection:  Whose relay, suffix, headers and mode are used
 * @host_header: Host header for the relay
 * @token:       Token, or NULL for none
 * @id:          Value of sb-hc-id
 * @port:        That the program connects to: azbridge's name for it, unless it has another
 * @timeout_ms:  For upgrade and preamble together
 * @is_echo:    For the agent itself (echo.h), not for its target
 */
struct hybridge_stream_ask_args {
	const struct hybridge_connection *connection;
	const char *host_header;
	const char *token;
	const char *id;
	uint16_t port;
	uint32_t timeout_ms;
	bool is_echo;
};

/**
 * struct hybridge_stream_answer - What the far side said
 * @result:  Of the upgrade
 * @refused: It was 101, but the listener did not like azbridge's preamble: result.err and
 *           result.os_errno say why
 */
struct hybridge_stream_answer {
	struct hybridge_upgrade_result result;
	bool refused;
};

/**
 * hybridge_stream_ask_fn - The stream is there, or it is not; called once, from the loop
 * @conn: As hybridge_upgrade_fn's; NULL unless result.status is 101 and not @refused
 */
typedef void
hybridge_stream_ask_fn(void *owner, struct hybridge_conn *conn,
		       const struct hybridge_stream_answer *answer);

/**
 * hybridge_stream_ask() - Ask
 * @conn:    To the relay; owned by the ask from here on, closed on failure; NULL: over @session
 * @session: Of HTTP/2, with room for one more; NULL: on @conn
 *
 * Return: Handle, valid until @done was called or hybridge_stream_ask_cancel(); NULL when out of
 *         memory (then @done is not called)
 */
HYBRIDGE_MUSTUSE struct hybridge_stream_ask *
hybridge_stream_ask(struct hybridge_loop *loop, struct hybridge_conn *conn,
		    struct hybridge_h2 *session,
		    const struct hybridge_stream_ask_args *args,
		    hybridge_stream_ask_fn *done, void *owner);

/** hybridge_stream_ask_lost() - hybridge_upgrade_lost(), while the upgrade is not answered */
bool hybridge_stream_ask_lost(const struct hybridge_stream_ask *ask);

/** hybridge_stream_ask_cancel() - Give up and close; @done will not be called.  NULL is fine */
void hybridge_stream_ask_cancel(struct hybridge_stream_ask *ask);

#endif
