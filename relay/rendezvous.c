/*
 * rendezvous.c - senders that wait, and the listeners that come to meet them.
 *
 *	HELD -- a listener accepts ----------> both upgrades are answered, a stream starts
 *	HELD -- a listener refuses ----------> the sender is told what the listener said
 *	HELD -- 30 s, or nobody is left -----> 404
 *	HELD -- the sender goes away --------> nothing more
 *
 * Each listener that is asked gets an address of its own: the secret in it is the
 * only thing that counts, is good once, and ends with the waiting.  When one does
 * not answer in time, or leaves, another one is asked; the first's address stays
 * good, as a slow target is no failure.
 */
#include "rendezvous.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include <hybridge/log.h>
#include <hybridge/url.h>

#include "answer.h"
#include "far.h"
#include "guest.h"
#include "held.h"
#include "stream.h"

/* What .NET's tests of Azure Relay know of. */
#define ALLOWED    "Microsoft-Relay-AllowedListeners"
#define DISALLOWED "Microsoft-Relay-DisallowedListeners"

#define NEXT_MS     10000 /* then another listener is asked */
#define DEADLINE_MS 30000 /* as long as Azure's addresses are good */
#define ORPHAN_MS   5000  /* for a listener that has left but may still come */

static void log_refused(const struct held *held, const char *why, int status)
{
	held->meter->refused++;
	hybridge_log(HYBRIDGE_LOG_INFO, "stream refused",
		     HYBRIDGE_STR("entity", held->meter->entity),
		     HYBRIDGE_STR("session", held->session),
		     HYBRIDGE_NUM("status", status), HYBRIDGE_STR("why", why),
		     HYBRIDGE_NUM("waited_ms", held_age_ms(held)));
}

/* Answers the sender with a tracked text, and forgets it. */
static void refuse(struct held *held, int status, const char *message)
{
	char text[TRACKING_TEXT];
	struct answer answer = {
		.status = status,
		.reason = text,
		.headers = status == 503 ? "Retry-After: 5\r\n" : NULL,
	};

	tracking_text(message, held->guid,
		      (struct hybridge_span){held->host, strlen(held->host)},
		      (struct hybridge_span){held->meter->entity,
					     strlen(held->meter->entity)},
		      time(NULL), text);
	log_refused(held, message, status);
	answer_send(held_release(held), &answer);
}

static void drop(struct held *held)
{
	hybridge_log(HYBRIDGE_LOG_DEBUG, "sender left while it waited",
		     HYBRIDGE_STR("entity", held->meter->entity),
		     HYBRIDGE_STR("session", held->session));
	hybridge_conn_close(held_release(held), HYBRIDGE_CONN_RESET);
}

static void on_sender(void *owner, struct hybridge_conn *conn)
{
	/* What it may have sent too early stays unread until somebody listens. */
	if (hybridge_conn_hung_up(conn))
		drop(owner);
}

/* Whether one of those that were asked is still there. */
static bool has_listener(const struct held *held)
{
	for (size_t i = 0; i < held->num_invites; i++)
		if (held->invites[i].member != 0)
			return true;
	return false;
}

/* Asks one more listener; false when there is none to ask. */
static bool ask(struct held *held)
{
	uint64_t asked[HELD_INVITES] = {0};
	struct relay *relay = held->relay;
	struct bus_invite bus_message = {
		.host = relay->config.public_host,
		.message = &held->message,
		.allowed = held_header(held, ALLOWED),
		.disallowed = held_header(held, DISALLOWED),
	};
	struct invite *invite = held_invite(held);
	uint64_t member;

	if (!invite)
		return false;
	for (size_t i = 0; i < held->num_invites; i++)
		asked[i] = held->invites[i].asked;
	bus_message.target = invite->target;
	member = bus_invite(relay->bus, held->meter->entity, asked,
			    held->num_invites, &bus_message);
	if (member == 0) {
		held_uninvite(held);
		return false;
	}
	invite->asked = member;
	invite->member = member;
	return true;
}

/* The time until which the present answer is waited for. */
static int arm(struct held *held, uint32_t delay_ms)
{
	int64_t left_ms = DEADLINE_MS - held_age_ms(held);

	if (left_ms < 0)
		left_ms = 0;
	if (left_ms > delay_ms)
		left_ms = delay_ms;
	return hybridge_timer_set(held->relay->loop, &held->timer,
				  (uint32_t)left_ms);
}

static void on_timer(struct hybridge_timer *timer)
{
	struct held *held = hybridge_container(timer, struct held, timer);
	bool late = held_age_ms(held) >= DEADLINE_MS;
	bool is_asked;

	/* When nobody else can be asked, the first may still come. */
	is_asked = !late && ask(held);
	if (late || (!is_asked && !has_listener(held))) {
		refuse(held, 404,
		       "None of the connected listeners accepted the "
		       "connection within the allowed timeout");
		return;
	}
	if (arm(held, is_asked ? NEXT_MS : DEADLINE_MS) != 0)
		refuse(held, 500, "out of memory");
}

void rendezvous_left(void *owner, uint64_t member)
{
	struct relay *relay = owner;
	struct held *held;
	struct held *next;

	DL_FOREACH_SAFE (relay->held, held, next) {
		bool was_asked = false;

		for (size_t i = 0; i < held->num_invites; i++) {
			if (held->invites[i].member != member)
				continue;
			held->invites[i].member = 0;
			was_asked = true;
		}
		if (!was_asked || has_listener(held))
			continue;
		if (arm(held, ask(held) ? NEXT_MS : ORPHAN_MS) != 0)
			refuse(held, 500, "out of memory");
	}
}

