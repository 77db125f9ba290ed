/*
 * description.c - asks the relay for the description of a hybrid connection.
 *
 * The request is HTTP/1.0, so that the answer cannot come in chunks (RFC 9112 6.1): it ends where
 * Content-Length says, or with the connection.
 */
#include <hybridge/description.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <hybridge/dial.h>
#include <hybridge/endpoint.h>
#include <hybridge/http.h>
#include <hybridge/relay_clock.h>
#include <hybridge/text.h>
#include <hybridge/upgrade.h>

#define TIMEOUT_MS 20000
#define BODY_MAX   65536
#define SAS_WORD   "SharedAccessSignature"

struct hybridge_description_fetch {
	struct hybridge_loop *loop;
	hybridge_description_fn *done; /* NULL: over */
	void *owner;
	char *relay;  /* its host, for messages */
	char *entity; /* likewise */
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
	struct hybridge_description_fetch *fetch = hybridge_container(
		task, struct hybridge_description_fetch, reap);

	hybridge_head_free(&fetch->head);
	hybridge_endpoint_wipe(fetch->request);
	free(fetch->relay);
	free(fetch->entity);
	free(fetch->body);
	free(fetch);
}

static void leave(struct hybridge_description_fetch *fetch)
{
	fetch->done = NULL;
	hybridge_dial_cancel(fetch->dial);
	hybridge_conn_close(fetch->conn, HYBRIDGE_CONN_ORDERLY);
	fetch->conn = NULL;
	hybridge_timer_clear(fetch->loop, &fetch->deadline);
	hybridge_loop_defer(fetch->loop, &fetch->reap);
}

static void fail(struct hybridge_description_fetch *fetch, int status,
		 const struct hybridge_error *err)
{
	hybridge_description_fn *done = fetch->done;

	if (!done)
		return;
	leave(fetch);
	done(fetch->owner, NULL, status, err);
}

static void fail_text(struct hybridge_description_fetch *fetch,
		      enum hybridge_code code, const char *why)
{
	struct hybridge_error err = {0};

	hybridge_fail(&err, code, "asking %s about %s: %s", fetch->relay,
		      fetch->entity, why);
	fail(fetch, 0, &err);
}

static void refused(struct hybridge_description_fetch *fetch, int status,
		    struct hybridge_span reason)
{
	struct hybridge_error err = {0};
	char why[HYBRIDGE_REASON_MAX];

	hybridge_text_printable(why, sizeof(why), reason);
	hybridge_fail(&err,
		      status == 401 || status == 403 ? HYBRIDGE_EDENIED
						     : HYBRIDGE_EREFUSED,
		      "asking %s about %s: %d %s", fetch->relay, fetch->entity,
		      status, why);
	if (status == 401)
		hybridge_relay_clock_hint(why, time(NULL), &err);
	fail(fetch, status, &err);
}

static void on_body(struct hybridge_description_fetch *fetch)
{
	struct hybridge_span xml = {fetch->body, fetch->len};
	hybridge_description_fn *done = fetch->done;
	struct hybridge_description description = {0};
	struct hybridge_error err = {0};

	if (hybridge_description_parse(xml, &description, &err) != 0) {
		fail(fetch, 0, &err);
		return;
	}
	leave(fetch);
	done(fetch->owner, &description, 0, NULL);
}

static void on_head(struct hybridge_description_fetch *fetch,
		    struct hybridge_span text)
{
	struct hybridge_http_head head;
	struct hybridge_span length;

	if (hybridge_http_parse(text, true, &head) != 0) {
		fail_text(fetch, HYBRIDGE_EPROTOCOL, "the answer is not HTTP");
		return;
	}
	if (head.status != 200) {
		refused(fetch, head.status, head.reason);
		return;
	}
	if (hybridge_http_get(&head, "Transfer-Encoding", &length)) {
		fail_text(fetch, HYBRIDGE_EPROTOCOL,
			  "an HTTP/1.0 request got chunks");
		return;
	}
	fetch->wanted = BODY_MAX;
	if (hybridge_http_get(&head, "Content-Length", &length)) {
		fetch->wanted = 0;
		for (size_t i = 0; i < length.len && fetch->wanted <= BODY_MAX;
		     i++) {
			char c = length.text[i];

			fetch->wanted =
				c >= '0' && c <= '9'
					? fetch->wanted * 10 + (size_t)(c - '0')
					: BODY_MAX + 1;
		}
	}
	fetch->body = malloc(BODY_MAX);
	if (fetch->wanted > BODY_MAX || !fetch->body)
		fail_text(fetch, HYBRIDGE_EPROTOCOL, "the answer is too long");
	else
		fetch->status = head.status;
}

