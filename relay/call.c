/*
 * call.c - what all who serve a request need: refusing it, checking its token.
 */
#include "call.h"

#include <hybridge/log.h>
#include <hybridge/ws.h>

#include "../common/text.h"
#include "answer.h"

void call_refuse(const struct call *call, int status, const char *message)
{
	char text[TRACKING_TEXT];
	struct answer answer = {
		.status = status,
		.reason = text,
		.no_body = hybridge_span_is(call->head->method, "HEAD"),
	};

	tracking_text(message, call->guid, call->host, call->target.path,
		      time(NULL), text);
	if (status == 503)
		answer.headers = "Retry-After: 5\r\n";
	if (status == 426)
		answer.headers = "Sec-WebSocket-Version: 13\r\n";
	if (status == 401)
		answer.headers = "WWW-Authenticate: SharedAccessSignature\r\n";
	answer_send(call->conn, &answer);
}

void call_log_denied(struct relay *relay, const char *what, const char *entity,
		     const struct auth_result *result, const char *remote)
{
	relay->meters.auth_failures[result->reason]++;
	hybridge_log(HYBRIDGE_LOG_WARNING, what, HYBRIDGE_STR("entity", entity),
		     HYBRIDGE_STR("key_name", result->key_name[0]
						      ? result->key_name
						      : NULL),
		     HYBRIDGE_STR("reason", auth_reason_name(result->reason)),
		     HYBRIDGE_STR("error", result->err.what),
		     HYBRIDGE_STR("remote", remote));
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
	auth_check(&place, token, time(NULL), out);
	text_free_secret(token);
	free(path);
	if (out->reason == AUTH_OK)
		return true;
	call_log_denied(call->relay, "token refused", entity->path, out,
			call->remote_address);
	call_refuse(call, auth_reason_status(out->reason),
		    auth_reason_text(out->reason));
	return false;
}

void call_accept_key(const struct call *call, char out[static 29])
{
	struct hybridge_span key = {"", 0};

	hybridge_http_get(call->head, "Sec-WebSocket-Key", &key);
	hybridge_ws_accept(key.text, key.len, out);
}
