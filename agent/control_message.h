/*
 * control_message.h - what the relay says on a control channel.
 */
#ifndef AGENT_CONTROL_MESSAGE_H
#define AGENT_CONTROL_MESSAGE_H

#include <stddef.h>

#include <hybridge/error.h>
#include <hybridge/message.h>

struct control;

/** control_message() - Act on a text message; nothing it says can end the channel */
void control_message(struct control *control, const char *data, size_t len);

/**
 * control_message_decline() - Answer to an HTTP request, which we do not serve: 501
 * @request: Of kind HYBRIDGE_MESSAGE_REQUEST
 *
 * Return: JSON text owned by the caller (free()); NULL when it has no id, or out of memory
 */
HYBRIDGE_MUSTUSE char *
control_message_decline(const struct hybridge_message *request);

#endif
