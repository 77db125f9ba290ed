/*
 * channel.c - a WebSocket for messages: the control channel, either side.
 *
 *	OPEN ----- we close ---------------> CLOSING  (Close sent, the peer's awaited)
 *	OPEN ----- the peer closes --------> OVER     (its Close is answered)
 *	CLOSING -- its Close, or 5 s ------> OVER
 *	any ------ broken, silent ---------> OVER
 *
 * Only channel_move() changes the state.  OVER is final: the owner is told by
 * a task, which then frees the channel.
 */
#include <hybridge/channel.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hybridge/silence.h>
#include <hybridge/text.h>
#include <hybridge/utf8.h>
#include <hybridge/ws.h>

#include "queue.h"

#define CLOSE_PATIENCE_MS 5000
#define PENDING_MAX       (4u << 20)
#define PONG_PENDING_MAX  (64u << 10)
#define READS_PER_TURN    16 /* then others have their turn */
#define REASON_MAX        (HYBRIDGE_WS_CONTROL_MAX - 2)

enum channel_state { OPEN, CLOSING, OVER };

struct hybridge_channel {
	struct hybridge_loop *loop;
	struct hybridge_conn *conn; /* NULL: over */
	struct hybridge_channel_args args;
	const struct hybridge_channel_ops *ops; /* NULL: the owner is gone */
	void *owner;
	enum channel_state state;
	struct hybridge_ws_reader reader;
	struct queue message;
	bool message_is_text;
	uint16_t code; /* of the first Close, once there is one */
	char reason[REASON_MAX + 1];
	struct hybridge_silence silence;
	struct hybridge_timer timer; /* ping, or patience while closing */
	struct hybridge_task finish;
};

static bool channel_move(struct hybridge_channel *channel,
			 enum channel_state next)
{
	static const bool legal[OVER + 1][OVER + 1] = {
		[OPEN] = {[CLOSING] = true, [OVER] = true},
		[CLOSING] = {[OVER] = true},
	};

	if (!legal[channel->state][next])
		return false;
	channel->state = next;
	return true;
}

static void run_finish(struct hybridge_task *task)
{
	struct hybridge_channel *channel =
		hybridge_container(task, struct hybridge_channel, finish);

	if (channel->ops)
		channel->ops->end(channel->owner, channel->code,
				  channel->reason);
	queue_free(&channel->message);
	free(channel);
}

static void finish(struct hybridge_channel *channel, enum hybridge_conn_how how,
		   uint16_t code, const char *reason, size_t reason_len)
{
	if (!channel_move(channel, OVER))
		return;
	channel->code = code;
	hybridge_text_printable(channel->reason, sizeof(channel->reason),
				(struct hybridge_span){reason, reason_len});
	hybridge_conn_close(channel->conn, how);
	channel->conn = NULL;
	hybridge_timer_clear(channel->loop, &channel->timer);
	hybridge_loop_defer(channel->loop, &channel->finish);
}

static void broke(struct hybridge_channel *channel, const char *why)
{
	finish(channel, HYBRIDGE_CONN_RESET, HYBRIDGE_WS_ABNORMAL, why,
	       strlen(why));
}

static void send_control(struct hybridge_channel *channel, uint8_t opcode,
			 const void *data, size_t len)
{
	uint8_t frame[HYBRIDGE_WS_HEADER_MAX + HYBRIDGE_WS_CONTROL_MAX];
	size_t size = hybridge_ws_control_frame(frame, opcode, data, len,
						channel->args.is_client);

	if (hybridge_conn_write(channel->conn, frame, size) != 0)
		broke(channel, strerror(errno));
}

static void send_close(struct hybridge_channel *channel, uint16_t code,
		       const char *reason)
{
	uint8_t payload[HYBRIDGE_WS_CONTROL_MAX];
	size_t len = strnlen(reason, REASON_MAX);

	payload[0] = (uint8_t)(code >> 8);
	payload[1] = (uint8_t)code;
	memcpy(payload + 2, reason, len);
	send_control(channel, HYBRIDGE_WS_CLOSE, payload, len + 2);
}

/* The peer has answered our Close: what we said is the reason, not the echo. */
static void finish_as_we_said(struct hybridge_channel *channel)
{
	char reason[sizeof(channel->reason)];

	memcpy(reason, channel->reason, sizeof(reason));
	finish(channel, HYBRIDGE_CONN_ORDERLY, channel->code, reason,
	       strlen(reason));
}

