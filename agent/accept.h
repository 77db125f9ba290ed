/*
 * accept.h - one stream, from the relay's accept message to its end.
 */
#ifndef AGENT_ACCEPT_H
#define AGENT_ACCEPT_H

#include <stddef.h>

#include <hybridge/error.h>
#include <hybridge/message.h>
#include <hybridge/pump.h>

struct control;
struct stream;

/**
 * stream_start() - Serve an accept message: dial the target, then accept or refuse
 * @msg: Of kind HYBRIDGE_MESSAGE_ACCEPT; needs to live only during the call
 */
void stream_start(struct control *control, const struct hybridge_message *msg);

/** stream_reset() - End it at once: both sides see a reset */
void stream_reset(struct stream *stream);

/** stream_stop() - The agent leaves: end what no program uses, and wait for the others */
void stream_stop(struct stream *stream);

/** stream_next() - The next of all streams of an agent; NULL: the last */
struct stream *stream_next(const struct stream *stream);

/** stream_control() - The control channel that it came over */
const struct control *stream_control(const struct stream *stream);

/** stream_stats() - What went through so far, if it is open */
struct hybridge_pump_stats stream_stats(const struct stream *stream);

/**
 * stream_protocol() - The first subprotocol that the sender offered
 * @out: Set to a token (RFC 9110 5.6.2), "" when there is none
 */
void stream_protocol(const struct hybridge_message *msg, char *out,
		     size_t size);

#endif
