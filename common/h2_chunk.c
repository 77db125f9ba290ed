/*
 * h2_chunk.c - memory that HTTP/2 sessions read into, and that waits in their streams.
 */
#include "h2_chunk.h"

#include <stdlib.h>

/* Whoever reads what it holds no more is found as if it had been freed. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, len)   ((void)(at), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#endif

#define SPARE_MAX ((size_t)64) /* a window, at its largest */

static struct h2_chunk *take_spare(struct h2_chunks *chunks)
{
	struct h2_chunk *chunk = chunks->spare;

	if (!chunk)
		return NULL;
	ASAN_UNPOISON_MEMORY_REGION(chunk->bytes, sizeof(chunk->bytes));
	chunks->spare = chunk->below;
	chunks->num_spare--;
	if (chunks->num_least > chunks->num_spare)
		chunks->num_least = chunks->num_spare;
	return chunk;
}

static void free_spare(struct h2_chunks *chunks, size_t num)
{
	while (num-- > 0)
		free(take_spare(chunks));
	chunks->num_least = chunks->num_spare;
}

struct h2_chunk *h2_chunk_fresh(struct h2_chunks *chunks)
{
	struct h2_chunk *chunk = chunks->reading;

	if (!chunk || chunk->refs > 1) {
		h2_chunk_drop(chunks, chunk);
		chunk = take_spare(chunks);
		if (!chunk)
			chunk = malloc(sizeof(*chunk));
		chunks->reading = chunk;
		if (!chunk)
			return NULL;
		chunk->refs = 1;
	}
	chunk->pinned = 0;
	return chunk;
}

void h2_chunk_drop(struct h2_chunks *chunks, struct h2_chunk *chunk)
{
	if (!chunk || --chunk->refs > 0)
		return;
	if (chunks->num_spare == SPARE_MAX) {
		free(chunk);
		return;
	}
	ASAN_POISON_MEMORY_REGION(chunk->bytes, sizeof(chunk->bytes));
	chunk->below = chunks->spare;
	chunks->spare = chunk;
	chunks->num_spare++;
}

void h2_lent_drop(struct h2_chunks *chunks)
{
	while (chunks->num_lent > 0) {
		h2_chunk_drop(chunks, chunks->lent[--chunks->num_lent]);
		chunks->lent[chunks->num_lent] = NULL;
	}
}

void h2_chunks_trim(struct h2_chunks *chunks)
{
	free_spare(chunks, chunks->num_least);
}

void h2_chunks_free(struct h2_chunks *chunks)
{
	h2_lent_drop(chunks);
	h2_chunk_drop(chunks, chunks->reading);
	chunks->reading = NULL;
	free_spare(chunks, chunks->num_spare);
}