static void on_control(struct hybridge_channel *channel,
		       const struct hybridge_ws_piece *piece)
{
	const char *reason = (const char *)piece->data + 2;
	size_t reason_len = piece->len > 2 ? piece->len - 2 : 0;

	/* One that reads nothing, but pings, must not make us grow. */
	if (piece->opcode == HYBRIDGE_WS_PING && channel->state == OPEN &&
	    hybridge_conn_pending(channel->conn) < PONG_PENDING_MAX)
		send_control(channel, HYBRIDGE_WS_PONG, piece->data,
			     piece->len);
	if (piece->opcode != HYBRIDGE_WS_CLOSE)
		return;
	if (channel->state == CLOSING) {
		finish_as_we_said(channel);
		return;
	}
	/* RFC 6455 5.5.1: a Close is answered with the same code. */
	send_control(channel, HYBRIDGE_WS_CLOSE, piece->data,
		     piece->len < 2 ? 0 : 2);
	finish(channel, HYBRIDGE_CONN_ORDERLY,
	       hybridge_ws_close_code(piece->data, piece->len), reason,
	       reason_len);
}

/* RFC 6455 8.1: text that is not UTF-8 ends the connection. */
static void deliver(struct hybridge_channel *channel, const char *data,
		    size_t len)
{
	if (channel->message_is_text && !hybridge_utf8_is_valid(data, len))
		hybridge_channel_close(channel, HYBRIDGE_WS_BAD_DATA,
				       "text that is not UTF-8");
	else
		channel->ops->message(channel->owner, channel->message_is_text,
				      data, len);
}

static void on_data(struct hybridge_channel *channel,
		    const struct hybridge_ws_piece *piece)
{
	struct queue message;

	if (channel->state != OPEN)
		return;
	if (piece->starts && piece->opcode != HYBRIDGE_WS_CONTINUATION)
		channel->message_is_text = piece->opcode == HYBRIDGE_WS_TEXT;
	if (queue_len(&channel->message) + piece->len >
	    channel->args.message_max) {
		hybridge_channel_close(channel, HYBRIDGE_WS_TOO_BIG,
				       "message too long");
		return;
	}
	if (queue_add(&channel->message, piece->data, piece->len) != 0) {
		broke(channel, strerror(ENOMEM));
		return;
	}
	if (!piece->ends || !piece->fin)
		return;
	message = channel->message;
	channel->message = (struct queue){0};
	deliver(channel, (const char *)message.buf + message.at,
		queue_len(&message));
	queue_free(&message);
}

static void use_frames(struct hybridge_channel *channel, uint8_t *buf,
		       size_t len)
{
	struct hybridge_ws_piece piece;

	while (channel->conn) {
		switch (hybridge_ws_next(&channel->reader, &buf, &len,
					 &piece)) {
		case HYBRIDGE_WS_MORE:
			return;
		case HYBRIDGE_WS_DATA:
			on_data(channel, &piece);
			break;
		case HYBRIDGE_WS_CONTROL:
			on_control(channel, &piece);
			break;
		case HYBRIDGE_WS_ERROR:
			if (channel->state == OPEN)
				send_close(channel, HYBRIDGE_WS_PROTOCOL_ERROR,
					   piece.why);
			finish(channel, HYBRIDGE_CONN_ORDERLY,
			       HYBRIDGE_WS_ABNORMAL, piece.why,
			       strlen(piece.why));
			break;
		}
	}
}

static void on_ready(void *owner, struct hybridge_conn *conn)
{
	struct hybridge_channel *channel = owner;
	/* Not the loop's scratch: an owner's answer may pump something else. */
	HYBRIDGE_UNCLEARED uint8_t buf[4096];

	(void)conn;
	for (int i = 0; channel->conn; i++) {
		ssize_t n;

		if (i == READS_PER_TURN) {
			hybridge_conn_again(channel->conn);
			return;
		}
		n = hybridge_conn_read(channel->conn, buf, sizeof(buf));

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			broke(channel, n == 0 ? "closed without a Close"
					      : strerror(errno));
			return;
		}
		hybridge_silence_heard(&channel->silence,
				       hybridge_loop_now_us(channel->loop));
		use_frames(channel, buf, (size_t)n);
	}
}

