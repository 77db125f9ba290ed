/*
 * splice.c - joins the WebSockets of a sender and a listener into one stream.
 *
 * Theory of operation.  Two directions, each a transform.  What one leg sends
 * goes to the other as it comes, cut-through; a leg is read only while the other has
 * nothing pending.  Each direction ends with its own Close:
 *
 *	close_in   the leg has sent its Close: it will send nothing more
 *	close_out  the other leg's Close was passed on to it: we send nothing more
 *	gone       its connection ended after its Close: it takes nothing more
 *
 * When both Closes have come and everything has gone out, the stream has ended in good order.
 * Pings are answered here and never passed on.  What we send on our own account,
 * pings and pongs, must wait while the last bytes that we forwarded end inside a frame.
 */
#include "splice.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <hybridge/silence.h>
#include <hybridge/turn.h>

#include "transform.h"

_Static_assert(HYBRIDGE_CONN_HEAD >= TRANSFORM_ROOM + HYBRIDGE_CONN_HEADER,
	       "a header fits before what is taken");

struct leg {
	struct hybridge_conn *conn;
	struct transform in;
	bool close_in;
	bool close_out;
	bool gone;
	bool want_pong;
	uint8_t pong_len;
	uint8_t pong[HYBRIDGE_WS_CONTROL_MAX];
	struct hybridge_silence silence;
};

struct splice {
	struct hybridge_loop *loop;
	struct leg legs[SPLICE_SIDES];
	_Atomic uint64_t *totals;
	splice_fn *done;
	void *owner;
	bool is_over;
	struct hybridge_turn turn;
	struct splice_report report;
	uint32_t ping_ms;
	struct hybridge_timer ping;
	struct hybridge_task finish;
};

const char *splice_end_name(enum splice_end end)
{
	static const char *const names[] = {
		[SPLICE_ORDERLY] = "orderly",
		[SPLICE_SENDER_LOST] = "sender_lost",
		[SPLICE_LISTENER_LOST] = "listener_lost",
		[SPLICE_PROTOCOL] = "protocol",
		[SPLICE_SILENT] = "silent",
		[SPLICE_STOPPED] = "stopped",
	};
	_Static_assert(sizeof(names) / sizeof(names[0]) == SPLICE_END_NUM,
		       "every end has a name");

	return names[end];
}

static enum splice_side other(enum splice_side side)
{
	return side == SPLICE_SENDER ? SPLICE_LISTENER : SPLICE_SENDER;
}

static enum splice_end lost(enum splice_side side)
{
	return side == SPLICE_SENDER ? SPLICE_SENDER_LOST
				     : SPLICE_LISTENER_LOST;
}

/* Tells the owner from the loop, then frees: nothing of ours is on the stack. */
static void run_finish(struct hybridge_task *task)
{
	struct splice *splice = hybridge_container(task, struct splice, finish);

	splice->done(splice->owner, &splice->report);
	free(splice);
}

static void close_leg(struct splice *splice, enum splice_side side,
		      enum hybridge_conn_how how)
{
	hybridge_conn_close(splice->legs[side].conn, how);
	splice->legs[side].conn = NULL;
}

static void finish(struct splice *splice, enum splice_end end)
{
	enum hybridge_conn_how how = end == SPLICE_ORDERLY
					     ? HYBRIDGE_CONN_ORDERLY
					     : HYBRIDGE_CONN_RESET;

	if (splice->is_over)
		return;
	splice->is_over = true;
	close_leg(splice, SPLICE_SENDER, how);
	close_leg(splice, SPLICE_LISTENER, how);
	splice->report.end = end;
	hybridge_timer_clear(splice->loop, &splice->ping);
	hybridge_loop_defer(splice->loop, &splice->finish);
}

static bool both_closed(const struct splice *splice)
{
	return splice->legs[SPLICE_SENDER].close_in &&
	       splice->legs[SPLICE_LISTENER].close_in;
}

static void finish_if_both_closed(struct splice *splice)
{
	if (splice->is_over || !both_closed(splice))
		return;
	for (size_t i = 0; i < SPLICE_SIDES; i++)
		if (hybridge_conn_pending(splice->legs[i].conn) > 0)
			return;
	finish(splice, SPLICE_ORDERLY);
}

/* Whether a frame of our own may go to this leg now. */
static bool may_speak(const struct splice *splice, enum splice_side side)
{
	const struct leg *leg = &splice->legs[side];

	return !leg->close_out && !leg->gone &&
	       !splice->legs[other(side)].in.mid_frame &&
	       hybridge_conn_pending(leg->conn) == 0;
}

/* A leg that cannot be written to shows that when it is read. */
static void send_control(const struct leg *leg, uint8_t opcode,
			 const void *data, size_t len)
{
	uint8_t frame[HYBRIDGE_WS_HEADER_MAX + HYBRIDGE_WS_CONTROL_MAX];
	size_t size =
		hybridge_ws_control_frame(frame, opcode, data, len, false);

	if (hybridge_conn_write(leg->conn, frame, size) == 0)
		(void)hybridge_conn_flush(leg->conn);
}

