/*
 * h2_chunk.h - memory that HTTP/2 sessions read into, and that waits in their streams.
 *
 * A chunk is 128 KiB: new from the kernel, each would cost 33 page faults, and the caches would
 * not have it.  So those that nobody holds stay with the loop, as many as it has used
 * of late.
 */
#ifndef HYBRIDGE_COMMON_H2_CHUNK_H
#define HYBRIDGE_COMMON_H2_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "scratch.h"

/**
 * struct h2_chunk - What a session has read at once
 * @refs:   Holders: the loop while it may be read into, pieces of streams
 * @pinned: Offset behind the last byte that a piece holds
 * @below:  Spare: the next one
 */
struct h2_chunk {
	unsigned int refs;
	size_t pinned;
	struct h2_chunk *below;
	uint8_t bytes[SCRATCH_HEAD + SCRATCH_PLAIN];
};

/** h2_chunk_fresh() - The one to read into: @chunks->reading when nobody else holds it, else
 * another; NULL when out of memory */
struct h2_chunk *h2_chunk_fresh(struct h2_chunks *chunks);

/** h2_chunk_drop() - One holder less; NULL is fine.  With the last it becomes a spare one of @chunks */
void h2_chunk_drop(struct h2_chunks *chunks, struct h2_chunk *chunk);

/** h2_lent_drop() - Whoever worked on what is lent has returned */
void h2_lent_drop(struct h2_chunks *chunks);

/** h2_chunks_trim() - Free the spare ones that were of no use since this was called last */
void h2_chunks_trim(struct h2_chunks *chunks);

/** h2_chunks_free() - Drop what the loop holds, and free all that are spare */
void h2_chunks_free(struct h2_chunks *chunks);

#endif
