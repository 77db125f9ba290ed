/*
 * logs_show.h - shows the lines of several sources together.
 */
#ifndef CLI_LOGS_SHOW_H
#define CLI_LOGS_SHOW_H

#include <stddef.h>
#include <stdio.h>

#include <hybridge/error.h>

#include "logs_file.h"
#include "logs_journal.h"
#include "logs_line.h"

#define LOGS_FILES_MAX 4

/**
 * struct logs - All that there is
 * @files:   Those that there may be
 * @journal: That of systemd
 * @filter:  Which lines
 */
struct logs {
	struct logs_file *files[LOGS_FILES_MAX];
	size_t num_files;
	struct logs_journal *journal;
	struct logs_filter filter;
};

/**
 * logs_show_last() - Those that there are, by their time
 * @limit: This many of the last ones; SIZE_MAX: all, at once
 * @shown: How many there were
 *
 * The journal has been started.  Lines of the same millisecond keep the order of their source.
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int logs_show_last(struct logs *logs, size_t limit, FILE *to,
				    size_t *shown, struct hybridge_error *err);

/**
 * logs_follow() - And those that come, until nobody reads @to any more
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int logs_follow(struct logs *logs, FILE *to,
				 struct hybridge_error *err);

#endif
