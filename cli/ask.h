/*
 * ask.h - asks the sender for its state.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include <hybridge/config.h>
#include <hybridge/error.h>

#define ASK_SOCKET_MAX 108 /* sun_path: unix(7) */

/**
 * ask_socket() - Where the sender of this configuration listens
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int ask_socket(const struct hybridge_config *config,
				char out[static ASK_SOCKET_MAX],
				struct hybridge_error *err);

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
