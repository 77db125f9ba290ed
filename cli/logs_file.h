/*
 * logs_file.h - a log that is a file.
 */
#ifndef CLI_LOGS_FILE_H
#define CLI_LOGS_FILE_H

#include <stdbool.h>

#include <hybridge/error.h>

#include "logs_reader.h"
#include "logs_source.h"

/**
 * struct logs_file - One of them
 * @source: Its lines
 * @path:   Owned
 * @error:  errno of why it cannot be read: ENOENT, EPERM when it is another's or no plain file; else 0
 * @is_whole: A last line without a newline is one: nobody waits for the rest
 */
struct logs_file {
	struct logs_source source;
	struct logs_reader reader;
	char *path;
	int error;
	bool is_whole;
};

/**
 * logs_file_open() - Look for it
 * @path: Taken over
 *
 * It need not be there.
 *
 * Return: Owned by the caller (logs_file_close()), or NULL when out of memory
 */
HYBRIDGE_MUSTUSE struct logs_file *logs_file_open(char *path);

/**
 * logs_file_again() - After its last line: whether there may be more
 *
 * The sender empties its log when it has grown too large; others move it away.
 */
bool logs_file_again(struct logs_file *file);

/** logs_file_close() - Release; NULL is fine */
void logs_file_close(struct logs_file *file);

#endif
