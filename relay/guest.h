/*
 * guest.h - one HTTP/2 session of a caller: each of its streams is a call.
 */
#ifndef HYBRIDGE_RELAY_GUEST_H
#define HYBRIDGE_RELAY_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/address.h>
#include <hybridge/conn.h>
#include <hybridge/error.h>

struct guest;
struct relay;

/** struct caller - Who is at the other end */
struct caller {
	struct hybridge_ip ip;
	uint16_t port;
};

/**
 * guest_start() - Speak HTTP/2 with a caller
 * @conn:  Its preface was put back; owned by the guest whatever comes of it
 * @known: Called once, when it is no stranger any more: a WebSocket of it was opened, or it
 *         has left.  Not after guest_drop()
 *
 * Return: The guest; after @known it belongs to the relay alone.  NULL when out of memory
 */
HYBRIDGE_MUSTUSE struct guest *guest_start(struct relay *relay,
					   struct hybridge_conn *conn,
					   const struct caller *caller,
					   void (*known)(void *owner),
					   void *owner);

/** guest_is_busy() - Whether it has a stream, be it one that waits for its answer */
bool guest_is_busy(const struct guest *guest);

/** guest_drop() - Reset it and all its streams.  NULL is fine */
void guest_drop(struct guest *guest);

/** guest_drain() - Its streams go on, new ones are refused; then it ends */
void guest_drain(struct guest *guest);

/** guests_drain() - The relay stops: the same for every one */
void guests_drain(struct relay *relay);

/** guests_drop() - Drop every one */
void guests_drop(struct relay *relay);

#endif
