/*
 * request.c - one connection from its acceptance until its request is known.
 *
 *	HANDSHAKE -- TLS done --------> IDLE   (plain connections start there)
 *	IDLE ------- first byte ------> HEAD
 *	HEAD ------- blank line ------> DONE: handed to who serves it
 *	HEAD ------- HTTP/2's preface -> SESSION
 *	SESSION ---- a stream opened --> DONE: known
 *	any -------- too slow, broken -> DONE: closed
 *
 * Only request_move() changes the state.  IDLE may last longer than the rest:
 * senders keep connections ready for the next stream.
 */
#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hybridge/address.h>
#include <hybridge/conn.h>
#include <hybridge/h2.h>
#include <hybridge/http.h>
#include <hybridge/log.h>

#include "answer.h"
#include "call.h"
#include "guest.h"
#include "serve.h"

#define HANDSHAKE_MS 10000
#define IDLE_MS      60000
#define HEAD_MS      10000

enum request_state { HANDSHAKE, IDLE, HEAD, SESSION, DONE };

struct request {
	struct relay *relay;
	struct hybridge_conn *conn; /* NULL: handed on, or closed */
	enum request_state state;
	struct guest *guest; /* SESSION: its HTTP/2 */
	struct hybridge_head_reader reader;
	struct hybridge_ip ip;
	char remote[HYBRIDGE_IP_TEXT];
	uint16_t port;
	int64_t moved_us;
	void (*left)(struct request *request, void *owner);
	void *owner;
	struct hybridge_timer timer;
	struct hybridge_task reap;
};

static bool request_move(struct request *request, enum request_state next)
{
	static const bool legal[DONE + 1][DONE + 1] = {
		[HANDSHAKE] = {[IDLE] = true, [DONE] = true},
		[IDLE] = {[HEAD] = true, [SESSION] = true, [DONE] = true},
		[HEAD] = {[SESSION] = true, [DONE] = true},
		[SESSION] = {[DONE] = true},
	};
	static const uint32_t patience_ms[] = {
		[HANDSHAKE] = HANDSHAKE_MS,
		[IDLE] = IDLE_MS,
		[HEAD] = HEAD_MS,
		[SESSION] = IDLE_MS,
	};

	if (!legal[request->state][next])
		return false;
	request->state = next;
	request->moved_us = hybridge_loop_now_us(request->relay->loop);
	hybridge_timer_clear(request->relay->loop, &request->timer);
	return next == DONE ||
	       hybridge_timer_set(request->relay->loop, &request->timer,
				  patience_ms[next]) == 0;
}

static void run_reap(struct hybridge_task *task)
{
	struct request *request =
		hybridge_container(task, struct request, reap);

	hybridge_head_free(&request->reader);
	free(request);
}

/* Whoever calls this has handed the connection on, or closed it. */
static void finish(struct request *request)
{
	request->conn = NULL;
	if (!request_move(request, DONE))
		return;
	request->left(request, request->owner);
	hybridge_loop_defer(request->relay->loop, &request->reap);
}

void request_drop(struct request *request)
{
	hybridge_conn_close(request->conn, HYBRIDGE_CONN_RESET);
	guest_drop(request->guest);
	request->guest = NULL;
	finish(request);
}

/* An answer to something that is no request. */
static void answer_early(struct request *request, int status, const char *why)
{
	struct answer answer = {.status = status};

	hybridge_log(HYBRIDGE_LOG_INFO, "request refused",
		     HYBRIDGE_NUM("status", status), HYBRIDGE_STR("why", why),
		     HYBRIDGE_STR("remote", request->remote));
	answer_send(request->conn, &answer);
	finish(request);
}

/* The preface of HTTP/2 looks like a head: what follows is a session. */
static bool is_preface(const struct request *request, size_t len)
{
	return request->relay->config.http2 &&
	       len == strlen(HYBRIDGE_H2_PREFACE) &&
	       memcmp(request->reader.buf, HYBRIDGE_H2_PREFACE, len) == 0;
}

static void on_guest_known(void *owner)
{
	struct request *request = owner;

	request->guest = NULL; /* it goes on by itself */
	finish(request);
}

/* From here on @guest has the connection; it is a stranger's until a stream was opened. */
static void start_session(struct request *request, size_t len)
{
	const struct caller caller = {
		.ip = request->ip,
		.port = request->port,
	};
	struct hybridge_conn *conn = request->conn;

	if (hybridge_conn_unread(conn, request->reader.buf, len) != 0 ||
	    !request_move(request, SESSION)) {
		request_drop(request);
		return;
	}
	request->conn = NULL;
	hybridge_head_free(&request->reader);
	request->guest = guest_start(request->relay, conn, &caller,
				     on_guest_known, request);
	if (!request->guest)
		finish(request);
}

