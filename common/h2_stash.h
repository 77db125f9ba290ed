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

#include "h2_chunk.h"

struct h2_piece;

/** struct h2_stash - Start with {0} */
struct h2_stash {
	struct h2_piece *first;
	struct h2_piece *last;
	size_t len;
};

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
size_t h2_stash_take(struct h2_stash *stash, struct h2_chunks *chunks,
		     void *buf, size_t len);

/**
 * h2_stash_lend() - Give the first piece away where it lies
 * @chunks: Holds it from now on among what is lent, where there must be room
 * @buf:    Set; it, and SCRATCH_HEAD bytes before it, may be overwritten
 *
 * Return: its bytes; 0 when that is not possible, or there is none
 */
size_t h2_stash_lend(struct h2_stash *stash, struct h2_chunks *chunks,
		     uint8_t **buf);

/** h2_stash_free() - Forget everything */
void h2_stash_free(struct h2_stash *stash, struct h2_chunks *chunks);

#endif
