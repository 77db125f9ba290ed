/*
 * listener.c - control channels: who listens, for which hybrid connection, until when.
 *
 * A listener is on the bus from its 101 until it ends, or until we begin to close
 * it, whichever comes first: whoever is being closed is not asked to accept.  (A channel
 * that closes by itself, as its peer broke a rule, is asked in vain, and the bus asks another.)
 */
#include "listener.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <utlist.h>

#include <hybridge/authority.h>
#include <hybridge/channel.h>
#include <hybridge/log.h>
#include <hybridge/message.h>
#include <hybridge/text.h>
#include <hybridge/ws.h>

#include "answer.h"
#include "throttle.h"

#define GRACE_SECONDS     300 /* .NET and hyco-ws renew exactly at the expiry */
#define MESSAGE_LIMIT     65000 /* Microsoft's listeners take 65,536 bytes */
#define TIMER_MAX_SECONDS 86400

struct listener {
	struct relay *relay;
	struct bus_member member;
	struct hybridge_channel *channel;
	struct meter *meter;
	char *host; /* as it was dialled */
	char *remote;
	char *token; /* the last that was good; secret */
	char session[TRACKING_SHORT];
	char guid[TRACKING_GUID];
	bool has_id; /* it gave the GUID itself */
	bool is_leaving;
	int64_t expiry; /* of its token, seconds since the epoch */
	int64_t opened_us;
	int64_t recycle_us; /* when it is closed, or 0 */
	struct hybridge_timer timer;
	struct listener *prev;
	struct listener *next;
};

static void listener_free(struct listener *listener)
{
	if (!listener)
		return;
	free(listener->host);
	free(listener->remote);
	hybridge_text_free_secret(listener->token);
	free(listener);
}

/* Out of every list: nobody finds it any more. */
static void retire(struct listener *listener)
{
	struct relay *relay = listener->relay;

	bus_leave(relay->bus, &listener->member);
	hybridge_timer_clear(relay->loop, &listener->timer);
	listener->meter->listeners--;
	DL_DELETE(relay->listeners, listener);
}

static void close_listener(struct listener *listener, uint16_t code,
			   const char *reason)
{
	listener->is_leaving = true;
	bus_leave(listener->relay->bus, &listener->member);
	hybridge_channel_close(listener->channel, code, reason);
}

static int pass_invite(struct bus_member *member,
		       const struct bus_invite *invite)
{
	struct listener *listener =
		hybridge_container(member, struct listener, member);
	struct hybridge_message message = *invite->message;
	const struct hybridge_span address[] = {
		hybridge_text_span(listener->relay->tls ? "wss://" : "ws://"),
		hybridge_text_span(invite->host ? invite->host
						: listener->host),
		hybridge_text_span(invite->target),
	};
	char *text = NULL;
	size_t len;
	int ret = -1;

	message.address = hybridge_text_join(address, 3);
	if (!message.address)
		return -1;
	text = hybridge_message_format_accept(&message);
	free(message.address);
	len = text ? strlen(text) : 0;
	if (text && len <= MESSAGE_LIMIT)
		ret = hybridge_channel_send(listener->channel, text, len);
	free(text);
	return ret;
}

static void on_expiry(struct hybridge_timer *timer);

static bool is_expired(const struct listener *listener)
{
	return listener->expiry + GRACE_SECONDS <= (int64_t)time(NULL);
}

/* Until its recycling; INT64_MAX when there is none. */
static int64_t recycle_left_ms(const struct listener *listener)
{
	if (listener->recycle_us == 0)
		return INT64_MAX;
	return (listener->recycle_us -
		hybridge_loop_now_us(listener->relay->loop)) /
	       1000;
}

/* Those that came together must not all leave together. */
static void plan_recycle(struct listener *listener)
{
	uint32_t age_ms = listener->relay->config.recycle_ms;

	if (age_ms > 0)
		listener->recycle_us =
			listener->opened_us +
			(int64_t)(age_ms -
				  arc4random_uniform(age_ms / 10 + 1)) *
				1000;
}

