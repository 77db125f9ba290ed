/*
 * error.c - records a failure in words, and gives each class its exit status.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <hybridge/error.h>
#include <hybridge/text.h>
#include <hybridge/utf8.h>

static const int exit_statuses[] = {
	[HYBRIDGE_OK] = 0,        [HYBRIDGE_ECONFIG] = 78,
	[HYBRIDGE_EUSAGE] = 64,   [HYBRIDGE_EDENIED] = 77,
	[HYBRIDGE_EREFUSED] = 69, [HYBRIDGE_EUNREACH] = 69,
	[HYBRIDGE_ETIMEOUT] = 75, [HYBRIDGE_EPROTOCOL] = 76,
	[HYBRIDGE_ESYSTEM] = 71,
};
_Static_assert(sizeof(exit_statuses) / sizeof(exit_statuses[0]) ==
		       HYBRIDGE_ESYSTEM + 1,
	       "every code has an exit status");

/* Somebody put a connection string where a path or a host belongs: that is quoted, but the key. */
static void mask_secrets(char *text)
{
	const char *found;
	size_t at = 0;

	while ((found = hybridge_text_find_secret(text + at)) != NULL) {
		at = (size_t)(found - text);
		/* A hint may well say where it belongs. */
		if (strncmp(found, "…", strlen("…")) == 0)
			continue;
		for (; text[at] && !strchr(";'", text[at]); at++)
			text[at] = '*';
	}
}

/* Texts may quote what a peer sent, and end on a terminal: keep one line of it. */
static void format_line(char *to, size_t size, const char *fmt, va_list args)
	__attribute__((format(printf, 3, 0)));

static void format_line(char *to, size_t size, const char *fmt, va_list args)
{
	if (vsnprintf(to, size, fmt, args) < 0)
		to[0] = '\0';
	mask_secrets(to);
	for (char *c = to; *c;) {
		size_t len = hybridge_utf8_len((unsigned char *)c, strlen(c));

		if (len == 0 || (unsigned char)*c < 0x20 || *c == 0x7f) {
			*c = '?';
			len = 1;
		}
		c += len;
	}
}

void hybridge_fail(struct hybridge_error *err, enum hybridge_code code,
		   const char *fmt, ...)
{
	va_list args;

	if (!err || err->code != HYBRIDGE_OK)
		return;
	err->code = code;
	err->hint[0] = '\0';
	va_start(args, fmt);
	format_line(err->what, sizeof(err->what), fmt, args);
	va_end(args);
}

void hybridge_hint(struct hybridge_error *err, const char *fmt, ...)
{
	va_list args;

	if (!err || err->hint[0] != '\0')
		return;
	va_start(args, fmt);
	format_line(err->hint, sizeof(err->hint), fmt, args);
	va_end(args);
}

void hybridge_error_print(FILE *to, const struct hybridge_error *err)
{
	fprintf(to, "hybridge: %s\n", err->what);
	if (err->hint[0] != '\0')
		fprintf(to, "  -> %s\n", err->hint);
}

bool hybridge_error_same(const struct hybridge_error *a,
			 const struct hybridge_error *b)
{
	static const char tracking[] = " TrackingId:";
	const char *end = strstr(a->what, tracking);
	size_t len = end ? (size_t)(end - a->what) + strlen(tracking)
			 : sizeof(a->what);

	return strncmp(a->what, b->what, len) == 0;
}

int hybridge_exit_status(enum hybridge_code code)
{
	return exit_statuses[code];
}
