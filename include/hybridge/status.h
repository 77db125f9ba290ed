/*
 * status.h - /livez, /readyz and /metrics of a daemon, by libwebsockets.
 */
#ifndef HYBRIDGE_STATUS_H
#define HYBRIDGE_STATUS_H

#include <stdbool.h>
#include <stdio.h>

#include <hybridge/error.h>
#include <hybridge/loop.h>

struct hybridge_status;

/**
 * struct hybridge_status_ops - What the daemon tells about itself
 * @ready:   Whether it can serve; writes why not to @to (a sentence a line)
 * @metrics: Writes its metrics in Prometheus' text format 0.0.4; those of any process come
 *           by themselves
 */
struct hybridge_status_ops {
	bool (*ready)(void *owner, FILE *to);
	void (*metrics)(void *owner, FILE *to);
};

/**
 * hybridge_status_listen() - Serve GET /livez, /readyz, /metrics
 * @address: HOST:PORT, port 0 for any
 *
 * Return: Handle (freed with the loop), or NULL with @err set
 */
HYBRIDGE_MUSTUSE struct hybridge_status *
hybridge_status_listen(struct hybridge_loop *loop, const char *address,
		       const struct hybridge_status_ops *ops, void *owner,
		       struct hybridge_error *err);

/** hybridge_status_port() - Port that it listens on, host order */
unsigned short hybridge_status_port(const struct hybridge_status *status);

#endif
