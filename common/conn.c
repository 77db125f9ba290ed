/*
 * conn.c - one non-blocking TCP connection: its life and what it reads; conn_send.c writes,
 * conn_tls.c puts TLS between.
 *
 * Theory of operation.  Readiness is edge-triggered: @readable and @writable
 * remember what the kernel last said, and only EAGAIN or a short count clears
 * them.  What the kernel does not take is copied to conn->out and goes out, in
 * order, when there is room.  Whoever has moved much of late hears of it behind the others.
 */
#include <hybridge/conn.h>

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utlist.h>

#include <hybridge/turn.h>

#include "conn_inside.h"

#define PATIENCE_MS    5000
#define DRAIN_PER_TURN 16 /* reads; then others have their turn */

static bool is_bulk(const struct hybridge_conn *conn)
{
	return hybridge_loop_now_us(conn->loop) - conn->bulk_us <
	       HYBRIDGE_TURN_LATE_US;
}

ssize_t conn_receive(struct hybridge_conn *conn, void *buf, size_t len)
{
	ssize_t n;

	if (conn->in_error || !conn->readable) {
		errno = conn->in_error ? conn->in_error : EAGAIN;
		return -1;
	}
	do {
		n = recv(conn->source.fd, buf, len, 0);
	} while (n < 0 && errno == EINTR);
	conn_note_moved(conn, n);
	conn->at_end = n == 0 && len > 0;
	if (n < 0 && errno != EAGAIN)
		conn->in_error = errno;
	else if (n < 0 || (n > 0 && (size_t)n < len && !conn->hung_up))
		conn->readable = false;
	return n;
}

static void run_again(struct hybridge_task *task)
{
	struct hybridge_conn *conn =
		hybridge_container(task, struct hybridge_conn, again);

	conn->on_ready(conn->owner, conn);
}

static void run_reap(struct hybridge_task *task)
{
	free(hybridge_container(task, struct hybridge_conn, reap));
}

static void on_event(struct hybridge_source *source, uint32_t events)
{
	struct hybridge_conn *conn =
		hybridge_container(source, struct hybridge_conn, source);

	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		conn->hung_up = true;
	if (events & EPOLLERR)
		conn->failed = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		conn->readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		conn->writable = true;
	if (queue_len(&conn->out) > 0 && conn->writable &&
	    conn_flush_out(conn) == 0)
		conn_shut_when_empty(conn);
	if (is_bulk(conn))
		hybridge_conn_later(conn);
	else
		conn->on_ready(conn->owner, conn);
}

void conn_release(struct hybridge_conn *conn)
{
	hybridge_timer_clear(conn->loop, &conn->patience);
	hybridge_loop_cancel(conn->loop, &conn->again);
	hybridge_loop_cancel(conn->loop, &conn->flush);
	queue_free(&conn->out);
	queue_free(&conn->stash);
	queue_free(&conn->back);
	hybridge_loop_defer(conn->loop, &conn->reap);
}

static void set_reset(struct hybridge_conn *conn, bool armed)
{
	const struct linger reset = {.l_onoff = armed, .l_linger = 0};

	if (conn->armed == armed)
		return;
	setsockopt(conn->source.fd, SOL_SOCKET, SO_LINGER, &reset,
		   sizeof(reset));
	conn->armed = armed;
}

void hybridge_conn_arm_reset(struct hybridge_conn *conn)
{
	if (!conn->ops)
		set_reset(conn, true);
}

/*
 * Not only our descriptor: a child that the program forked amid connect(2) has a copy of the socket
 * that it handed us, and close(2) would send nothing while that is open.
 */
static void end_socket(struct hybridge_conn *conn, bool reset)
{
	const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	bool was_armed = conn->armed;
	int fd = conn->source.fd;

	set_reset(conn, reset);
	/* Both send what close(2) would.  The first fails on a unix socket, which nobody else has. */
	if (reset)
		(void)connect(fd, &nowhere, sizeof(nowhere));
	else if (was_armed && !conn->ended)
		shutdown(fd, SHUT_WR);
	close(fd);
}

/* Closes the descriptor now; the memory goes at the end of the turn. */
static void destroy(struct hybridge_conn *conn, bool reset)
{
	struct scratch *scratch = loop_scratch(conn->loop);

	if (scratch->in_owner == conn) {
		scratch->in_owner = NULL;
		scratch->in_at = scratch->in_end = 0;
	}
	if (scratch->out_owner == conn) {
		scratch->out_owner = NULL;
		scratch->out_len = 0;
	}
	if (conn->draining)
		DL_DELETE(scratch->draining, conn);
	hybridge_loop_unwatch(conn->loop, &conn->source);
	end_socket(conn, reset);
	conn->source.fd = -1;
	conn_tls_drop(conn);
	conn_release(conn);
}

