/*
 * status.h - what the sender tells about itself: JSON for the command line, text for probes.
 */
#ifndef SENDER_STATUS_H
#define SENDER_STATUS_H

#include <stdbool.h>
#include <stdio.h>

#include <hybridge/error.h>
#include <hybridge/status.h>

struct sender;

/**
 * status_json() - Answer to HYBRIDGE_LOCAL_STATUS
 * @socket: Path that it listens on
 *
 * Return: JSON text, owned by the caller (free()), or NULL when out of memory
 */
HYBRIDGE_MUSTUSE char *status_json(const struct sender *sender,
				   const char *socket);

/** status_ops - /readyz and /metrics; their owner is the sender */
extern const struct hybridge_status_ops status_ops;

#endif
