/*
 * pump.c - carries one stream between a TCP connection and a WebSocket.
 *
 * Theory of operation.  Two directions that end on their own:
 *
 *	TCP -> WS   open until the local FIN; then Close 1000 goes out (@close_sent)
 *	WS -> TCP   open until the peer's Close 1000 (@close_received); then FIN goes
 *		    to the local side behind what is pending
 *
 * When both have ended and nothing is pending, the stream has ended in good
 * order.  Whatever else happens ends it at once and resets the local side.
 * After a Close neither end may ping (RFC 6455 5.5.1): the kernel's keep-alive
 * then looks after the connection.  Where bytes wait for the peer a ping would wait
 * behind them: then it counts whether the peer's kernel still answers ours.
 *
 * Either side is read only while the other has nothing pending, so at most one
 * batch waits in each direction.
 */
#include <hybridge/pump.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <hybridge/silence.h>
#include <hybridge/turn.h>
#include <hybridge/ws.h>

#include "scratch.h"

/*
 * A frame in four TLS records fits into the largest packet that is made (64 KiB, headers of IP
 * and TCP and all): the few bytes that are too many would be a packet by themselves, with all
 * that a packet costs.
 */
#define PACKET_MAX \
	((size_t)64 * 1024 - 1 - 40 - 32) /* IPv6; TCP with time stamps */
#define RECORD_HEAD ((size_t)22)          /* of TLS 1.3, with its tag */
#define FRAME_MAX                                              \
	(PACKET_MAX - 4 * RECORD_HEAD - HYBRIDGE_CONN_HEADER - \
	 HYBRIDGE_WS_HEADER_MAX)
#define BATCH_MAX (SCRATCH_PLAIN - SCRATCH_PLAIN % FRAME_MAX)
#define MOVE_MAX  4096

/**
 * struct runs - Payload that is to be sent together
 * @is_open: The last is of the batch that is being looked at
 */
struct runs {
	int num;
	bool is_open;
	struct iovec *pieces; /* SCRATCH_RUNS of them */
};

struct hybridge_pump {
	struct hybridge_loop *loop;
	struct hybridge_conn *tcp; /* NULL: over */
	struct hybridge_conn *ws;
	hybridge_pump_fn *done;
	void *owner;
	struct hybridge_ws_reader reader;
	struct hybridge_pump_stats stats;
	struct hybridge_turn turn;
	bool close_sent;
	bool close_received;
	bool ws_gone; /* the peer's connection ended after its Close */
	enum hybridge_end end;
	uint16_t close_code;
	uint32_t ping_ms;
	struct hybridge_silence silence;
	struct hybridge_timer ping;
	struct hybridge_task finish;
};

const char *hybridge_end_name(enum hybridge_end end)
{
	static const char *const names[] = {
		[HYBRIDGE_END_ORDERLY] = "orderly",
		[HYBRIDGE_END_TCP_RESET] = "tcp_reset",
		[HYBRIDGE_END_WS_LOST] = "ws_lost",
		[HYBRIDGE_END_WS_CLOSED] = "ws_closed",
		[HYBRIDGE_END_WS_PROTOCOL] = "ws_protocol",
		[HYBRIDGE_END_WS_SILENT] = "ws_silent",
		[HYBRIDGE_END_STOPPED] = "stopped",
	};
	_Static_assert(sizeof(names) / sizeof(*names) == HYBRIDGE_END_NUM,
		       "every end has a name");

	return names[end];
}

/* Tells the owner from the loop, then frees: nothing of ours is on the stack. */
static void run_finish(struct hybridge_task *task)
{
	struct hybridge_pump *pump =
		hybridge_container(task, struct hybridge_pump, finish);

	pump->done(pump->owner, pump->end, pump->close_code, &pump->stats);
	free(pump);
}

static void finish(struct hybridge_pump *pump, enum hybridge_end end)
{
	enum hybridge_conn_how how = end == HYBRIDGE_END_ORDERLY
					     ? HYBRIDGE_CONN_ORDERLY
					     : HYBRIDGE_CONN_RESET;

	if (!pump->tcp)
		return;
	hybridge_conn_close(pump->tcp, how);
	hybridge_conn_close(pump->ws, how);
	pump->tcp = NULL;
	pump->ws = NULL;
	pump->end = end;
	hybridge_timer_clear(pump->loop, &pump->ping);
	hybridge_loop_defer(pump->loop, &pump->finish);
}

