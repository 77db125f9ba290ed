/*
 * stream.c - a stream that one of our commands has opened itself.
 *
 * Each call turns the loop until what it waits for has come, the stream has ended, or time is up.
 */
#include "stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hybridge/echo.h>
#include <hybridge/ws.h>

#define PING_MS  30000
#define LEAVE_MS 1000
#define TEXT_MAX 24

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* A listener of another kind sends its service's bytes, be it text or not. */
static bool is_greeting(bool text, const char *data, size_t len)
{
	size_t word = strlen(HYBRIDGE_ECHO_GREETING);

	return text && len > word && len < STREAM_AGENT_MAX &&
	       memcmp(data, HYBRIDGE_ECHO_GREETING, word) == 0;
}

/* Nothing is sent before the greeting, so that the first message is that, or is none of ours. */
static void on_message(void *owner, bool text, const char *data, size_t len)
{
	struct stream *stream = owner;
	char expected[TEXT_MAX];

	if (stream->is_leaving)
		return;
	if (stream->sent == 0) {
		if (!stream->answered && is_greeting(text, data, len))
			snprintf(stream->agent, sizeof(stream->agent), "%.*s",
				 (int)len, data);
		stream->answered = true;
		hybridge_loop_stop(stream->reach->loop);
		return;
	}
	snprintf(expected, sizeof(expected), "%llu",
		 (unsigned long long)stream->sent);
	/* One that was given up may come late. */
	if (len != strlen(expected) || memcmp(data, expected, len) != 0)
		return;
	stream->answered = true;
	stream->answered_ns = now_ns();
	hybridge_loop_stop(stream->reach->loop);
}

static void on_end(void *owner, uint16_t code, const char *reason)
{
	struct stream *stream = owner;

	stream->channel = NULL;
	stream->is_broken = code == HYBRIDGE_WS_ABNORMAL;
	if (stream->is_broken)
		hybridge_fail(&stream->ended, HYBRIDGE_EUNREACH,
			      "the stream broke");
	else
		hybridge_fail(&stream->ended, HYBRIDGE_EUNREACH,
			      "the stream was ended: %u%s%s", code,
			      reason[0] ? " " : "", reason);
	hybridge_loop_stop(stream->reach->loop);
}

static void on_patience(struct hybridge_timer *timer)
{
	struct stream *stream =
		hybridge_container(timer, struct stream, patience);

	stream->is_late = true;
	hybridge_loop_stop(stream->reach->loop);
}

int stream_open(struct stream *stream, struct reach *reach,
		struct hybridge_conn *conn, struct hybridge_error *err)
{
	static const struct hybridge_channel_ops ops = {
		.message = on_message,
		.end = on_end,
	};
	static const struct hybridge_channel_args args = {
		.is_client = true,
		.message_max = (size_t)64 * 1024,
		.ping_ms = PING_MS,
	};

	*stream = (struct stream){.reach = reach, .patience.fire = on_patience};
	stream->channel =
		hybridge_channel_new(reach->loop, conn, &args, &ops, stream);
	if (stream->channel)
		return 0;
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

/* Until somebody stops the loop, for @limit_ms at most; false when out of memory. */
static bool turn(struct stream *stream, uint32_t limit_ms)
{
	struct reach *reach = stream->reach;

	stream->is_late = false;
	if (hybridge_timer_set(reach->loop, &stream->patience, limit_ms) != 0)
		return false;
	hybridge_loop_run(reach->loop);
	hybridge_timer_clear(reach->loop, &stream->patience);
	return true;
}

bool stream_is_greeted(struct stream *stream, uint32_t limit_ms)
{
	reach_wake(stream->reach);
	/* What was read along with the answer to the request has come by then. */
	if (!stream->answered && stream->channel)
		(void)turn(stream, limit_ms);
	return stream->agent[0] != '\0' && stream->channel;
}

int stream_round(struct stream *stream, uint32_t limit_ms, int64_t *took_ns,
		 struct hybridge_error *err)
{
	char text[TEXT_MAX];
	int64_t began_ns;
	int len = snprintf(text, sizeof(text), "%llu",
			   (unsigned long long)++stream->sent);

	stream->answered = false;
	reach_wake(stream->reach);
	began_ns = now_ns();
	if (stream->channel) {
		/* A channel that is ending says so in the turn. */
		(void)hybridge_channel_send(stream->channel, text, (size_t)len);
		if (!turn(stream, limit_ms)) {
			hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
			return -1;
		}
	}
	if (stream->answered) {
		*took_ns = stream->answered_ns - began_ns;
		return 0;
	}
	if (!stream->channel)
		*err = stream->ended;
	else if (stream->is_late)
		hybridge_fail(err, HYBRIDGE_ETIMEOUT, "no answer within %.3g s",
			      limit_ms / 1000.0);
	return -1;
}

bool stream_rest(struct stream *stream, uint32_t ms)
{
	reach_wake(stream->reach);
	return stream->channel && turn(stream, ms) && stream->is_late &&
	       stream->channel;
}

void stream_close(struct stream *stream)
{
	reach_wake(stream->reach);
	stream->is_leaving = true;
	if (stream->channel) {
		hybridge_channel_close(stream->channel, HYBRIDGE_WS_NORMAL, "");
		(void)turn(stream, LEAVE_MS);
	}
	hybridge_channel_free(stream->channel);
	stream->channel = NULL;
}

void stream_leave(struct reach *reach, struct hybridge_conn *conn)
{
	struct hybridge_error err = {0};
	struct stream stream;

	if (stream_open(&stream, reach, conn, &err) == 0)
		stream_close(&stream);
}
