/*
 * request.h - one connection from its acceptance until its request is known.
 */
#ifndef HYBRIDGE_RELAY_REQUEST_H
#define HYBRIDGE_RELAY_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/hostmap.h>
#include <hybridge/loop.h>

#include "relay.h"

struct request;

/**
 * request_start() - Take a connection, do TLS, read the head, hand it to who serves it
 * @fd:   Connected socket; owned by the request even on failure
 * @ip, @port: Who calls
 * @left: Called once when the caller is no stranger any more: the request was handed
 *        on or is over.  Not called when this call fails
 *
 * Return: The request, valid until @left was called; NULL when out of memory
 */
HYBRIDGE_MUSTUSE struct request *
request_start(struct relay *relay, int fd, const struct hybridge_ip *ip,
	      uint16_t port, void (*left)(struct request *request, void *owner),
	      void *owner);

/** request_idle_ms() - For how long it has been ready without a byte of its head; -1: it is busy */
int64_t request_idle_ms(const struct request *request);

/** request_drop() - End it now; calls left() */
void request_drop(struct request *request);

#endif