static void send_pong(struct splice *splice, enum splice_side side)
{
	struct leg *leg = &splice->legs[side];

	if (splice->is_over || !leg->want_pong || !may_speak(splice, side))
		return;
	leg->want_pong = false;
	send_control(leg, HYBRIDGE_WS_PONG, leg->pong, leg->pong_len);
}

static void on_ping(struct leg *leg, const struct transform_out *out)
{
	/* RFC 6455 5.5.3: of several pings the last may be answered alone. */
	leg->want_pong = true;
	leg->pong_len = (uint8_t)out->control_len;
	memcpy(leg->pong, out->control, out->control_len);
}

static void on_close(struct splice *splice, enum splice_side from,
		     const struct transform_out *out)
{
	static const uint8_t normal[2] = {HYBRIDGE_WS_NORMAL >> 8,
					  HYBRIDGE_WS_NORMAL & 0xff};
	struct leg *to = &splice->legs[other(from)];

	splice->legs[from].close_in = true;
	/* Some clients read the code without looking whether there is one. */
	if (!to->gone)
		send_control(to, HYBRIDGE_WS_CLOSE,
			     out->control_len ? out->control : normal,
			     out->control_len ? out->control_len
					      : sizeof(normal));
	/* The end goes along with it, where that costs nothing. */
	if (!to->gone && hybridge_conn_half_closes(to->conn))
		(void)hybridge_conn_end(to->conn);
	to->close_out = true;
	finish_if_both_closed(splice);
}

static void on_error(struct splice *splice, enum splice_side from,
		     const char *why)
{
	uint8_t payload[HYBRIDGE_WS_CONTROL_MAX];
	size_t len = strnlen(why, sizeof(payload) - 2);

	payload[0] = HYBRIDGE_WS_PROTOCOL_ERROR >> 8;
	payload[1] = HYBRIDGE_WS_PROTOCOL_ERROR & 0xff;
	memcpy(payload + 2, why, len);
	if (may_speak(splice, from))
		send_control(&splice->legs[from], HYBRIDGE_WS_CLOSE, payload,
			     len + 2);
	splice->report.why = why;
	splice->report.by = from;
	/* Orderly, so that the Close arrives; the other side gets none. */
	close_leg(splice, from, HYBRIDGE_CONN_ORDERLY);
	finish(splice, SPLICE_PROTOCOL);
}

static int forward(struct splice *splice, enum splice_side from,
		   const struct transform_out *out)
{
	const struct leg *to = &splice->legs[other(from)];

	if (to->gone ||
	    hybridge_conn_write_over(to->conn, out->run, out->run_len) != 0) {
		finish(splice, lost(other(from)));
		return -1;
	}
	splice->report.bytes[from] += out->payload;
	atomic_store_explicit(&splice->totals[from], splice->report.bytes[from],
			      memory_order_relaxed);
	return 0;
}

/* Forwards a batch; false when the splice is over. */
static bool use_bytes(struct splice *splice, enum splice_side from,
		      uint8_t *buf, size_t len)
{
	struct leg *leg = &splice->legs[from];
	const struct leg *to = &splice->legs[other(from)];
	enum transform_event event = TRANSFORM_RUN;
	struct transform_out out;
	bool forwarded = false;

	while (event != TRANSFORM_MORE && !splice->is_over) {
		event = transform_next(&leg->in, &buf, &len, &out);
		if (out.run_len > 0) {
			if (forward(splice, from, &out) != 0)
				return false;
			forwarded = true;
		}
		if (event == TRANSFORM_PING)
			on_ping(leg, &out);
		else if (event == TRANSFORM_CLOSE)
			on_close(splice, from, &out);
		else if (event == TRANSFORM_ERROR)
			on_error(splice, from, out.why);
	}
	if (splice->is_over)
		return false;
	if (forwarded && hybridge_conn_flush(to->conn) != 0) {
		finish(splice, lost(other(from)));
		return false;
	}
	return true;
}

/* One batch from a leg to the other; true when there may be more. */
static bool carry(struct splice *splice, enum splice_side from)
{
	struct leg *leg = &splice->legs[from];
	uint8_t *buf;
	ssize_t n;

	if (splice->is_over || leg->gone ||
	    hybridge_conn_pending(splice->legs[other(from)].conn) > 0)
		return false;
	n = hybridge_conn_take(leg->conn, &buf);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n > 0) {
		hybridge_silence_heard(&leg->silence,
				       hybridge_loop_now_us(splice->loop));
		return use_bytes(splice, from, buf, (size_t)n);
	}
	if (!leg->close_in) {
		finish(splice, lost(from));
	} else {
		leg->gone = !hybridge_conn_half_closes(leg->conn);
		finish_if_both_closed(splice);
	}
	return false;
}

