/*
 * logs_line.c - one line of a log: what it is about, when it was, and how it may be shown.
 *
 * The daemons have made their own lines harmless already (common/log.c).  But a file is open to
 * all of its user's programs, and a unit's journal to whatever the unit starts.
 */
#include "logs_line.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <jansson.h>

#include <hybridge/utf8.h>

#define SHORT_ID    8 /* digits that the relay writes: relay/tracking.h */
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* What filters ask for; "" where the line lacks it. */
struct fields {
	char ts[40];
	char conn[80];
	char entity[264];
	char session[80];
};

static const struct {
	const char *key;
	size_t offset;
	size_t size;
} wanted[] = {
	{"ts", offsetof(struct fields, ts), sizeof(((struct fields *)0)->ts)},
	{"conn", offsetof(struct fields, conn),
	 sizeof(((struct fields *)0)->conn)},
	{"entity", offsetof(struct fields, entity),
	 sizeof(((struct fields *)0)->entity)},
	{"session", offsetof(struct fields, session),
	 sizeof(((struct fields *)0)->session)},
};
#define NUM_WANTED (sizeof(wanted) / sizeof(*wanted))

/* Copies a value up to its blank or closing quote; returns what follows it. */
static const char *read_value(const char *at, char *out, size_t size)
{
	bool quoted = *at == '"';
	size_t len = 0;

	for (at += quoted; *at && *at != (quoted ? '"' : ' '); at++) {
		if (quoted && *at == '\\' && at[1])
			at++;
		if (len + 1 < size)
			out[len++] = *at;
	}
	out[len] = '\0';
	return at + (quoted && *at == '"');
}

static void read_logfmt(const char *line, struct fields *out)
{
	char ignored[1];

	while (*line) {
		size_t len = strcspn(line, " =");
		char *to = ignored;
		size_t size = sizeof(ignored);

		if (line[len] != '=') {
			line += len + (line[len] == ' ');
			continue;
		}
		for (size_t i = 0; i < NUM_WANTED; i++) {
			if (strlen(wanted[i].key) != len ||
			    memcmp(wanted[i].key, line, len) != 0)
				continue;
			to = (char *)out + wanted[i].offset;
			size = wanted[i].size;
		}
		line = read_value(line + len + 1, to, size);
	}
}

static void read_json(const char *line, struct fields *out)
{
	json_t *root = json_loads(line, 0, NULL);

	for (size_t i = 0; root && i < NUM_WANTED; i++) {
		const char *value =
			json_string_value(json_object_get(root, wanted[i].key));

		if (value)
			snprintf((char *)out + wanted[i].offset, wanted[i].size,
				 "%s", value);
	}
	json_decref(root);
}

/* "2026-01-31T12:34:56.789Z", the milliseconds or not. */
static int64_t parse_time(const char *text)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t ms = 0;

	if (!rest)
		return LOGS_NO_TIME;
	if (*rest == '.')
		for (int64_t unit = 100;
		     *++rest >= '0' && *rest <= '9' && unit > 0; unit /= 10)
			ms += (*rest - '0') * unit;
	return (int64_t)timegm(&tm) * 1000 + ms;
}

static bool is_stream(const char *session, const char *stream)
{
	size_t len = strlen(session);
	size_t wanted_len = strlen(stream);

	if (len < wanted_len && len < SHORT_ID)
		return false;
	return strncasecmp(session, stream,
			   len < wanted_len ? len : wanted_len) == 0;
}

static bool is_connection(const struct fields *fields,
			  const struct logs_filter *filter)
{
	return strcasecmp(fields->conn, filter->name) == 0 ||
	       (fields->entity[0] != '\0' && filter->entity &&
		strcasecmp(fields->entity, filter->entity) == 0);
}

bool logs_line_wanted(const char *line, const struct logs_filter *filter,
		      int64_t *time_ms)
{
	struct fields fields = {0};
	int64_t its_ms;

	if (*line == '{')
		read_json(line, &fields);
	else
		read_logfmt(line, &fields);
	its_ms = parse_time(fields.ts);
	if (its_ms != LOGS_NO_TIME)
		*time_ms = its_ms;
	if (filter->since_ms != LOGS_NO_TIME && *time_ms != LOGS_NO_TIME &&
	    *time_ms < filter->since_ms)
		return false;
	if (filter->name && !is_connection(&fields, filter))
		return false;
	return !filter->stream || is_stream(fields.session, filter->stream);
}

void logs_line_time(int64_t time_ms, char *out, size_t size)
{
	time_t seconds = (time_t)(time_ms / 1000);
	char text[sizeof("2026-01-31T12:34:56")] = "";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, size, "%s.%03dZ", text, (int)(time_ms % 1000));
}

void logs_line_print(const char *line, FILE *to)
{
	const unsigned char *s = (const unsigned char *)line;

	while (*s) {
		size_t len = hybridge_utf8_len(s, strnlen((const char *)s, 4));

		if (len == 0) {
			fputs(REPLACEMENT, to);
			len = 1;
		} else if (*s < 0x20 || *s == 0x7f ||
			   (*s == 0xc2 && s[1] < 0xa0)) {
			putc('?', to);
		} else {
			fwrite(s, 1, len, to);
		}
		s += len;
	}
	putc('\n', to);
}
