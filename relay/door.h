/*
 * door.h - accepts connections, a fair number from each address.
 */
#ifndef HYBRIDGE_RELAY_DOOR_H
#define HYBRIDGE_RELAY_DOOR_H

#include <stdbool.h>

#include <hybridge/error.h>

#include "relay.h"

struct door;

/**
 * door_open() - Listen where the configuration says
 * @activated: Descriptor 3 is the listening socket
 *
 * Without TLS only a loopback address is listened on.
 *
 * Return: Close with door_close(); NULL with @err set
 */
HYBRIDGE_MUSTUSE struct door *door_open(struct relay *relay, bool activated,
					struct hybridge_error *err);

/** door_address() - "HOST:PORT" that is listened on, numeric */
const char *door_address(const struct door *door);

/** door_shut() - Accept no more; who is inside may go on */
void door_shut(struct door *door);

/** door_close() - Shut, and drop all whose request is not known yet; frees.  NULL is fine */
void door_close(struct door *door);

#endif
