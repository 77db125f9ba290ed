/*
 * request_table.h - all requests of a sender, and ways to find one.
 */
#ifndef SENDER_REQUEST_TABLE_H
#define SENDER_REQUEST_TABLE_H

#include <stdint.h>

#include "hold.h"

struct request;
struct sender;

/** request_enter() - A new request, at the end of sender.requests */
void request_enter(struct request *request);

/** request_leave() - Out of the list and of both tables */
void request_leave(struct request *request);

/** request_of_cookie() - The request whose A has this cookie, or NULL */
struct request *request_of_cookie(struct sender *sender, uint64_t cookie);

/** request_forget_cookie() - A is closed: its cookie says nothing any more */
void request_forget_cookie(struct request *request);

/** request_locate() - Note A's local address as soon as it has one, for request_find() */
void request_locate(struct request *request);

/**
 * request_find() - The request whose A has this local address
 * @address:   Local address
 * @hold_port: Port that A is connected to, or 0 when that is not known: A's local port
 *             alone may be shared by several connections
 *
 * Return: The request, or NULL
 */
struct request *request_find(struct sender *sender,
			     const struct hold_address *address,
			     uint16_t hold_port);

#endif
