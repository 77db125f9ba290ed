/*
 * queue.c - bytes that wait for somebody to take them; empty, it owns no memory.
 */
#include "queue.h"

#include <stdlib.h>
#include <string.h>

void queue_free(struct queue *queue)
{
	free(queue->buf);
	*queue = (struct queue){0};
}

int queue_add(struct queue *queue, const void *buf, size_t len)
{
	size_t have = queue_len(queue);

	if (len == 0)
		return 0;
	if (queue->len + len > queue->room) {
		/* Twice as much, so that many small additions stay cheap. */
		size_t room = have ? 2 * (have + len) : len;
		uint8_t *grown = malloc(room);

		if (!grown)
			return -1;
		if (have)
			memcpy(grown, queue->buf + queue->at, have);
		free(queue->buf);
		queue->buf = grown;
		queue->at = 0;
		queue->len = have;
		queue->room = room;
	}
	memcpy(queue->buf + queue->len, buf, len);
	queue->len += len;
	return 0;
}

void queue_drop(struct queue *queue, size_t len)
{
	queue->at += len;
	if (queue->at == queue->len)
		queue_free(queue);
}

size_t queue_take(struct queue *queue, void *buf, size_t len)
{
	size_t n = queue_len(queue) < len ? queue_len(queue) : len;

	if (n == 0)
		return 0;
	memcpy(buf, queue->buf + queue->at, n);
	queue_drop(queue, n);
	return n;
}
