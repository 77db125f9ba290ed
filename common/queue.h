/*
 * queue.h - bytes that wait for somebody to take them; empty, it owns no memory.
 */
#ifndef HYBRIDGE_COMMON_QUEUE_H
#define HYBRIDGE_COMMON_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include <hybridge/error.h>

/**
 * struct queue - Start with {0}
 * @buf: Owned; the bytes from @at to @len are waiting
 */
struct queue {
	uint8_t *buf;
	size_t at;
	size_t len;
	size_t room;
};

/** queue_len() - Bytes that wait */
static inline size_t queue_len(const struct queue *queue)
{
	return queue->len - queue->at;
}

/** queue_add() - Append a copy; 0, or -1 when out of memory: then nothing changed */
HYBRIDGE_MUSTUSE int queue_add(struct queue *queue, const void *buf,
			       size_t len);

/** queue_take() - Move up to @len bytes from the front to @buf; how many */
size_t queue_take(struct queue *queue, void *buf, size_t len);

/** queue_drop() - Forget the first @len bytes, at most queue_len() */
void queue_drop(struct queue *queue, size_t len);

/** queue_free() - Forget everything */
void queue_free(struct queue *queue);

#endif
