/* debug.c - one line to the file that HYBRIDGE_DEBUG names, without stdio. */
#include <string.h>

#include "debug.h"
#include "sys.h"

struct line {
	char text[640];
	size_t len;
};

static void add(struct line *line, const char *text, size_t len)
{
	size_t room = sizeof(line->text) - 1 - line->len;

	if (len > room)
		len = room;
	for (size_t i = 0; i < len; i++) {
		bool is_control =
			(unsigned char)text[i] < ' ' || text[i] == 0x7f;

		/* A name may hold anything, but a line must stay one line. */
		line->text[line->len] = text[i];
		if (is_control)
			line->text[line->len] = '?';
		line->len++;
	}
}

static void add_number(struct line *line, long number, size_t width)
{
	char digits[24];
	size_t at = sizeof(digits);
	unsigned long rest = number < 0 ? 0UL - (unsigned long)number
					: (unsigned long)number;

	do {
		digits[--at] = "0123456789"[rest % 10];
		rest /= 10;
	} while (rest > 0 || sizeof(digits) - at < width);
	if (number < 0)
		digits[--at] = '-';
	add(line, digits + at, sizeof(digits) - at);
}

struct hybridge_span shim_span(const char *text)
{
	return (struct hybridge_span){text, text ? strlen(text) : 0};
}

void shim_debug(const struct shim_config *config, const char *what,
		struct hybridge_span about, int number)
{
	struct line line = {.len = 0};
	struct timespec now = {0};
	int fd;

	if (!config->debug)
		return;
	fd = sys_above_stdio(sys_openat(AT_FDCWD, config->debug,
					O_WRONLY | O_CREAT | O_APPEND |
						O_CLOEXEC | O_NOCTTY |
						O_NONBLOCK,
					0600));
	if (fd < 0)
		return;
	sys_clock_gettime(CLOCK_REALTIME, &now);
	add_number(&line, now.tv_sec, 1);
	add(&line, ".", 1);
	add_number(&line, now.tv_nsec / 1000000, 3);
	add(&line, " libhybridge[", 13);
	add_number(&line, sys_getpid(), 1);
	add(&line, "]: ", 3);
	add(&line, what, strlen(what));
	if (about.len > 0) {
		add(&line, ": ", 2);
		add(&line, about.text, about.len);
	}
	if (number != 0) {
		add(&line, ": ", 2);
		add_number(&line, number, 1);
	}
	line.text[line.len++] = '\n';
	sys_write(fd, line.text, line.len);
	sys_close(fd);
}