/* Wakes at the end of the grace or for the recycling, once a day when both are far. */
static int arm_expiry(struct listener *listener)
{
	int64_t left = listener->expiry + GRACE_SECONDS - (int64_t)time(NULL);
	int64_t left_ms;

	if (left > TIMER_MAX_SECONDS)
		left = TIMER_MAX_SECONDS;
	left_ms = left * 1000;
	if (left_ms > recycle_left_ms(listener))
		left_ms = recycle_left_ms(listener);
	if (left_ms < 0)
		left_ms = 0;
	listener->timer.fire = on_expiry;
	return hybridge_timer_set(listener->relay->loop, &listener->timer,
				  (uint32_t)left_ms);
}

static void on_expiry(struct hybridge_timer *timer)
{
	struct listener *listener =
		hybridge_container(timer, struct listener, timer);

	if (is_expired(listener))
		close_listener(listener, HYBRIDGE_WS_POLICY,
			       "ExpiredToken: The token has expired and was "
			       "not renewed");
	else if (recycle_left_ms(listener) <= 0)
		/* Azure's words. */
		close_listener(listener, HYBRIDGE_WS_INTERNAL,
			       "InternalServerError: NameRenewalFailed");
	else if (arm_expiry(listener) != 0)
		close_listener(listener, HYBRIDGE_WS_INTERNAL, "out of memory");
}

/* What a token is worth by the rules as they are now; false: its entity has gone. */
static bool judge(const struct listener *listener, const char *token,
		  struct auth_result *out)
{
	const struct relay *relay = listener->relay;
	struct auth_place place = {
		.entities = &relay->entities,
		.entity =
			entities_get(&relay->entities, listener->meter->entity),
		.path = listener->meter->entity,
		.hosts = (const char *const *)relay->config.hosts,
		.right = ENTITY_LISTEN,
	};

	if (!place.entity)
		return false;
	auth_check(&place, token, time(NULL), out);
	return true;
}

static int keep_token(struct listener *listener, const char *token)
{
	char *copy = strdup(token);

	if (!copy)
		return -1;
	hybridge_text_free_secret(listener->token);
	listener->token = copy;
	return 0;
}

static void on_renew(struct listener *listener, const char *token)
{
	struct relay *relay = listener->relay;
	struct auth_result result;

	if (!judge(listener, token, &result))
		return; /* it is being closed: the entity has gone */
	if (result.reason != AUTH_OK) {
		relay->meters.auth_failures[result.reason]++;
		auth_log_denied("renewal refused", listener->meter->entity,
				&result, listener->remote);
		close_listener(listener, HYBRIDGE_WS_POLICY,
			       auth_reason_text(result.reason));
		return;
	}
	listener->expiry = result.expiry;
	if (keep_token(listener, token) != 0 || arm_expiry(listener) != 0) {
		close_listener(listener, HYBRIDGE_WS_INTERNAL, "out of memory");
		return;
	}
	hybridge_log(HYBRIDGE_LOG_DEBUG, "token renewed",
		     HYBRIDGE_STR("entity", listener->meter->entity),
		     HYBRIDGE_STR("listener", listener->session));
}

static void on_message(void *owner, bool text, const char *data, size_t len)
{
	struct listener *listener = owner;
	struct hybridge_message message;
	struct hybridge_error err = {0};

	if (!text)
		return; /* body of a response that nobody asked for */
	if (hybridge_message_parse(data, len, &message, &err) != 0) {
		hybridge_log_error(HYBRIDGE_LOG_DEBUG,
				   "control message ignored", &err,
				   listener->meter->entity);
		return;
	}
	if (message.kind == HYBRIDGE_MESSAGE_RENEW)
		on_renew(listener, message.token);
	else
		hybridge_log(HYBRIDGE_LOG_DEBUG, "control message ignored",
			     HYBRIDGE_STR("entity", listener->meter->entity),
			     HYBRIDGE_STR("message", message.name));
	hybridge_message_free(&message);
}

