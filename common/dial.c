/*
 * dial.c - from a host name to a connection that is ready to talk.
 *
 * Theory of operation.
 *
 *	RESOLVING -- addresses ----> CONNECTING	(RFC 8305: the next attempt starts when
 *	CONNECTING - one connected -> PROXYING	 one fails, or 250 ms after the last)
 *	PROXYING --- 2xx ----------> SECURING	without a proxy at once
 *	SECURING --- handshake ----> DONE	without TLS at once
 *	any -------- failure ------> DONE
 *
 * Only dial_move() changes the state.  DONE is final: the callback was made,
 * and a task frees the dial at the end of the turn.
 */
#include <hybridge/dial.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hybridge/http.h>
#include <hybridge/loopback.h>
#include <hybridge/text.h>
#include <hybridge/tls.h>

#include "proxy.h"
#include "resolve.h"

#define ATTEMPTS_MAX    8
#define NEXT_ATTEMPT_MS 250 /* RFC 8305 section 5 */

enum dial_state { RESOLVING, CONNECTING, PROXYING, SECURING, DONE };

/* One address that is being tried. */
struct attempt {
	struct hybridge_conn *conn; /* NULL: not begun, or over */
	struct hybridge_dial *dial;
	struct sockaddr_storage addr;
	socklen_t addr_len;
};

struct hybridge_dial {
	struct hybridge_loop *loop;
	hybridge_dial_fn *done;
	void *owner;
	enum dial_state state;
	char *host;
	char *name; /* HOST:PORT, for messages */
	uint16_t port;
	SSL_CTX *tls;
	bool h2;
	struct proxy proxy; /* host is NULL: none */
	struct resolve_wait wait;
	struct attempt *attempts; /* owned, one for each address */
	size_t num_attempts;
	size_t next_attempt;
	size_t open_attempts;
	int last_errno;
	uint32_t timeout_ms;
	struct hybridge_timer stagger;
	struct hybridge_timer deadline;
	struct hybridge_error proxy_error;
	struct hybridge_task refuse;
	struct hybridge_task reap;
	struct hybridge_conn *conn;
	struct hybridge_head_reader head;
};

static bool dial_move(struct hybridge_dial *dial, enum dial_state next)
{
	static const bool legal[DONE + 1][DONE + 1] = {
		[RESOLVING] = {[CONNECTING] = true, [DONE] = true},
		[CONNECTING] = {[PROXYING] = true, [DONE] = true},
		[PROXYING] = {[SECURING] = true, [DONE] = true},
		[SECURING] = {[DONE] = true},
	};

	if (!legal[dial->state][next])
		return false;
	dial->state = next;
	return true;
}

static void drop_attempt(struct attempt *attempt)
{
	if (!attempt->conn)
		return;
	hybridge_conn_close(attempt->conn, HYBRIDGE_CONN_RESET);
	attempt->conn = NULL;
	attempt->dial->open_attempts--;
}

static void stop_everything(struct hybridge_dial *dial)
{
	resolve_cancel(&dial->wait);
	hybridge_loop_cancel(dial->loop, &dial->refuse);
	hybridge_timer_clear(dial->loop, &dial->stagger);
	hybridge_timer_clear(dial->loop, &dial->deadline);
	for (size_t i = 0; i < dial->next_attempt; i++)
		drop_attempt(&dial->attempts[i]);
	hybridge_loop_defer(dial->loop, &dial->reap);
}

static void run_reap(struct hybridge_task *task)
{
	struct hybridge_dial *dial =
		hybridge_container(task, struct hybridge_dial, reap);

	proxy_free(&dial->proxy);
	hybridge_head_free(&dial->head);
	free(dial->attempts);
	free(dial->host);
	free(dial->name);
	free(dial);
}

static void fail(struct hybridge_dial *dial, int os_errno,
		 const struct hybridge_error *err)
{
	if (!dial_move(dial, DONE))
		return;
	hybridge_conn_close(dial->conn, HYBRIDGE_CONN_RESET);
	stop_everything(dial);
	dial->done(dial->owner, NULL, os_errno, err);
}

