/*
 * utf8.h - what is UTF-8 (RFC 3629), and what is not.
 */
#ifndef HYBRIDGE_UTF8_H
#define HYBRIDGE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/**
 * hybridge_utf8_len() - Length of the character at the front of a text
 * @s, @left: The text; at least one byte
 *
 * Return: 1 to 4 bytes; 0 when they are no character, or the text ends inside it
 */
size_t hybridge_utf8_len(const unsigned char *s, size_t left);

/** hybridge_utf8_is_valid() - Whether a text is characters all through */
bool hybridge_utf8_is_valid(const char *text, size_t len);

/** hybridge_utf8_is_text() - The same, without control characters */
bool hybridge_utf8_is_text(const char *text, size_t len);

#endif