static void on_end(void *owner, uint16_t code, const char *reason)
{
	struct listener *listener = owner;
	struct relay *relay = listener->relay;
	int64_t open_us =
		hybridge_loop_now_us(relay->loop) - listener->opened_us;

	retire(listener);
	hybridge_log(HYBRIDGE_LOG_INFO, "listener disconnected",
		     HYBRIDGE_STR("entity", listener->meter->entity),
		     HYBRIDGE_STR("listener", listener->session),
		     HYBRIDGE_NUM("code", code), HYBRIDGE_STR("reason", reason),
		     HYBRIDGE_NUM("open_ms", open_us / 1000));
	listener_free(listener);
	relay_stop_if_drained(relay);
}

static struct listener *listener_new(const struct call *call,
				     const struct entity *entity)
{
	struct listener *listener = calloc(1, sizeof(*listener));

	if (!listener)
		return NULL;
	listener->relay = call->relay;
	listener->member.accept = pass_invite;
	listener->member.guid = listener->guid;
	memcpy(listener->guid, call->guid, sizeof(listener->guid));
	listener->has_id = call->has_id;
	listener->meter = meter_get(&call->relay->meters, entity->folded);
	listener->host = hybridge_span_dup(call->host);
	listener->remote = strdup(call->remote_address);
	listener->opened_us = hybridge_loop_now_us(call->relay->loop);
	tracking_short(call->guid, listener->session);
	(void)auth_token(call->head, call->target.query, &listener->token);
	if (listener->meter && listener->host && listener->remote &&
	    listener->token)
		return listener;
	listener_free(listener);
	return NULL;
}

/* Answers 101 and makes the control channel; 0, or -1: the connection is closed. */
static int upgrade(const struct call *call, struct listener *listener)
{
	static const struct hybridge_channel_ops ops = {
		.message = on_message,
		.end = on_end,
	};
	const struct hybridge_channel_args args = {
		.is_client = false,
		.message_max = HYBRIDGE_MESSAGE_MAX,
		.ping_ms = call->relay->config.ping_ms,
	};
	const struct hybridge_span none = {"", 0};
	char accept[29];

	call_accept_key(call, accept);
	if (answer_upgrade(call->conn, accept, none) != 0) {
		hybridge_conn_close(call->conn, HYBRIDGE_CONN_RESET);
		return -1;
	}
	listener->channel = hybridge_channel_new(call->relay->loop, call->conn,
						 &args, &ops, listener);
	return listener->channel ? 0 : -1;
}

static void start(const struct call *call, const struct entity *entity,
		  int64_t expiry)
{
	struct relay *relay = call->relay;
	struct listener *listener = listener_new(call, entity);
	struct hybridge_span agent = {"", 0};
	char *agent_text;

	if (!listener ||
	    bus_join(relay->bus, entity->folded, &listener->member) != 0) {
		listener_free(listener);
		call_refuse(call, 500, "out of memory");
		return;
	}
	listener->meter->listeners++;
	listener->expiry = expiry;
	plan_recycle(listener);
	DL_APPEND(relay->listeners, listener);
	if (upgrade(call, listener) != 0) {
		retire(listener);
		listener_free(listener);
		return;
	}
	if (arm_expiry(listener) != 0)
		close_listener(listener, HYBRIDGE_WS_INTERNAL, "out of memory");
	hybridge_http_get(call->head, "Relay-User-Agent", &agent);
	agent_text = hybridge_span_dup(agent);
	hybridge_log(HYBRIDGE_LOG_INFO, "listener connected",
		     HYBRIDGE_STR("entity", entity->path),
		     HYBRIDGE_STR("listener", listener->session),
		     HYBRIDGE_STR("remote", call->remote_address),
		     HYBRIDGE_STR("agent", agent_text && *agent_text
						   ? agent_text
						   : NULL));
	free(agent_text);
}

/* Whether a caller and a listener, or two listeners, are one client. */
static bool is_client(const struct listener *listener, bool has_id,
		      const char *guid, const char *remote)
{
	if (listener->has_id != has_id)
		return false;
	return has_id ? strcasecmp(listener->guid, guid) == 0
		      : strcmp(listener->remote, remote) == 0;
}