/* What waits for a leg that takes nothing more can never be delivered. */
static void check_pending(struct splice *splice)
{
	for (size_t i = 0; i < SPLICE_SIDES && !splice->is_over; i++)
		if (hybridge_conn_pending(splice->legs[i].conn) > 0 &&
		    hybridge_conn_flush(splice->legs[i].conn) != 0)
			finish(splice, lost((enum splice_side)i));
}

/*
 * A leg that said its last before it was reset: reading it shows the end, and no more.  It has
 * not taken what went to it; our Close it need not take.
 */
static bool is_reset_behind_its_end(const struct leg *leg)
{
	bool is_open =
		hybridge_conn_half_closes(leg->conn)
			? leg->close_in && !hybridge_conn_ended(leg->conn)
			: leg->gone && !leg->close_out;

	return is_open && hybridge_conn_broken(leg->conn);
}

static void check_read(struct splice *splice)
{
	for (size_t i = 0; i < SPLICE_SIDES && !splice->is_over; i++)
		if (is_reset_behind_its_end(&splice->legs[i]))
			finish(splice, lost((enum splice_side)i));
}

static uint64_t moved(const struct splice *splice)
{
	return splice->report.bytes[SPLICE_SENDER] +
	       splice->report.bytes[SPLICE_LISTENER];
}

static void on_ready(void *owner, struct hybridge_conn *conn)
{
	struct splice *splice = owner;
	uint64_t before = moved(splice);
	int batches = 0;
	bool more;

	(void)conn;
	check_pending(splice);
	do {
		more = carry(splice, SPLICE_SENDER);
		more = carry(splice, SPLICE_LISTENER) || more;
	} while (more && hybridge_turn_goes_on(splice->loop, ++batches,
					       moved(splice) - before));
	if (moved(splice) != before)
		hybridge_turn_served(splice->loop, &splice->turn,
				     moved(splice) - before);
	send_pong(splice, SPLICE_SENDER);
	send_pong(splice, SPLICE_LISTENER);
	finish_if_both_closed(splice);
	check_read(splice);
	if (more && !splice->is_over)
		hybridge_conn_later(splice->legs[SPLICE_SENDER].conn);
}

/* Pings a leg that has been silent; false when it is dead. */
static bool check_leg(struct splice *splice, enum splice_side side)
{
	struct leg *leg = &splice->legs[side];
	const struct leg *peer = &splice->legs[other(side)];
	int64_t now_us = hybridge_loop_now_us(splice->loop);
	bool cannot_ask = hybridge_conn_pending(peer->conn) > 0 ||
			  leg->close_in || !may_speak(splice, side);
	enum hybridge_silence_step step;

	if (hybridge_conn_is_watched(leg->conn))
		return true;
	/*
	 * Nobody is blamed for silence who is not listened to, cannot be
	 * asked, or has said that it will say nothing more; but where bytes
	 * wait for it, its kernel must answer ours.
	 */
	if (cannot_ask && !hybridge_conn_unanswered(leg->conn, splice->ping_ms))
		hybridge_silence_heard(&leg->silence, now_us);
	step = hybridge_silence_check(&leg->silence, now_us, splice->ping_ms);
	if (step == HYBRIDGE_SILENCE_ASK && !cannot_ask)
		send_control(leg, HYBRIDGE_WS_PING, NULL, 0);
	return step != HYBRIDGE_SILENCE_DEAD;
}

static void on_timer(struct hybridge_timer *timer)
{
	struct splice *splice = hybridge_container(timer, struct splice, ping);

	if (!check_leg(splice, SPLICE_SENDER) ||
	    !check_leg(splice, SPLICE_LISTENER) ||
	    hybridge_timer_set(splice->loop, timer, splice->ping_ms) != 0)
		finish(splice, SPLICE_SILENT);
}

struct splice *splice_start(struct hybridge_loop *loop,
			    const struct splice_args *args)
{
	struct splice *splice = calloc(1, sizeof(*splice));

	if (!splice)
		goto fail;
	splice->ping.fire = on_timer;
	if (hybridge_timer_set(loop, &splice->ping, args->ping_ms) != 0)
		goto fail;
	splice->finish.run = run_finish;
	splice->loop = loop;
	splice->totals = args->totals;
	splice->done = args->done;
	splice->owner = args->owner;
	splice->ping_ms = args->ping_ms;
	hybridge_turn_served(loop, &splice->turn, 0);
	for (size_t i = 0; i < SPLICE_SIDES; i++) {
		struct leg *leg = &splice->legs[i];

		leg->conn = args->conns[i];
		hybridge_silence_heard(&leg->silence,
				       hybridge_loop_now_us(loop));
		transform_init(&leg->in);
		hybridge_conn_set_owner(leg->conn, on_ready, splice);
	}
	return splice;
fail:
	free(splice);
	for (size_t i = 0; i < SPLICE_SIDES; i++)
		hybridge_conn_close(args->conns[i], HYBRIDGE_CONN_RESET);
	return NULL;
}

void splice_stop(struct splice *splice)
{
	finish(splice, SPLICE_STOPPED);
}
