/*
 * fuzz.h - what the libFuzzer targets share: claims, and pieces of the input.
 */
#ifndef HYBRIDGE_FUZZ_H
#define HYBRIDGE_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hybridge/envfile.h>

/** LLVMFuzzerTestOneInput() - Called by libFuzzer with each input; returns 0 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** fuzz_refuted() - Reports a claim that does not hold; libFuzzer keeps the input */
static inline _Noreturn void fuzz_refuted(const char *file, int line,
					  const char *claim)
{
	fprintf(stderr, "%s:%d: refuted: %s\n", file, line, claim);
	abort();
}

/** MUST() - A claim about the code under test */
#define MUST(claim) \
	((claim) ? (void)0 : fuzz_refuted(__FILE__, __LINE__, #claim))

/** struct fuzz_input - What is left of an input */
struct fuzz_input {
	const uint8_t *data;
	size_t size;
};

/** fuzz_byte() - The next byte, 0 when there is none */
static inline uint8_t fuzz_byte(struct fuzz_input *in)
{
	if (in->size == 0)
		return 0;
	in->size--;
	return *in->data++;
}

/**
 * fuzz_copy() - Up to @max bytes in memory of just that size, so that a read
 * past the end is seen
 * Return: Owned by the caller; a NUL follows the @len bytes
 */
static inline char *fuzz_copy(struct fuzz_input *in, size_t max, size_t *len)
{
	char *copy;

	*len = in->size < max ? in->size : max;
	copy = malloc(*len + 1);
	MUST(copy);
	if (*len > 0)
		memcpy(copy, in->data, *len);
	copy[*len] = '\0';
	in->data += *len;
	in->size -= *len;
	return copy;
}

/**
 * fuzz_exact() - As fuzz_copy() for all that is left, with nothing behind it
 */
static inline char *fuzz_exact(struct fuzz_input *in, size_t *len)
{
	char *copy = malloc(in->size > 0 ? in->size : 1);

	MUST(copy);
	if (in->size > 0)
		memcpy(copy, in->data, in->size);
	*len = in->size;
	in->data += in->size;
	in->size = 0;
	return copy;
}

/**
 * fuzz_string() - A C string: a length byte, then its text, which ends at a NUL
 * Return: Owned by the caller
 */
static inline char *fuzz_string(struct fuzz_input *in)
{
	size_t len;
	size_t max = fuzz_byte(in);

	return fuzz_copy(in, max, &len);
}

/** fuzz_within() - Whether a span lies inside a buffer, ends included */
static inline bool fuzz_within(struct hybridge_span span, const char *text,
			       size_t len)
{
	return span.len == 0 || (span.text >= text && span.len <= len &&
				 (size_t)(span.text - text) <= len - span.len);
}

/** fuzz_same() - Whether two C strings, or NULLs, are equal */
static inline bool fuzz_same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/** fuzz_span_same() - Whether two spans hold the same bytes */
static inline bool fuzz_span_same(struct hybridge_span a,
				  struct hybridge_span b)
{
	return a.len == b.len &&
	       (a.len == 0 || memcmp(a.text, b.text, a.len) == 0);
}

#endif
