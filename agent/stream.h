/*
 * stream.h - one stream, from the relay's accept message to its end.
 */
#ifndef AGENT_STREAM_H
#define AGENT_STREAM_H

#include <hybridge/message.h>

struct agent;
struct control;

/**
 * stream_accept() - A sender wants a stream
 * @message: HYBRIDGE_MESSAGE_ACCEPT
 *
 * Dials the target first and only then answers: with the upgrade, or with the
 * refusal and its reason.  Failures are logged.
 */
void stream_accept(struct control *control,
		   const struct hybridge_message *message);

/**
 * stream_decline_request() - Answer a relayed HTTP request with 501
 * @message: HYBRIDGE_MESSAGE_REQUEST
 */
void stream_decline_request(struct control *control,
			    const struct hybridge_message *message);

/** stream_reset_all() - End every stream by a reset, drop those on their way */
void stream_reset_all(struct agent *agent);

/** stream_free_all() - Release every stream; the loop must not run any more */
void stream_free_all(struct agent *agent);

#endif
