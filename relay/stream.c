/*
 * stream.c - streams that have been joined, until they end: their log lines and counts.
 */
#include "stream.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include <hybridge/log.h>

#include "splice.h"

struct stream {
	struct relay *relay;
	struct splice *splice;
	struct meter *meter;
	char session[TRACKING_SHORT];
	int64_t waited_ms;
	int64_t opened_us;
	struct stream *prev;
	struct stream *next;
};

static void log_end(const struct stream *stream,
		    const struct splice_report *report)
{
	int64_t now_us = hybridge_loop_now_us(stream->relay->loop);
	const char *by = report->by == SPLICE_SENDER ? "sender" : "listener";

	hybridge_log(
		HYBRIDGE_LOG_INFO, "session closed",
		HYBRIDGE_STR("entity", stream->meter->entity),
		HYBRIDGE_STR("session", stream->session),
		HYBRIDGE_STR("end", splice_end_name(report->end)),
		HYBRIDGE_NUM("open_ms", (now_us - stream->opened_us) / 1000),
		HYBRIDGE_NUM("wait_ms", stream->waited_ms),
		HYBRIDGE_NUM("from_sender", report->bytes[SPLICE_SENDER]),
		HYBRIDGE_NUM("from_listener", report->bytes[SPLICE_LISTENER]),
		/* These only where a rule was broken. */
		(struct hybridge_field){report->why ? "by" : NULL, by, 0},
		HYBRIDGE_STR("why", report->why));
}

static void on_done(void *owner, const struct splice_report *report)
{
	struct stream *stream = owner;
	struct relay *relay = stream->relay;

	stream->meter->streams--;
	stream->meter->ended[report->end]++;
	DL_DELETE(relay->streams, stream);
	log_end(stream, report);
	free(stream);
	relay_stop_if_drained(relay);
}

void stream_start(struct held *held, struct hybridge_conn *listener)
{
	struct relay *relay = held->relay;
	struct stream *stream = calloc(1, sizeof(*stream));
	struct splice_args args = {
		.conns = {[SPLICE_LISTENER] = listener},
		.ping_ms = relay->config.ping_ms,
		.totals = held->meter->bytes,
		.done = on_done,
		.owner = stream,
	};

	args.conns[SPLICE_SENDER] = held_release(held);
	if (!stream) {
		hybridge_conn_close(args.conns[SPLICE_SENDER],
				    HYBRIDGE_CONN_RESET);
		hybridge_conn_close(listener, HYBRIDGE_CONN_RESET);
		return;
	}
	stream->relay = relay;
	stream->meter = held->meter;
	stream->waited_ms = held_age_ms(held);
	stream->opened_us = hybridge_loop_now_us(relay->loop);
	memcpy(stream->session, held->session, sizeof(stream->session));
	stream->splice = splice_start(relay->loop, &args);
	if (!stream->splice) {
		free(stream);
		return;
	}
	stream->meter->streams++;
	DL_APPEND(relay->streams, stream);
	hybridge_log(HYBRIDGE_LOG_DEBUG, "session opened",
		     HYBRIDGE_STR("entity", stream->meter->entity),
		     HYBRIDGE_STR("session", stream->session),
		     HYBRIDGE_STR("remote", held->remote),
		     HYBRIDGE_NUM("wait_ms", stream->waited_ms));
}

void streams_stop(struct relay *relay, bool gone_only)
{
	struct stream *stream;

	/* Their ends come from the loop: the list stays whole meanwhile. */
	DL_FOREACH (relay->streams, stream) {
		if (!gone_only ||
		    !entities_get(&relay->entities, stream->meter->entity))
			splice_stop(stream->splice);
	}
}
