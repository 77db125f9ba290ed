/*
 * accept_inside.h - what accept.c and accept_dial.c share: one stream, from the relay's accept
 * message to its end.
 */
#ifndef AGENT_ACCEPT_INSIDE_H
#define AGENT_ACCEPT_INSIDE_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include <hybridge/channel.h>
#include <hybridge/conn.h>
#include <hybridge/dial.h>
#include <hybridge/loop.h>
#include <hybridge/message.h>
#include <hybridge/preamble.h>
#include <hybridge/pump.h>
#include <hybridge/upgrade.h>
#include <hybridge/url.h>

#include "reserve.h"

#define SESSION_TEXT  64
#define PROTOCOL_TEXT 128

struct control;

enum stream_state {
	STREAM_DIALING,
	STREAM_ANSWERING,
	STREAM_GREETING,
	STREAM_OPEN,
	STREAM_ENDED,
	STREAM_NUM_STATES,
};

struct stream {
	struct control *control;
	enum stream_state state;
	char session[SESSION_TEXT]; /* the sender's, where it gave one */
	char protocol[PROTOCOL_TEXT];
	char *target_name; /* HOST:PORT, for the log */
	struct hybridge_url address;
	SSL_CTX *tls;
	struct hybridge_dial *target_dial;
	struct hybridge_conn *target;
	int target_errno; /* not 0: the target failed */
	struct hybridge_dial *rendezvous_dial;
	struct hybridge_conn *rendezvous;
	bool over_session;    /* asked over HTTP/2 */
	bool without_session; /* that was in vain once */
	unsigned int rendezvous_tries;
	struct hybridge_upgrade *upgrade;
	struct hybridge_preamble *preamble;
	struct hybridge_pump *pump;
	bool is_echo; /* for us, not for the target */
	struct hybridge_channel *echo;
	uint64_t echoes;
	int64_t started_us;
	int64_t opened_us;
	struct reserve_turn
		reserve; /* to refuse where there are no descriptors */
	struct hybridge_task reap;
	struct stream *prev, *next;
};

/* accept.c */

/** stream_loop() - The agent's loop */
struct hybridge_loop *stream_loop(const struct stream *stream);

/** stream_opened() - It is open from now on; false: it may not be, in this state */
bool stream_opened(struct stream *stream);

/** stream_open_ms() - For how long it has been */
int64_t stream_open_ms(const struct stream *stream);

/** stream_end() - It is over: reset what is not closed; it lives until the end of the turn */
void stream_end(struct stream *stream);

/** stream_log_failure() - Warn: @what happened to this stream */
void stream_log_failure(const struct stream *stream, const char *what,
			const struct hybridge_error *err);

/** stream_fail() - The same, and the stream ends; it lives until the end of the turn */
void stream_fail(struct stream *stream, const char *what,
		 const struct hybridge_error *err);

/** stream_fail_memory() - The same for want of memory */
void stream_fail_memory(struct stream *stream);

/**
 * stream_answer_if_decided() - Answer, or dial the rendezvous to do so, when it is known what
 *
 * It is known when @stream->target is connected or @stream->target_errno set; of an echo, at once.
 */
void stream_answer_if_decided(struct stream *stream);

/** stream_has_session() - Whether the answer can go over HTTP/2 */
bool stream_has_session(const struct stream *stream);

/* accept_echo.c */

/** stream_is_echo() - Whether an accept message is for us, and not for the target (echo.h) */
bool stream_is_echo(const struct hybridge_message *msg);

/** stream_open_echo() - Greet, and send back what comes until it ends: then stream_end() */
void stream_open_echo(struct stream *stream, struct hybridge_conn *ws);

/* accept_dial.c: each ends in stream_answer_if_decided(), or stream_fail(). */

/**
 * stream_dial() - Dial the target, unless it is an echo; unless the answer can go over HTTP/2, the rendezvous;
 * while there are no descriptors for more: refuse
 */
void stream_dial(struct stream *stream);

/** stream_dial_rendezvous() - Dial the rendezvous alone */
void stream_dial_rendezvous(struct stream *stream);

#endif
