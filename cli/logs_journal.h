/*
 * logs_journal.h - what the units of hybridge have written to the journal of systemd.
 */
#ifndef CLI_LOGS_JOURNAL_H
#define CLI_LOGS_JOURNAL_H

#include <stdbool.h>
#include <sys/types.h>

#include <hybridge/error.h>

#include "logs_reader.h"
#include "logs_source.h"

/**
 * struct logs_journal - A journalctl(1) that runs
 * @source:  Its lines, in the form of our files: ts=… level=… prog=… msg=… key=value
 * @tool:    Its path; NULL: there is none
 * @pid:     0: it does not run
 * @status:  Its exit status, once it has ended
 * @cursor:  Of the last line; NULL: there was none
 * @text:    The last line
 */
struct logs_journal {
	struct logs_source source;
	struct logs_reader reader;
	char *tool;
	pid_t pid;
	int status;
	char *cursor;
	char *text;
};

/**
 * logs_journal_open() - Find journalctl
 * Return: Owned by the caller (logs_journal_close()), or NULL when out of memory
 */
HYBRIDGE_MUSTUSE struct logs_journal *logs_journal_open(void);

/**
 * logs_journal_read() - Start it, to read what there is
 * @since_ms: From then on; LOGS_NO_TIME: all
 * @limit:    This many of the last lines; 0: all
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int logs_journal_read(struct logs_journal *journal,
				       int64_t since_ms, size_t limit,
				       struct hybridge_error *err);

/**
 * logs_journal_follow() - After the last line: start it again, to wait for more
 * @since_ms: Where there was no line
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int logs_journal_follow(struct logs_journal *journal,
					 int64_t since_ms,
					 struct hybridge_error *err);

/** logs_journal_end() - Wait for its end; if it has not closed its output, tell it to */
void logs_journal_end(struct logs_journal *journal);

/** logs_journal_close() - End it, and release; NULL is fine */
void logs_journal_close(struct logs_journal *journal);

#endif
