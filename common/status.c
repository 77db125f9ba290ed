/*
 * status.c - serves /livez, /readyz and /metrics over plain HTTP.
 *
 * Theory of operation.  We listen and accept ourselves, so that a port that is
 * taken is an ordinary error with its reason, and hand each connection to
 * libwebsockets, which speaks HTTP on it.  An answer is made whole in memory
 * when its request is complete, then sent a chunk per writable callback.
 * /livez needs no question: an answer means that the loop turns.
 */
#include <hybridge/status.h>

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "process.h"

#define ACCEPTS_PER_TURN 8
#define RETRY_MS         1000
#define CHUNK            4096
#define HEAD_MAX         512

#define TEXT_PLAIN   "text/plain; charset=utf-8"
#define TEXT_METRICS "text/plain; version=0.0.4; charset=utf-8"

struct hybridge_status {
	struct hybridge_loop *loop;
	struct lws_vhost *vhost;
	const struct hybridge_status_ops *ops;
	void *owner;
	time_t started;
	struct hybridge_source listener;
	struct hybridge_timer
		retry; /* accept again: we had run out of descriptors */
	unsigned short port;
};

/* What lws keeps for us beside each connection: the answer that is being sent. */
struct answer {
	char *body; /* owned */
	size_t len;
	size_t sent;
};

struct page {
	const char *path;
	const char *type;
	/* Writes the body, says with which status. */
	unsigned int (*write)(const struct hybridge_status *status, FILE *to);
};

static unsigned int write_livez(const struct hybridge_status *status, FILE *to)
{
	(void)status;
	fputs("ok\n", to);
	return HTTP_STATUS_OK;
}

static unsigned int write_readyz(const struct hybridge_status *status, FILE *to)
{
	if (!status->ops->ready(status->owner, to))
		return HTTP_STATUS_SERVICE_UNAVAILABLE;
	fputs("ready\n", to);
	return HTTP_STATUS_OK;
}

static unsigned int write_metrics(const struct hybridge_status *status,
				  FILE *to)
{
	status->ops->metrics(status->owner, to);
	process_write(status->started, to);
	return HTTP_STATUS_OK;
}

static unsigned int write_not_found(const struct hybridge_status *status,
				    FILE *to)
{
	(void)status;
	fputs("not found; there are /livez, /readyz and /metrics\n", to);
	return HTTP_STATUS_NOT_FOUND;
}

static unsigned int write_not_allowed(const struct hybridge_status *status,
				      FILE *to)
{
	(void)status;
	fputs("only GET and HEAD\n", to);
	return HTTP_STATUS_METHOD_NOT_ALLOWED;
}

static const struct page pages[] = {
	{"/livez", TEXT_PLAIN, write_livez},
	{"/readyz", TEXT_PLAIN, write_readyz},
	{"/metrics", TEXT_METRICS, write_metrics},
};
static const struct page not_found = {NULL, TEXT_PLAIN, write_not_found};
static const struct page not_allowed = {NULL, TEXT_PLAIN, write_not_allowed};

static const struct page *find_page(struct lws *wsi, const char *path)
{
	if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) == 0 &&
	    lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) == 0)
		return &not_allowed;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (strcmp(path, pages[i].path) == 0)
			return &pages[i];
	return &not_found;
}

static void drop_answer(struct answer *answer)
{
	if (!answer)
		return;
	free(answer->body);
	*answer = (struct answer){0};
}

static int send_head(struct lws *wsi, const struct page *page,
		     unsigned int status, size_t body_len)
{
	unsigned char buf[LWS_PRE + HEAD_MAX];
	unsigned char *start = buf + LWS_PRE;
	unsigned char *end = buf + sizeof(buf);
	unsigned char *at = start;

	if (lws_add_http_common_headers(wsi, status, page->type, body_len, &at,
					end) != 0)
		return -1;
	if (status == HTTP_STATUS_METHOD_NOT_ALLOWED &&
	    lws_add_http_header_by_name(wsi, (const unsigned char *)"allow:",
					(const unsigned char *)"GET, HEAD", 9,
					&at, end) != 0)
		return -1;
	return lws_finalize_write_http_header(wsi, start, &at, end);
}

