/*
 * listener.h - control channels: who listens, for which hybrid connection, until when.
 */
#ifndef HYBRIDGE_RELAY_LISTENER_H
#define HYBRIDGE_RELAY_LISTENER_H

#include <stdint.h>

#include "call.h"
#include "relay.h"

#define LISTENERS_MAX 25 /* of one hybrid connection, as in Azure Relay */

/** listener_open() - Serve a listen request; takes the call's connection over */
void listener_open(const struct call *call);

/**
 * listeners_close() - Close control channels
 * @gone_only: Only those whose hybrid connection no longer exists
 * @code:      Of the Close
 */
void listeners_close(struct relay *relay, bool gone_only, uint16_t code,
		     const char *reason);

/** listeners_judge() - Close those whose token no rule would sign, or allow, any more: 1008 */
void listeners_judge(struct relay *relay);

/** listeners_drop() - Drop all of them at once */
void listeners_drop(struct relay *relay);

#endif
