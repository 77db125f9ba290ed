/*
 * loopback.h - what a TCP socket needs when both of its ends are on one machine.
 */
#ifndef HYBRIDGE_LOOPBACK_H
#define HYBRIDGE_LOOPBACK_H

#include <stdbool.h>
#include <sys/socket.h>

/** hybridge_is_loopback() - Whether it is 127.0.0.0/8 or ::1, mapped into IPv6 or not */
bool hybridge_is_loopback(const struct sockaddr *addr);

/**
 * hybridge_loopback_tune() - Choose the congestion control of a socket
 * @fd: TCP socket, connected or about to be, whose other end is on this machine
 *
 * Algorithms that pace by a model of the path (BBR) find none on loopback and
 * send at a fraction of what memory can carry; those that go by loss alone, which
 * does not happen here, are never in the way.  tcp(7): TCP_CONGESTION.  Best
 * effort: where nothing better is allowed, the system's default stays.
 *
 * Return: Whether there was something to change
 */
bool hybridge_loopback_tune(int fd);

#endif