static int send_control(struct hybridge_pump *pump, uint8_t opcode,
			const void *data, size_t len)
{
	uint8_t frame[HYBRIDGE_WS_HEADER_MAX + HYBRIDGE_WS_CONTROL_MAX];
	size_t size = hybridge_ws_control_frame(frame, opcode, data, len, true);

	return hybridge_conn_write(pump->ws, frame, size);
}

static void finish_if_both_ended(struct hybridge_pump *pump)
{
	if (pump->close_sent && pump->close_received &&
	    hybridge_conn_pending(pump->tcp) == 0)
		finish(pump, HYBRIDGE_END_ORDERLY);
}

/*
 * A Close is the last that we say.  Where the end can go along with it, it costs nothing; by
 * itself it would cost each of the hops a message and a turn.
 */
static int send_close(struct hybridge_pump *pump)
{
	static const uint8_t normal[2] = {HYBRIDGE_WS_NORMAL >> 8,
					  HYBRIDGE_WS_NORMAL & 0xff};

	if (send_control(pump, HYBRIDGE_WS_CLOSE, normal, sizeof(normal)) != 0)
		return -1;
	return hybridge_conn_half_closes(pump->ws) ? hybridge_conn_end(pump->ws)
						   : 0;
}

/* Watches over the WebSocket's connection from the first Close on. */
static void keep_alive(struct hybridge_pump *pump)
{
	int fd = hybridge_conn_fd(pump->ws);
	int seconds = (int)(pump->ping_ms / 1000) + 1;
	int probes = HYBRIDGE_SILENT_PINGS - 1;
	int on = 1;

	if (hybridge_conn_is_watched(pump->ws))
		return;
	/* These fail on a unix socket, whose peer cannot vanish. */
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/* TCP to WebSocket. */

static void on_local_end(struct hybridge_pump *pump)
{
	if (pump->close_sent)
		return;
	pump->close_sent = true;
	keep_alive(pump);
	/* A peer that said its Close and left does not miss ours. */
	if (send_close(pump) != 0 && !pump->close_received)
		finish(pump, HYBRIDGE_END_WS_LOST);
	else
		finish_if_both_ended(pump);
}

/* Sends one frame; the bytes before @payload are overwritten by headers. */
static int send_frame(struct hybridge_pump *pump, uint8_t *payload, size_t len)
{
	uint8_t header[HYBRIDGE_WS_HEADER_MAX];
	uint8_t key[4];
	size_t header_len;

	hybridge_ws_random_key(key);
	header_len =
		hybridge_ws_header(header, HYBRIDGE_WS_BINARY, true, len, key);
	hybridge_ws_mask(payload, len, key, 0);
	memcpy(payload - header_len, header, header_len);
	return hybridge_conn_write_over(pump->ws, payload - header_len,
					header_len + len);
}

/* One batch; true when there may be more. */
static bool carry_to_ws(struct hybridge_pump *pump)
{
	uint8_t *payload = loop_scratch(pump->loop)->plain + SCRATCH_HEAD;
	bool sent = !pump->ws_gone;
	ssize_t n;

	if (!pump->tcp || pump->close_sent ||
	    hybridge_conn_pending(pump->ws) > 0)
		return false;
	n = hybridge_conn_read(pump->tcp, payload, BATCH_MAX);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0) {
		finish(pump, HYBRIDGE_END_TCP_RESET);
		return false;
	}
	if (n == 0) {
		on_local_end(pump);
		return false;
	}
	/* A later header lies on the end of the frame before, which is sent. */
	for (size_t at = 0; sent && at < (size_t)n; at += FRAME_MAX) {
		size_t left = (size_t)n - at;

		sent = send_frame(pump, payload + at,
				  left < FRAME_MAX ? left : FRAME_MAX) == 0;
	}
	if (!sent || hybridge_conn_flush(pump->ws) != 0) {
		finish(pump, HYBRIDGE_END_WS_LOST);
		return false;
	}
	pump->stats.to_ws += (uint64_t)n;
	return true;
}

/* WebSocket to TCP. */

static void on_close(struct hybridge_pump *pump,
		     const struct hybridge_ws_piece *piece)
{
	uint16_t code = hybridge_ws_close_code(piece->data, piece->len);

	if (code != HYBRIDGE_WS_NORMAL && code != HYBRIDGE_WS_NO_CODE) {
		pump->close_code = code;
		finish(pump, HYBRIDGE_END_WS_CLOSED);
		return;
	}
	pump->close_received = true;
	/* Closing it ends it, too: no shutdown(2) before that. */
	finish_if_both_ended(pump);
	if (!pump->tcp)
		return;
	keep_alive(pump);
	if (hybridge_conn_end(pump->tcp) != 0)
		finish(pump, HYBRIDGE_END_TCP_RESET);
}

