/*
 * logs_source.h - where lines of a log come from, one after the other.
 */
#ifndef CLI_LOGS_SOURCE_H
#define CLI_LOGS_SOURCE_H

#include <stddef.h>
#include <stdint.h>

/**
 * struct logs_source - A file, or the journal
 * @next:    The next line without its newline, good until the next call; NULL: no more, for now
 * @line:    What it returned last
 * @time_ms: When that was, LOGS_NO_TIME at first
 * @seen:    How many there were, wanted or not
 */
struct logs_source {
	const char *(*next)(struct logs_source *source);
	const char *line;
	int64_t time_ms;
	size_t seen;
};

#endif
