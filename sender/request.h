/*
 * request.h - one held connect(), from the shim's message to the end of its stream.
 */
#ifndef SENDER_REQUEST_H
#define SENDER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hybridge/conn.h>
#include <hybridge/dial.h>
#include <hybridge/local.h>
#include <hybridge/loop.h>
#include <hybridge/pump.h>
#include <hybridge/table.h>
#include <hybridge/upgrade.h>

#include "hold.h"
#include <hybridge/endpoint.h>

struct route;
struct sender;

enum request_state {
	REQUEST_QUEUED,
	REQUEST_DIALING,
	REQUEST_UPGRADING,
	REQUEST_COMPLETING,
	REQUEST_OPEN,
	REQUEST_REFUSING,
	REQUEST_ENDED,
	REQUEST_NUM_STATES,
};

/**
 * struct request - One request
 * @route:      NULL when no connection has this host and port
 * @state:      Changed by request.c's request_move() alone
 * @hold:       The sockets, until it is completed or refused
 * @cookie:     Key of sender.by_cookie
 * @address:    Key of sender.by_address once @located: A's local address, its port with
 *              the hold's port above it
 * @host, @port: What the program asked for
 * @asked:      The address that it connected to, family 0 when it used a name alone
 * @session:    The stream's id, sb-hc-id
 * @verdict:    errno, while REQUEST_REFUSING
 * @queued:     In route.queue
 * @placed:     Counted in route.dialing
 * @warm:       The connection to the relay, or its HTTP/2 session, had been opened in advance
 * @started_us, @opened_us: For time-outs and for the log
 * @steps_us:   Since when we wait for the program, while COMPLETING or REFUSING
 */
struct request {
	struct sender *sender;
	struct route *route;
	enum request_state state;
	struct hold hold;
	uint64_t cookie;
	struct hold_address address;
	uint16_t port;
	bool located;
	bool queued;
	bool placed;
	bool warm;
	char *host;
	struct hybridge_ip asked;
	char session[HYBRIDGE_ENDPOINT_UUID_TEXT];
	int verdict;
	int64_t started_us;
	int64_t opened_us;
	int64_t steps_us;
	struct hybridge_timer tick;
	struct hybridge_task reap;
	struct hybridge_dial *dial;
	struct hybridge_stream_ask *ask;
	struct hybridge_conn *ws;
	struct hybridge_pump *pump;
	struct request *prev, *next;
	struct request *queue_prev, *queue_next;
	UT_hash_handle by_cookie;
	UT_hash_handle by_address;
};

/**
 * request_start() - Take over a held connect()
 * @msg: A HYBRIDGE_LOCAL_CONNECT that was found valid
 * @file: Path of the program's env file, or empty
 * @fds: What came with it; owned by the request from here on
 *
 * The answer is given on the program's socket; failures are logged.
 */
void request_start(struct sender *sender, const struct hybridge_local_msg *msg,
		   const char *file, const int *fds, size_t num_fds);

/**
 * request_start_refused() - The same for one that cannot be served
 * @why: Logged.  The program is told as soon as its connect() has begun, which takes no more
 *       descriptors than came
 */
void request_start_refused(struct sender *sender,
			   const struct hybridge_local_msg *msg, const int *fds,
			   size_t num_fds, const struct hybridge_error *why);

/** request_start_queued() - struct route's task: there is a place for one that waits */
void request_start_queued(struct hybridge_task *task);

/** request_refuse() - Let the program's connect() fail; a request that is open or over stays */
void request_refuse(struct request *request, int verdict);

/** request_reset() - End an open stream by a reset, drop any other */
void request_reset(struct request *request);

#endif
