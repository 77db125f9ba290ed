/*
 * relay.h - the whole relay: what its parts share.
 */
#ifndef HYBRIDGE_RELAY_RELAY_H
#define HYBRIDGE_RELAY_RELAY_H

#include <stdbool.h>

#include <openssl/ssl.h>

#include <hybridge/error.h>
#include <hybridge/loop.h>

#include "bus.h"
#include "config.h"
#include "entities.h"
#include "meter.h"

struct door;
struct guest;
struct held;
struct invite;
struct listener;
struct stream;
struct throttle;
struct workers;

/**
 * struct relay - Everything; start with relay_new()
 * @tls:       NULL: plain TCP, on loopback only
 * @guests:    HTTP/2 sessions of callers
 * @listeners: Control channels
 * @held:      Senders whose upgrade is not answered yet
 * @invites:   Rendezvous addresses that are good, by their secret
 * @streams:   Joined streams
 * @workers:   Threads that move bytes; NULL: none, this one does
 * @num_away:  What they have: streams, sessions, calls
 * @draining:  SIGTERM has come: no new streams, the rest may end
 * @closing:   Everything is dropped; the loop runs until nothing is away
 */
struct relay {
	struct hybridge_loop *loop;
	struct relay_config config;
	struct entities entities;
	struct meters meters;
	struct bus *bus;
	SSL_CTX *tls;
	struct door *door;
	struct throttle *throttle;
	struct guest *guests;
	struct listener *listeners;
	struct held *held;
	struct invite *invites;
	struct stream *streams;
	struct workers *workers;
	size_t num_away;
	bool draining;
	bool closing;
	struct hybridge_timer drain;
};

/**
 * relay_new() - Make a relay that does not listen yet
 * @config: Taken over on success
 *
 * Return: Release with relay_free() after the loop has stopped; NULL with @err set
 */
HYBRIDGE_MUSTUSE struct relay *relay_new(struct hybridge_loop *loop,
					 struct relay_config *config,
					 struct hybridge_error *err);

/**
 * relay_reload() - Read the folder of hybrid connections and the certificate again
 * On failure everything stays as it was, and the log says why.  Streams go on
 * in any case; listeners of a hybrid connection that is gone are closed.
 */
void relay_reload(struct relay *relay);

/**
 * relay_stop() - Take no more; stop the loop when the streams have ended, or
 * the time for that is over
 */
void relay_stop(struct relay *relay);

/** relay_stop_if_drained() - Whoever ends a stream, a control channel, or something that
 * was away calls this */
void relay_stop_if_drained(struct relay *relay);

/** relay_close_all() - Drop every connection, and end the workers; what was this thread's
 * is freed by the loop's last tasks */
void relay_close_all(struct relay *relay);

/** relay_free() - Release what is left, after hybridge_loop_free(); NULL is fine */
void relay_free(struct relay *relay);

#endif
