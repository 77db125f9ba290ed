/*
 * local.h - takes requests from the shim and the command line off the unix socket.
 */
#ifndef SENDER_LOCAL_H
#define SENDER_LOCAL_H

#include <stdbool.h>

#include <hybridge/error.h>

#include "socket.h"

struct local;
struct sender;

/**
 * local_start() - Serve requests
 * @file: Taken over: emptied on success
 *
 * Return: Owned by the caller (local_free()), or NULL with @err set
 */
HYBRIDGE_MUSTUSE struct local *local_start(struct sender *sender,
					   struct socket_file *file,
					   struct hybridge_error *err);

/** local_path() - Where it listens */
const char *local_path(const struct local *local);

/** local_is_idle() - Whether no client is connected */
bool local_is_idle(const struct local *local);

/**
 * local_lend_spare() - Give up the spare descriptors for a client, until local_client_gone();
 * nobody else is accepted meanwhile
 *
 * Return: false when somebody has them
 */
bool local_lend_spare(struct local *local);

/** local_client_gone() - A client is over; with @on_spare there are descriptors again */
void local_client_gone(struct local *local, bool on_spare);

/**
 * local_leave() - Retire the socket, unless a request came at the last moment
 *
 * Return: true: nobody can reach us any more, and nobody tried to; false: we stay
 */
bool local_leave(struct local *local);

/** local_stop() - Stop accepting, drop the clients, remove the socket */
void local_stop(struct local *local);

/** local_free() - local_stop() and release.  NULL is fine */
void local_free(struct local *local);

#endif