static void on_control(struct hybridge_pump *pump,
		       const struct hybridge_ws_piece *piece)
{
	if (piece->opcode == HYBRIDGE_WS_CLOSE)
		on_close(pump, piece);
	else if (piece->opcode == HYBRIDGE_WS_PING && !pump->close_sent &&
		 hybridge_conn_pending(pump->ws) < FRAME_MAX &&
		 send_control(pump, HYBRIDGE_WS_PONG, piece->data,
			      piece->len) != 0)
		finish(pump, HYBRIDGE_END_WS_LOST);
}

static void deliver(struct hybridge_pump *pump, struct runs *runs)
{
	const struct iovec *first = runs->pieces;
	int num = runs->num;
	int ret = 0;

	runs->num = 0;
	runs->is_open = false;
	if (num == 1)
		ret = hybridge_conn_write(pump->tcp, first->iov_base,
					  first->iov_len);
	else if (num > 1)
		ret = hybridge_conn_writev(pump->tcp, runs->pieces, num);
	if (ret != 0)
		finish(pump, HYBRIDGE_END_TCP_RESET);
}

/*
 * Small pieces are moved together, large ones are sent from where they lie.  What is between two
 * pieces of one batch is this stream's; what is behind a batch may be another's.
 */
static void gather(struct hybridge_pump *pump, struct runs *runs,
		   const struct hybridge_ws_piece *piece)
{
	pump->stats.from_ws += piece->len;
	if (runs->is_open && piece->len <= MOVE_MAX) {
		struct iovec *last = &runs->pieces[runs->num - 1];
		uint8_t *end = (uint8_t *)last->iov_base + last->iov_len;

		if (end != piece->data)
			memmove(end, piece->data, piece->len);
		last->iov_len += piece->len;
		return;
	}
	if (runs->num == SCRATCH_RUNS)
		deliver(pump, runs);
	runs->pieces[runs->num++] = (struct iovec){piece->data, piece->len};
	runs->is_open = true;
}

/* Payload of several frames goes out together: one system call instead of many. */
static void use_frames(struct hybridge_pump *pump, struct runs *runs,
		       uint8_t *buf, size_t len)
{
	struct hybridge_ws_piece piece;

	runs->is_open = false;
	while (pump->tcp) {
		enum hybridge_ws_event event =
			hybridge_ws_next(&pump->reader, &buf, &len, &piece);

		if (event == HYBRIDGE_WS_MORE)
			return;
		if (event == HYBRIDGE_WS_DATA) {
			gather(pump, runs, &piece);
			continue;
		}
		deliver(pump, runs);
		if (!pump->tcp)
			return;
		if (event == HYBRIDGE_WS_CONTROL)
			on_control(pump, &piece);
		else
			finish(pump, HYBRIDGE_END_WS_PROTOCOL);
	}
}

/* Ends what can only be waited for in vain: a direction that is held back
 * does not read, and so does not learn that its connection is broken. */
static void finish_if_broken(struct hybridge_pump *pump)
{
	bool held_back = hybridge_conn_pending(pump->ws) > 0;
	/* It has said its last: reading it shows the end, and no more. */
	bool is_read = pump->close_received &&
		       hybridge_conn_half_closes(pump->ws) &&
		       !hybridge_conn_ended(pump->ws);
	/* It has left, and is not read any more; what was written found nobody. */
	bool is_gone = pump->ws_gone && !pump->close_sent;

	if (hybridge_conn_broken(pump->tcp) && (held_back || pump->close_sent))
		finish(pump, HYBRIDGE_END_TCP_RESET);
	else if (hybridge_conn_broken(pump->ws) &&
		 (held_back || is_read || is_gone))
		finish(pump, HYBRIDGE_END_WS_LOST);
}

/* One batch; true when there may be more. */
static bool carry_to_tcp(struct hybridge_pump *pump)
{
	struct iovec *bufs;
	struct runs runs;
	int n;

	if (!pump->tcp || pump->ws_gone || hybridge_conn_pending(pump->tcp) > 0)
		return false;
	n = hybridge_conn_take_some(pump->ws, &bufs);
	if (n < 0 && errno == EAGAIN)
		return false;
	/* Behind both Closes it may leave as it likes: what is still to do is ours. */
	if (n <= 0 && pump->close_received && (n == 0 || pump->close_sent)) {
		pump->ws_gone = !hybridge_conn_half_closes(pump->ws);
		return false;
	}
	if (n <= 0) {
		finish(pump, HYBRIDGE_END_WS_LOST);
		return false;
	}
	hybridge_silence_heard(&pump->silence,
			       hybridge_loop_now_us(pump->loop));
	runs.num = 0;
	runs.pieces = loop_scratch(pump->loop)->runs;
	for (int i = 0; i < n && pump->tcp; i++)
		use_frames(pump, &runs, bufs[i].iov_base, bufs[i].iov_len);
	if (pump->tcp)
		deliver(pump, &runs);
	return true;
}