static void on_timer(struct hybridge_timer *timer)
{
	struct hybridge_channel *channel =
		hybridge_container(timer, struct hybridge_channel, timer);
	enum hybridge_silence_step step;

	if (channel->state == CLOSING) {
		char why[sizeof(channel->reason) + 32];

		snprintf(why, sizeof(why), "Close was not answered%s%s",
			 channel->reason[0] ? ": " : "", channel->reason);
		broke(channel, why);
		return;
	}
	step = hybridge_silence_check(&channel->silence,
				      hybridge_loop_now_us(channel->loop),
				      channel->args.ping_ms);
	if (step == HYBRIDGE_SILENCE_DEAD) {
		broke(channel, "silent, pings were not answered");
		return;
	}
	if (step == HYBRIDGE_SILENCE_ASK)
		send_control(channel, HYBRIDGE_WS_PING, NULL, 0);
	if (channel->state == OPEN &&
	    hybridge_timer_set(channel->loop, timer, channel->args.ping_ms) !=
		    0)
		broke(channel, strerror(ENOMEM));
}

struct hybridge_channel *
hybridge_channel_new(struct hybridge_loop *loop, struct hybridge_conn *conn,
		     const struct hybridge_channel_args *args,
		     const struct hybridge_channel_ops *ops, void *owner)
{
	struct hybridge_channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		goto fail;
	channel->timer.fire = on_timer;
	if (hybridge_timer_set(loop, &channel->timer, args->ping_ms) != 0)
		goto fail;
	channel->finish.run = run_finish;
	channel->loop = loop;
	channel->conn = conn;
	channel->args = *args;
	channel->ops = ops;
	channel->owner = owner;
	hybridge_silence_heard(&channel->silence, hybridge_loop_now_us(loop));
	hybridge_ws_reader_init(&channel->reader, !args->is_client);
	hybridge_conn_set_owner(conn, on_ready, channel);
	return channel;
fail:
	free(channel);
	hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
	return NULL;
}

int hybridge_channel_send(struct hybridge_channel *channel, const char *text,
			  size_t len)
{
	uint8_t header[HYBRIDGE_WS_HEADER_MAX];
	uint8_t key[4];
	size_t header_len;
	uint8_t *frame;
	int ret;

	if (channel->state != OPEN)
		return -1;
	if (hybridge_conn_pending(channel->conn) > PENDING_MAX) {
		finish(channel, HYBRIDGE_CONN_RESET, HYBRIDGE_WS_POLICY,
		       "the peer does not read", 22);
		return -1;
	}
	if (channel->args.is_client)
		hybridge_ws_random_key(key);
	header_len = hybridge_ws_header(header, HYBRIDGE_WS_TEXT, true, len,
					channel->args.is_client ? key : NULL);
	frame = malloc(header_len + len);
	if (!frame) {
		broke(channel, strerror(ENOMEM));
		return -1;
	}
	memcpy(frame, header, header_len);
	memcpy(frame + header_len, text, len);
	if (channel->args.is_client)
		hybridge_ws_mask(frame + header_len, len, key, 0);
	ret = hybridge_conn_write(channel->conn, frame, header_len + len);
	explicit_bzero(frame, header_len + len); /* may be a token */
	free(frame);
	if (ret != 0)
		broke(channel, strerror(errno));
	return ret;
}

void hybridge_channel_close(struct hybridge_channel *channel, uint16_t code,
			    const char *reason)
{
	if (!channel_move(channel, CLOSING))
		return;
	channel->code = code;
	hybridge_text_printable(channel->reason, sizeof(channel->reason),
				hybridge_text_span(reason));
	send_close(channel, code, reason);
	if (channel->state == CLOSING &&
	    hybridge_timer_set(channel->loop, &channel->timer,
			       CLOSE_PATIENCE_MS) != 0)
		broke(channel, strerror(ENOMEM));
}

void hybridge_channel_free(struct hybridge_channel *channel)
{
	if (!channel)
		return;
	channel->ops = NULL;
	finish(channel, HYBRIDGE_CONN_RESET, HYBRIDGE_WS_ABNORMAL, "", 0);
}
