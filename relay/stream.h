/*
 * stream.h - streams that have been joined, until they end.
 */
#ifndef HYBRIDGE_RELAY_STREAM_H
#define HYBRIDGE_RELAY_STREAM_H

#include "held.h"
#include "relay.h"

/**
 * stream_start() - Join a sender and a listener, both upgraded
 * @held:     Released by this
 * @listener: Its rendezvous connection; owned from here on
 */
void stream_start(struct held *held, struct hybridge_conn *listener);

/** streams_stop() - Drop all of them */
void streams_stop(struct relay *relay);

#endif
