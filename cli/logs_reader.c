/*
 * logs_reader.c - takes what a descriptor gives apart into lines.
 */
#include "logs_reader.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Hands out @len bytes, and passes over @skip behind them. */
static const char *take(struct logs_reader *reader, size_t len, size_t skip)
{
	char *line = reader->text + reader->at;

	/* A NUL would hide the rest of the line. */
	for (char *nul = line;
	     (nul = memchr(nul, '\0', len - (size_t)(nul - line)));)
		*nul = '?';
	line[len] = '\0';
	reader->at += len + skip;
	return line;
}

static bool fill(struct logs_reader *reader)
{
	ssize_t n;

	memmove(reader->text, reader->text + reader->at,
		reader->len - reader->at);
	reader->len -= reader->at;
	reader->at = 0;
	do {
		n = read(reader->fd, reader->text + reader->len,
			 LOGS_LINE_MAX - reader->len);
	} while (n < 0 && errno == EINTR);
	reader->is_over = n == 0;
	if (n <= 0)
		return false;
	reader->len += (size_t)n;
	reader->read += n;
	return true;
}

const char *logs_reader_next(struct logs_reader *reader)
{
	for (;;) {
		char *from = reader->text + reader->at;
		size_t len = reader->len - reader->at;
		const char *end = memchr(from, '\n', len);

		if (end)
			return take(reader, (size_t)(end - from), 1);
		if (reader->fd < 0)
			return NULL;
		if (len == LOGS_LINE_MAX)
			return take(reader, len, 0);
		if (!fill(reader))
			return NULL;
	}
}

const char *logs_reader_rest(struct logs_reader *reader)
{
	size_t len = reader->len - reader->at;

	return len > 0 ? take(reader, len, 0) : NULL;
}

void logs_reader_reset(struct logs_reader *reader, int fd)
{
	if (reader->fd >= 0 && reader->fd != fd)
		close(reader->fd);
	reader->fd = fd;
	reader->at = reader->len = 0;
	reader->read = 0;
	reader->is_over = false;
}
