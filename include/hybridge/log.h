/*
 * log.h - one line per event on standard error: text, logfmt or JSON.
 *
 * An event is a past-tense phrase in lower case and fields:
 *
 *	hybridge_log(HYBRIDGE_LOG_INFO, "session closed",
 *		     HYBRIDGE_STR("conn", name), HYBRIDGE_NUM("in", bytes));
 *
 * An event without fields: hybridge_log_fields(level, msg, NULL).
 * Secrets are never fields.  Field values that came from a peer may hold
 * anything: control characters are replaced and long values cut on output.
 */
#ifndef HYBRIDGE_LOG_H
#define HYBRIDGE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/error.h>

enum hybridge_log_level {
	HYBRIDGE_LOG_ERROR,
	HYBRIDGE_LOG_WARNING,
	HYBRIDGE_LOG_INFO,
	HYBRIDGE_LOG_DEBUG,
};

enum hybridge_log_format {
	HYBRIDGE_LOG_AUTO, /* journal: <N> prefix; terminal: text; else logfmt */
	HYBRIDGE_LOG_TEXT, /* local time, for people */
	HYBRIDGE_LOG_LOGFMT, /* ts=RFC 3339 UTC level=… prog=… msg=… key=value */
	HYBRIDGE_LOG_JSON, /* one object per line: ts level prog msg + fields */
};

/**
 * struct hybridge_field - One key and its value
 * @key: NULL ends an array of fields
 * @str: Text, or NULL: then @num is the value
 * @num: Number
 */
struct hybridge_field {
	const char *key;
	const char *str;
	int64_t num;
};

/** hybridge_log_str() - A text field; NULL is shown as "-".  See HYBRIDGE_STR() */
static inline struct hybridge_field hybridge_log_str(const char *key,
						     const char *str)
{
	return (struct hybridge_field){key, str ? str : "-", 0};
}

#define HYBRIDGE_STR(k, v) hybridge_log_str((k), (v))
#define HYBRIDGE_NUM(k, v) ((struct hybridge_field){(k), NULL, (int64_t)(v)})

/* Whatever the fields cost is spent only on a line that is wanted. */
#define hybridge_log(level, msg, ...)                                   \
	do {                                                            \
		if (hybridge_log_wanted(level))                         \
			hybridge_log_fields(                            \
				(level), (msg),                         \
				(const struct hybridge_field[]){        \
					__VA_ARGS__, {NULL, NULL, 0}}); \
	} while (0)

/**
 * hybridge_log_setup() - Choose program name, level and form, once, at start
 * @prog:   Name of the program, shown in every line; must outlive the process
 * @level:  Least important level that is still written
 * @format: Form of the lines; HYBRIDGE_LOG_AUTO looks at standard error
 */
void hybridge_log_setup(const char *prog, enum hybridge_log_level level,
			enum hybridge_log_format format);

/**
 * hybridge_log_parse_level() - Read a level: error, warning, info or debug
 * Return: 0, or -1 when @text is none of them
 */
int hybridge_log_parse_level(const char *text, enum hybridge_log_level *out);

/**
 * hybridge_log_parse_format() - Read a form: auto, text, logfmt or json
 * Return: 0, or -1 when @text is none of them
 */
int hybridge_log_parse_format(const char *text, enum hybridge_log_format *out);

/**
 * hybridge_log_wanted() - Whether a line of this level would be written
 */
bool hybridge_log_wanted(enum hybridge_log_level level);

/**
 * hybridge_log_fields() - Write one event; use the hybridge_log() macro
 * @level:  How important
 * @msg:    What happened: constant text
 * @fields: Array that ends with a NULL key, or NULL
 *
 * Lines of several processes on one descriptor do not mix: each is written in one piece,
 * by itself or with others (hybridge_log_hold()).  Never fails, leaves errno as it was.
 * Any thread.
 */
void hybridge_log_fields(enum hybridge_log_level level, const char *msg,
			 const struct hybridge_field *fields);

/**
 * hybridge_log_error() - Write a failure as one event
 * @level: How important
 * @msg:   What happened: constant text
 * @err:   Becomes the fields error= and, if there is one, hint=
 * @conn:  Name of the connection it concerns; NULL when none
 */
void hybridge_log_error(enum hybridge_log_level level, const char *msg,
			const struct hybridge_error *err, const char *conn);

/**
 * hybridge_log_hold() - Let lines at info of this thread wait for others
 * For one thread of a process, which calls hybridge_log_flush() soon.  What waits goes out
 * before any other line of the thread, and when the process dies by its own fault (SIGSEGV,
 * abort() ...); only SIGKILL loses it.
 * @holds: False: write what waits, and every line at once from now on
 */
void hybridge_log_hold(bool holds);

/** hybridge_log_waits() - Whether this thread lets lines wait */
bool hybridge_log_waits(void);

/** hybridge_log_flush() - Write what this thread lets wait */
void hybridge_log_flush(void);

#endif