static void serve(struct request *request, size_t len)
{
	const struct hybridge_span text = {request->reader.buf, len};
	struct hybridge_http_head head;
	struct call call = {
		.relay = request->relay,
		.conn = request->conn,
		.head = &head,
		.ip = &request->ip,
		.remote_address = request->remote,
		.remote_port = request->port,
	};
	int status;

	if (is_preface(request, len)) {
		start_session(request, len);
		return;
	}
	status = hybridge_http_parse(text, false, &head);
	if (!status && serve_call(&call) != 0)
		status = 400;
	if (status)
		answer_early(request, status, "this is no HTTP request");
	else
		finish(request);
}

/* Goes on with TLS; true when it is done. */
static bool shake_hands(struct request *request)
{
	struct hybridge_error err = {0};
	int ret = hybridge_conn_handshake(request->conn, request->remote, &err);

	if (ret > 0 && request_move(request, IDLE))
		return true;
	if (ret == 0)
		return false;
	/* A port that is only knocked at, as by a load balancer, is no news. */
	hybridge_log_error(err.code == HYBRIDGE_EUNREACH ? HYBRIDGE_LOG_DEBUG
							 : HYBRIDGE_LOG_INFO,
			   "handshake failed", &err, NULL);
	request_drop(request);
	return false;
}

/* From its first byte on, a head has less time. */
static bool note_first_byte(struct request *request)
{
	return request->state != IDLE || request->reader.len == 0 ||
	       request_move(request, HEAD);
}

/* The caller hung up; a spare connection that was not needed is no news. */
static void leave_early(struct request *request)
{
	if (request->reader.len > 0)
		hybridge_log(HYBRIDGE_LOG_INFO, "request refused",
			     HYBRIDGE_STR("why", "the head has no end"),
			     HYBRIDGE_STR("error", strerror(errno)),
			     HYBRIDGE_STR("remote", request->remote));
	request_drop(request);
}

static void on_ready(void *owner, struct hybridge_conn *conn)
{
	struct request *request = owner;
	ssize_t len;

	if (request->state == HANDSHAKE && !shake_hands(request))
		return;
	len = hybridge_head_read(&request->reader, conn);
	if (len > 0)
		serve(request, (size_t)len);
	else if (len < 0 && errno == EMSGSIZE)
		answer_early(request, 431, "the head is too long");
	else if (len < 0)
		leave_early(request);
	else if (!note_first_byte(request))
		request_drop(request);
}

static void on_timer(struct hybridge_timer *timer)
{
	struct request *request =
		hybridge_container(timer, struct request, timer);

	if (request->state == SESSION) {
		/* A stream of it waits to be accepted; that has its own limit. */
		if (!guest_is_busy(request->guest) ||
		    hybridge_timer_set(request->relay->loop, timer, IDLE_MS) !=
			    0)
			guest_drain(request->guest); /* GOAWAY: all is well */
		return;
	}
	if (request->state == HEAD) {
		answer_early(request, 408, "the head came too slowly");
		return;
	}
	if (request->state == HANDSHAKE)
		hybridge_log(HYBRIDGE_LOG_INFO, "handshake failed",
			     HYBRIDGE_STR("error", "it took too long"),
			     HYBRIDGE_STR("remote", request->remote));
	request_drop(request);
}

int64_t request_idle_ms(const struct request *request)
{
	if (request->state != IDLE &&
	    (request->state != SESSION || guest_is_busy(request->guest)))
		return -1;
	return (hybridge_loop_now_us(request->relay->loop) -
		request->moved_us) /
	       1000;
}

static int start_tls(struct request *request)
{
	SSL *ssl;

	if (!request->relay->tls) {
		request->state = IDLE;
		return hybridge_timer_set(request->relay->loop, &request->timer,
					  IDLE_MS);
	}
	ssl = SSL_new(request->relay->tls);
	if (!ssl)
		return -1;
	SSL_set_accept_state(ssl);
	if (hybridge_conn_start_tls(request->conn, ssl) != 0)
		return -1;
	return hybridge_timer_set(request->relay->loop, &request->timer,
				  HANDSHAKE_MS);
}

struct request *
request_start(struct relay *relay, int fd, const struct hybridge_ip *ip,
	      uint16_t port, void (*left)(struct request *request, void *owner),
	      void *owner)
{
	struct request *request = calloc(1, sizeof(*request));

	if (!request) {
		close(fd);
		return NULL;
	}
	request->relay = relay;
	request->left = left;
	request->owner = owner;
	request->ip = *ip;
	request->port = port;
	request->timer.fire = on_timer;
	request->reap.run = run_reap;
	request->moved_us = hybridge_loop_now_us(relay->loop);
	hybridge_ip_format(ip, request->remote);
	request->conn = hybridge_conn_new(relay->loop, fd, on_ready, request);
	if (request->conn && start_tls(request) == 0)
		return request;
	hybridge_conn_close(request->conn, HYBRIDGE_CONN_RESET);
	hybridge_timer_clear(relay->loop, &request->timer);
	free(request);
	return NULL;
}