static void fail_text(struct hybridge_dial *dial, int os_errno,
		      enum hybridge_code code, const char *why)
{
	struct hybridge_error err = {0};
	bool proxied = dial->proxy.host && dial->state <= CONNECTING;

	if (proxied)
		hybridge_fail(
			&err, code,
			"cannot reach the proxy %s:%u on the way to %s: %s",
			dial->proxy.host, dial->proxy.port, dial->name, why);
	else
		hybridge_fail(&err, code, "cannot reach %s: %s", dial->name,
			      why);
	fail(dial, os_errno, &err);
}

static void succeed(struct hybridge_dial *dial)
{
	struct hybridge_conn *conn = dial->conn;

	if (!dial_move(dial, DONE))
		return;
	dial->conn = NULL;
	stop_everything(dial);
	dial->done(dial->owner, conn, 0, NULL);
}

static void on_deadline(struct hybridge_timer *timer)
{
	struct hybridge_dial *dial =
		hybridge_container(timer, struct hybridge_dial, deadline);
	static const char *const doing[] = {
		[RESOLVING] = "its name was not resolved",
		[CONNECTING] = "no answer",
		[PROXYING] = "the proxy did not answer",
		[SECURING] = "the TLS handshake did not finish",
		[DONE] = "",
	};
	char why[80];

	snprintf(why, sizeof(why), "%s within %.3g s", doing[dial->state],
		 dial->timeout_ms / 1000.0);
	fail_text(dial, ETIMEDOUT, HYBRIDGE_ETIMEOUT, why);
}

/* From the connected socket on. */

static void secure(struct hybridge_dial *dial)
{
	struct hybridge_error err = {0};

	switch (hybridge_conn_handshake(dial->conn, dial->name, &err)) {
	case 0:
		break;
	case 1:
		succeed(dial);
		break;
	default:
		fail(dial, EPROTO, &err);
	}
}

static void start_tls(struct hybridge_dial *dial)
{
	struct hybridge_error err = {0};
	SSL *ssl;

	if (!dial_move(dial, SECURING))
		return;
	if (!dial->tls) {
		succeed(dial);
		return;
	}
	ssl = hybridge_tls_client(dial->tls, dial->host, &err);
	if (ssl && dial->h2 && hybridge_tls_offer_h2(ssl) != 0) {
		hybridge_fail(&err, HYBRIDGE_ESYSTEM, "out of memory");
		SSL_free(ssl);
		ssl = NULL;
	}
	if (!ssl) {
		fail(dial, ENOMEM, &err);
	} else if (hybridge_conn_start_tls(dial->conn, ssl) != 0) {
		fail_text(dial, ENOMEM, HYBRIDGE_ESYSTEM, "out of memory");
	} else {
		secure(dial);
	}
}

static void read_proxy(struct hybridge_dial *dial)
{
	ssize_t len = hybridge_head_read(&dial->head, dial->conn);
	struct hybridge_http_head head;
	struct hybridge_error err = {0};

	if (len == 0)
		return;
	if (len < 0) {
		fail_text(dial, ECONNRESET, HYBRIDGE_EUNREACH,
			  "the proxy closed the connection");
		return;
	}
	if (hybridge_http_parse(
		    (struct hybridge_span){dial->head.buf, (size_t)len}, true,
		    &head) != 0) {
		fail_text(dial, EPROTO, HYBRIDGE_EPROTOCOL,
			  "the proxy's answer is not HTTP");
	} else if (head.status / 100 != 2) {
		hybridge_fail(&err,
			      head.status == 407 ? HYBRIDGE_EDENIED
						 : HYBRIDGE_EUNREACH,
			      "the proxy %s:%u does not connect to %s: %d %.*s",
			      dial->proxy.host, dial->proxy.port, dial->name,
			      head.status, (int)head.reason.len,
			      head.reason.text);
		if (head.status == 407)
			hybridge_hint(&err,
				      "put the user and password into the "
				      "proxy's URL");
		fail(dial, ECONNREFUSED, &err);
	} else {
		hybridge_head_free(&dial->head);
		start_tls(dial);
	}
}

