/*
 * connection.h - a connection's configuration that outlives a reload.
 */
#ifndef AGENT_CONNECTION_H
#define AGENT_CONNECTION_H

#include <stdbool.h>

#include <hybridge/config.h>

/**
 * connection_copy() - Copy what an agent needs: not the hosts
 * Return: 0, or -1 when out of memory: release @out all the same
 */
HYBRIDGE_MUSTUSE int connection_copy(struct hybridge_connection *out,
				     const struct hybridge_connection *from);

/** connection_equal() - Whether a listener for one is a listener for the other */
bool connection_equal(const struct hybridge_connection *a,
		      const struct hybridge_connection *b);

/** connection_free() - Wipe the secrets and release; zeroes @connection */
void connection_free(struct hybridge_connection *connection);

#endif
