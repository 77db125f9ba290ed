/*
 * conn_send.c - what a connection writes: at once, or kept until the kernel takes it.
 */
#include "conn_inside.h"

#include <errno.h>
#include <sys/socket.h>

/* Sends from @buf what the kernel takes; the count, or -1 when broken. */
static ssize_t send_some(struct hybridge_conn *conn, const uint8_t *buf,
			 size_t len)
{
	size_t sent = 0;

	while (sent < len && conn->writable && conn->out_error == 0) {
		ssize_t n = send(conn->source.fd, buf + sent, len - sent,
				 MSG_NOSIGNAL);

		conn_note_moved(conn, n);
		if (n >= 0)
			sent += (size_t)n;
		else if (errno == EAGAIN)
			conn->writable = false;
		else if (errno != EINTR)
			conn->out_error = errno;
	}
	return conn->out_error ? -1 : (ssize_t)sent;
}

/* Sends @buf behind everything that waits already, and keeps the rest. */
static int send_or_keep(struct hybridge_conn *conn, const uint8_t *buf,
			size_t len)
{
	ssize_t sent = 0;

	if (queue_len(&conn->out) == 0)
		sent = send_some(conn, buf, len);
	if (sent < 0)
		return -1;
	if ((size_t)sent < len &&
	    queue_add(&conn->out, buf + sent, len - (size_t)sent) != 0) {
		conn->out_error = ENOMEM;
		return -1;
	}
	return 0;
}

int conn_flush_scratch(struct scratch *scratch)
{
	struct hybridge_conn *conn = scratch->out_owner;
	size_t len = scratch->out_len;

	if (!conn)
		return 0;
	scratch->out_owner = NULL;
	scratch->out_len = 0;
	return send_or_keep(conn, scratch->out, len);
}

int conn_flush_out(struct hybridge_conn *conn)
{
	ssize_t sent;

	if (queue_len(&conn->out) == 0)
		return 0;
	sent = send_some(conn, conn->out.buf + conn->out.at,
			 queue_len(&conn->out));
	if (sent < 0)
		return -1;
	queue_drop(&conn->out, (size_t)sent);
	return 0;
}

void conn_shut_when_empty(struct hybridge_conn *conn)
{
	if (!conn->ending || conn->ended || queue_len(&conn->out) > 0)
		return;
	shutdown(conn->source.fd, SHUT_WR);
	conn->ended = true;
}

int hybridge_conn_flush(struct hybridge_conn *conn)
{
	struct scratch *scratch = loop_scratch(conn->loop);

	if (conn->ops)
		return conn->ops->flush(conn);
	hybridge_loop_cancel(conn->loop, &conn->flush);
	if (conn_flush_out(conn) == 0 && scratch->out_owner == conn)
		(void)conn_flush_scratch(scratch);
	if (conn->out_error) {
		errno = conn->out_error;
		return -1;
	}
	conn_shut_when_empty(conn);
	return 0;
}

void conn_run_flush(struct hybridge_task *task)
{
	struct hybridge_conn *conn =
		hybridge_container(task, struct hybridge_conn, flush);

	/* A failure shows at the owner's next call. */
	if (hybridge_conn_flush(conn) != 0)
		hybridge_conn_again(conn);
}

int hybridge_conn_write(struct hybridge_conn *conn, const void *buf, size_t len)
{
	int ret = -1;

	if (len == 0)
		return 0;
	if (conn->ops)
		return conn->ops->write(conn, buf, len);
	if (conn->out_error == 0)
		ret = conn->ssl ? conn_tls_write(conn, buf, len)
				: send_or_keep(conn, buf, len);
	if (ret != 0)
		errno = conn->out_error;
	return ret;
}

/* So much of it has been sent; pieces of which nothing is left are dropped. */
static void advance(struct msghdr *message, size_t sent)
{
	while (message->msg_iovlen > 0 && sent >= message->msg_iov->iov_len) {
		sent -= message->msg_iov->iov_len;
		message->msg_iov->iov_len = 0;
		message->msg_iov++;
		message->msg_iovlen--;
	}
	if (sent > 0) {
		message->msg_iov->iov_base =
			(uint8_t *)message->msg_iov->iov_base + sent;
		message->msg_iov->iov_len -= sent;
	}
}

/* Leaves in @pieces what the kernel does not take; 0, or -1 when broken. */
static int send_pieces(struct hybridge_conn *conn, struct iovec *pieces,
		       int num)
{
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)num};

	while (message.msg_iovlen > 0 && conn->writable) {
		ssize_t n = sendmsg(conn->source.fd, &message, MSG_NOSIGNAL);

		conn_note_moved(conn, n);
		if (n >= 0) {
			advance(&message, (size_t)n);
		} else if (errno == EAGAIN) {
			conn->writable = false;
		} else if (errno != EINTR) {
			conn->out_error = errno;
			return -1;
		}
	}
	return 0;
}

int hybridge_conn_writev(struct hybridge_conn *conn, struct iovec *pieces,
			 int num)
{
	bool goes_at_once = num > 1 && !conn->ops && !conn->ssl &&
			    conn->out_error == 0 && queue_len(&conn->out) == 0;

	if (goes_at_once && send_pieces(conn, pieces, num) != 0) {
		errno = conn->out_error;
		return -1;
	}
	for (int i = 0; i < num; i++)
		if (hybridge_conn_write(conn, pieces[i].iov_base,
					pieces[i].iov_len) != 0)
			return -1;
	return 0;
}

int hybridge_conn_write_over(struct hybridge_conn *conn, uint8_t *buf,
			     size_t len)
{
	return conn->ops && len > 0 ? conn->ops->write_over(conn, buf, len)
				    : hybridge_conn_write(conn, buf, len);
}
