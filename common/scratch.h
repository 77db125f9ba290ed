/*
 * scratch.h - what all connections of a loop share: buffers, for one batch at a
 * time, and the list of those that nobody owns any more.
 */
#ifndef HYBRIDGE_COMMON_SCRATCH_H
#define HYBRIDGE_COMMON_SCRATCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <hybridge/conn.h>

struct h2_chunk;
struct h2_request;

/* Eight full records, with their heads. */
#define SCRATCH_IN     (8 * (16 * 1024 + 22))
#define SCRATCH_OUT    (192 * 1024)
#define SCRATCH_HEAD   HYBRIDGE_CONN_HEAD
#define SCRATCH_PLAIN  ((size_t)128 * 1024)
#define SCRATCH_RECORD ((size_t)16 * 1024) /* most that a TLS record holds */
#define SCRATCH_RUNS   8

/**
 * struct h2_chunks - Memory that HTTP/2 sessions read into; see h2_chunk.h
 * @reading:   What a session has just read, until its streams have seen it; owned, NULL before
 *             the first
 * @lent:      What a stream's owner works on, until it returns; each owned, or NULL
 * @spare:     Held by nobody, the last one that was dropped first: the processor's caches may
 *             still have it
 * @num_least: The fewest spare ones there have been since h2_chunks_trim()
 */
struct h2_chunks {
	struct h2_chunk *reading;
	struct h2_chunk *lent[HYBRIDGE_CONN_BATCHES];
	size_t num_lent;
	struct h2_chunk *spare;
	size_t num_spare;
	size_t num_least;
};

/**
 * struct scratch - Bytes on their way through one turn
 * @in_owner:  Whose records are in @in, between @in_at and @in_end
 * @out_owner: Whose records are in @out; must be sent before anybody else's
 * @plain:     What a pump or splice has just read, until it returns
 * @gathered:  Frames that an HTTP/2 session is about to write, until it returns
 * @taken:     What a connection's owner has taken
 * @runs:      What a pump is about to send
 * @request:   Memory for the head of an HTTP/2 request, while none is coming in; owned, or NULL
 * @served:    The stream that moved bytes last, see turn.h; it may be gone
 * @served_since_us: Since when no other one has
 * @little_us: When one moved a few
 * @draining:  Connections that were closed in good order and are not gone yet
 */
struct scratch {
	struct hybridge_conn *in_owner;
	struct hybridge_conn *out_owner;
	struct hybridge_conn *draining;
	size_t in_at;
	size_t in_end;
	size_t out_len;
	uint8_t in[SCRATCH_IN];
	uint8_t out[SCRATCH_OUT];
	uint8_t plain[SCRATCH_HEAD + SCRATCH_PLAIN];
	size_t gathered_len;
	struct h2_chunks chunks;
	struct iovec taken[HYBRIDGE_CONN_BATCHES];
	struct iovec runs[SCRATCH_RUNS];
	struct h2_request *request;
	const struct hybridge_turn *served;
	int64_t served_since_us;
	int64_t little_us;
	uint8_t gathered[SCRATCH_RECORD];
};

/** loop_scratch() - The loop's scratch buffers */
struct scratch *loop_scratch(struct hybridge_loop *loop);

/** conn_drop_draining() - Close @draining now: the loop runs no more */
void conn_drop_draining(struct hybridge_loop *loop);

#endif
