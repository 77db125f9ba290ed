/*
 * dial_fixture.h - dials under way, and the far ends that they reach or do not.
 */
#ifndef HYBRIDGE_TESTS_DIAL_FIXTURE_H
#define HYBRIDGE_TESTS_DIAL_FIXTURE_H

#include "engine_fixture.h"

#include <arpa/inet.h>

#include <hybridge/dial.h>

/* A dial, and what came of it. */
struct call {
	struct fixture *fx;
	struct hybridge_dial *dial;
	unsigned int calls;
	struct end end; /* whose conn is the result */
	int os_errno;
	struct hybridge_error err;
};

static inline void call_done(void *owner, struct hybridge_conn *conn,
			     int os_errno, const struct hybridge_error *err)
{
	struct call *call = owner;

	call->calls++;
	call->os_errno = os_errno;
	if (err)
		call->err = *err;
	assert_int_equal(conn == NULL, err != NULL);
	call->end = (struct end){conn, .limit = SIZE_MAX, .chunk = 1000};
	if (conn)
		hybridge_conn_set_owner(conn, end_ready, &call->end);
}

static inline void call_start(struct fixture *fx, struct call *call,
			      const struct hybridge_dial_args *args)
{
	*call = (struct call){.fx = fx};
	call->dial = hybridge_dial_start(fx->loop, args, call_done, call);
	assert_non_null(call->dial);
	assert_int_equal(call->calls, 0); /* from the loop only */
}

static inline void call_fails(struct call *call, int os_errno,
			      enum hybridge_code code)
{
	FIXTURE_UNTIL(call->fx, call->calls);
	assert_null(call->end.conn);
	assert_int_equal(call->os_errno, os_errno);
	assert_int_equal(call->err.code, code);
	fixture_step(call->fx, 2);
	assert_int_equal(call->calls, 1);
}

/* Accepts what was dialled and checks that bytes pass. */
static inline int call_succeeds(struct call *call, int listener)
{
	int far;

	FIXTURE_UNTIL(call->fx, call->calls);
	assert_string_equal(call->err.what, "");
	assert_int_equal(call->os_errno, 0);
	far = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(far >= 0);
	assert_int_equal(hybridge_conn_write(call->end.conn, "ping", 4), 0);
	fixture_expect(call->fx, far, "ping", 4);
	fixture_send(call->fx, far, "pong", 4);
	FIXTURE_UNTIL(call->fx, call->end.len == 4);
	assert_memory_equal(call->end.got, "pong", 4);
	end_close(&call->end, HYBRIDGE_CONN_RESET);
	return far;
}

/* A listener on @ip:@port that drops every SYN: its time to live is too small. */
static inline int silent_listener(const char *ip, uint16_t port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ttl = 255;

	assert_int_equal(inet_pton(AF_INET, ip, &addr.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(
		setsockopt(fd, IPPROTO_IP, IP_MINTTL, &ttl, sizeof(ttl)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

/* TLS. */

struct secure {
	struct pki pki;
	SSL_CTX *server;
	SSL_CTX *client;
};

static inline void secure_open(struct secure *secure, const char *names)
{
	pki_open(&secure->pki);
	secure->server = pki_server(&secure->pki, names);
	secure->client = pki_client(&secure->pki);
}

static inline void secure_close(struct secure *secure)
{
	SSL_CTX_free(secure->server);
	SSL_CTX_free(secure->client);
	pki_close(&secure->pki);
}

/* The far end of a TLS connection over @fd answers a ping. */
static inline void answer_ping(struct call *call, SSL *far)
{
	char buf[4];

	assert_int_equal(tls_far_handshake(call->fx, far), 1);
	FIXTURE_UNTIL(call->fx, call->calls);
	assert_string_equal(call->err.what, "");
	assert_int_equal(hybridge_conn_write(call->end.conn, "ping", 4), 0);
	assert_int_equal(tls_far_recv(call->fx, far, buf, 4), 4);
	tls_far_send(call->fx, far, "pong", 4);
	FIXTURE_UNTIL(call->fx, call->end.len == 4);
	assert_memory_equal(call->end.got, "pong", 4);
	end_close(&call->end, HYBRIDGE_CONN_RESET);
	SSL_free(far);
}

static inline int accept_one(struct fixture *fx, int listener)
{
	int fd = -1;

	fixture_nonblocking(listener);
	FIXTURE_UNTIL(fx, (fd = accept4(listener, NULL, NULL,
					SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
	return fd;
}

#endif
