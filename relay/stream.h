/*
 * stream.h - streams that have been joined, until they end.
 */
#ifndef HYBRIDGE_RELAY_STREAM_H
#define HYBRIDGE_RELAY_STREAM_H

#include <stdbool.h>

#include "held.h"
#include "relay.h"

/**
 * stream_start() - Join a sender and a listener, both upgraded
 * @held:     Released by this
 * @listener: Its rendezvous connection; owned from here on
 */
void stream_start(struct held *held, struct hybridge_conn *listener);

/**
 * streams_stop() - Drop them, without a Close: it is no orderly end for either side
 * @gone_only: Only those whose hybrid connection is there no more
 * Those that are a worker's are over a little later.
 */
void streams_stop(struct relay *relay, bool gone_only);

/** streams_count() - Bring the meters' count of what is flowing up to date */
void streams_count(const struct relay *relay);

#endif
