/*
 * wildcard.h - the names that a wildcard's addresses were given out for, in memory and in a file
 * beside the socket, from which the next sender takes them over.
 *
 * A program may keep an address for as long as it lives, and no name can be computed from it.
 */
#ifndef SENDER_WILDCARD_H
#define SENDER_WILDCARD_H

#include <stdint.h>

struct sender;
struct wildcard_file;

/**
 * wildcard_open() - Take over what earlier senders knew, and keep what comes from now on
 * @socket_path: The file is PATH.names, of this user and for nobody else
 *
 * Failure is logged, and leaves sender->wildcard_file NULL: then the names go with us.
 */
void wildcard_open(struct sender *sender, const char *socket_path);

/**
 * wildcard_remember() - A name that matched a wildcard was given this address
 * @address: IPv4, host order
 */
void wildcard_remember(struct sender *sender, uint32_t address,
		       const char *name);

/** wildcard_close() - The file stays.  NULL is fine */
void wildcard_close(struct wildcard_file *file);

#endif
