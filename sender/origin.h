/*
 * origin.h - whether a program and its sender mean the same service by a name.
 */
#ifndef SENDER_ORIGIN_H
#define SENDER_ORIGIN_H

#include <stddef.h>

#include <hybridge/error.h>
#include <hybridge/local.h>

struct origin;
struct sender;

/**
 * origin_check() - Refuse a program whose own file has another service for what it asks
 * @msg:   What it asks for
 * @file:  Path of its env file; may be empty
 * @index: The connection that we have for it
 *
 * Programs with different files may meet at one socket; the first one's file is the
 * sender's.  Another file is read, and must name the same relay and hybrid connection
 * where it maps the same host and port.  One that cannot be read here, or is not complete
 * (a sender in a container of its own, say, that alone has the credentials), decides nothing.
 *
 * @err is set (HYBRIDGE_EDENIED) when they differ, and else left alone.
 */
void origin_check(struct sender *sender, const struct hybridge_local_msg *msg,
		  const char *file, size_t index, struct hybridge_error *err);

/** origin_free() - Forget the file that was read last.  NULL is fine */
void origin_free(struct origin *origin);

#endif
