/*
 * relay_dial.h - dialling, and asking, the relay of a connection.
 */
#ifndef SENDER_RELAY_DIAL_H
#define SENDER_RELAY_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/dial.h>
#include <hybridge/error.h>
#include <hybridge/pool.h>
#include <hybridge/upgrade.h>

struct relay_ask;
struct request;
struct route;
struct sender;

/** relay_dial() - hybridge_dial_start() to the relay, as configured */
HYBRIDGE_MUSTUSE struct hybridge_dial *
relay_dial(struct sender *sender, struct route *route, uint32_t timeout_ms,
	   hybridge_dial_fn *done, void *owner);

/** relay_pool() - No HTTP/2 session to the relay yet, dialled as relay_dial() does; owned by
 * the caller (hybridge_pool_free()), NULL when out of memory */
HYBRIDGE_MUSTUSE struct hybridge_pool *relay_pool(struct sender *sender,
						  struct route *route);

/**
 * struct relay_answer - What the far side said
 * @result:  Of the upgrade
 * @refused: It was 101, but the listener did not like azbridge's preamble: result.err and
 *           result.os_errno say why
 */
struct relay_answer {
	struct hybridge_upgrade_result result;
	bool refused;
};

/**
 * relay_ask_fn - The stream is there, or it is not; called once, from the loop
 * @conn: As hybridge_upgrade_fn's; NULL unless result.status is 101 and not @refused
 */
typedef void relay_ask_fn(void *owner, struct hybridge_conn *conn,
			  const struct relay_answer *answer);

/**
 * relay_ask() - Ask for a request's stream: the upgrade, and the preamble where there is one
 * @request: Whose session it is; @done's owner
 * @conn:    Owned by it from here on, closed on failure; NULL: over @session
 * @session: Of HTTP/2, with room for one more; NULL: on @conn
 * @timeout_ms: For the two together
 *
 * Return: Handle, valid until @done was called or relay_ask_cancel(); or NULL with @err set
 */
HYBRIDGE_MUSTUSE struct relay_ask *
relay_ask(struct request *request, struct hybridge_conn *conn,
	  struct hybridge_h2 *session, uint32_t timeout_ms, relay_ask_fn *done,
	  struct hybridge_error *err);

/** relay_ask_lost() - hybridge_upgrade_lost(), while the upgrade is not answered */
bool relay_ask_lost(const struct relay_ask *ask);

/** relay_ask_cancel() - Give up and close; @done will not be called.  NULL is fine */
void relay_ask_cancel(struct relay_ask *ask);

#endif
