/*
 * client.h - one connection to the unix socket.
 */
#ifndef SENDER_CLIENT_H
#define SENDER_CLIENT_H

#include <stdbool.h>

struct client;
struct sender;

/**
 * client_add() - Serve a connection that was accepted
 * @list:     Where it is kept while it lasts
 * @fd:       Non-blocking socket; owned by the client even on failure
 * @on_spare: There are no descriptors left but those that were given up for it
 *
 * When it is over it leaves @list and calls local_client_gone().
 *
 * Return: true; false when it is another user's, or out of memory: then nothing is called
 */
bool client_add(struct sender *sender, struct client **list, int fd,
		bool on_spare);

/** client_drop() - Close it now */
void client_drop(struct client *client);

#endif
