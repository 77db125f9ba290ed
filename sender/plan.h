/*
 * plan.h - a configuration at work: its routes, and what they dial with.
 *
 * A sender whose files have changed gets a new plan.  A request stays with the plan that it came
 * to, and so does its stream; the old plan goes with the last of them.
 */
#ifndef SENDER_PLAN_H
#define SENDER_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include <hybridge/config.h>
#include <hybridge/error.h>
#include <hybridge/loop.h>

struct route;
struct sender;

/**
 * struct plan - One of them
 * @routes:  One for each of the configuration's connections, same index
 * @num_requests: That came to it and have not been released yet
 * @is_retired: Another one is the sender's now
 */
struct plan {
	struct sender *sender;
	struct hybridge_config config;
	SSL_CTX *tls;
	struct route *routes;
	unsigned int num_requests;
	bool is_retired;
	struct plan *prev;
	struct plan *next;
	struct hybridge_timer look;
};

/**
 * plan_new() - Put a configuration to work
 * @config: Taken over: emptied on success, untouched on failure
 *
 * Return: Owned by the caller (plan_free(), plan_retire()), or NULL with @err set
 */
HYBRIDGE_MUSTUSE struct plan *plan_new(struct sender *sender,
				       struct hybridge_config *config,
				       struct hybridge_error *err);

/** plan_drop_spare() - What waits for the next stream is of no use any more; sessions end with
 * their last stream, and no more are opened */
void plan_drop_spare(struct plan *plan);

/** plan_retire() - Another plan is the sender's: this one is released when nothing is left of it */
void plan_retire(struct plan *plan);

/** plan_free() - Release it now; no request may be left.  NULL is fine */
void plan_free(struct plan *plan);

#endif
