/*
 * suggest.c - which of several words a mistyped one may have been meant to be.
 */
#include "suggest.h"

#include <stddef.h>
#include <string.h>

#define WORD_MAX  32
#define EDITS_MAX 2

static size_t least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Levenshtein's distance; both shorter than WORD_MAX. */
static size_t edits(const char *a, const char *b)
{
	size_t row[WORD_MAX];
	size_t b_len = strlen(b);

	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t above = row[j];

			row[j] = least(above + 1, row[j - 1] + 1,
				       diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_len];
}

const char *suggest(const char *typed, const char *const *words)
{
	const char *best = NULL;
	size_t best_edits = EDITS_MAX + 1;

	if (strlen(typed) >= WORD_MAX)
		return NULL;
	for (; *words; words++) {
		size_t n = strlen(*words) < WORD_MAX ? edits(typed, *words)
						     : best_edits;

		if (n < best_edits) {
			best = *words;
			best_edits = n;
		}
	}
	return best;
}
