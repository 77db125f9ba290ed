/*
 * log.c - writes events to standard error as text, logfmt or JSON.
 *
 * A line is put together in a buffer on the stack, so that logging needs no
 * memory and no lock; log_out.c takes it from there.  Every value is first made harmless
 * (tidy()), then quoted as its form wants it.  A field that does not fit any
 * more is left out whole and cut=yes says so: a cut line is still a sound one.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <hybridge/log.h>
#include <hybridge/utf8.h>

#include "log_out.h"
#include "plain.h"

#define LINE_MAX_BYTES  LOG_OUT_MAX
#define LINE_RESERVE    24 /* for cut=yes, the closing brace and newline */
#define VALUE_MAX_BYTES 200
#define VALUE_HARD_MAX  sizeof(((struct hybridge_error *)0)->what)
#define STAMP_SECONDS   sizeof("2026-01-31T12:34:56")
#define REPLACEMENT     "\xef\xbf\xbd" /* U+FFFD */
#define ELLIPSIS        "\xe2\x80\xa6" /* U+2026 */

enum form {
	FORM_LOGFMT,
	FORM_TEXT,
	FORM_JOURNAL,
	FORM_JSON,
};

static const char *const level_names[] = {
	[HYBRIDGE_LOG_ERROR] = "error",
	[HYBRIDGE_LOG_WARNING] = "warning",
	[HYBRIDGE_LOG_INFO] = "info",
	[HYBRIDGE_LOG_DEBUG] = "debug",
};
static const char level_priorities[] = {
	/* of sd-daemon(3) */
	[HYBRIDGE_LOG_ERROR] = '3',
	[HYBRIDGE_LOG_WARNING] = '4',
	[HYBRIDGE_LOG_INFO] = '6',
	[HYBRIDGE_LOG_DEBUG] = '7',
};
static const char *const format_names[] = {
	[HYBRIDGE_LOG_AUTO] = "auto",
	[HYBRIDGE_LOG_TEXT] = "text",
	[HYBRIDGE_LOG_LOGFMT] = "logfmt",
	[HYBRIDGE_LOG_JSON] = "json",
};
#define NUM_LEVELS  (sizeof(level_names) / sizeof(level_names[0]))
#define NUM_FORMATS (sizeof(format_names) / sizeof(format_names[0]))
_Static_assert(NUM_LEVELS == HYBRIDGE_LOG_DEBUG + 1 &&
		       sizeof(level_priorities) == NUM_LEVELS,
	       "every level has a name and a priority");
_Static_assert(NUM_FORMATS == HYBRIDGE_LOG_JSON + 1, "every form has a name");

/* Written once by hybridge_log_setup(), before there are threads. */
static struct {
	const char *prog;
	enum hybridge_log_level level;
	enum form form;
} settings = {"hybridge", HYBRIDGE_LOG_INFO, FORM_LOGFMT};

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
	bool overflow;
};

/* A value made harmless; bytes may triple when they are replaced. */
struct tidy {
	char text[VALUE_HARD_MAX + sizeof(ELLIPSIS)];
};

static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char here[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(here, sizeof(here), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	return strcmp(stream, here) == 0;
}

static enum form choose_form(enum hybridge_log_format format)
{
	switch (format) {
	case HYBRIDGE_LOG_TEXT:
		return FORM_TEXT;
	case HYBRIDGE_LOG_LOGFMT:
		return FORM_LOGFMT;
	case HYBRIDGE_LOG_JSON:
		return FORM_JSON;
	case HYBRIDGE_LOG_AUTO:
		break;
	}
	if (is_journal())
		return FORM_JOURNAL;
	return isatty(STDERR_FILENO) ? FORM_TEXT : FORM_LOGFMT;
}

void hybridge_log_setup(const char *prog, enum hybridge_log_level level,
			enum hybridge_log_format format)
{
	settings.prog = prog;
	settings.level = level;
	settings.form = choose_form(format);
}

int hybridge_log_parse_level(const char *text, enum hybridge_log_level *out)
{
	for (size_t i = 0; i < NUM_LEVELS; i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*out = (enum hybridge_log_level)i;
			return 0;
		}
	}
	return -1;
}

