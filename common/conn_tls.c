/*
 * conn_tls.c - TLS between a connection and its socket.
 *
 * Theory of operation.  OpenSSL gets its records from, and leaves them in, the
 * loop's scratch buffers (a BIO of our own): one recv() brings many records,
 * one send() takes many.  Incoming records belong to scratch.in_owner until
 * OpenSSL has taken them; when another connection needs the space first, the
 * rest is stashed in the connection that they belong to.  Outgoing records
 * belong to scratch.out_owner and are sent before anybody else may write there:
 * OpenSSL also writes behind our back (session tickets, key updates, alerts),
 * during reads.
 */
#include "conn_inside.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <pthread.h>
#include <string.h>

#include <hybridge/tls.h>

void conn_stash_scratch(struct scratch *scratch)
{
	struct hybridge_conn *conn = scratch->in_owner;
	size_t left = scratch->in_end - scratch->in_at;

	if (conn && left > 0 &&
	    queue_add(&conn->stash, scratch->in + scratch->in_at, left) != 0)
		conn->in_error = ENOMEM;
	scratch->in_owner = NULL;
	scratch->in_at = 0;
	scratch->in_end = 0;
}

static int bio_read(BIO *bio, char *buf, int len)
{
	struct hybridge_conn *conn = BIO_get_data(bio);
	struct scratch *scratch = loop_scratch(conn->loop);
	size_t have;

	BIO_clear_retry_flags(bio);
	if (queue_len(&conn->stash) > 0)
		return (int)queue_take(&conn->stash, buf, (size_t)len);
	if (scratch->in_owner != conn || scratch->in_at == scratch->in_end) {
		ssize_t n;

		conn_stash_scratch(scratch);
		n = conn_receive(conn, scratch->in, sizeof(scratch->in));
		if (n <= 0) {
			if (n < 0 && errno == EAGAIN)
				BIO_set_retry_read(bio);
			return (int)n;
		}
		scratch->in_owner = conn;
		scratch->in_end = (size_t)n;
	}
	have = scratch->in_end - scratch->in_at;
	if (have > (size_t)len)
		have = (size_t)len;
	memcpy(buf, scratch->in + scratch->in_at, have);
	scratch->in_at += have;
	return (int)have;
}

static int bio_write(BIO *bio, const char *buf, int len)
{
	struct hybridge_conn *conn = BIO_get_data(bio);
	struct scratch *scratch = loop_scratch(conn->loop);
	size_t left = (size_t)len;

	BIO_clear_retry_flags(bio);
	if (scratch->out_owner != conn)
		(void)conn_flush_scratch(scratch);
	while (left > 0) {
		size_t room = sizeof(scratch->out) - scratch->out_len;
		size_t n = left < room ? left : room;

		if (n == 0) {
			(void)conn_flush_scratch(scratch);
			continue;
		}
		memcpy(scratch->out + scratch->out_len, buf, n);
		scratch->out_owner = conn;
		scratch->out_len += n;
		buf += n;
		left -= n;
	}
	hybridge_loop_defer_last(conn->loop, &conn->flush);
	return conn->out_error ? -1 : len;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio;
	(void)num;
	(void)ptr;
	return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
			      "hybridge connection");
	if (!method)
		return;
	BIO_meth_set_read(method, bio_read);
	BIO_meth_set_write(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
}

int hybridge_conn_start_tls(struct hybridge_conn *conn, SSL *ssl)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	BIO *bio;

	pthread_once(&once, make_method);
	bio = method ? BIO_new(method) : NULL;
	conn->ssl = ssl;
	if (!bio)
		return -1;
	BIO_set_data(bio, conn);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	/* What was read too far is records, and must not pass for plain text. */
	conn->stash = conn->back;
	conn->back = (struct queue){0};
	return 0;
}

int hybridge_conn_handshake(struct hybridge_conn *conn, const char *peer,
			    struct hybridge_error *err)
{
	int ret;

