/*
 * hold.h - the sockets of one held connect(), as the shim hands them over.
 *
 *	A  the program's own socket, on its way into SYN_SENT towards L
 *	L  the hold: drops every SYN, so that A waits; with early an ordinary listener
 *	B  bound to L's address: becomes our end when it connects to A
 */
#ifndef SENDER_HOLD_H
#define SENDER_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hybridge/error.h>

/**
 * struct hold_address - Identity of a socket by its local address
 * @netns: Network namespace's cookie (SO_NETNS_COOKIE), 0 where the kernel has none
 * @ip:    IPv6, or IPv4 mapped into it
 * @port:  Host order
 *
 * No padding: it is hashed as bytes.
 */
struct hold_address {
	uint64_t netns;
	uint8_t ip[16];
	uint64_t port;
};

/**
 * struct hold - One held connect()
 * @app, @peer, @listener: A, B and L; -1 when not there
 * @early:   L is an ordinary listener, the program is connected already
 * @started: The program's connect() has been seen under way
 * @opening: B's connect() was called
 * @peer_is_v6: B is an AF_INET6 socket
 * @seen_at: A's local address then, without its namespace
 * @netns:   Cookie of A's network namespace; 0: not known
 * @at:      Where L listens, likewise
 */
struct hold {
	int app;
	int peer;
	int listener;
	bool early;
	bool started;
	bool opening;
	bool peer_is_v6;
	struct hold_address seen_at;
	uint64_t netns;
	struct hold_address at;
};

#define HOLD_NONE ((struct hold){.app = -1, .peer = -1, .listener = -1})

/** enum hold_state - Where the program's connect() stands */
enum hold_state {
	HOLD_NOT_YET, /* handed over, but connect() has not begun */
	HOLD_PENDING, /* waiting for us */
	HOLD_OVER,    /* the program gave up */
};

/** enum hold_step - Outcome of hold_complete() and hold_refuse() */
enum hold_step {
	HOLD_WAIT, /* not possible yet: call again in a moment */
	HOLD_DONE,
	HOLD_GONE,   /* nobody waits any more */
	HOLD_FAILED, /* the kernel would not: errno says why */
};

/**
 * hold_take() - Check what was handed over
 * @fds:  {A, B, L}, or {A, L} with @early; owned by @out from here on, whatever the
 *        result: hold_close() it
 * @err:  HYBRIDGE_EPROTOCOL: which descriptor is not what it should be
 *
 * When A is sound but the others are not, @out can still be refused.
 *
 * Return: 0, or -1
 */
HYBRIDGE_MUSTUSE int hold_take(const int *fds, size_t num_fds, bool early,
			       struct hold *out, struct hybridge_error *err);

/** hold_look() - Ask the kernel where the program's connect() stands */
enum hold_state hold_look(struct hold *hold);

/** hold_cookie() - The kernel's number for A (SO_COOKIE), the same for all duplicates; 0: none */
uint64_t hold_cookie(const struct hold *hold);

/**
 * hold_address() - A's local address, also when the hold is over
 * Return: true once it has had one
 */
bool hold_address(struct hold *hold, struct hold_address *out);

/** hold_netns() - Cookie of a socket's network namespace, 0 where the kernel has none */
uint64_t hold_netns(int fd);

/**
 * hold_complete() - Let the program's connect() succeed
 * @fd: HOLD_DONE: our end, non-blocking; resets when closed, even by our death.
 *      The rest of @hold is closed then
 *
 * A is closed last: while we have it, nobody else can get its port and be
 * connected instead.
 */
enum hold_step hold_complete(struct hold *hold, int *fd);

/**
 * hold_refuse() - Let the program's connect() fail
 * @verdict: errno that the shim will report
 *
 * HOLD_DONE: @hold is closed.
 */
enum hold_step hold_refuse(struct hold *hold, int verdict);

/** hold_close() - Close what is left */
void hold_close(struct hold *hold);

#endif
