/*
 * stream.h - a stream that one of our commands has opened itself: whether the agent greets it, how
 * long a message takes there and back, and its end.
 */
#ifndef CLI_STREAM_H
#define CLI_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/channel.h>
#include <hybridge/conn.h>
#include <hybridge/error.h>
#include <hybridge/loop.h>

#include "reach.h"

#define STREAM_AGENT_MAX 64

/**
 * struct stream - One stream; start with stream_open()
 * @channel:  NULL: it is over
 * @agent:    What greeted: "hybridge-agent/VERSION"; "" while nobody has
 * @sent:     Messages so far, the last of which is waited for
 * @answered: What is waited for has come
 * @is_late:  It has not, in time
 * @is_leaving: Nothing counts any more but the end
 * @is_broken: It ended without a Close
 * @ended:    How it ended, if it did by itself
 */
struct stream {
	struct reach *reach;
	struct hybridge_channel *channel;
	struct hybridge_timer patience;
	char agent[STREAM_AGENT_MAX];
	uint64_t sent;
	int64_t answered_ns;
	bool answered;
	bool is_late;
	bool is_leaving;
	bool is_broken;
	struct hybridge_error ended;
};

/**
 * stream_open() - Begin to read it
 * @conn: reach_ask()'s; owned from here on, even on failure
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int stream_open(struct stream *stream, struct reach *reach,
				 struct hybridge_conn *conn,
				 struct hybridge_error *err);

/**
 * stream_is_greeted() - Wait for the greeting
 * Return: Whether it came in time, and as the first message: else the stream is broken, or the
 *         listener not ours, and what is sent would go to the service
 */
bool stream_is_greeted(struct stream *stream, uint32_t limit_ms);

/**
 * stream_round() - Send a message and wait until it has come back
 * @took_ns: Set to the time between the two
 *
 * Only once it was greeted.
 *
 * Return: 0, or -1 with @err set; HYBRIDGE_OK in it: somebody has stopped the loop
 */
HYBRIDGE_MUSTUSE int stream_round(struct stream *stream, uint32_t limit_ms,
				  int64_t *took_ns, struct hybridge_error *err);

/**
 * stream_rest() - Let time pass, and the stream live
 * Return: Whether it did, for so long; false too when somebody has stopped the loop
 */
bool stream_rest(struct stream *stream, uint32_t ms);

/** stream_close() - End it in good order, so that the service sees an orderly end */
void stream_close(struct stream *stream);

/** stream_leave() - stream_open() and stream_close(): nothing was wanted but the stream itself */
void stream_leave(struct reach *reach, struct hybridge_conn *conn);

#endif