/* Returns what an lws callback does: -1 ends the connection. */
static int start_answer(const struct hybridge_status *status, struct lws *wsi,
			struct answer *answer, const char *path)
{
	const struct page *page = find_page(wsi, path);
	bool wants_body = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) == 0;
	unsigned int code;
	FILE *to;

	drop_answer(answer);
	to = open_memstream(&answer->body, &answer->len);
	if (!to)
		return -1;
	code = page->write(status, to);
	if (fclose(to) != 0 || send_head(wsi, page, code, answer->len) != 0)
		return -1;
	if (!wants_body)
		answer->len = 0;
	lws_callback_on_writable(wsi);
	return 0;
}

/* Sends what fits into one chunk; returns whether that worked. */
static bool send_some(struct lws *wsi, struct answer *answer)
{
	unsigned char buf[LWS_PRE + CHUNK];
	size_t left = answer->len - answer->sent;
	enum lws_write_protocol how = LWS_WRITE_HTTP;

	if (left > CHUNK)
		left = CHUNK;
	else
		how = LWS_WRITE_HTTP_FINAL;
	memcpy(buf + LWS_PRE, answer->body + answer->sent, left);
	answer->sent += left;
	return lws_write(wsi, buf + LWS_PRE, left, how) >= 0;
}

static int continue_answer(struct lws *wsi, struct answer *answer)
{
	/* lws also asks on its own account, before there is an answer. */
	if (!answer->body)
		return 0;
	if (answer->sent < answer->len && !send_some(wsi, answer))
		return -1;
	if (answer->sent < answer->len) {
		lws_callback_on_writable(wsi);
		return 0;
	}
	drop_answer(answer);
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static struct hybridge_loop *loop_of(struct lws *wsi)
{
	const struct hybridge_status *status =
		lws_vhost_user(lws_get_vhost(wsi));

	return status->loop;
}

static int on_http(struct lws *wsi, enum lws_callback_reasons reason,
		   void *user, void *in, size_t len)
{
	/* lws has many more reasons; none of them concerns us. */
	if (reason == LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED ||
	    reason == LWS_CALLBACK_WSI_DESTROY)
		hybridge_loop_guest(
			loop_of(wsi),
			reason == LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED);
	if (reason == LWS_CALLBACK_HTTP)
		return start_answer(lws_vhost_user(lws_get_vhost(wsi)), wsi,
				    user, in);
	if (reason == LWS_CALLBACK_HTTP_WRITEABLE)
		return continue_answer(wsi, user);
	if (reason == LWS_CALLBACK_HTTP_DROP_PROTOCOL ||
	    reason == LWS_CALLBACK_CLOSED_HTTP) {
		drop_answer(user);
		return 0;
	}
	/* No WebSocket and no HTTP/2 here. */
	if (reason == LWS_CALLBACK_HTTP_CONFIRM_UPGRADE)
		return -1;
	return lws_callback_http_dummy(wsi, reason, user, in, len);
}

static const struct lws_protocols protocols[] = {
	{.name = "http",
	 .callback = on_http,
	 .per_session_data_size = sizeof(struct answer)},
	{.name = NULL},
};

static void on_connection(struct hybridge_source *source, uint32_t events);

static void on_retry(struct hybridge_timer *timer)
{
	struct hybridge_status *status =
		hybridge_container(timer, struct hybridge_status, retry);

	status->listener.ready = on_connection;
	if (hybridge_loop_watch_level(status->loop, &status->listener) == 0)
		return;
	status->listener.ready = NULL;
	/* Cannot fail: our place in the heap was freed just now. */
	int armed = hybridge_timer_set(status->loop, &status->retry, RETRY_MS);
	assert(armed == 0);
}

/* The listener stays readable, so without a pause the loop would spin. */
static void pause_accepting(struct hybridge_status *status)
{
	if (hybridge_timer_set(status->loop, &status->retry, RETRY_MS) == 0)
		hybridge_loop_unwatch(status->loop, &status->listener);
}

static void on_connection(struct hybridge_source *source, uint32_t events)
{
	struct hybridge_status *status =
		hybridge_container(source, struct hybridge_status, listener);

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(source->fd, NULL, NULL,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE ||
			       errno == ENOBUFS || errno == ENOMEM))
			pause_accepting(status);
		if (fd < 0)
			return;
		/* On failure lws closes it: too many are being served. */
		lws_adopt_socket_vhost(status->vhost, fd);
	}
}

