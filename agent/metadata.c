/*
 * metadata.c - asks the relay for the description of a hybrid connection.
 *
 * The request is HTTP/1.0, so that the answer cannot come in chunks (RFC 9112 6.1): it ends where
 * Content-Length says, or with the connection.
 */
#include "metadata.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <hybridge/dial.h>
#include <hybridge/endpoint.h>
#include <hybridge/http.h>

#define TIMEOUT_MS 20000
#define BODY_MAX   65536
#define SAS_WORD   "SharedAccessSignature"

struct metadata {
	struct hybridge_loop *loop;
	metadata_fn *done; /* NULL: over */
	void *owner;
	char *relay; /* its host, for messages */
	char *request;
	struct hybridge_dial *dial;
	struct hybridge_conn *conn;
	struct hybridge_head_reader head;
	int status; /* 0: the head is not here yet */
	char *body;
	size_t len;
	size_t wanted; /* the body's length, BODY_MAX when only its end tells */
	struct hybridge_timer deadline;
	struct hybridge_task reap;
};

static void run_reap(struct hybridge_task *task)
{
	struct metadata *metadata =
		hybridge_container(task, struct metadata, reap);

	hybridge_head_free(&metadata->head);
	hybridge_endpoint_wipe(metadata->request);
	free(metadata->relay);
	free(metadata->body);
	free(metadata);
}

static void leave(struct metadata *metadata)
{
	metadata->done = NULL;
	hybridge_dial_cancel(metadata->dial);
	hybridge_conn_close(metadata->conn, HYBRIDGE_CONN_ORDERLY);
	metadata->conn = NULL;
	hybridge_timer_clear(metadata->loop, &metadata->deadline);
	hybridge_loop_defer(metadata->loop, &metadata->reap);
}

static void fail(struct metadata *metadata, const struct hybridge_error *err)
{
	metadata_fn *done = metadata->done;

	if (!done)
		return;
	leave(metadata);
	done(metadata->owner, NULL, 0, err);
}

static void fail_text(struct metadata *metadata, enum hybridge_code code,
		      const char *why)
{
	struct hybridge_error err = {0};

	hybridge_fail(&err, code, "asking %s for the endpoint: %s",
		      metadata->relay, why);
	hybridge_hint(&err, "set HYBRIDGE_*_TARGET to do without");
	fail(metadata, &err);
}

static void on_body(struct metadata *metadata)
{
	struct hybridge_span xml = {metadata->body, metadata->len};
	metadata_fn *done = metadata->done;
	struct hybridge_error err = {0};
	char *host = NULL;
	uint16_t port = 0;

	if (metadata_parse(xml, &host, &port, &err) != 0) {
		fail(metadata, &err);
		return;
	}
	leave(metadata);
	done(metadata->owner, host, port, NULL);
}

static void on_head(struct metadata *metadata, struct hybridge_span text)
{
	struct hybridge_http_head head;
	struct hybridge_span length;

	if (hybridge_http_parse(text, true, &head) != 0) {
		fail_text(metadata, HYBRIDGE_EPROTOCOL,
			  "the answer is not HTTP");
		return;
	}
	if (head.status != 200) {
		char why[120];

		snprintf(why, sizeof(why), "%d %.*s", head.status,
			 head.reason.len < 100 ? (int)head.reason.len : 100,
			 head.reason.text);
		fail_text(metadata,
			  head.status == 401 || head.status == 403
				  ? HYBRIDGE_EDENIED
				  : HYBRIDGE_EREFUSED,
			  why);
		return;
	}
	if (hybridge_http_get(&head, "Transfer-Encoding", &length)) {
		fail_text(metadata, HYBRIDGE_EPROTOCOL,
			  "an HTTP/1.0 request got chunks");
		return;
	}
	metadata->wanted = BODY_MAX;
	if (hybridge_http_get(&head, "Content-Length", &length)) {
		metadata->wanted = 0;
		for (size_t i = 0;
		     i < length.len && metadata->wanted <= BODY_MAX; i++) {
			char c = length.text[i];

			metadata->wanted = c >= '0' && c <= '9'
						   ? metadata->wanted * 10 +
							     (size_t)(c - '0')
						   : BODY_MAX + 1;
		}
	}
	metadata->body = malloc(BODY_MAX);
	if (metadata->wanted > BODY_MAX || !metadata->body)
		fail_text(metadata, HYBRIDGE_EPROTOCOL,
			  "the answer is too long");
	else
		metadata->status = head.status;
}