/* The checks that come before a sender is held; false when it was refused. */
static bool may_connect(const struct call *call, const struct entity **out,
			enum auth_carrier *carrier)
{
	const struct entity *entity;
	struct relay *relay = call->relay;
	struct auth_result result;
	struct meter *meter;

	*carrier = AUTH_CARRIER_NONE;
	if (relay->draining) {
		call_refuse(call, 503, "The relay is shutting down");
		return false;
	}
	entity = call_entity(call);
	*out = entity;
	if (!entity)
		return false;
	if (!entity->open_senders &&
	    !call_authorize(call, entity, ENTITY_SEND, &result, carrier))
		return false;
	meter = meter_get(&relay->meters, entity->folded);
	if (!meter) {
		call_refuse(call, 500, "out of memory");
		return false;
	}
	if (meter->held + meter->streams >= relay->config.max_streams) {
		meter->refused++;
		call_refuse(call, 503,
			    "The hybrid connection has too many streams");
		return false;
	}
	if (bus_count(relay->bus, entity->folded) == 0) {
		meter->refused++;
		call_refuse(call, 404,
			    "There are no listeners connected for the "
			    "endpoint");
		return false;
	}
	return true;
}

static const char *why_nobody(const struct held *held)
{
	if (held_header(held, ALLOWED) || held_header(held, DISALLOWED))
		return "None of the connected listeners meet the "
		       "AllowedListeners/DisallowedListeners criteria";
	return "There are no listeners connected for the endpoint";
}

void rendezvous_connect(const struct call *call)
{
	const struct entity *entity;
	enum auth_carrier carrier;
	struct held *held;
	bool is_asked;

	if (!may_connect(call, &entity, &carrier))
		return;
	if (held_too_large(call)) {
		call_refuse(call, 431, "The request's headers are too large");
		return;
	}
	held = held_new(call, entity, carrier == AUTH_CARRIER_AUTHORIZATION);
	if (!held) {
		call_refuse(call, 500, "out of memory");
		return;
	}
	held->timer.fire = on_timer;
	hybridge_conn_set_owner(call->conn, on_sender, held);
	errno = 0;
	is_asked = ask(held);
	if (!is_asked && errno != ENOMEM)
		refuse(held, 404, why_nobody(held));
	else if (!is_asked || arm(held, NEXT_MS) != 0)
		refuse(held, 500, "out of memory");
}

/* A listener's refusal: 410 tells it that it was heard. */
static void reject(const struct call *call, struct held *held,
		   const struct target_reject *said)
{
	struct answer answer = {.status = said->status, .reason = said->reason};

	call_answer(call, 410, "The rejection was passed on to the sender");
	log_refused(held, said->reason[0] ? said->reason : "by the listener",
		    said->status);
	answer_send(held_release(held), &answer);
}

/* The first protocol that the listener names, if it may stand in a header. */
static struct hybridge_span chosen_protocol(const struct call *call)
{
	static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789!#$%&'*+-.^_`|~";
	struct hybridge_span value = {"", 0};
	size_t len = 0;

	hybridge_http_get(call->head, "Sec-WebSocket-Protocol", &value);
	while (len < value.len && value.text[len] &&
	       strchr(token, value.text[len]))
		len++;
	value.len = len;
	return value;
}

/* A stream of HTTP/2 cannot leave its session, nor bytes the thread that they came to. */
static bool is_elsewhere(const struct call *call, const struct held *held)
{
	return call->guest && far_worker(call->conn) != held->worker;
}

/* 421, as for a wrong machine: to be asked for again on a connection of its own.  A session
 * that is in the wrong place makes room for one that is not. */
static void send_elsewhere(const struct call *call)
{
	call_answer(call, 421, "The sender's stream is with another worker");
	guest_drain(call->guest);
}

static void join(const struct call *call, struct held *held)
{
	const struct hybridge_span none = {"", 0};
	struct hybridge_span protocol = chosen_protocol(call);
	/* A client that is told of a protocol it did not offer fails. */
	bool offered = held_offers(held, protocol);
	char accept[29];

	call_accept_key(call, accept);
	if (answer_upgrade(call->conn, accept, protocol) != 0) {
		hybridge_conn_close(call->conn, HYBRIDGE_CONN_RESET);
		refuse(held, 502,
		       "The listener's connection broke while it accepted");
		return;
	}
	if (answer_upgrade(held->conn, held->accept,
			   offered ? protocol : none) != 0) {
		hybridge_conn_close(call->conn, HYBRIDGE_CONN_RESET);
		drop(held);
		return;
	}
	stream_start(held, call->conn);
}

void rendezvous_accept(const struct call *call)
{
	struct hybridge_span secret = {"", 0};
	struct target_reject said;
	struct held *held;

	hybridge_query_get(call->target.query, TARGET_SECRET, &secret);
	held = held_find(call->relay, secret);
	if (!held) {
		call_refuse(call, 403,
			    "The rendezvous address is unknown, was used "
			    "already, or has expired");
		return;
	}
	if (target_rejects(call->target.query, &said))
		reject(call, held, &said);
	else if (is_elsewhere(call, held))
		send_elsewhere(call);
	else
		join(call, held);
}

void rendezvous_refuse_gone(struct relay *relay)
{
	struct held *held;
	struct held *next;

	DL_FOREACH_SAFE (relay->held, held, next) {
		if (!entities_get(&relay->entities, held->meter->entity))
			refuse(held, 404, "Endpoint does not exist");
	}
}

void rendezvous_refuse_all(struct relay *relay, int status, const char *message)
{
	struct held *held;
	struct held *next;

	DL_FOREACH_SAFE (relay->held, held, next) {
		refuse(held, status, message);
	}
}