/* Takes HOST:PORT or [V6]:PORT apart in place.  Return: PORT, or NULL. */
static char *split_address(char *address, char **host)
{
	char *colon = strrchr(address, ':');
	size_t host_len = colon ? (size_t)(colon - address) : 0;

	if (host_len == 0 || colon[1] == '\0' ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return NULL;
	*colon = '\0';
	*host = address;
	if (address[0] == '[') {
		if (address[host_len - 1] != ']')
			return NULL;
		address[host_len - 1] = '\0';
		*host = address + 1;
	} else if (strchr(address, ':')) {
		return NULL;
	}
	return colon + 1;
}

static int bind_listener(struct hybridge_status *status,
			 const struct addrinfo *to)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} bound = {.v6 = {0}};
	socklen_t bound_len = sizeof(bound);
	int one = 1;
	int fd = socket(to->ai_family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	status->listener.fd = fd;
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    bind(fd, to->ai_addr, to->ai_addrlen) != 0 ||
	    listen(fd, SOMAXCONN) != 0 ||
	    getsockname(fd, &bound.any, &bound_len) != 0)
		return -1;
	status->port =
		ntohs(bound.any.sa_family == AF_INET ? bound.v4.sin_port
						     : bound.v6.sin6_port);
	return 0;
}

static int open_listener(struct hybridge_status *status, const char *address,
			 struct hybridge_error *err)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	struct addrinfo *found = NULL;
	char *copy = strdup(address);
	char *host = NULL;
	char *port;
	int failed;
	int ret = -1;

	if (!copy) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return -1;
	}
	port = split_address(copy, &host);
	if (!port) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "status address '%s' is not HOST:PORT", address);
		hybridge_hint(err, "for example 127.0.0.1:9471 or [::1]:9471");
		goto out;
	}
	failed = getaddrinfo(host, port, &hints, &found);
	if (failed) {
		hybridge_fail(err, HYBRIDGE_ECONFIG, "status address '%s': %s",
			      address, gai_strerror(failed));
		goto out;
	}
	ret = bind_listener(status, found);
	if (ret != 0) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM,
			      "cannot listen for status requests on %s: %s",
			      address, strerror(errno));
		hybridge_hint(err, "see who has it: ss -ltnp");
	}
out:
	if (found)
		freeaddrinfo(found);
	free(copy);
	return ret;
}

static void stop_listening(struct hybridge_status *status)
{
	hybridge_timer_clear(status->loop, &status->retry);
	hybridge_loop_unwatch(status->loop, &status->listener);
	if (status->listener.fd >= 0)
		close(status->listener.fd);
	status->listener.fd = -1;
}

static int start_listening(struct hybridge_status *status, const char *address,
			   struct hybridge_error *err)
{
	if (open_listener(status, address, err) != 0)
		return -1;
	status->listener.ready = on_connection;
	if (hybridge_loop_watch_level(status->loop, &status->listener) == 0)
		return 0;
	status->listener.ready = NULL;
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "cannot poll: %s",
		      strerror(errno));
	return -1;
}

static void status_free(struct hybridge_status *status)
{
	stop_listening(status);
	free(status);
}

static void on_vhost_gone(struct lws_vhost *vhost, void *arg)
{
	struct hybridge_status *status = arg;

	(void)vhost;
	/* Not yet set: a creation that fails, and says so itself. */
	if (status->vhost)
		status_free(status);
}

struct hybridge_status *
hybridge_status_listen(struct hybridge_loop *loop, const char *address,
		       const struct hybridge_status_ops *ops, void *owner,
		       struct hybridge_error *err)
{
	struct hybridge_status *status = calloc(1, sizeof(*status));
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.gid = -1,
		.uid = -1,
		.vhost_name = "status",
		.protocols = protocols,
		.user = status,
		.finalize = on_vhost_gone,
		.finalize_arg = status,
	};

	if (!status) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return NULL;
	}
	status->loop = loop;
	status->ops = ops;
	status->owner = owner;
	status->started = time(NULL);
	status->listener.fd = -1;
	status->retry.fire = on_retry;
	if (start_listening(status, address, err) != 0)
		goto fail;
	status->vhost = lws_create_vhost(hybridge_loop_lws(loop), &info);
	if (!status->vhost) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM,
			      "libwebsockets cannot serve status requests");
		goto fail;
	}
	return status;
fail:
	status_free(status);
	return NULL;
}

unsigned short hybridge_status_port(const struct hybridge_status *status)
{
	return status->port;
}
