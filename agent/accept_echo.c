/*
 * accept_echo.c - answers a stream that is for the agent itself: what comes goes back, for whoever asks
 * how far away it is.
 */
#include <string.h>
#include <strings.h>

#include <hybridge/channel.h>
#include <hybridge/echo.h>
#include <hybridge/log.h>

#include "accept_inside.h"
#include "control.h"

#define GREETING HYBRIDGE_ECHO_GREETING HYBRIDGE_VERSION
#define PING_MS  30000

bool stream_is_echo(const struct hybridge_message *msg)
{
	for (size_t i = 0; i < msg->num_headers; i++)
		if (strcasecmp(msg->headers[i].name, HYBRIDGE_ECHO) == 0)
			return strcmp(msg->headers[i].value,
				      HYBRIDGE_ECHO_ON) == 0;
	return false;
}

/* A channel that is ending says so itself. */
static void on_message(void *owner, bool text, const char *data, size_t len)
{
	struct stream *stream = owner;

	if (!text)
		return;
	stream->echoes++;
	(void)hybridge_channel_send(stream->echo, data, len);
}

static void on_end(void *owner, uint16_t code, const char *reason)
{
	struct stream *stream = owner;

	(void)reason;
	stream->echo = NULL;
	hybridge_log(HYBRIDGE_LOG_INFO, "echo ended",
		     HYBRIDGE_STR("conn", stream->control->connection.name),
		     HYBRIDGE_STR("session", stream->session),
		     HYBRIDGE_NUM("close_code", code),
		     HYBRIDGE_NUM("messages", stream->echoes),
		     HYBRIDGE_NUM("open_ms", stream_open_ms(stream)));
	stream_end(stream);
}

void stream_open_echo(struct stream *stream, struct hybridge_conn *ws)
{
	static const struct hybridge_channel_ops ops = {
		.message = on_message,
		.end = on_end,
	};
	static const struct hybridge_channel_args args = {
		.is_client = true,
		.message_max = HYBRIDGE_ECHO_MAX,
		.ping_ms = PING_MS,
	};

	stream->echo = hybridge_channel_new(stream_loop(stream), ws, &args,
					    &ops, stream);
	if (!stream->echo || !stream_opened(stream)) {
		stream_fail_memory(stream);
		return;
	}
	(void)hybridge_channel_send(stream->echo, GREETING, strlen(GREETING));
}
