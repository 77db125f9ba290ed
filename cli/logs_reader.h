/*
 * logs_reader.h - takes what a descriptor gives apart into lines.
 */
#ifndef CLI_LOGS_READER_H
#define CLI_LOGS_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGS_LINE_MAX ((size_t)64 * 1024)

/**
 * struct logs_reader - Takes what a descriptor gives apart into lines
 * @fd:   Owned; -1: none
 * @at:   Start of what was not handed out yet
 * @len:  End of it
 * @read: How many bytes have come from @fd since it was opened
 * @is_over: The last read has found the end
 */
struct logs_reader {
	int fd;
	size_t at;
	size_t len;
	int64_t read;
	bool is_over;
	char text[LOGS_LINE_MAX + 1];
};

/**
 * logs_reader_next() - The next whole line; one that is too long comes in pieces
 * Return: Good until the next call; NULL: no more for now, or at all
 */
const char *logs_reader_next(struct logs_reader *reader);

/** logs_reader_rest() - What there is of a line that lacks its newline; NULL: nothing */
const char *logs_reader_rest(struct logs_reader *reader);

/** logs_reader_reset() - Forget what was read; go on with this descriptor, the same, another or -1 */
void logs_reader_reset(struct logs_reader *reader, int fd);

#endif
