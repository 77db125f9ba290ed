/*
 * rendezvous.h - senders that wait, and the listeners that come to meet them.
 */
#ifndef HYBRIDGE_RELAY_RENDEZVOUS_H
#define HYBRIDGE_RELAY_RENDEZVOUS_H

#include <stdint.h>

#include "call.h"
#include "relay.h"

/**
 * rendezvous_connect() - Serve a sender; takes the call's connection over
 *
 * Its upgrade is not answered until a listener has accepted or refused, or 30 s have passed.
 */
void rendezvous_connect(const struct call *call);

/** rendezvous_accept() - Serve a listener at a rendezvous address; takes the call's connection over */
void rendezvous_accept(const struct call *call);

/** rendezvous_left() - A listener has gone: ask another for what it was asked; a bus_left_fn */
void rendezvous_left(void *owner, uint64_t member);

/** rendezvous_refuse_gone() - Answer those whose hybrid connection no longer exists: 404 */
void rendezvous_refuse_gone(struct relay *relay);

/** rendezvous_refuse_all() - Answer every waiting sender */
void rendezvous_refuse_all(struct relay *relay, int status,
			   const char *message);

#endif