	ERR_clear_error();
	errno = 0;
	ret = SSL_do_handshake(conn->ssl);
	if (ret == 1)
		return 1;
	if (SSL_get_error(conn->ssl, ret) == SSL_ERROR_WANT_READ)
		return 0;
	if (conn->in_error || conn->out_error)
		errno = conn->in_error ? conn->in_error : conn->out_error;
	hybridge_tls_fail(conn->ssl, peer, err);
	/* The alert that tells the peer why. */
	(void)hybridge_conn_flush(conn);
	return -1;
}

bool hybridge_conn_speaks_h2(const struct hybridge_conn *conn)
{
	return conn->ssl && hybridge_tls_chose_h2(conn->ssl);
}

const SSL *hybridge_conn_ssl(const struct hybridge_conn *conn)
{
	return conn->ssl;
}

/* What others left would be taken for ours; looking costs a quarter of clearing. */
static void forget_errors(void)
{
	if (ERR_peek_error() != 0)
		ERR_clear_error();
}

/* What ended a read: an errno, or 0 for close_notify. */
static int why_no_more(struct hybridge_conn *conn, int ret)
{
	switch (SSL_get_error(conn->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		return EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		/* Without an error, a FIN that no close_notify announced. */
		return conn->in_error ? conn->in_error : ECONNRESET;
	default:
		return EPROTO;
	}
}

/* Whether OpenSSL would only say so: most calls make sure that there is nothing more. */
static bool has_nothing(const struct hybridge_conn *conn)
{
	const struct scratch *scratch = loop_scratch(conn->loop);

	return !conn->readable && conn->in_error == 0 &&
	       queue_len(&conn->stash) == 0 &&
	       (scratch->in_owner != conn ||
		scratch->in_at == scratch->in_end) &&
	       SSL_has_pending(conn->ssl) == 0 &&
	       SSL_get_shutdown(conn->ssl) == 0;
}

ssize_t conn_tls_read(struct hybridge_conn *conn, uint8_t *buf, size_t len,
		      size_t enough)
{
	size_t have = 0;
	int error = 0;

	forget_errors();
	/* Whole records: what is sent as a number of them is not torn here. */
	while (have == 0 || (have < enough && len - have >= SCRATCH_RECORD)) {
		size_t n = 0;
		int ret;

		if (has_nothing(conn)) {
			error = EAGAIN;
			break;
		}
		ret = SSL_read_ex(conn->ssl, buf + have, len - have, &n);
		if (ret != 1) {
			error = why_no_more(conn, ret);
			break;
		}
		have += n;
	}
	/* OpenSSL names the cause only once. */
	if (error != 0 && error != EAGAIN)
		conn->in_error = error;
	/* What was read comes first; the rest shows next time. */
	if (have > 0 || error == 0)
		return (ssize_t)have;
	errno = error;
	return -1;
}

int conn_tls_write(struct hybridge_conn *conn, const void *buf, size_t len)
{
	size_t written;

	forget_errors();
	if (SSL_write_ex(conn->ssl, buf, len, &written) == 1)
		return 0;
	if (conn->out_error == 0)
		conn->out_error = EPROTO;
	return -1;
}

void conn_tls_end(struct hybridge_conn *conn)
{
	ERR_clear_error();
	SSL_shutdown(conn->ssl);
}

void hybridge_conn_keep_buffers(struct hybridge_conn *conn)
{
	if (conn->ssl)
		SSL_clear_mode(conn->ssl, SSL_MODE_RELEASE_BUFFERS);
}

void hybridge_conn_free_buffers(struct hybridge_conn *conn)
{
	/* It keeps what is in use. */
	if (conn->ssl)
		(void)SSL_free_buffers(conn->ssl);
}

void conn_tls_drop(struct hybridge_conn *conn)
{
	if (!conn->ssl)
		return;
	/* A session whose connection was not shut down could not be resumed. */
	SSL_set_shutdown(conn->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(conn->ssl);
	conn->ssl = NULL;
}