/* Discards what comes until the peer has ended as well. */
static void linger(void *owner, struct hybridge_conn *conn)
{
	HYBRIDGE_UNCLEARED uint8_t sink[4096];
	ssize_t n = 1;

	(void)owner;
	/* Below TLS: nobody wants to know what the bytes mean. */
	for (int i = 0; n > 0 && i < DRAIN_PER_TURN; i++)
		n = conn_receive(conn, sink, sizeof(sink));
	if (n > 0) {
		hybridge_conn_later(conn);
		return;
	}
	if ((n < 0 && errno == EAGAIN) || (n == 0 && !conn->ended))
		return;
	destroy(conn, conn->out_error != 0 || !conn->ended);
}

/*
 * What the peer has not taken, here and with the kernel, which takes nothing from us until much of
 * its own has gone.  Behind our last byte it needs us no more.
 */
static size_t not_taken(const struct hybridge_conn *conn)
{
	size_t len = queue_len(&conn->out);
	int held = 0;

	if (len > 0 && !conn->ops)
		(void)ioctl(conn->source.fd, SIOCOUTQ, &held);
	return len + (size_t)held;
}

int conn_be_patient(struct hybridge_conn *conn)
{
	conn->waiting = not_taken(conn);
	return hybridge_timer_set(conn->loop, &conn->patience, PATIENCE_MS);
}

bool conn_goes_on(struct hybridge_conn *conn)
{
	return not_taken(conn) < conn->waiting && conn_be_patient(conn) == 0;
}

static void out_of_patience(struct hybridge_timer *timer)
{
	struct hybridge_conn *conn =
		hybridge_container(timer, struct hybridge_conn, patience);

	if (!conn_goes_on(conn))
		destroy(conn, !conn->ended);
}

void conn_drop_draining(struct hybridge_loop *loop)
{
	struct hybridge_conn *conn, *next;

	DL_FOREACH_SAFE (loop_scratch(loop)->draining, conn, next)
		destroy(conn, !conn->ended);
}

void conn_init(struct hybridge_conn *conn, struct hybridge_loop *loop,
	       hybridge_conn_fn *on_ready, void *owner)
{
	conn->source.fd = -1;
	conn->loop = loop;
	conn->on_ready = on_ready;
	conn->owner = owner;
	conn->again.run = run_again;
	conn->reap.run = run_reap;
}

int conn_watch(struct hybridge_conn *conn)
{
	conn->source.ready = on_event;
	if (hybridge_loop_watch(conn->loop, &conn->source) == 0)
		return 0;
	conn->source.ready = NULL;
	return -1;
}

