/*
 * bus.h - who listens for X, and "please accept".
 *
 * The only two things that have to cross machines when a relay grows beyond
 * one: a sender's stream stays on the machine that took it, and the listener
 * dials that machine.  Here both ends live in one process.
 */
#ifndef HYBRIDGE_RELAY_BUS_H
#define HYBRIDGE_RELAY_BUS_H

#include <stddef.h>
#include <stdint.h>

#include <hybridge/error.h>
#include <hybridge/message.h>

struct bus;
struct bus_topic;

/**
 * struct bus_invite - A stream that a listener is asked to accept; borrowed
 * @host:    HOST[:PORT] that the listener must dial; NULL: what it dialled to listen
 * @target:  Path and query of the rendezvous address
 * @message: What the accept message says, but for its address
 * @allowed, @disallowed: Members that alone may, or must not, be asked: GUIDs
 *           separated by commas, case does not matter; NULL: no such wish
 */
struct bus_invite {
	const char *host;
	const char *target;
	const struct hybridge_message *message;
	const char *allowed;
	const char *disallowed;
};

/**
 * struct bus_member - A listener; embed it
 * @accept: Pass an invitation on; 0, or -1 when that is not possible
 * @guid:   What it is called in bus_invite's lists
 * Other members are the bus's own.
 */
struct bus_member {
	int (*accept)(struct bus_member *member,
		      const struct bus_invite *invite);
	const char *guid;
	uint64_t id;
	uint64_t failed; /* the last invitation that could not be passed on */
	struct bus_topic *topic;
	struct bus_member *prev;
	struct bus_member *next;
};

/**
 * bus_left_fn - A listener has gone; invitations that it was given may stay unanswered
 */
typedef void bus_left_fn(void *owner, uint64_t member);

/**
 * bus_new() - Make a bus
 * @left: Told about every member that leaves, after it has left
 *
 * Return: Release with bus_free(); NULL when out of memory
 */
HYBRIDGE_MUSTUSE struct bus *bus_new(bus_left_fn *left, void *owner);

/** bus_free() - Release; members must have left.  NULL is fine */
void bus_free(struct bus *bus);

/**
 * bus_join() - Listen for an entity
 * @entity: Its folded path
 *
 * Return: 0, or -1 when out of memory
 */
HYBRIDGE_MUSTUSE int bus_join(struct bus *bus, const char *entity,
			      struct bus_member *member);

/** bus_leave() - Listen no longer; fine when it never joined */
void bus_leave(struct bus *bus, struct bus_member *member);

/** bus_count() - How many listen for an entity */
size_t bus_count(const struct bus *bus, const char *entity);

/**
 * bus_invite() - Ask one listener, taken at random, to accept a stream
 * @asked: Members that are not to be asked
 *
 * Where one cannot be asked, as it is ending, another one is.
 *
 * Return: The member that was asked; 0 when there is none (left)
 */
uint64_t bus_invite(struct bus *bus, const char *entity, const uint64_t *asked,
		    size_t num_asked, const struct bus_invite *invite);

#endif