int hybridge_log_parse_format(const char *text, enum hybridge_log_format *out)
{
	for (size_t i = 0; i < NUM_FORMATS; i++) {
		if (strcmp(text, format_names[i]) == 0) {
			*out = (enum hybridge_log_format)i;
			return 0;
		}
	}
	return -1;
}

bool hybridge_log_wanted(enum hybridge_log_level level)
{
	return level <= settings.level;
}

static void put_bytes(struct line *line, const char *bytes, size_t len)
{
	if (len > LINE_MAX_BYTES - LINE_RESERVE - line->len) {
		line->overflow = true;
		return;
	}
	memcpy(line->text + line->len, bytes, len);
	line->len += len;
}

static void put(struct line *line, const char *text)
{
	put_bytes(line, text, strlen(text));
}

/* All three, or nothing. */
static void put_between(struct line *line, const char *before, const char *text,
			const char *behind)
{
	size_t len = strlen(text), lead = strlen(before), tail = strlen(behind);
	char *to = line->text + line->len;

	if (lead + len + tail > LINE_MAX_BYTES - LINE_RESERVE - line->len) {
		line->overflow = true;
		return;
	}
	to = stpcpy(stpcpy(stpcpy(to, before), text), behind);
	line->len = (size_t)(to - line->text);
}

/* Replaces control characters and what is not UTF-8, and cuts at @max bytes. */
static void tidy(struct tidy *out, const char *value, size_t max)
{
	const unsigned char *s = (const unsigned char *)value;
	size_t len = 0;

	while (*s) {
		size_t n = hybridge_utf8_len(s, strnlen((const char *)s, 4));
		const char *from = (const char *)s;
		size_t from_len = n;

		if (n == 0) {
			from = REPLACEMENT;
			from_len = sizeof(REPLACEMENT) - 1;
			n = 1;
		} else if (*s < 0x20 || *s == 0x7f ||
			   (*s == 0xc2 && s[1] < 0xa0)) {
			from = "?";
			from_len = 1;
		}
		if (len + from_len > max) {
			memcpy(out->text + len, ELLIPSIS, sizeof(ELLIPSIS));
			return;
		}
		memcpy(out->text + len, from, from_len);
		len += from_len;
		s += n;
	}
	out->text[len] = '\0';
}

static void put_quoted(struct line *line, const char *text)
{
	put(line, "\"");
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			put(line, "\\");
		put_bytes(line, text, 1);
	}
	put(line, "\"");
}

/* Nearly every value is short and harmless: written as it is, after one look. */
static bool put_harmless(struct line *line, const char *value, size_t max)
{
	size_t len = strlen(value);
	bool quoted;

	/* To be escaped, replaced, cut, or looked at closely. */
	if (len > max || plain_len(value, len, "\"\\\\") < len)
		return false;
	quoted = settings.form == FORM_JSON || len == 0 ||
		 plain_len(value, len, " ==") < len;
	if (quoted)
		put_between(line, "\"", value, "\"");
	else
		put_bytes(line, value, len);
	return true;
}

/* A value as the form wants it: JSON always has quotes, logfmt when needed. */
static void put_value(struct line *line, const char *value, size_t max)
{
	HYBRIDGE_UNCLEARED struct tidy clean;

	if (put_harmless(line, value, max))
		return;
	tidy(&clean, value, max);
	if (settings.form == FORM_JSON || clean.text[0] == '\0' ||
	    strpbrk(clean.text, " \"=\\"))
		put_quoted(line, clean.text);
	else
		put(line, clean.text);
}

