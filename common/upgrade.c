/*
 * upgrade.c - the client's WebSocket handshake (RFC 6455 section 4.1, RFC 8441).
 */
#include <hybridge/upgrade.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <hybridge/h2.h>
#include <hybridge/http.h>
#include <hybridge/text.h>
#include <hybridge/ws.h>

#define KEY_BYTES 16
#define KEY_TEXT  25

struct hybridge_upgrade {
	struct hybridge_loop *loop;
	struct hybridge_conn *conn; /* NULL: over */
	hybridge_upgrade_fn *done;
	void *owner;
	char key[KEY_TEXT];
	bool offered_protocol;
	uint32_t timeout_ms;
	struct hybridge_head_reader head;
	struct hybridge_timer deadline;
	struct hybridge_task reap;
};

static void run_reap(struct hybridge_task *task)
{
	struct hybridge_upgrade *upgrade =
		hybridge_container(task, struct hybridge_upgrade, reap);

	hybridge_head_free(&upgrade->head);
	free(upgrade);
}

/* Hands out the result; the connection goes along only with status 101. */
static void finish(struct hybridge_upgrade *upgrade,
		   const struct hybridge_upgrade_result *result)
{
	struct hybridge_conn *conn = upgrade->conn;

	if (!conn)
		return;
	upgrade->conn = NULL;
	hybridge_timer_clear(upgrade->loop, &upgrade->deadline);
	hybridge_loop_defer(upgrade->loop, &upgrade->reap);
	if (result->status != 101) {
		hybridge_conn_close(conn, HYBRIDGE_CONN_ORDERLY);
		conn = NULL;
	}
	upgrade->done(upgrade->owner, conn, result);
}

static void fail(struct hybridge_upgrade *upgrade, int os_errno,
		 enum hybridge_code code, const char *why)
{
	struct hybridge_upgrade_result result = {.os_errno = os_errno};

	hybridge_fail(&result.err, code, "%s", why);
	finish(upgrade, &result);
}

static void on_deadline(struct hybridge_timer *timer)
{
	struct hybridge_upgrade *upgrade =
		hybridge_container(timer, struct hybridge_upgrade, deadline);
	char why[80];

	snprintf(why, sizeof(why), "no answer to the upgrade within %.3g s",
		 upgrade->timeout_ms / 1000.0);
	fail(upgrade, ETIMEDOUT, HYBRIDGE_ETIMEOUT, why);
}

/* What is wrong with a 101, or NULL. */
static const char *check_101(const struct hybridge_upgrade *upgrade,
			     const struct hybridge_http_head *head)
{
	struct hybridge_span value;
	char expected[29];

	if (!hybridge_http_has_token(head, "Upgrade", "websocket") ||
	    !hybridge_http_has_token(head, "Connection", "upgrade"))
		return "101 without the Upgrade and Connection headers";
	hybridge_ws_accept(upgrade->key, strlen(upgrade->key), expected);
	if (!hybridge_http_get(head, "Sec-WebSocket-Accept", &value) ||
	    value.len != strlen(expected) ||
	    memcmp(value.text, expected, value.len) != 0)
		return "101 with a wrong Sec-WebSocket-Accept";
	if (hybridge_http_get(head, "Sec-WebSocket-Extensions", &value) &&
	    value.len > 0)
		return "101 with an extension that was not offered";
	if (!upgrade->offered_protocol &&
	    hybridge_http_get(head, "Sec-WebSocket-Protocol", &value))
		return "101 with a subprotocol that was not offered";
	return NULL;
}

static enum hybridge_code class_of(int status)
{
	switch (status) {
	case 401:
	case 403:
		return HYBRIDGE_EDENIED;
	case 408:
	case 504:
		return HYBRIDGE_ETIMEOUT;
	default:
		return HYBRIDGE_EREFUSED;
	}
}

static void answered(struct hybridge_upgrade *upgrade, int status,
		     struct hybridge_span reason, bool speaks_h2)
{
	struct hybridge_upgrade_result result = {
		.status = status,
		.speaks_h2 = speaks_h2,
	};

	hybridge_text_printable(result.reason, sizeof(result.reason), reason);
	if (status != 101)
		hybridge_fail(&result.err, class_of(status), "%d %s", status,
			      result.reason);
	finish(upgrade, &result);
}

static void on_head(struct hybridge_upgrade *upgrade, struct hybridge_span text)
{
	struct hybridge_http_head head;
	const char *wrong;

	if (hybridge_http_parse(text, true, &head) != 0) {
		fail(upgrade, EPROTO, HYBRIDGE_EPROTOCOL,
		     "the answer to the upgrade is not HTTP");
		return;
	}
	wrong = head.status == 101 ? check_101(upgrade, &head) : NULL;
	if (wrong)
		fail(upgrade, EPROTO, HYBRIDGE_EPROTOCOL, wrong);
	else
		answered(upgrade, head.status, head.reason,
			 hybridge_http_has_token(&head, HYBRIDGE_FEATURES,
						 HYBRIDGE_FEATURE_H2));
}

static void on_ready(void *owner, struct hybridge_conn *conn)
{
	struct hybridge_upgrade *upgrade = owner;
	ssize_t len = hybridge_head_read(&upgrade->head, conn);

	if (len == 0)
		return;
	if (len > 0)
		on_head(upgrade,
			(struct hybridge_span){upgrade->head.buf, (size_t)len});
	else if (errno == EMSGSIZE)
		fail(upgrade, EPROTO, HYBRIDGE_EPROTOCOL,
		     "the answer to the upgrade is too long");
	else
		fail(upgrade, errno, HYBRIDGE_EUNREACH,
		     "the connection was closed before the upgrade was "
		     "answered");
}