static void read_head(struct metadata *metadata)
{
	ssize_t len = hybridge_head_read(&metadata->head, metadata->conn);

	if (len > 0)
		on_head(metadata, (struct hybridge_span){metadata->head.buf,
							 (size_t)len});
	else if (len < 0)
		fail_text(metadata, HYBRIDGE_EUNREACH,
			  errno == EMSGSIZE ? "the answer's head is too long"
					    : "there was no answer");
}

static void read_body(struct metadata *metadata)
{
	ssize_t n = 1;

	while (n > 0 && metadata->len < metadata->wanted) {
		n = hybridge_conn_read(metadata->conn,
				       metadata->body + metadata->len,
				       metadata->wanted - metadata->len);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n > 0)
			metadata->len += (size_t)n;
	}
	if (n < 0 || (n == 0 && metadata->wanted != BODY_MAX))
		fail_text(metadata, HYBRIDGE_EUNREACH, "the answer was cut");
	else if (n > 0 && metadata->wanted == BODY_MAX)
		fail_text(metadata, HYBRIDGE_EPROTOCOL,
			  "the answer is too long");
	else
		on_body(metadata);
}

static void on_ready(void *owner, struct hybridge_conn *conn)
{
	struct metadata *metadata = owner;

	(void)conn;
	if (metadata->status == 0)
		read_head(metadata);
	if (metadata->done && metadata->status != 0)
		read_body(metadata);
}

static void on_dialled(void *owner, struct hybridge_conn *conn, int os_errno,
		       const struct hybridge_error *err)
{
	struct metadata *metadata = owner;

	(void)os_errno;
	metadata->dial = NULL;
	if (!conn) {
		fail(metadata, err);
		return;
	}
	metadata->conn = conn;
	hybridge_conn_set_owner(conn, on_ready, metadata);
	/* If this fails, so does the first read. */
	if (hybridge_conn_write(conn, metadata->request,
				strlen(metadata->request)) == 0)
		(void)hybridge_conn_flush(conn);
}

static void on_deadline(struct hybridge_timer *timer)
{
	fail_text(hybridge_container(timer, struct metadata, deadline),
		  HYBRIDGE_ETIMEOUT, "there was no answer in time");
}

static char *make_request(const struct metadata_args *args)
{
	const struct hybridge_connstr *relay = &args->connection->relay;
	bool is_sas = strncasecmp(args->token, SAS_WORD, strlen(SAS_WORD)) == 0;
	char *host = hybridge_endpoint_host(relay->host, relay->port,
					    !relay->plaintext);
	char *path = hybridge_endpoint_path(relay);
	char *request = NULL;

	if (host && path &&
	    asprintf(&request,
		     "GET /%s?api-version=2016-07 HTTP/1.0\r\n"
		     "Host: %s\r\n"
		     "X-PROCESS-AT: ServiceBus\r\n"
		     "Authorization: %s%s\r\n"
		     "User-Agent: hybridge-agent/" HYBRIDGE_VERSION "\r\n\r\n",
		     path, host, is_sas ? "" : "Bearer ", args->token) < 0)
		request = NULL;
	free(host);
	free(path);
	return request;
}

struct metadata *metadata_fetch(struct hybridge_loop *loop,
				const struct metadata_args *args,
				metadata_fn *done, void *owner)
{
	const struct hybridge_connstr *relay = &args->connection->relay;
	struct metadata *metadata = calloc(1, sizeof(*metadata));
	struct hybridge_dial_args dial = {
		.host = relay->host,
		.port = relay->port,
		.tls = args->tls,
		.proxy = args->config->proxy,
		.no_proxy = args->config->no_proxy,
		.timeout_ms = TIMEOUT_MS,
	};

	if (!metadata)
		return NULL;
	metadata->loop = loop;
	metadata->done = done;
	metadata->owner = owner;
	metadata->deadline.fire = on_deadline;
	metadata->reap.run = run_reap;
	metadata->relay = strdup(relay->host);
	metadata->request = make_request(args);
	if (metadata->relay && metadata->request &&
	    hybridge_timer_set(loop, &metadata->deadline, TIMEOUT_MS) == 0)
		metadata->dial =
			hybridge_dial_start(loop, &dial, on_dialled, metadata);
	if (metadata->dial)
		return metadata;
	leave(metadata);
	return NULL;
}

void metadata_cancel(struct metadata *metadata)
{
	if (metadata && metadata->done)
		leave(metadata);
}
