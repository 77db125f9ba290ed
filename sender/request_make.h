/*
 * request_make.h - a request's memory.
 */
#ifndef SENDER_REQUEST_MAKE_H
#define SENDER_REQUEST_MAKE_H

#include <hybridge/error.h>
#include <hybridge/local.h>

struct request;
struct sender;

/**
 * request_make() - A request that is queued nowhere and in no table, without a hold
 * @host: What the program asked for, as text; copied
 *
 * Return: Release by deferring its reap; NULL when out of memory
 */
HYBRIDGE_MUSTUSE struct request *
request_make(struct sender *sender, const struct hybridge_local_msg *msg,
	     const char *host);

#endif