static void on_conn(void *owner, struct hybridge_conn *conn)
{
	struct hybridge_dial *dial = owner;

	(void)conn;
	if (dial->state == PROXYING)
		read_proxy(dial);
	else if (dial->state == SECURING)
		secure(dial);
}

static void connected(struct hybridge_dial *dial, struct hybridge_conn *conn)
{
	char *request;

	if (!dial_move(dial, PROXYING)) {
		hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
		return;
	}
	dial->conn = conn;
	hybridge_conn_set_owner(conn, on_conn, dial);
	if (!dial->proxy.host) {
		start_tls(dial);
		return;
	}
	request = proxy_request(&dial->proxy, dial->host, dial->port);
	if (!request ||
	    hybridge_conn_write(dial->conn, request, strlen(request)) != 0)
		fail_text(dial, request ? errno : ENOMEM, HYBRIDGE_ESYSTEM,
			  request ? strerror(errno) : "out of memory");
	hybridge_text_free_secret(request);
}

/* Trying the addresses. */

static void try_next(struct hybridge_dial *dial);

static void attempt_failed(struct attempt *attempt, int os_errno)
{
	struct hybridge_dial *dial = attempt->dial;

	dial->last_errno = os_errno;
	drop_attempt(attempt);
	try_next(dial);
}

/* Readiness of a socket that is connecting means that it is, or that it cannot. */
static void on_attempt(void *owner, struct hybridge_conn *conn)
{
	struct attempt *attempt = owner;
	struct hybridge_dial *dial = attempt->dial;
	socklen_t len = sizeof(int);
	int error = 0;

	if (hybridge_conn_broken(conn) || hybridge_conn_hung_up(conn)) {
		if (getsockopt(hybridge_conn_fd(conn), SOL_SOCKET, SO_ERROR,
			       &error, &len) != 0)
			error = errno;
	}
	if (error) {
		attempt_failed(attempt, error);
		return;
	}
	attempt->conn = NULL;
	dial->open_attempts--;
	for (size_t i = 0; i < dial->next_attempt; i++)
		drop_attempt(&dial->attempts[i]);
	hybridge_timer_clear(dial->loop, &dial->stagger);
	connected(dial, conn);
}

