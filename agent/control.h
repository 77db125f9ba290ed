/*
 * control.h - the control channel of one connection, kept for ever.
 */
#ifndef AGENT_CONTROL_H
#define AGENT_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include <hybridge/channel.h>
#include <hybridge/config.h>
#include <hybridge/dial.h>
#include <hybridge/error.h>
#include <hybridge/loop.h>
#include <hybridge/token.h>
#include <hybridge/upgrade.h>

#include "backoff.h"
#include <hybridge/endpoint.h>

struct agent;

enum control_state {
	CONTROL_WAITING, /* for the next attempt */
	CONTROL_DIALING,
	CONTROL_UPGRADING,
	CONTROL_UP,
	CONTROL_CLOSING, /* because we want to */
	CONTROL_ENDED,
	CONTROL_NUM_STATES,
};

/** struct control_stats - Counters for /metrics; @bytes_in: to the target */
struct control_stats {
	uint64_t open;
	uint64_t accepted;
	uint64_t refused;
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t failures;
	uint64_t connects; /* times that it came up */
};

/**
 * struct control - One control channel
 * @connection: Its configuration; owned
 * @id:         Who it is to the relay, its sb-hc-id: one for all its life, as the relay knows a
 *              listener that comes back by it
 * @state:      Changed by control.c's control_move() alone
 * @tls:        Reference, while it dials
 * @token:      What it last told the relay
 * @endpoint_host, @endpoint_port: What the user metadata named, where no target is
 *              configured; asked for anew at each attempt to come up
 * @timer:      Next attempt, or the token's renewal
 * @up_us:      Since when it is up
 * @failure:    The last one, for the log: the same again is not logged again
 * @repeats:    How often in a row
 * @num_streams: Streams that count on us: freed when ENDED and 0
 */
struct control {
	struct agent *agent;
	struct hybridge_connection connection;
	char id[HYBRIDGE_ENDPOINT_UUID_TEXT];
	enum control_state state;
	SSL_CTX *tls;
	struct hybridge_token_fetch *fetch;
	struct hybridge_description_fetch *description;
	char *endpoint_host;
	uint16_t endpoint_port;
	struct hybridge_dial *dial;
	struct hybridge_upgrade *upgrade;
	struct hybridge_channel *channel;
	struct hybridge_endpoint_token token;
	struct hybridge_timer timer;
	struct hybridge_task reap;
	struct backoff backoff;
	int64_t up_us;
	struct hybridge_error failure;
	uint64_t repeats;
	unsigned int num_streams;
	struct control_stats stats;
	struct control *prev, *next;
};

/**
 * control_start() - Listen for a connection, from now on
 * @connection: Taken over: zeroed on success
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int control_start(struct agent *agent,
				   struct hybridge_connection *connection,
				   struct hybridge_error *err);

/** control_retire() - Stop listening; what was accepted goes on */
void control_retire(struct control *control);

/** control_target() - Whom a stream is for: @host is owned by @control */
void control_target(const struct control *control, const char **host,
		    uint16_t *port);

/** control_release_stream() - One stream less counts on @control, which may be freed by it */
void control_release_stream(struct control *control);

/** control_is_retired() - Whether it does not, and will not, listen */
bool control_is_retired(const struct control *control);

/** control_destroy() - Drop it at once; its streams must have ended */
void control_destroy(struct control *control);

#endif
