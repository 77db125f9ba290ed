/*
 * ask.h - asks the sender for its state.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include <hybridge/error.h>

/**
 * ask_status() - The sender's state as JSON text
 * @socket: Its path
 * @err:    HYBRIDGE_ETIMEOUT (exit status 75) when no sender is there
 *
 * Return: Owned by the caller, or NULL
 */
HYBRIDGE_MUSTUSE char *ask_status(const char *socket,
				  struct hybridge_error *err);

#endif