static int open_attempt(struct hybridge_dial *dial, struct attempt *attempt)
{
	int fd = socket(attempt->addr.ss_family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	if (hybridge_is_loopback((struct sockaddr *)&attempt->addr))
		hybridge_loopback_tune(fd);
	if (connect(fd, (struct sockaddr *)&attempt->addr, attempt->addr_len) !=
		    0 &&
	    errno != EINPROGRESS) {
		int error = errno;

		close(fd);
		return error;
	}
	attempt->conn = hybridge_conn_new(dial->loop, fd, on_attempt, attempt);
	if (!attempt->conn)
		return ENOMEM;
	dial->open_attempts++;
	return 0;
}

static void try_next(struct hybridge_dial *dial)
{
	while (dial->next_attempt < dial->num_attempts) {
		struct attempt *attempt = &dial->attempts[dial->next_attempt++];
		int error = open_attempt(dial, attempt);

		if (error)
			dial->last_errno = error;
		else if (hybridge_timer_set(dial->loop, &dial->stagger,
					    NEXT_ATTEMPT_MS) == 0)
			return;
	}
	if (dial->open_attempts == 0)
		fail_text(dial, dial->last_errno, HYBRIDGE_EUNREACH,
			  strerror(dial->last_errno));
}

static void on_stagger(struct hybridge_timer *timer)
{
	try_next(hybridge_container(timer, struct hybridge_dial, stagger));
}

static void on_resolved(struct resolve_wait *wait, const struct addrinfo *list,
			int gai_error)
{
	struct hybridge_dial *dial =
		hybridge_container(wait, struct hybridge_dial, wait);
	const struct addrinfo *ai;
	size_t num = 0;

	if (gai_error || !list) {
		fail_text(dial, EHOSTUNREACH, HYBRIDGE_EUNREACH,
			  gai_error == EAI_SYSTEM ? "its name was not resolved"
						  : gai_strerror(gai_error));
		return;
	}
	for (ai = list; ai && num < ATTEMPTS_MAX; ai = ai->ai_next)
		num++;
	dial->attempts = calloc(num, sizeof(*dial->attempts));
	if (!dial->attempts) {
		fail_text(dial, ENOMEM, HYBRIDGE_ESYSTEM, "out of memory");
		return;
	}
	for (ai = list; dial->num_attempts < num; ai = ai->ai_next) {
		struct attempt *attempt = &dial->attempts[dial->num_attempts++];

		attempt->dial = dial;
		memcpy(&attempt->addr, ai->ai_addr, ai->ai_addrlen);
		attempt->addr_len = ai->ai_addrlen;
	}
	if (dial_move(dial, CONNECTING))
		try_next(dial);
}

/* A proxy that cannot be understood fails the dial from the loop, not its caller. */
static void run_refuse(struct hybridge_task *task)
{
	struct hybridge_dial *dial =
		hybridge_container(task, struct hybridge_dial, refuse);

	fail(dial, EINVAL, &dial->proxy_error);
}

/* Owned by the caller; NULL when out of memory. */
static char *host_and_port(const char *host, uint16_t port)
{
	char digits[HYBRIDGE_TEXT_NUMBER];
	const struct hybridge_span parts[] = {
		hybridge_text_span(host),
		hybridge_text_span(":"),
		hybridge_text_number(port, digits),
	};

	return hybridge_text_join(parts, 3);
}

bool hybridge_dial_is_proxied(const struct hybridge_dial_args *args)
{
	return args->proxy &&
	       !proxy_bypassed(args->no_proxy, args->host, args->port);
}

struct hybridge_dial *hybridge_dial_start(struct hybridge_loop *loop,
					  const struct hybridge_dial_args *args,
					  hybridge_dial_fn *done, void *owner)
{
	struct hybridge_dial *dial = calloc(1, sizeof(*dial));
	bool use_proxy = hybridge_dial_is_proxied(args);

	if (!dial)
		return NULL;
	dial->loop = loop;
	dial->done = done;
	dial->owner = owner;
	dial->port = args->port;
	dial->tls = args->tls;
	dial->h2 = args->h2;
	dial->timeout_ms = args->timeout_ms;
	dial->wait.done = on_resolved;
	dial->stagger.fire = on_stagger;
	dial->deadline.fire = on_deadline;
	dial->refuse.run = run_refuse;
	dial->reap.run = run_reap;
	dial->host = strdup(args->host);
	dial->name = host_and_port(args->host, args->port);
	if (!dial->host || !dial->name)
		goto fail;
	if (use_proxy &&
	    proxy_parse(args->proxy, &dial->proxy, &dial->proxy_error) != 0) {
		hybridge_loop_defer(loop, &dial->refuse);
		return dial;
	}
	if (hybridge_timer_set(loop, &dial->deadline, args->timeout_ms) != 0 ||
	    resolve_start(loop,
			  dial->proxy.host ? dial->proxy.host : dial->host,
			  dial->proxy.host ? dial->proxy.port : dial->port,
			  &dial->wait) != 0)
		goto fail;
	return dial;
fail:
	hybridge_timer_clear(loop, &dial->deadline);
	run_reap(&dial->reap);
	return NULL;
}

void hybridge_dial_cancel(struct hybridge_dial *dial)
{
	if (!dial || !dial_move(dial, DONE))
		return;
	hybridge_conn_close(dial->conn, HYBRIDGE_CONN_RESET);
	stop_everything(dial);
}