static void put_number(struct line *line, int64_t num)
{
	uint64_t left = num < 0 ? -(uint64_t)num : (uint64_t)num;
	char text[24];
	char *at = text + sizeof(text);

	do {
		*--at = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	if (num < 0)
		*--at = '-';
	put_bytes(line, at, (size_t)(text + sizeof(text) - at));
}

/* ` key=` or `,"key":`; @key is ours and needs no escapes. */
static void put_key(struct line *line, const char *key)
{
	if (settings.form == FORM_JSON)
		put_between(line, line->len == 1 ? "\"" : ",\"", key, "\":");
	else
		put_between(line, line->len > 0 ? " " : "", key, "=");
}

/* Adds one field, or nothing at all when it does not fit. */
static void put_field(struct line *line, const struct hybridge_field *field,
		      size_t max)
{
	size_t before = line->len;

	put_key(line, field->key);
	if (field->str)
		put_value(line, field->str, max);
	else
		put_number(line, field->num);
	if (line->overflow)
		line->len = before;
}

static void put_string_field(struct line *line, const char *key,
			     const char *value)
{
	struct hybridge_field field = HYBRIDGE_STR(key, value);

	put_field(line, &field, VALUE_MAX_BYTES);
}

/* "2026-01-31T12:34:56.789Z" */
static void put_rfc3339(struct line *line)
{
	/* Thousands of lines may have the same second. */
	static _Thread_local time_t second = -1;
	static _Thread_local char seconds[STAMP_SECONDS];
	struct timespec now;
	int ms;
	char fraction[] = ".000Z";
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != second && gmtime_r(&now.tv_sec, &tm) &&
	    strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &tm))
		second = now.tv_sec;
	ms = (int)(now.tv_nsec / 1000000);
	fraction[1] = (char)('0' + ms / 100);
	fraction[2] = (char)('0' + ms / 10 % 10);
	fraction[3] = (char)('0' + ms % 10);
	put_key(line, "ts");
	if (settings.form == FORM_JSON)
		put(line, "\"");
	put(line, seconds);
	put(line, fraction);
	if (settings.form == FORM_JSON)
		put(line, "\"");
}

/* "12:34:56 " in local time */
static void put_clock(struct line *line)
{
	time_t now = time(NULL);
	struct tm tm;
	char clock[16];

	localtime_r(&now, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S ", &tm);
	put(line, clock);
}

static void put_head(struct line *line, enum hybridge_log_level level,
		     const char *msg)
{
	const char priority[] = {'<', level_priorities[level], '>', '\0'};

	switch (settings.form) {
	case FORM_TEXT:
		put_clock(line);
		put(line, level_names[level]);
		put(line, " ");
		put(line, msg);
		return;
	case FORM_JOURNAL:
		put(line, priority);
		put(line, msg);
		return;
	case FORM_JSON:
		put(line, "{");
		break;
	case FORM_LOGFMT:
		break;
	}
	put_rfc3339(line);
	put_string_field(line, "level", level_names[level]);
	put_string_field(line, "prog", settings.prog);
	put_string_field(line, "msg", msg);
}

/* Uses the reserve, so it always fits. */
static void put_tail(struct line *line)
{
	const char *tail = settings.form == FORM_JSON ? "}\n" : "\n";

	if (line->overflow)
		tail = settings.form == FORM_JSON ? ",\"cut\":\"yes\"}\n"
						  : " cut=yes\n";
	memcpy(line->text + line->len, tail, strlen(tail));
	line->len += strlen(tail);
}

static void write_event(enum hybridge_log_level level, const char *msg,
			const struct hybridge_field *fields, size_t max)
{
	HYBRIDGE_UNCLEARED struct line line;
	int saved = errno;

	if (!hybridge_log_wanted(level))
		return;
	line.len = 0;
	line.overflow = false;
	put_head(&line, level, msg);
	/* Two blanks: where the event ends and its fields begin. */
	if (fields && fields->key &&
	    (settings.form == FORM_TEXT || settings.form == FORM_JOURNAL))
		put(&line, " ");
	for (; fields && fields->key && !line.overflow; fields++)
		put_field(&line, fields, max);
	put_tail(&line);
	log_out(level, line.text, line.len);
	errno = saved;
}

void hybridge_log_fields(enum hybridge_log_level level, const char *msg,
			 const struct hybridge_field *fields)
{
	write_event(level, msg, fields, VALUE_MAX_BYTES);
}

void hybridge_log_error(enum hybridge_log_level level, const char *msg,
			const struct hybridge_error *err, const char *conn)
{
	struct hybridge_field fields[4] = {{NULL, NULL, 0}};
	size_t n = 0;

	if (conn)
		fields[n++] = HYBRIDGE_STR("conn", conn);
	fields[n++] = HYBRIDGE_STR("error", err->what);
	if (err->hint[0] != '\0')
		fields[n++] = HYBRIDGE_STR("hint", err->hint);
	fields[n].key = NULL;
	/* Our own text, already bounded: cutting it would lose the remedy. */
	write_event(level, msg, fields, VALUE_HARD_MAX);
}
