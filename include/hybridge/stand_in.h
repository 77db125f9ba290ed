/*
 * stand_in.h - a connection that stands in for one that lives in another loop.
 *
 * It takes what is written, and does no more: it is never read from, and its owner says when
 * the other one has hung up.  All calls are for the thread of its loop, except where they say
 * otherwise.
 */
#ifndef HYBRIDGE_STAND_IN_H
#define HYBRIDGE_STAND_IN_H

#include <stddef.h>

#include <hybridge/conn.h>
#include <hybridge/error.h>
#include <hybridge/loop.h>

/**
 * hybridge_stand_in_new() - Make one
 * From any thread that will hand it to that of @loop.
 * @closed: hybridge_conn_close() was called: nobody uses it any more, and @owner frees it
 *
 * Return: Release with hybridge_stand_in_free(); NULL when out of memory
 */
HYBRIDGE_MUSTUSE struct hybridge_conn *
hybridge_stand_in_new(struct hybridge_loop *loop,
		      void (*closed)(void *owner, enum hybridge_conn_how how),
		      void *owner);

/** hybridge_stand_in_owner() - Who made it; NULL when @conn is no stand-in */
void *hybridge_stand_in_owner(const struct hybridge_conn *conn);

/** hybridge_stand_in_hang_up() - Tell its user that the other one has hung up */
void hybridge_stand_in_hang_up(struct hybridge_conn *conn);

/** hybridge_stand_in_leave() - Its user has given it up: nothing is told to anybody any more */
void hybridge_stand_in_leave(struct hybridge_conn *conn);

/**
 * hybridge_stand_in_written() - What was written to it
 * From the thread that it was given to, after hybridge_stand_in_leave() or @closed.
 * @len: Set
 *
 * Return: The bytes, the stand-in's; NULL when there are none
 */
const void *hybridge_stand_in_written(const struct hybridge_conn *conn,
				      size_t *len);

/** hybridge_stand_in_free() - Release it at the end of the turn */
void hybridge_stand_in_free(struct hybridge_conn *conn);

#endif