static void read_head(struct hybridge_description_fetch *fetch)
{
	ssize_t len = hybridge_head_read(&fetch->head, fetch->conn);

	if (len > 0)
		on_head(fetch,
			(struct hybridge_span){fetch->head.buf, (size_t)len});
	else if (len < 0)
		fail_text(fetch, HYBRIDGE_EUNREACH,
			  errno == EMSGSIZE ? "the answer's head is too long"
					    : "there was no answer");
}

static void read_body(struct hybridge_description_fetch *fetch)
{
	ssize_t n = 1;

	while (n > 0 && fetch->len < fetch->wanted) {
		n = hybridge_conn_read(fetch->conn, fetch->body + fetch->len,
				       fetch->wanted - fetch->len);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n > 0)
			fetch->len += (size_t)n;
	}
	if (n < 0 || (n == 0 && fetch->wanted != BODY_MAX))
		fail_text(fetch, HYBRIDGE_EUNREACH, "the answer was cut");
	else if (n > 0 && fetch->wanted == BODY_MAX)
		fail_text(fetch, HYBRIDGE_EPROTOCOL, "the answer is too long");
	else
		on_body(fetch);
}

static void on_ready(void *owner, struct hybridge_conn *conn)
{
	struct hybridge_description_fetch *fetch = owner;

	(void)conn;
	if (fetch->status == 0)
		read_head(fetch);
	if (fetch->done && fetch->status != 0)
		read_body(fetch);
}

static void on_dialled(void *owner, struct hybridge_conn *conn, int os_errno,
		       const struct hybridge_error *err)
{
	struct hybridge_description_fetch *fetch = owner;

	(void)os_errno;
	fetch->dial = NULL;
	if (!conn) {
		fail(fetch, 0, err);
		return;
	}
	fetch->conn = conn;
	hybridge_conn_set_owner(conn, on_ready, fetch);
	/* If this fails, so does the first read. */
	if (hybridge_conn_write(conn, fetch->request, strlen(fetch->request)) ==
	    0)
		(void)hybridge_conn_flush(conn);
}

static void on_deadline(struct hybridge_timer *timer)
{
	fail_text(hybridge_container(timer, struct hybridge_description_fetch,
				     deadline),
		  HYBRIDGE_ETIMEOUT, "there was no answer in time");
}

static char *make_request(const struct hybridge_description_args *args)
{
	const struct hybridge_connstr *relay = args->relay;
	const char *token = args->token ? args->token : "";
	bool is_sas = strncasecmp(token, SAS_WORD, strlen(SAS_WORD)) == 0;
	char *host = hybridge_endpoint_host(relay->host, relay->port,
					    !relay->plaintext);
	char *path = hybridge_endpoint_path(relay);
	char *request = NULL;

	if (host && path &&
	    asprintf(&request,
		     "GET /%s?api-version=2016-07 HTTP/1.0\r\n"
		     "Host: %s\r\n"
		     "X-PROCESS-AT: ServiceBus\r\n"
		     "%s%s%s%s"
		     "User-Agent: hybridge/" HYBRIDGE_VERSION "\r\n\r\n",
		     path, host, *token ? "Authorization: " : "",
		     *token && !is_sas ? "Bearer " : "", token,
		     *token ? "\r\n" : "") < 0)
		request = NULL;
	free(host);
	free(path);
	return request;
}

struct hybridge_description_fetch *
hybridge_description_get(struct hybridge_loop *loop,
			 const struct hybridge_description_args *args,
			 hybridge_description_fn *done, void *owner)
{
	const struct hybridge_connstr *relay = args->relay;
	struct hybridge_description_fetch *fetch = calloc(1, sizeof(*fetch));
	struct hybridge_dial_args dial = {
		.host = relay->host,
		.port = relay->port,
		.tls = args->tls,
		.proxy = args->proxy,
		.no_proxy = args->no_proxy,
		.timeout_ms = TIMEOUT_MS,
	};

	if (!fetch)
		return NULL;
	fetch->loop = loop;
	fetch->done = done;
	fetch->owner = owner;
	fetch->deadline.fire = on_deadline;
	fetch->reap.run = run_reap;
	fetch->relay = strdup(relay->host);
	fetch->entity = strdup(relay->entity ? relay->entity : "");
	fetch->request = make_request(args);
	if (fetch->relay && fetch->entity && fetch->request &&
	    hybridge_timer_set(loop, &fetch->deadline, TIMEOUT_MS) == 0)
		fetch->dial =
			hybridge_dial_start(loop, &dial, on_dialled, fetch);
	if (fetch->dial)
		return fetch;
	leave(fetch);
	return NULL;
}

void hybridge_description_cancel(struct hybridge_description_fetch *fetch)
{
	if (fetch && fetch->done)
		leave(fetch);
}
