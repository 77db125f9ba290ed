/*
 * call.c - what all who serve a request need: refusing it, checking its token.
 */
#include "call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <hybridge/log.h>
#include <hybridge/text.h>
#include <hybridge/ws.h>

#include "answer.h"
#include "throttle.h"
#include "xml.h"

/* Headers that go with a status. */
static const char *more_headers(int status)
{
	switch (status) {
	case 401:
		return "WWW-Authenticate: SharedAccessSignature\r\n";
	case 426:
		return "Sec-WebSocket-Version: 13\r\n";
	case 503:
		return "Retry-After: 5\r\n";
	default:
		return NULL;
	}
}

/* As Azure's management service writes it; NULL when out of memory. */
static char *management_error(int status, const char *text)
{
	char *detail = xml_escape(text);
	char *body = NULL;

	if (detail &&
	    asprintf(&body, "<Error><Code>%d</Code><Detail>%s</Detail></Error>",
		     status, detail) < 0)
		body = NULL;
	free(detail);
	return body;
}

static void answer_with(const struct call *call, int status,
			const char *message, bool slowly)
{
	char text[TRACKING_TEXT];
	struct answer answer = {
		.status = status,
		.reason = text,
		.headers = more_headers(status),
		.no_body = hybridge_span_is(call->head->method, "HEAD"),
	};
	char *body = NULL;

	tracking_text(message, call->guid, call->host, call->target.path,
		      time(NULL), text);
	if (call->is_management)
		body = management_error(status, text);
	if (body) {
		answer.type = "application/xml; charset=utf-8";
		answer.body = body;
	}
	if (slowly)
		throttle_answer(call->relay->throttle, call->ip, call->conn,
				&answer);
	else
		answer_send(call->conn, &answer);
	free(body);
}

void call_answer(const struct call *call, int status, const char *message)
{
	answer_with(call, status, message, false);
}

void call_refuse_slowly(const struct call *call, int status,
			const char *message)
{
	answer_with(call, status, message, true);
}

void call_refuse(const struct call *call, int status, const char *message)
{
	char session[TRACKING_SHORT];
	char *path = hybridge_span_dup(call->target.path);

	tracking_short(call->guid, session);
	hybridge_log(
		HYBRIDGE_LOG_INFO, "request refused",
		HYBRIDGE_STR("path", path), HYBRIDGE_STR("session", session),
		HYBRIDGE_NUM("status", status), HYBRIDGE_STR("why", message),
		HYBRIDGE_STR("remote", call->remote_address));
	free(path);
	call_answer(call, status, message);
}

/* .NET's listener gives up for good at a 404: it must be true. */
static void refuse_entity(const struct call *call, bool out_of_memory)
{
	if (out_of_memory)
		call_refuse(call, 500, "out of memory");
	else
		call_refuse(call, 404, "Endpoint does not exist");
}

const struct entity *call_entity(const struct call *call)
{
	const struct entity *entity =
		entities_find(&call->relay->entities, call->target.path);

	if (!entity)
		refuse_entity(call, errno == ENOMEM);
	return entity;
}

const struct entity *call_entity_itself(const struct call *call)
{
	char *path = entity_path_decode(call->target.path);
	const struct entity *entity =
		path ? entities_get(&call->relay->entities, path) : NULL;

	if (!entity)
		refuse_entity(call, !path);
	free(path);
	return entity;
}

bool call_authorize(const struct call *call, const struct entity *entity,
		    enum entity_right right, struct auth_result *out,
		    enum auth_carrier *carrier)
{
	char *token = NULL;
	char *path = entity_path_decode(call->target.path);
	struct auth_place place = {
		.entities = &call->relay->entities,
		.entity = entity,
		.path = path,
		.hosts = (const char *const *)call->relay->config.hosts,
		.right = right,
	};

	if (!path) {
		call_refuse(call, 500, "out of memory");
		return false;
	}
	*carrier = auth_token(call->head, call->target.query, &token);
	if (!token && errno == ENOMEM) {
		free(path);
		call_refuse(call, 500, "out of memory");
		return false;
	}
	auth_check(&place, token, time(NULL), out);
	hybridge_text_free_secret(token);
	free(path);
	if (out->reason == AUTH_OK)
		return true;
	/* Nobody's guess at a token, and no reason to be slow. */
	if (out->reason == AUTH_MEMORY) {
		call_refuse(call, 500, "out of memory");
		return false;
	}
	call->relay->meters.auth_failures[out->reason]++;
	if (!throttle_is_full(call->relay->throttle, call->ip))
		auth_log_denied("token refused", entity->path, out,
				call->remote_address);
	call_refuse_slowly(call, auth_reason_status(out->reason),
			   auth_reason_text(out->reason));
	return false;
}

void call_accept_key(const struct call *call, char out[static 29])
{
	struct hybridge_span key = {"", 0};

	out[0] = '\0';
	if (call->guest)
		return;
	hybridge_http_get(call->head, "Sec-WebSocket-Key", &key);
	hybridge_ws_accept(key.text, key.len, out);
}
