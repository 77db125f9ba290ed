/*
 * sender.h - what the parts of hybridge-sender share.
 */
#ifndef SENDER_SENDER_H
#define SENDER_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/config.h>
#include <hybridge/error.h>
#include <hybridge/loop.h>

#include "names.h"
#include "plan.h"
#include "reload.h"
#include "route.h"
#include "tally.h"

struct hybridge_status;
struct local;
struct origin;
struct sources;
struct wildcard_file;
struct request;

/**
 * struct sender - The one sender of a process
 * @plan:     The configuration as it is, at work
 * @retired:  Plans of before that still have requests
 * @tallies:  The numbers of each connection
 * @requests: List of all, oldest first
 * @by_cookie, @by_address: The same, by A's cookie and by A's local address
 * @num_requests: Length of the list
 * @unmapped: Requests for a host that no connection has
 * @early: Requests that could not be held: the program was connected before its target
 * @names:    What the addresses of wildcards stand for
 * @wildcard_file: Where they are kept for the next sender; NULL: nowhere
 * @sources:  The files that @plan is from; NULL: they are not looked at
 * @reload_failure: Why @plan is not what the files say
 * @origin:   The file of another program that was read last, or NULL
 * @local:    The socket that requests come from
 * @status:   HYBRIDGE_STATUS_LISTEN, or NULL
 * @since_us: When we started
 * @idle_exit: Whether to leave when nothing has happened for HYBRIDGE_IDLE_EXIT
 * @stopping: No new requests; leave when the last one has ended
 */
struct sender {
	struct hybridge_loop *loop;
	struct plan *plan;
	struct plan *retired;
	struct tally *tallies;
	struct request *requests;
	struct request *by_cookie;
	struct request *by_address;
	unsigned int num_requests;
	uint64_t unmapped;
	uint64_t early;
	struct names names;
	struct wildcard_file *wildcard_file;
	struct sources *sources;
	struct reload_failure reload_failure;
	struct origin *origin;
	struct local *local;
	struct hybridge_status *status;
	int64_t since_us;
	int64_t log_bound_us; /* when the log's size was looked at */
	bool idle_exit;
	bool stopping;
	struct hybridge_timer idle;
	struct hybridge_timer patience;
};

/**
 * sender_new() - Make a sender that has no socket yet
 * @config: Taken over: emptied on success, untouched on failure
 *
 * Return: The sender, or NULL with @err set
 */
HYBRIDGE_MUSTUSE struct sender *sender_new(struct hybridge_loop *loop,
					   struct hybridge_config *config,
					   struct hybridge_error *err);

/** sender_changed() - A request or a client came or went: idle?  over? */
void sender_changed(struct sender *sender);

/**
 * sender_stop() - Refuse what is held, let streams end for 5 s, then reset them; then the loop
 * is stopped
 */
void sender_stop(struct sender *sender);

/** sender_free() - Release; the loop must not run any more.  NULL is fine */
void sender_free(struct sender *sender);

#endif
