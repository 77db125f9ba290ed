/*
 * preamble.h - what azure-relay-bridge ("azbridge") says before the first byte of a stream.
 *
 * sender:   01 00 MM LL, then LL bytes: the port's name.  MM: 0 stream, 1 datagrams
 * listener: 01 00 00, then the stream; or 00 00 00 (version not known), 00 00 FF (the target
 *           takes no datagrams), or no byte (name not known), and a Close
 *
 * Source: Azure/azure-relay-bridge.  All of it is payload; where messages begin and end
 * does not matter.
 */
#ifndef HYBRIDGE_PREAMBLE_H
#define HYBRIDGE_PREAMBLE_H

#include <stdint.h>

#include <hybridge/conn.h>
#include <hybridge/error.h>
#include <hybridge/loop.h>

#define HYBRIDGE_PREAMBLE_NAME_MAX 255

struct hybridge_preamble;

/**
 * hybridge_preamble_fn - How it ended; called once, from the loop
 * @conn: The connection, the owner's again (hybridge_conn_set_owner() it before
 *        returning): what followed is still to be read from it; NULL on failure: it is closed
 * @os_errno: On failure: ECONNREFUSED the other end said no, ETIMEDOUT, ECONNRESET, EPROTO, ENOMEM
 * @err:  On failure: what and why
 */
typedef void hybridge_preamble_fn(void *owner, struct hybridge_conn *conn,
				  int os_errno,
				  const struct hybridge_error *err);

/**
 * hybridge_preamble_ask() - The sender's part
 * @conn: Upgraded connection; owned by the preamble until it is done
 * @name: Port's name, at most HYBRIDGE_PREAMBLE_NAME_MAX bytes
 *
 * Return: Handle, valid until @done was called or hybridge_preamble_cancel(); NULL when out of
 *         memory (then @conn is closed and @done is not called)
 */
HYBRIDGE_MUSTUSE struct hybridge_preamble *
hybridge_preamble_ask(struct hybridge_loop *loop, struct hybridge_conn *conn,
		      const char *name, uint32_t timeout_ms,
		      hybridge_preamble_fn *done, void *owner);

/**
 * hybridge_preamble_answer() - The listener's part
 * @name: Port name that is served, or NULL: any number, and no name at all
 *
 * As azbridge does with a single forwarder, a name that is a number is taken whatever the number.
 *
 * Return: As hybridge_preamble_ask()
 */
HYBRIDGE_MUSTUSE struct hybridge_preamble *
hybridge_preamble_answer(struct hybridge_loop *loop, struct hybridge_conn *conn,
			 const char *name, uint32_t timeout_ms,
			 hybridge_preamble_fn *done, void *owner);

/** hybridge_preamble_cancel() - Give up and close; @done will not be called.  NULL is fine */
void hybridge_preamble_cancel(struct hybridge_preamble *preamble);

#endif
