/*
 * held.h - one sender whose upgrade is not answered yet, and its invitations.
 */
#ifndef HYBRIDGE_RELAY_HELD_H
#define HYBRIDGE_RELAY_HELD_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/conn.h>
#include <hybridge/message.h>
#include <hybridge/table.h>

#include "call.h"
#include "relay.h"

#define HELD_INVITES 4  /* listeners that are asked, one after the other */
#define HELD_SECRET  33 /* bytes of a secret as text, with its NUL */

/**
 * struct invite - A rendezvous address that is good
 * @secret: Hash key: 128 random bits
 * @target: Path and query of the address; owned
 * @asked:  Member of the bus that has it
 * @member: The same, 0 once that has left
 */
struct invite {
	char secret[HELD_SECRET];
	char *target;
	struct held *held;
	uint64_t asked;
	uint64_t member;
	UT_hash_handle hh;
};

/**
 * struct held - A waiting sender
 * @conn:      Its connection; owned
 * @worker:    Where its stream will be spliced; NULL: in the main thread
 * @accept:    Sec-WebSocket-Accept that it will be sent
 * @host:      Host header that it sent; owned
 * @remote:    Its address; owned
 * @message:   What listeners are told about it; owned
 * @path, @query: Of its target; owned
 * @timer:     fire is set by whoever holds it
 */
struct held {
	struct relay *relay;
	struct hybridge_conn *conn;
	struct worker *worker;
	struct meter *meter;
	char guid[TRACKING_GUID];
	char session[TRACKING_SHORT];
	char accept[29];
	char *host;
	char *remote;
	struct hybridge_message message;
	char *path;
	char *query;
	struct invite invites[HELD_INVITES];
	size_t num_invites;
	int64_t since_us;
	struct hybridge_timer timer;
	struct hybridge_task reap;
	struct held *prev;
	struct held *next;
};

/** held_too_large() - Whether a listener could not be told all of this sender's headers */
bool held_too_large(const struct call *call);

/**
 * held_new() - Hold a sender
 * @hide_authorization: Its Authorization header was for us, not for the listener
 *
 * Return: The sender, in relay->held, with call->conn; or NULL when out of memory: the
 *         connection is then still the caller's
 */
HYBRIDGE_MUSTUSE struct held *held_new(const struct call *call,
				       const struct entity *entity,
				       bool hide_authorization);

/**
 * held_invite() - Make one more rendezvous address
 * Return: The last of held->invites, or NULL: out of memory, or no more are allowed
 */
HYBRIDGE_MUSTUSE struct invite *held_invite(struct held *held);

/** held_uninvite() - Take the last invitation back */
void held_uninvite(struct held *held);

/** held_find() - Who waits at an address, by its secret; NULL when nobody does */
struct held *held_find(struct relay *relay, struct hybridge_span secret);

/** held_header() - Value of the sender's first header of this name, or NULL */
const char *held_header(const struct held *held, const char *name);

/** held_offers() - Whether the sender offered this subprotocol */
bool held_offers(const struct held *held, struct hybridge_span protocol);

/** held_age_ms() - For how long it has waited */
int64_t held_age_ms(const struct held *held);

/**
 * held_release() - Hold it no longer; its addresses are good no more
 * Return: The connection, the caller's from here on; @held stays readable
 *         until the end of the turn
 */
HYBRIDGE_MUSTUSE struct hybridge_conn *held_release(struct held *held);

#endif
