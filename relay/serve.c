/*
 * serve.c - hands a whole request to who serves it, however it came.
 */
#include "serve.h"

#include "http.h"
#include "listener.h"
#include "rendezvous.h"

/* What is wrong with a request to anywhere, or NULL. */
static const char *find_fault(const struct call *call)
{
	static const char *const once[] = {
		"Host",
		"Sec-WebSocket-Key",
		"Sec-WebSocket-Version",
		"Authorization",
		"ServiceBusAuthorization",
		"Content-Length",
	};

	/* Two parties that each believe in another one of them are fooled. */
	for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++)
		if (hybridge_http_count(call->head, once[i]) > 1)
			return "A header that may stand there once is there "
			       "twice";
	if (!target_is_sound(&call->target))
		return "The path is not percent-encoded correctly";
	return NULL;
}

/* What is wrong with a request to "/$hc/", or 0. */
static int check_upgrade(const struct hybridge_http_head *head,
			 const char **why)
{
	struct hybridge_span value;

	*why = "This endpoint is only for web-socket requests";
	if (!hybridge_span_is(head->method, "GET") ||
	    !hybridge_http_has_token(head, "Upgrade", "websocket") ||
	    !hybridge_http_has_token(head, "Connection", "Upgrade"))
		return 400;
	if (!hybridge_http_get(head, "Sec-WebSocket-Version", &value) ||
	    !hybridge_span_is(value, "13")) {
		*why = "Only version 13 of the WebSocket protocol is served";
		return 426;
	}
	/* Its form is not looked at: hyco-ws sends one that is too short. */
	if (hybridge_http_get(head, "Sec-WebSocket-Key", &value) &&
	    value.len > 0)
		return 0;
	*why = "The Sec-WebSocket-Key header is missing";
	return 400;
}

static void serve_hc(const struct call *call)
{
	const char *why;
	int status = check_upgrade(call->head, &why);

	if (status) {
		call_refuse(call, status, why);
		return;
	}
	switch (call->target.action) {
	case TARGET_CONNECT:
		rendezvous_connect(call);
		break;
	case TARGET_LISTEN:
		listener_open(call);
		break;
	case TARGET_ACCEPT:
		rendezvous_accept(call);
		break;
	case TARGET_REQUEST:
		call_refuse(call, 501,
			    "This relay does not relay HTTP requests");
		break;
	case TARGET_UNKNOWN:
		call_refuse(call, 400, "sb-hc-action has an unknown value");
		break;
	}
}

int serve_call(struct call *call)
{
	const char *why;

	if (target_parse(call->head->target, &call->target) != 0)
		return -1;
	call->host = (struct hybridge_span){"", 0};
	hybridge_http_get(call->head, "Host", &call->host);
	call->has_id = tracking_guid(call->target.id, call->guid);
	why = find_fault(call);
	if (why)
		call_refuse(call, 400, why);
	else if (call->target.is_hc)
		serve_hc(call);
	else
		http_serve(call);
	return 0;
}