/* Of one entity's listeners, from @from on, the next that is a client's. */
static struct listener *next_of(struct listener *from, const char *entity,
				bool has_id, const char *guid,
				const char *remote)
{
	for (; from; from = from->next)
		if (!from->is_leaving &&
		    strcmp(from->meter->entity, entity) == 0 &&
		    is_client(from, has_id, guid, remote))
			return from;
	return NULL;
}

/*
 * All places are taken.  hyco-ws dials twice whenever it is refused, and so may hold many
 * control channels at once: the oldest of such a crowd makes room
 * for a client that has none.  False: there is no crowd, or the caller is part of one.
 */
static bool make_room(const struct call *call, const struct entity *entity)
{
	struct listener *at = call->relay->listeners;

	if (next_of(at, entity->folded, call->has_id, call->guid,
		    call->remote_address))
		return false;
	for (; at; at = at->next) {
		if (at->is_leaving ||
		    strcmp(at->meter->entity, entity->folded) != 0 ||
		    !next_of(at->next, entity->folded, at->has_id, at->guid,
			     at->remote))
			continue;
		close_listener(at, HYBRIDGE_WS_POLICY,
			       "MaximumListenersPerEndpoint: another client "
			       "needs the place of this duplicate");
		return true;
	}
	return false;
}

void listener_open(const struct call *call)
{
	struct relay *relay = call->relay;
	const struct entity *entity;
	struct hybridge_authority authority;
	struct auth_result result;
	enum auth_carrier carrier;

	if (relay->draining) {
		call_refuse(call, 503, "The relay is shutting down");
		return;
	}
	if (call->guest) {
		call_refuse(call, 421,
			    "A control channel needs a connection of its own");
		return;
	}
	/* The address that it will be told to dial is made of this. */
	if (hybridge_authority_split(call->host, &authority)) {
		call_refuse(call, 400, "The Host header is missing or bad");
		return;
	}
	entity = call_entity_itself(call);
	if (!entity ||
	    !call_authorize(call, entity, ENTITY_LISTEN, &result, &carrier))
		return;
	if (bus_count(relay->bus, entity->folded) >= LISTENERS_MAX &&
	    !make_room(call, entity)) {
		if (!throttle_is_full(relay->throttle, call->ip))
			hybridge_log(
				HYBRIDGE_LOG_WARNING, "too many listeners",
				HYBRIDGE_STR("entity", entity->path),
				HYBRIDGE_STR("remote", call->remote_address));
		call_refuse_slowly(call, 403,
				   "MaximumListenersPerEndpoint: There are 25 "
				   "listeners already");
		return;
	}
	start(call, entity, result.expiry);
}

void listeners_close(struct relay *relay, bool gone_only, uint16_t code,
		     const char *reason)
{
	struct listener *listener;
	struct listener *next;

	DL_FOREACH_SAFE (relay->listeners, listener, next) {
		if (!gone_only ||
		    !entities_get(&relay->entities, listener->meter->entity))
			close_listener(listener, code, reason);
	}
}

void listeners_judge(struct relay *relay)
{
	struct listener *listener;
	struct listener *next;
	struct auth_result result;

	DL_FOREACH_SAFE (relay->listeners, listener, next) {
		if (listener->is_leaving ||
		    !judge(listener, listener->token, &result))
			continue;
		/* Its expiry has a time of its own, with a grace. */
		if (result.reason != AUTH_SIGNATURE &&
		    result.reason != AUTH_RIGHT)
			continue;
		auth_log_denied("listener's key was withdrawn",
				listener->meter->entity, &result,
				listener->remote);
		close_listener(listener, HYBRIDGE_WS_POLICY,
			       auth_reason_text(result.reason));
	}
}

void listeners_drop(struct relay *relay)
{
	struct listener *listener;
	struct listener *next;

	DL_FOREACH_SAFE (relay->listeners, listener, next) {
		retire(listener);
		hybridge_channel_free(listener->channel);
		listener_free(listener);
	}
}
