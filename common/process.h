/*
 * process.h - what a scraper wants to know of any process, under the names that all use.
 */
#ifndef HYBRIDGE_COMMON_PROCESS_H
#define HYBRIDGE_COMMON_PROCESS_H

#include <stdio.h>
#include <time.h>

/**
 * process_open_fds() - Descriptors that this process has open
 * From Linux 6.2 on the kernel has counted them, before that process_probe_fds() does.
 *
 * Return: -1 when it cannot be found out
 */
long process_open_fds(void);

/**
 * process_probe_fds() - The same, by asking for each that there may be
 * Return: Likewise
 */
long process_probe_fds(void);

/**
 * process_write() - process_cpu_seconds_total, process_open_fds, process_max_fds and
 *                   process_start_time_seconds in Prometheus' text format 0.0.4
 * @started: Seconds since the epoch
 */
void process_write(time_t started, FILE *to);

#endif
