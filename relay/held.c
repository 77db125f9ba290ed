/*
 * held.c - one sender whose upgrade is not answered yet, and its invitations.
 */
#include "held.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <utlist.h>

#include <hybridge/text.h>

#include "far.h"
#include "worker.h"

#define MESSAGE_ROOM 60000 /* of the 65,536 bytes that a listener takes */
#define GATEWAYS     128   /* the last number of an id, as in Azure */

/* Every byte may take two in JSON: '/' and '"' are escaped. */
bool held_too_large(const struct call *call)
{
	size_t size = 4 * (call->target.path.len + call->target.query.len);

	for (size_t i = 0; i < call->head->num_headers; i++)
		size += 2 * (call->head->headers[i].name.len +
			     call->head->headers[i].value.len) +
			8;
	return size > MESSAGE_ROOM;
}

static void held_free(struct held *held)
{
	if (!held)
		return;
	for (size_t i = 0; i < HELD_INVITES; i++)
		free(held->invites[i].target);
	hybridge_message_free(&held->message);
	free(held->host);
	free(held->remote);
	free(held->path);
	free(held->query);
	free(held);
}

static void run_reap(struct hybridge_task *task)
{
	held_free(hybridge_container(task, struct held, reap));
}

static int copy_headers(const struct call *call, bool hide_authorization,
			struct hybridge_message *message)
{
	const struct hybridge_http_head *head = call->head;

	if (head->num_headers == 0)
		return 0;
	message->headers = calloc(head->num_headers, sizeof(*message->headers));
	if (!message->headers)
		return -1;
	for (size_t i = 0; i < head->num_headers; i++) {
		const struct hybridge_http_header *from = &head->headers[i];
		struct hybridge_header *to =
			&message->headers[message->num_headers];

		if (hybridge_span_is(from->name, "ServiceBusAuthorization") ||
		    (hide_authorization &&
		     hybridge_span_is(from->name, "Authorization")))
			continue;
		message->num_headers++;
		to->name = hybridge_span_dup(from->name);
		to->value = hybridge_span_dup(from->value);
		if (!to->name || !to->value)
			return -1;
	}
	return 0;
}

static char *name_call(const struct call *call)
{
	static unsigned int count;
	char digits[HYBRIDGE_TEXT_NUMBER];
	const struct hybridge_span parts[] = {
		hybridge_text_span(call->guid),
		hybridge_text_span("_G0_G"),
		hybridge_text_number(count++ % GATEWAYS, digits),
	};

	return hybridge_text_join(parts, 3);
}

static int copy_call(struct held *held, const struct call *call,
		     bool hide_authorization)
{
	struct hybridge_message *message = &held->message;

	held->host = hybridge_span_dup(call->host);
	held->remote = strdup(call->remote_address);
	held->path = hybridge_span_dup(call->target.path);
	held->query = hybridge_span_dup(call->target.query);
	message->remote_address = strdup(call->remote_address);
	message->remote_port = call->remote_port;
	message->id = name_call(call);
	if (!held->host || !held->remote || !held->path || !held->query ||
	    !message->remote_address || !message->id)
		return -1;
	return copy_headers(call, hide_authorization, message);
}

/* A session's streams cannot leave it; a connection may go anywhere. */
static struct worker *worker_for(const struct call *call)
{
	struct worker *worker;

	if (!call->guest)
		return workers_pick(call->relay->workers);
	worker = far_worker(call->conn);
	worker_keep(worker);
	return worker;
}

struct held *held_new(const struct call *call, const struct entity *entity,
		      bool hide_authorization)
{
	struct held *held = calloc(1, sizeof(*held));

	if (!held)
		return NULL;
	held->relay = call->relay;
	held->conn = call->conn;
	held->reap.run = run_reap;
	held->since_us = hybridge_loop_now_us(call->relay->loop);
	memcpy(held->guid, call->guid, sizeof(held->guid));
	tracking_short(held->guid, held->session);
	call_accept_key(call, held->accept);
	held->meter = meter_get(&call->relay->meters, entity->folded);
	if (!held->meter || copy_call(held, call, hide_authorization) != 0) {
		held_free(held);
		return NULL;
	}
	held->worker = worker_for(call);
	held->meter->held++;
	DL_APPEND(call->relay->held, held);
	return held;
}

static void make_secret(char out[static HELD_SECRET])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t bytes[(HELD_SECRET - 1) / 2];

	arc4random_buf(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		out[2 * i] = hex[bytes[i] >> 4];
		out[2 * i + 1] = hex[bytes[i] & 15];
	}
	out[HELD_SECRET - 1] = '\0';
}

struct invite *held_invite(struct held *held)
{
	struct target target = {
		.path = {held->path, strlen(held->path)},
		.query = {held->query, strlen(held->query)},
	};
	struct invite *invite;

	if (held->num_invites == HELD_INVITES)
		return NULL;
	invite = &held->invites[held->num_invites];
	*invite = (struct invite){.held = held};
	make_secret(invite->secret);
	invite->target =
		target_rendezvous(&target, held->message.id, invite->secret,
				  worker_number(held->worker));
	if (!invite->target)
		return NULL;
	HASH_ADD_STR(held->relay->invites, secret, invite);
	if (!invite->hh.tbl) {
		free(invite->target);
		invite->target = NULL;
		return NULL;
	}
	held->num_invites++;
	return invite;
}

void held_uninvite(struct held *held)
{
	struct invite *invite = &held->invites[--held->num_invites];

	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in the table */
	HASH_DEL(held->relay->invites, invite);
	free(invite->target);
	invite->target = NULL;
}

struct held *held_find(struct relay *relay, struct hybridge_span secret)
{
	struct invite *invite = NULL;

	HASH_FIND(hh, relay->invites, secret.text, secret.len, invite);
	return invite ? invite->held : NULL;
}

const char *held_header(const struct held *held, const char *name)
{
	for (size_t i = 0; i < held->message.num_headers; i++)
		if (strcasecmp(held->message.headers[i].name, name) == 0)
			return held->message.headers[i].value;
	return NULL;
}

static bool lists(const char *p, struct hybridge_span protocol)
{
	while (*p) {
		size_t len;

		p += strspn(p, ", \t");
		len = strcspn(p, ", \t");
		if (len > 0 && len == protocol.len &&
		    memcmp(p, protocol.text, len) == 0)
			return true;
		p += len;
	}
	return false;
}

bool held_offers(const struct held *held, struct hybridge_span protocol)
{
	const struct hybridge_message *message = &held->message;

	/* RFC 6455 11.3.4: a client may spread its offer over several. */
	for (size_t i = 0; i < message->num_headers; i++)
		if (strcasecmp(message->headers[i].name,
			       "Sec-WebSocket-Protocol") == 0 &&
		    lists(message->headers[i].value, protocol))
			return true;
	return false;
}

int64_t held_age_ms(const struct held *held)
{
	return (hybridge_loop_now_us(held->relay->loop) - held->since_us) /
	       1000;
}

struct hybridge_conn *held_release(struct held *held)
{
	struct hybridge_conn *conn = held->conn;

	while (held->num_invites > 0)
		held_uninvite(held);
	hybridge_timer_clear(held->relay->loop, &held->timer);
	worker_release(held->worker);
	held->meter->held--;
	held->conn = NULL;
	DL_DELETE(held->relay->held, held);
	hybridge_loop_defer(held->relay->loop, &held->reap);
	return conn;
}
