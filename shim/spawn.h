/* spawn.h - starts the sender when no one listens on its socket. */
#ifndef SHIM_SPAWN_H
#define SHIM_SPAWN_H

#include "config.h"

/**
 * shim_spawn() - Make the sender's socket, start the sender on it, connect
 *
 * One process does it, under a lock beside the socket; others that come at the
 * same time wait for it and connect.  The sender gets the listening socket as
 * descriptor 3 and "--activated" as its argument; requests wait in its backlog
 * until it is up, so nobody waits for that.
 *
 * Return: Descriptor of a connection to the sender, or the negative errno
 */
int shim_spawn(const struct shim_config *config);

#endif