/* A stream that was opened is as good as an upgraded connection. */
static void on_stream_ready(void *owner, struct hybridge_conn *conn)
{
	struct hybridge_upgrade *upgrade = owner;
	const char *reason;
	int status = hybridge_h2_status(conn, &reason);

	if (status != 0)
		answered(upgrade, status == 200 ? 101 : status,
			 hybridge_text_span(reason), true);
	else if (hybridge_h2_refused(conn))
		fail(upgrade, EAGAIN, HYBRIDGE_EUNREACH,
		     "the HTTP/2 session takes no more streams");
	else if (hybridge_conn_broken(conn))
		fail(upgrade, ECONNRESET, HYBRIDGE_EUNREACH,
		     "the HTTP/2 stream was lost before it was answered");
}

/* The whole request; owned by the caller, holds a token. */
static char *make_request(const struct hybridge_upgrade_args *args,
			  const char *key)
{
	char *request = NULL;

	if (asprintf(&request,
		     "GET %s HTTP/1.1\r\n"
		     "Host: %s\r\n"
		     "Connection: Upgrade\r\n"
		     "Upgrade: websocket\r\n"
		     "Sec-WebSocket-Version: 13\r\n"
		     "Sec-WebSocket-Key: %s\r\n"
		     "%s%s%s%s\r\n",
		     args->target, args->host, key,
		     args->protocol ? "Sec-WebSocket-Protocol: " : "",
		     args->protocol ? args->protocol : "",
		     args->protocol ? "\r\n" : "",
		     args->headers ? args->headers : "") < 0)
		return NULL;
	return request;
}

/* A handle whose deadline runs; NULL when out of memory. */
static struct hybridge_upgrade *
make_upgrade(struct hybridge_loop *loop,
	     const struct hybridge_upgrade_args *args,
	     hybridge_upgrade_fn *done, void *owner)
{
	struct hybridge_upgrade *upgrade = calloc(1, sizeof(*upgrade));

	if (!upgrade)
		return NULL;
	upgrade->loop = loop;
	upgrade->done = done;
	upgrade->owner = owner;
	upgrade->offered_protocol = args->protocol != NULL;
	upgrade->timeout_ms = args->timeout_ms;
	upgrade->deadline.fire = on_deadline;
	upgrade->reap.run = run_reap;
	if (hybridge_timer_set(loop, &upgrade->deadline, args->timeout_ms) == 0)
		return upgrade;
	free(upgrade);
	return NULL;
}

static void discard(struct hybridge_upgrade *upgrade)
{
	if (!upgrade)
		return;
	hybridge_timer_clear(upgrade->loop, &upgrade->deadline);
	free(upgrade);
}

struct hybridge_upgrade *
hybridge_upgrade_start(struct hybridge_loop *loop, struct hybridge_conn *conn,
		       const struct hybridge_upgrade_args *args,
		       hybridge_upgrade_fn *done, void *owner)
{
	struct hybridge_upgrade *upgrade =
		make_upgrade(loop, args, done, owner);
	unsigned char random[KEY_BYTES];
	char *request = NULL;

	if (!upgrade || RAND_bytes(random, sizeof(random)) != 1)
		goto fail;
	EVP_EncodeBlock((unsigned char *)upgrade->key, random, sizeof(random));
	upgrade->conn = conn;
	request = make_request(args, upgrade->key);
	if (!request)
		goto fail;
	hybridge_conn_set_owner(conn, on_ready, upgrade);
	/* If this fails, so does the first read. */
	if (hybridge_conn_write(conn, request, strlen(request)) == 0)
		(void)hybridge_conn_flush(conn);
	hybridge_text_free_secret(request);
	return upgrade;
fail:
	discard(upgrade);
	hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
	return NULL;
}

struct hybridge_upgrade *
hybridge_upgrade_over(struct hybridge_loop *loop, struct hybridge_h2 *session,
		      const struct hybridge_upgrade_args *args,
		      hybridge_upgrade_fn *done, void *owner)
{
	struct hybridge_upgrade *upgrade =
		make_upgrade(loop, args, done, owner);

	if (!upgrade)
		return NULL;
	upgrade->conn =
		hybridge_h2_open(session, args, on_stream_ready, upgrade);
	if (upgrade->conn)
		return upgrade;
	discard(upgrade);
	return NULL;
}

bool hybridge_upgrade_lost(const struct hybridge_upgrade *upgrade)
{
	const struct hybridge_conn *conn = upgrade->conn;

	if (!conn)
		return false;
	return hybridge_h2_is_stream(conn)
		       ? hybridge_h2_stream_lost(conn)
		       : hybridge_conn_lost(conn, HYBRIDGE_LOST_MS);
}

void hybridge_upgrade_cancel(struct hybridge_upgrade *upgrade)
{
	if (!upgrade || !upgrade->conn)
		return;
	hybridge_conn_close(upgrade->conn, HYBRIDGE_CONN_RESET);
	upgrade->conn = NULL;
	hybridge_timer_clear(upgrade->loop, &upgrade->deadline);
	hybridge_loop_defer(upgrade->loop, &upgrade->reap);
}
