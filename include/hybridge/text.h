/*
 * text.h - what several parsers do with pieces of text.
 */
#ifndef HYBRIDGE_TEXT_H
#define HYBRIDGE_TEXT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <hybridge/envfile.h>

/** hybridge_text_span() - A whole string as a span */
static inline struct hybridge_span hybridge_text_span(const char *text)
{
	return (struct hybridge_span){text, strlen(text)};
}

/**
 * hybridge_text_join() - Copy of @parts, one behind the other
 * For what is made for each stream: asprintf(3) costs several times as much.
 * Return: owned by the caller; NULL when out of memory
 */
char *hybridge_text_join(const struct hybridge_span *parts, size_t num);

#define HYBRIDGE_TEXT_NUMBER 11 /* the largest, and its NUL */

/** hybridge_text_number() - @number in decimal; the span points into @out, and is a string */
struct hybridge_span
hybridge_text_number(uint32_t number, char out[static HYBRIDGE_TEXT_NUMBER]);

/** hybridge_text_lower() - Fold A-Z of a string in place, whatever the locale */
static inline void hybridge_text_lower(char *text)
{
	for (; *text; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
}

/** hybridge_text_trim() - Without the blanks in front and behind */
static inline struct hybridge_span hybridge_text_trim(struct hybridge_span span)
{
	while (span.len > 0 && (span.text[0] == ' ' || span.text[0] == '\t')) {
		span.text++;
		span.len--;
	}
	while (span.len > 0 && (span.text[span.len - 1] == ' ' ||
				span.text[span.len - 1] == '\t'))
		span.len--;
	return span;
}

/** hybridge_text_trim_slashes() - A path without '/' in front and behind */
static inline struct hybridge_span
hybridge_text_trim_slashes(struct hybridge_span path)
{
	while (path.len > 0 && path.text[0] == '/') {
		path.text++;
		path.len--;
	}
	while (path.len > 0 && path.text[path.len - 1] == '/')
		path.len--;
	return path;
}

/**
 * hybridge_text_cut_segment() - The first segment of a path
 * @path: Not empty; moved behind the segment and the '/' that follows it
 */
static inline struct hybridge_span
hybridge_text_cut_segment(struct hybridge_span *path)
{
	struct hybridge_span segment = *path;
	const char *slash = memchr(path->text, '/', path->len);
	size_t gone = path->len;

	if (slash) {
		segment.len = (size_t)(slash - path->text);
		gone = segment.len + 1;
	}
	path->text += gone;
	path->len -= gone;
	return segment;
}

/** hybridge_text_printable() - Copy, with '?' for what is not printable ASCII; cut to @size */
static inline void hybridge_text_printable(char *out, size_t size,
					   struct hybridge_span text)
{
	size_t len = text.len < size - 1 ? text.len : size - 1;

	for (size_t i = 0; i < len; i++) {
		out[i] = text.text[i];
		if (out[i] < ' ' || out[i] > '~')
			out[i] = '?';
	}
	out[len] = '\0';
}

/** hybridge_text_free_secret() - Wipe and free a string; NULL is fine */
static inline void hybridge_text_free_secret(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

/**
 * hybridge_text_find_secret() - The key, or signature, of a connection string
 * @text: Anything
 *
 * Return: Where it begins, behind the '=' of SharedAccessKey or SharedAccessSignature in any
 *         case, with or without blanks before it; NULL: there is none
 */
const char *hybridge_text_find_secret(const char *text);

#endif
