/*
 * pool.h - a few HTTP/2 sessions to one relay, for all streams that go there.
 *
 * Azure's relay does not speak HTTP/2 here, so none is dialled before the relay at this
 * very host and port has said that it can (hybridge_pool_learn()): the first
 * stream goes over HTTP/1.1, and so does any other while no session is there.
 */
#ifndef HYBRIDGE_POOL_H
#define HYBRIDGE_POOL_H

#include <stddef.h>

#include <hybridge/dial.h>
#include <hybridge/error.h>
#include <hybridge/h2.h>
#include <hybridge/loop.h>

struct hybridge_pool;

/**
 * hybridge_pool_new() - No session yet
 * @where: Where the relay is, and how it is dialled; copied, with a reference of tls of
 *         the pool's own.  timeout_ms is for one session to be made
 * @ping_ms: As struct hybridge_h2_args has it
 *
 * Return: Release with hybridge_pool_free(); NULL when out of memory
 */
HYBRIDGE_MUSTUSE struct hybridge_pool *
hybridge_pool_new(struct hybridge_loop *loop,
		  const struct hybridge_dial_args *where, uint32_t ping_ms);

/**
 * hybridge_pool_learn() - The relay has said that it speaks HTTP/2: open a session, in
 * the background, unless there is one.  It is forgotten when the last session is lost
 */
void hybridge_pool_learn(struct hybridge_pool *pool);

/**
 * hybridge_pool_take() - The session for one more stream
 *
 * The one with the fewest streams, of those without bulk and not worn if possible; another
 * is opened in the background when all carry bulk or many streams, or are worn or lost.  One
 * that is lost (hybridge_h2_lost()) is not given out.
 *
 * Return: The session, to be used in this turn; NULL: use HTTP/1.1
 */
struct hybridge_h2 *hybridge_pool_take(struct hybridge_pool *pool);

/** hybridge_pool_sessions() - How many are there */
size_t hybridge_pool_sessions(const struct hybridge_pool *pool);

/** hybridge_pool_close() - Open none any more; those there end with their last streams */
void hybridge_pool_close(struct hybridge_pool *pool);

/** hybridge_pool_free() - Drop every session, and so its streams, and release.  NULL is fine */
void hybridge_pool_free(struct hybridge_pool *pool);

#endif
