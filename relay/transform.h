/*
 * transform.h - turns what a client sent into what another client is sent.
 *
 * Pure: no I/O, no allocation.  Frames from a client are masked, frames to a client
 * are not (RFC 6455 5.1); apart from that a frame stays what it was: opcode, FIN,
 * length.  Nothing is reassembled, a frame may be of any length.
 *
 * Empty frames are left out, since .NET's streams take one for the end: an
 * empty message, an empty fragment in the middle, an empty first fragment (the next one then
 * starts the message).  Only an empty last fragment of a message of which
 * something has been forwarded must stay: without it the message would not end.
 */
#ifndef HYBRIDGE_RELAY_TRANSFORM_H
#define HYBRIDGE_RELAY_TRANSFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hybridge/ws.h>

#define TRANSFORM_ROOM HYBRIDGE_WS_HEADER_MAX

/**
 * struct transform - One direction; start with transform_init()
 * @opcode:    Of the message that is on the way
 * @begun:     Some of that message has been forwarded
 * @mid_frame: What was forwarded so far ends inside a frame: nothing else may be sent there
 * @held:      A piece that did not fit into the last run
 */
struct transform {
	struct hybridge_ws_reader reader;
	uint8_t opcode;
	bool begun;
	bool mid_frame;
	bool has_held;
	struct hybridge_ws_piece held;
};

enum transform_event {
	TRANSFORM_MORE,  /* everything is used up */
	TRANSFORM_RUN,   /* there is more: forward @run, call again */
	TRANSFORM_PING,  /* @control is to be sent back in a pong */
	TRANSFORM_CLOSE, /* @control is the Close's payload */
	TRANSFORM_ERROR, /* @why; nothing after this makes sense */
};

/**
 * struct transform_out - What came of some bytes
 * @run, @run_len: To be forwarded first, whatever the event; inside the buffer
 * @payload:       Bytes of payload in @run
 * @control, @control_len: Inside the transform, valid until the next call
 */
struct transform_out {
	uint8_t *run;
	size_t run_len;
	size_t payload;
	const uint8_t *control;
	size_t control_len;
	const char *why;
};

/** transform_init() - Start at a frame boundary */
void transform_init(struct transform *transform);

/**
 * transform_next() - Use up bytes until something must be done
 * @buf: Moved behind what was used.  On the first call for a batch of bytes TRANSFORM_ROOM bytes
 *       before it must be free to write to
 * @len: Lowered likewise
 */
enum transform_event transform_next(struct transform *transform, uint8_t **buf,
				    size_t *len, struct transform_out *out);

#endif
