/*
 * resolve.h - host names to addresses, off the loop's thread.
 */
#ifndef HYBRIDGE_COMMON_RESOLVE_H
#define HYBRIDGE_COMMON_RESOLVE_H

#include <stdint.h>

#include <netdb.h>

#include <hybridge/error.h>
#include <hybridge/loop.h>

struct resolver;
struct lookup;

/**
 * struct resolve_wait - Somebody who waits for a name; embed it, zeroed
 * @done: Called once, from the loop: @list is valid during the call only, or
 *        NULL and @gai_error says why (gai_strerror(3))
 * Other members are the resolver's own.
 */
struct resolve_wait {
	void (*done)(struct resolve_wait *wait, const struct addrinfo *list,
		     int gai_error);
	struct lookup *lookup;
	struct resolve_wait *next;
	struct resolve_wait *prev;
};

/**
 * resolve_start() - Look a name up
 * @host: Name or IP literal
 * @port: Goes into the addresses
 *
 * Everybody who waits for the same name and port shares one look-up and its
 * answer, which stays good for a few seconds.
 *
 * Return: 0, or -1 when out of memory or threads: @done is then not called
 */
HYBRIDGE_MUSTUSE int resolve_start(struct hybridge_loop *loop, const char *host,
				   uint16_t port, struct resolve_wait *wait);

/** resolve_cancel() - Stop waiting; fine when not waiting */
void resolve_cancel(struct resolve_wait *wait);

/** resolver_free() - Forget everything; look-ups that still run end on their own */
void resolver_free(struct resolver *resolver);

/** loop_resolver() - Where the loop keeps its resolver, NULL until first used */
struct resolver **loop_resolver(struct hybridge_loop *loop);

#endif
