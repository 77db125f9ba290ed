/*
 * h2_stash.h - what has come for a stream and waits for its owner.
 *
 * Much of it stays where it was read, in a chunk that several streams may hold; little
 * is copied, so that it does not keep a whole chunk.
 */
#ifndef HYBRIDGE_COMMON_H2_STASH_H
#define HYBRIDGE_COMMON_H2_STASH_H

#include <stddef.h>
#include <stdint.h>

#include <hybridge/error.h>

#include "scratch.h"

/**
 * struct h2_chunk - What a session has read at once
 * @refs:   Holders: the loop while it may be read into, pieces of streams
 * @pinned: Offset behind the last byte that a piece holds
 */
struct h2_chunk {
	unsigned int refs;
	size_t pinned;
	uint8_t bytes[SCRATCH_HEAD + SCRATCH_PLAIN];
};

struct h2_piece;

/** struct h2_stash - Start with {0} */
struct h2_stash {
	struct h2_piece *first;
	struct h2_piece *last;
	size_t len;
};

/** h2_chunk_fresh() - The one to read into: *@kept when nobody else holds it, else another;
 * NULL when out of memory */
struct h2_chunk *h2_chunk_fresh(struct h2_chunk **kept);

/** h2_chunk_drop() - One holder less; NULL is fine */
void h2_chunk_drop(struct h2_chunk *chunk);

/** h2_lent_drop() - Whoever worked on what is lent has returned */
void h2_lent_drop(struct scratch *scratch);

/**
 * h2_stash_add() - Keep bytes
 * @data: Inside @chunk
 *
 * Return: 0, or -1 when out of memory
 */
HYBRIDGE_MUSTUSE int h2_stash_add(struct h2_stash *stash,
				  struct h2_chunk *chunk, uint8_t *data,
				  size_t len);

/** h2_stash_take() - Move up to @len bytes from the front to @buf, none of a piece behind the
 * first that can be lent; how many */
size_t h2_stash_take(struct h2_stash *stash, void *buf, size_t len);

/**
 * h2_stash_lend() - Give the first piece away where it lies
 * @lent: Holds it from now on, and not what it held before
 * @buf:  Set; it, and SCRATCH_HEAD bytes before it, may be overwritten
 *
 * Return: its bytes; 0 when that is not possible, or there is none
 */
size_t h2_stash_lend(struct h2_stash *stash, struct h2_chunk **lent,
		     uint8_t **buf);

/** h2_stash_free() - Forget everything */
void h2_stash_free(struct h2_stash *stash);

#endif
