/*
 * sockets.h - what the service and the load client share: sockets, and giving up.
 */
#ifndef BENCH_SOCKETS_H
#define BENCH_SOCKETS_H

#include <stddef.h>

/** bench_die() - Say what failed, and errno's reason, and exit with 1 */
_Noreturn void bench_die(const char *what);

/** bench_now_us() - CLOCK_MONOTONIC in microseconds */
double bench_now_us(void);

/** bench_tune() - TCP_NODELAY, without which small messages wait for each other */
void bench_tune(int fd);

/** bench_watch() - Edge-triggered EPOLLIN, EPOLLOUT and EPOLLRDHUP with @ptr; dies when it cannot */
void bench_watch(int epoll, int fd, void *ptr);

/** bench_listen() - A non-blocking listener on this IPv4 address; prints its port on a line */
int bench_listen(const char *address);

#endif
