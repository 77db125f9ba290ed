/*
 * load.h - what the measurements of the load client share.
 *
 * Each measurement is one main(): it gets the arguments behind HOST and PORT, prints one
 * line of JSON, and dies when a stream that must work does not.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stddef.h>
#include <sys/socket.h>

/** struct load_target - Where the service is, as the program under the tunnel sees it */
struct load_target {
	struct sockaddr_storage addr;
	socklen_t len;
};

/** load_connect() - A connected, blocking socket on which @mode was sent; dies otherwise */
int load_connect(const struct load_target *target, char mode);

/** load_percentile() - Of @count sorted values; 0 when there are none */
double load_percentile(const double *sorted, size_t count,
		       unsigned int percent);

/** load_sort() - Ascending */
void load_sort(double *values, size_t count);

/** load_bulk() - up|down SECONDS STREAMS: {"seconds","bytes","least","most"}, the last two of a stream */
int load_bulk(const struct load_target *target, char **argv);

/** load_ping() - SECONDS [COUNT]: {"count","p50","p90","p99"} in microseconds, one byte there and back */
int load_ping(const struct load_target *target, char **argv);

/**
 * load_open() - COUNT IN_FLIGHT SECONDS [hold]: streams, each until its first echoed byte
 *
 * Opens until COUNT or SECONDS is reached.  {"opened","failed","seconds","p50","p90","p99","why"};
 * "why" is of the first that failed;
 * the percentiles, in microseconds, are from connect() to the echoed byte.  With "hold" the
 * streams stay open until standard input ends; otherwise each is closed at once.
 */
int load_open(const struct load_target *target, char **argv);

#endif
