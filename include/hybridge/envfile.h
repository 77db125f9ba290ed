/*
 * envfile.h - the grammar of an env file, one line at a time.
 *
 * Pure and free of dependencies: the shim, inside somebody else's process,
 * uses the same parser as the daemons.  No allocation, no errno, no copy.
 *
 * Grammar: KEY=VALUE, no spaces round '='; blank lines and lines whose first
 * non-blank is '#' or ';' are ignored; one matching pair of '…' or "…" round
 * the whole value is removed; blanks before KEY and at the end of the line do
 * not count; nothing else is special: no expansion, no
 * escapes, no continuation, no trailing comments.  A leading BOM and a
 * trailing CR are dropped.  KEY is [A-Za-z_][A-Za-z0-9_]*.
 */
#ifndef HYBRIDGE_ENVFILE_H
#define HYBRIDGE_ENVFILE_H

#include <stddef.h>

#define HYBRIDGE_ENV_LINE_MAX 8192

/**
 * struct hybridge_span - A piece of text inside somebody else's buffer
 * @text: Not NUL-terminated; NULL when there is none
 * @len:  Bytes
 */
struct hybridge_span {
	const char *text;
	size_t len;
};

enum hybridge_env_kind {
	HYBRIDGE_ENV_BLANK,     /* blank line or comment */
	HYBRIDGE_ENV_PAIR,      /* key and value are set */
	HYBRIDGE_ENV_NO_EQUALS, /* errors from here on */
	HYBRIDGE_ENV_BAD_KEY, /* key empty, or a character that is not allowed, or a space before '=' */
	HYBRIDGE_ENV_SPACE_AFTER_EQUALS, /* unquoted value starts with a blank */
	HYBRIDGE_ENV_OPEN_QUOTE, /* a quote that never closes, or text after the closing one */
	HYBRIDGE_ENV_NUL,      /* a NUL byte in the line */
	HYBRIDGE_ENV_TOO_LONG, /* longer than HYBRIDGE_ENV_LINE_MAX */
};

/**
 * struct hybridge_env_line - What one line says
 * @kind:  What it is
 * @key:   HYBRIDGE_ENV_PAIR: the key; on an error: the key if there was one
 * @value: HYBRIDGE_ENV_PAIR: the value, quotes removed
 */
struct hybridge_env_line {
	enum hybridge_env_kind kind;
	struct hybridge_span key;
	struct hybridge_span value;
};

/**
 * hybridge_env_parse_line() - Take one line apart
 * @line: Without the newline; a trailing CR is ignored
 * @len:  Bytes
 *
 * Return: What the line says; its spans point into @line
 */
struct hybridge_env_line hybridge_env_parse_line(const char *line, size_t len);

/**
 * hybridge_env_unquote() - Remove one matching pair of quotes, if there is one
 * @value: A value that came through the environment, perhaps with quotes on
 *	   (docker run --env-file leaves them there)
 */
struct hybridge_span hybridge_env_unquote(struct hybridge_span value);

/**
 * hybridge_env_reason() - Words for an error kind, for messages
 */
const char *hybridge_env_reason(enum hybridge_env_kind kind);

#endif
