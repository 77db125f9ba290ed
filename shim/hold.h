/* hold.h - the sockets that keep a connect() pending; see the design of the held connect in hold.c. */
#ifndef SHIM_HOLD_H
#define SHIM_HOLD_H

#include <netinet/in.h>
#include <stdbool.h>

#include "match.h"

/**
 * struct shim_socket - What the program's socket is
 * @domain:   AF_INET or AF_INET6
 * @state:    TCP state: TCP_CLOSE before connect()
 * @is_mptcp: Made with IPPROTO_MPTCP
 */
struct shim_socket {
	int domain;
	int state;
	bool is_mptcp;
};

/**
 * shim_socket_inspect() - Look at the program's socket
 * Return: false when it is not a stream socket over TCP or MPTCP
 */
bool shim_socket_inspect(int fd, struct shim_socket *out);

/**
 * shim_socket_is_elsewhere() - Whether it is bound to a device other than lo
 * Its packets would never come to a loopback address.
 */
bool shim_socket_is_elsewhere(int fd);

/**
 * struct shim_hold - A hold
 * @listener: L
 * @peer:     B, or -1 when @is_early
 * @is_early: L is an ordinary listener
 * @addr:     What to connect() the program's socket to
 * @addr_len: Its length
 */
struct shim_hold {
	int listener;
	int peer;
	bool is_early;
	struct sockaddr_storage addr;
	socklen_t addr_len;
};

/**
 * shim_hold_open() - Make the hold for one connect()
 * @fd:     The program's socket
 * @socket: What it is
 * @target: Where it wants to go
 * @out:    To be released with shim_hold_close()
 *
 * Return: 0, or the negative errno
 */
int shim_hold_open(int fd, const struct shim_socket *socket,
		   const struct shim_target *target, struct shim_hold *out);

/**
 * shim_hold_close() - Close this process's copies
 * @hold: May have been closed before
 */
void shim_hold_close(struct shim_hold *hold);

/**
 * shim_hold_works() - Whether this kernel holds a connect()
 * Tries it out at the first call; false means early mode.
 */
bool shim_hold_works(void);

/**
 * shim_hold_was_v6() - Whether a socket was held on ::1
 * From ::1 alone one cannot tell what the program asked for.
 * @fd: An AF_INET6 socket, from whatever process
 */
bool shim_hold_was_v6(int fd);

#endif
