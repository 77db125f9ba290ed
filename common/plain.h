/*
 * plain.h - how much of a text can be taken as it is, sixteen bytes at a look.
 *
 * Nearly all that is written into logs and messages, or read from them, is printable ASCII
 * without a byte that means something: looking at each by itself was a sixth of our own
 * instructions for a new stream.
 */
#ifndef HYBRIDGE_COMMON_PLAIN_H
#define HYBRIDGE_COMMON_PLAIN_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef int8_t plain_block __attribute__((vector_size(16)));
typedef uint64_t plain_words __attribute__((vector_size(16)));

/* Where the first of these is that is not plain; 16: nowhere. */
static inline size_t plain_in_block(plain_block bytes, const char stop[3])
{
	plain_words odd;

	/* Above ASCII is below zero. */
	odd = (plain_words)((bytes < ' ') | (bytes == 0x7f) |
			    (bytes == (int8_t)stop[0]) |
			    (bytes == (int8_t)stop[1]) |
			    (bytes == (int8_t)stop[2]));
	if (odd[0])
		return (size_t)__builtin_ctzll(le64toh(odd[0])) / 8;
	return odd[1] ? 8 + (size_t)__builtin_ctzll(le64toh(odd[1])) / 8 : 16;
}

/**
 * plain_len() - How many bytes from the start of @text are printable ASCII (blanks too)
 * and none of @stop, which are ASCII and may be the same
 */
static inline size_t plain_len(const char *text, size_t len, const char stop[3])
{
	const size_t size = sizeof(plain_block);
	plain_block bytes = {0};
	size_t at = 0;

	while (len - at >= size) {
		size_t plain;

		memcpy(&bytes, text + at, size);
		plain = plain_in_block(bytes, stop);
		at += plain;
		if (plain < size)
			return at;
	}
	if (at == len)
		return len;
	if (len > size) {
		/* The rest, along with some that are known to be plain. */
		memcpy(&bytes, text + len - size, size);
		return len - size + plain_in_block(bytes, stop);
	}
	memcpy(&bytes, text, len); /* the zeros behind it stop */
	return plain_in_block(bytes, stop);
}

#endif
