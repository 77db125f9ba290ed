/*
 * logs_line.h - one line of a log: what it is about, when it was, and how it may be shown.
 */
#ifndef CLI_LOGS_LINE_H
#define CLI_LOGS_LINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define LOGS_NO_TIME INT64_MIN

/**
 * struct logs_filter - Which lines are wanted
 * @name:     Connection, as sender and agent call it, or NULL: any
 * @entity:   The same connection, as the relay calls it, or NULL
 * @stream:   Id of a stream, or its beginning, without the "_G1" that a relay adds; NULL: any
 * @since_ms: Nothing before this, in ms since 1970; LOGS_NO_TIME: any
 */
struct logs_filter {
	const char *name;
	const char *entity;
	const char *stream;
	int64_t since_ms;
};

/**
 * logs_line_wanted() - Whether a line is one of those
 * @line:    logfmt, JSON or text, as include/hybridge/log.h has them
 * @time_ms: When the line before it was; becomes when this one was, if it says so
 *
 * Sender and agent write the whole id of a stream, the relay eight digits of it: one is the other's
 * beginning.  A line that bears no time is as old as the one before it, and wanted if there is none.
 */
bool logs_line_wanted(const char *line, const struct logs_filter *filter,
		      int64_t *time_ms);

/**
 * logs_line_time() - "2026-01-31T12:34:56.789Z"
 * @out: At least 32 bytes
 */
void logs_line_time(int64_t time_ms, char *out, size_t size);

/** logs_line_print() - Print it with a newline; what a terminal would obey becomes '?' */
void logs_line_print(const char *line, FILE *to);

#endif
