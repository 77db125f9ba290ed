/* connect.h - connects a socket to a mapped address. */
#ifndef SHIM_CONNECT_H
#define SHIM_CONNECT_H

#include "match.h"

/**
 * shim_connect() - What connect() does for an address that is not foreign
 * @fd:     The program's socket, or anything
 * @addr:   As the program gave it
 * @len:    As the program gave it
 * @whose:  SHIM_MAPPED or SHIM_UNMAPPED_PORT
 * @target: What @addr stands for
 *
 * Return: As connect(2): 0, or -1 with errno set
 */
int shim_connect(int fd, const struct sockaddr *addr, socklen_t len,
		 enum shim_whose whose, const struct shim_target *target);

#endif