static uint64_t moved(const struct hybridge_pump *pump)
{
	return pump->stats.to_ws + pump->stats.from_ws;
}

static void on_ready(void *owner, struct hybridge_conn *conn)
{
	struct hybridge_pump *pump = owner;
	uint64_t before = moved(pump);
	int batches = 0;
	bool more;

	(void)conn;
	do {
		more = carry_to_ws(pump);
		more = carry_to_tcp(pump) || more;
	} while (more && hybridge_turn_goes_on(pump->loop, ++batches,
					       moved(pump) - before));
	if (moved(pump) != before)
		hybridge_turn_served(pump->loop, &pump->turn,
				     moved(pump) - before);
	if (!pump->tcp)
		return;
	finish_if_both_ended(pump);
	if (pump->tcp)
		finish_if_broken(pump);
	if (more && pump->tcp)
		hybridge_conn_later(pump->tcp);
}

static void on_ping(struct hybridge_timer *timer)
{
	struct hybridge_pump *pump =
		hybridge_container(timer, struct hybridge_pump, ping);
	int64_t now_us = hybridge_loop_now_us(pump->loop);
	bool cannot_ask = hybridge_conn_pending(pump->tcp) > 0 ||
			  hybridge_conn_pending(pump->ws) > 0 ||
			  pump->close_sent || pump->close_received;
	enum hybridge_silence_step step;

	/*
	 * While the local side takes nothing we do not listen, and while the
	 * peer takes nothing, or after a Close, it cannot be asked: none of
	 * that is its silence.  Its kernel's is.
	 */
	if (cannot_ask && !hybridge_conn_unanswered(pump->ws, pump->ping_ms))
		hybridge_silence_heard(&pump->silence, now_us);
	step = hybridge_silence_check(&pump->silence, now_us, pump->ping_ms);
	if (step == HYBRIDGE_SILENCE_DEAD) {
		finish(pump, HYBRIDGE_END_WS_SILENT);
		return;
	}
	if (step == HYBRIDGE_SILENCE_ASK && !cannot_ask &&
	    send_control(pump, HYBRIDGE_WS_PING, NULL, 0) != 0) {
		finish(pump, HYBRIDGE_END_WS_LOST);
		return;
	}
	if (hybridge_timer_set(pump->loop, timer, pump->ping_ms) != 0)
		finish(pump, HYBRIDGE_END_WS_LOST);
}

struct hybridge_pump *hybridge_pump_start(struct hybridge_loop *loop,
					  struct hybridge_conn *tcp,
					  struct hybridge_conn *ws,
					  uint32_t ping_ms,
					  hybridge_pump_fn *done, void *owner)
{
	struct hybridge_pump *pump = calloc(1, sizeof(*pump));

	hybridge_conn_arm_reset(tcp);
	if (!pump)
		goto fail;
	pump->ping.fire = on_ping;
	if (!hybridge_conn_is_watched(ws) &&
	    hybridge_timer_set(loop, &pump->ping, ping_ms) != 0)
		goto fail;
	pump->finish.run = run_finish;
	pump->loop = loop;
	pump->tcp = tcp;
	pump->ws = ws;
	pump->done = done;
	pump->owner = owner;
	pump->ping_ms = ping_ms;
	hybridge_silence_heard(&pump->silence, hybridge_loop_now_us(loop));
	hybridge_ws_reader_init(&pump->reader, false);
	hybridge_turn_served(loop, &pump->turn, 0);
	hybridge_conn_set_owner(tcp, on_ready, pump);
	hybridge_conn_set_owner(ws, on_ready, pump);
	return pump;
fail:
	free(pump);
	hybridge_conn_close(tcp, HYBRIDGE_CONN_RESET);
	hybridge_conn_close(ws, HYBRIDGE_CONN_RESET);
	return NULL;
}

struct hybridge_pump_stats hybridge_pump_stats(const struct hybridge_pump *pump)
{
	return pump->stats;
}

void hybridge_pump_stop(struct hybridge_pump *pump)
{
	finish(pump, HYBRIDGE_END_STOPPED);
}