struct hybridge_conn *hybridge_conn_new(struct hybridge_loop *loop, int fd,
					hybridge_conn_fn *on_ready, void *owner)
{
	struct hybridge_conn *conn = calloc(1, sizeof(*conn));
	int on = 1;

	if (!conn) {
		close(fd);
		return NULL;
	}
	conn_init(conn, loop, on_ready, owner);
	conn->source.fd = fd;
	conn->flush.run = conn_run_flush;
	conn->patience.fire = out_of_patience;
	/* Fails on a unix socket, which has no such delay. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (conn_watch(conn) != 0) {
		close(fd);
		free(conn);
		return NULL;
	}
	return conn;
}

void hybridge_conn_set_owner(struct hybridge_conn *conn,
			     hybridge_conn_fn *on_ready, void *owner)
{
	conn->on_ready = on_ready;
	conn->owner = owner;
	hybridge_conn_again(conn);
}

int hybridge_conn_fd(const struct hybridge_conn *conn)
{
	return conn->source.fd;
}

bool hybridge_conn_is_watched(const struct hybridge_conn *conn)
{
	return conn->ops != NULL;
}

bool hybridge_conn_half_closes(const struct hybridge_conn *conn)
{
	return conn->ops != NULL;
}

ssize_t hybridge_conn_read(struct hybridge_conn *conn, void *buf, size_t len)
{
	return conn_read_enough(conn, buf, len, len);
}

ssize_t conn_read_enough(struct hybridge_conn *conn, uint8_t *buf, size_t len,
			 size_t enough)
{
	if (queue_len(&conn->back) > 0)
		return (ssize_t)queue_take(&conn->back, buf, len);
	if (conn->ops)
		return conn->ops->read(conn, buf, len);
	return conn->ssl ? conn_tls_read(conn, buf, len, enough)
			 : conn_receive(conn, buf, len);
}

/* Most calls only make sure that there is nothing more. */
static inline bool has_nothing(const struct hybridge_conn *conn)
{
	return !conn->ssl && !conn->readable && conn->in_error == 0;
}

/* The rarer ways: from what was given back, from what stands in for a socket. */
static int take_otherwise(struct hybridge_conn *conn, int room)
{
	struct scratch *scratch = loop_scratch(conn->loop);
	ssize_t n;

	if (queue_len(&conn->back) == 0)
		return conn->ops->take(conn, scratch->taken, room);
	n = hybridge_conn_read(conn, scratch->plain + SCRATCH_HEAD,
			       SCRATCH_PLAIN);
	scratch->taken[0] =
		(struct iovec){scratch->plain + SCRATCH_HEAD, (size_t)n};
	return 1;
}

/* Leaves them in scratch.taken. */
static inline int take(struct hybridge_conn *conn, int room)
{
	struct scratch *scratch;
	uint8_t *plain;
	ssize_t n;

	if (conn->ops || queue_len(&conn->back) > 0)
		return take_otherwise(conn, room);
	if (has_nothing(conn)) {
		errno = EAGAIN;
		return -1;
	}
	scratch = loop_scratch(conn->loop);
	plain = scratch->plain + SCRATCH_HEAD;
	n = conn->ssl ? conn_tls_read(conn, plain, SCRATCH_PLAIN, SCRATCH_PLAIN)
		      : conn_receive(conn, plain, SCRATCH_PLAIN);
	if (n <= 0)
		return (int)n;
	scratch->taken[0] = (struct iovec){plain, (size_t)n};
	return 1;
}

ssize_t hybridge_conn_take(struct hybridge_conn *conn, uint8_t **buf)
{
	int n = take(conn, 1);
	const struct iovec *taken;

	if (n <= 0)
		return n;
	taken = loop_scratch(conn->loop)->taken;
	*buf = taken->iov_base;
	return (ssize_t)taken->iov_len;
}

int hybridge_conn_take_some(struct hybridge_conn *conn, struct iovec **bufs)
{
	int n = take(conn, HYBRIDGE_CONN_BATCHES);

	if (n > 0)
		*bufs = loop_scratch(conn->loop)->taken;
	return n;
}

int hybridge_conn_unread(struct hybridge_conn *conn, const void *buf,
			 size_t len)
{
	struct queue front = {0};

	if (len == 0)
		return 0;
	if (queue_add(&front, buf, len) != 0)
		return -1;
	if (queue_len(&conn->back) > 0 &&
	    queue_add(&front, conn->back.buf + conn->back.at,
		      queue_len(&conn->back)) != 0) {
		queue_free(&front);
		return -1;
	}
	queue_free(&conn->back);
	conn->back = front;
	return 0;
}

void hybridge_conn_again(struct hybridge_conn *conn)
{
	hybridge_loop_defer(conn->loop, &conn->again);
}

void hybridge_conn_later(struct hybridge_conn *conn)
{
	hybridge_loop_defer_bulk(conn->loop, &conn->again);
}

void conn_again_in_turn(struct hybridge_conn *conn)
{
	if (is_bulk(conn))
		hybridge_conn_later(conn);
	else
		hybridge_conn_again(conn);
}

size_t hybridge_conn_pending(const struct hybridge_conn *conn)
{
	size_t len = queue_len(&conn->out);

	if (len == 0)
		return conn->is_held;
	return conn->ops ? conn->ops->pending(conn) : len;
}

bool hybridge_conn_hung_up(const struct hybridge_conn *conn)
{
	return conn->hung_up;
}

bool hybridge_conn_broken(const struct hybridge_conn *conn)
{
	return conn->failed || conn->in_error != 0 || conn->out_error != 0;
}

bool hybridge_conn_unanswered(const struct hybridge_conn *conn, uint32_t ms)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(conn->source.fd, IPPROTO_TCP, TCP_INFO, &info, &len) !=
	    0)
		return false;
	/* One probe may have left just now; a second follows only where the first got no answer. */
	return (info.tcpi_unacked > 0 || info.tcpi_probes > 1) &&
	       info.tcpi_last_ack_recv >= ms;
}

bool hybridge_conn_lost(const struct hybridge_conn *conn, uint32_t ms)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(conn->source.fd, IPPROTO_TCP, TCP_INFO, &info, &len) !=
	    0)
		return false;
	/* What was sent a moment ago, after a pause, is not meant; one loss may be chance. */
	return (info.tcpi_retransmits > 1 || info.tcpi_probes > 1) &&
	       info.tcpi_last_ack_recv >= ms;
}

int hybridge_conn_end(struct hybridge_conn *conn)
{
	if (conn->ending)
		return 0;
	conn->ending = true;
	if (conn->ops)
		return conn->ops->end(conn);
	if (conn->ssl)
		conn_tls_end(conn);
	return hybridge_conn_flush(conn);
}

bool hybridge_conn_ended(const struct hybridge_conn *conn)
{
	return conn->ended;
}

/* The peer has said its last, and close(2) can end it behind ours: nothing to wait for. */
static bool is_over(const struct hybridge_conn *conn)
{
	return conn->at_end && !conn->ssl && queue_len(&conn->out) == 0 &&
	       !hybridge_conn_broken(conn);
}

void hybridge_conn_close(struct hybridge_conn *conn, enum hybridge_conn_how how)
{
	if (!conn)
		return;
	if (conn->ops) {
		conn->ops->close(conn, how);
		return;
	}
	conn->on_ready = linger;
	conn->owner = NULL;
	if (how == HYBRIDGE_CONN_ORDERLY && is_over(conn)) {
		destroy(conn, false);
		return;
	}
	if (how == HYBRIDGE_CONN_RESET || hybridge_conn_end(conn) != 0 ||
	    conn_be_patient(conn) != 0) {
		destroy(conn, true);
		return;
	}
	/* Its last records are made, and those that come are not looked at. */
	conn_tls_drop(conn);
	DL_APPEND(loop_scratch(conn->loop)->draining, conn);
	conn->draining = true;
	hybridge_conn_again(conn);
}
