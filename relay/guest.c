/*
 * guest.c - one HTTP/2 session of a caller: each of its streams is a call.
 *
 * A guest is a stranger until one of its streams was opened: until then it takes one of the
 * places that the door gives to its address, like a connection without a request.
 */
#include "guest.h"

#include <stdlib.h>

#include <utlist.h>

#include <hybridge/h2.h>
#include <hybridge/log.h>

#include "answer.h"
#include "relay.h"
#include "serve.h"

#define STREAMS_MAX 4096 /* of one session; a sender opens several */

struct guest {
	struct relay *relay;
	struct hybridge_h2 *session;
	struct caller caller;
	char remote[HYBRIDGE_IP_TEXT];
	void (*known)(void *owner); /* NULL: was called */
	void *owner;
	struct guest *prev;
	struct guest *next;
};

static void become_known(struct guest *guest)
{
	void (*known)(void *owner) = guest->known;

	guest->known = NULL;
	if (known)
		known(guest->owner);
}

static void on_opened(void *owner)
{
	become_known(owner);
}

static void on_request(void *owner, struct hybridge_conn *stream,
		       const struct hybridge_http_head *head)
{
	const struct answer no_request = {.status = 400};
	struct guest *guest = owner;
	struct call call = {
		.relay = guest->relay,
		.conn = stream,
		.head = head,
		.ip = &guest->caller.ip,
		.remote_address = guest->remote,
		.remote_port = guest->caller.port,
	};

	if (serve_call(&call) != 0)
		answer_send(stream, &no_request);
}

static void on_over(void *owner, const struct hybridge_error *err)
{
	struct guest *guest = owner;

	/* Callers come and go; only one that misbehaves is news. */
	hybridge_log(err->code == HYBRIDGE_EPROTOCOL ? HYBRIDGE_LOG_INFO
						     : HYBRIDGE_LOG_DEBUG,
		     "HTTP/2 session ended",
		     HYBRIDGE_STR("remote", guest->remote),
		     HYBRIDGE_STR("error", err->code ? err->what : NULL));
	become_known(guest);
	DL_DELETE(guest->relay->guests, guest);
	free(guest);
}

struct guest *guest_start(struct relay *relay, struct hybridge_conn *conn,
			  const struct caller *caller,
			  void (*known)(void *owner), void *owner)
{
	static const struct hybridge_h2_ops ops = {
		.request = on_request,
		.opened = on_opened,
		.over = on_over,
	};
	const struct hybridge_h2_args args = {
		.is_server = true,
		.streams_max = STREAMS_MAX,
		.ping_ms = relay->config.ping_ms,
	};
	struct guest *guest = calloc(1, sizeof(*guest));

	if (!guest) {
		hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
		return NULL;
	}
	guest->relay = relay;
	guest->caller = *caller;
	guest->known = known;
	guest->owner = owner;
	hybridge_ip_format(&caller->ip, guest->remote);
	guest->session = hybridge_h2_new(relay->loop, conn, &args, &ops, guest);
	if (!guest->session) {
		free(guest);
		return NULL;
	}
	DL_APPEND(relay->guests, guest);
	return guest;
}

bool guest_is_busy(const struct guest *guest)
{
	return hybridge_h2_streams(guest->session) > 0;
}

void guest_drop(struct guest *guest)
{
	if (!guest)
		return;
	hybridge_h2_drop(guest->session);
	DL_DELETE(guest->relay->guests, guest);
	free(guest);
}

void guests_drain(struct relay *relay)
{
	struct guest *guest;

	DL_FOREACH (relay->guests, guest)
		hybridge_h2_drain(guest->session);
}

void guests_drop(struct relay *relay)
{
	struct guest *guest;
	struct guest *next;

	DL_FOREACH_SAFE (relay->guests, guest, next) {
		guest_drop(guest);
	}
}
