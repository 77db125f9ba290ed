/*
 * h2_stash.c - what has come for a stream and waits for its owner.
 */
#include "h2_stash.h"

#include <stdlib.h>
#include <string.h>

/*
 * A piece that stays in its chunk pins four times as much at most.  What comes behind one stays as
 * well, be it little, since the chunk is pinned already; by itself it pins one chunk of a stream.
 */
#define STAYS ((size_t)32 * 1024)
#define ROOM  ((size_t)1024) /* of one that is copied, for more of its kind */

struct h2_piece {
	struct h2_piece *next;
	struct h2_chunk *chunk; /* NULL: it is in @own */
	uint8_t *at;
	size_t len;
	size_t used; /* of @own */
	size_t room;
	bool has_head; /* nobody holds what lies before it */
	uint8_t own[];
};

static void append(struct h2_stash *stash, struct h2_piece *piece)
{
	if (stash->last)
		stash->last->next = piece;
	else
		stash->first = piece;
	stash->last = piece;
}

static struct h2_piece *make_piece(struct h2_stash *stash, size_t room)
{
	struct h2_piece *piece = malloc(sizeof(*piece) + room);

	if (!piece)
		return NULL;
	*piece = (struct h2_piece){.room = room, .at = piece->own};
	append(stash, piece);
	return piece;
}

static int pin(struct h2_stash *stash, struct h2_chunk *chunk, uint8_t *data,
	       size_t len)
{
	const struct h2_piece *before = stash->last;
	struct h2_piece *piece = make_piece(stash, 0);
	size_t start = (size_t)(data - chunk->bytes);
	size_t end = start + len;

	if (!piece)
		return -1;
	/* Another one of the same stream will be gone when this one's turn comes. */
	piece->has_head =
		start >= chunk->pinned + SCRATCH_HEAD ||
		(before && before->chunk == chunk &&
		 before->at + before->len == chunk->bytes + chunk->pinned);
	piece->chunk = chunk;
	piece->at = data;
	piece->len = len;
	chunk->refs++;
	if (chunk->pinned < end)
		chunk->pinned = end;
	return 0;
}

static int copy(struct h2_stash *stash, const uint8_t *data, size_t len)
{
	struct h2_piece *piece = stash->last;

	if (!piece || piece->chunk || piece->room - piece->used < len)
		piece = make_piece(stash, len < ROOM ? ROOM : len);
	if (!piece)
		return -1;
	memcpy(piece->own + piece->used, data, len);
	piece->used += len;
	piece->len += len;
	return 0;
}

int h2_stash_add(struct h2_stash *stash, struct h2_chunk *chunk, uint8_t *data,
		 size_t len)
{
	const struct h2_piece *before = stash->last;
	bool is_pinned = before && before->chunk == chunk && len >= ROOM;
	int ret = len >= STAYS || is_pinned ? pin(stash, chunk, data, len)
					    : copy(stash, data, len);

	if (ret == 0)
		stash->len += len;
	return ret;
}

static void drop_first(struct h2_stash *stash, struct h2_chunks *chunks)
{
	struct h2_piece *piece = stash->first;

	stash->first = piece->next;
	if (!stash->first)
		stash->last = NULL;
	h2_chunk_drop(chunks, piece->chunk);
	free(piece);
}

static bool can_be_lent(const struct h2_piece *piece)
{
	return piece->chunk && piece->has_head;
}

size_t h2_stash_take(struct h2_stash *stash, struct h2_chunks *chunks,
		     void *buf, size_t len)
{
	uint8_t *to = buf;
	size_t done = 0;

	while (done < len && stash->first) {
		struct h2_piece *piece = stash->first;
		size_t n = piece->len < len - done ? piece->len : len - done;

		if (done > 0 && can_be_lent(piece))
			break;
		memcpy(to + done, piece->at, n);
		piece->at += n;
		piece->len -= n;
		done += n;
		if (piece->len == 0)
			drop_first(stash, chunks);
	}
	stash->len -= done;
	return done;
}

size_t h2_stash_lend(struct h2_stash *stash, struct h2_chunks *chunks,
		     uint8_t **buf)
{
	const struct h2_piece *piece = stash->first;
	size_t len;

	if (!piece || !can_be_lent(piece))
		return 0;
	len = piece->len;
	chunks->lent[chunks->num_lent++] = piece->chunk;
	piece->chunk->refs++;
	*buf = piece->at;
	stash->len -= len;
	drop_first(stash, chunks);
	return len;
}

void h2_stash_free(struct h2_stash *stash, struct h2_chunks *chunks)
{
	while (stash->first)
		drop_first(stash, chunks);
	stash->len = 0;
}
