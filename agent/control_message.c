/*
 * control_message.c - dispatches the messages of a control channel.
 */
#include "control_message.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <hybridge/channel.h>
#include <hybridge/log.h>
#include <hybridge/url.h>

#include "accept.h"
#include "agent.h"
#include "control.h"

/* A request without an id has it in its address; owned by the caller, or NULL. */
static char *id_of(const struct hybridge_message *request)
{
	const char *query = strchr(request->address, '?');
	struct hybridge_span value;

	if (request->id)
		return strdup(request->id);
	if (!query ||
	    !hybridge_query_get(
		    (struct hybridge_span){query + 1, strlen(query + 1)},
		    "sb-hc-id", &value))
		return NULL;
	return hybridge_url_decode(value, true);
}

char *control_message_decline(const struct hybridge_message *request)
{
	char *id = id_of(request);
	json_t *answer = NULL;
	char *text = NULL;

	if (id)
		answer = json_pack("{s:{s:s, s:i, s:s, s:{}, s:b}}", "response",
				   "requestId", id, "statusCode", 501,
				   "statusDescription",
				   "This listener carries streams, not HTTP "
				   "requests",
				   "responseHeaders", "body", 0);
	if (answer)
		text = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	free(id);
	return text;
}

static void decline(struct control *control,
		    const struct hybridge_message *request)
{
	char *text = control_message_decline(request);

	hybridge_log(HYBRIDGE_LOG_INFO, "HTTP request declined",
		     HYBRIDGE_STR("conn", control->connection.name),
		     HYBRIDGE_STR("id", request->id));
	/* A channel that is ending says so itself. */
	if (text)
		(void)hybridge_channel_send(control->channel, text,
					    strlen(text));
	free(text);
}

void control_message(struct control *control, const char *data, size_t len)
{
	struct hybridge_message msg;
	struct hybridge_error err = {0};

	if (hybridge_message_parse(data, len, &msg, &err) != 0) {
		hybridge_log_error(HYBRIDGE_LOG_WARNING,
				   "control message not understood", &err,
				   control->connection.name);
		return;
	}
	switch (msg.kind) {
	case HYBRIDGE_MESSAGE_ACCEPT:
		stream_start(control, &msg);
		break;
	case HYBRIDGE_MESSAGE_REQUEST:
		decline(control, &msg);
		break;
	case HYBRIDGE_MESSAGE_RENEW:
	case HYBRIDGE_MESSAGE_RESPONSE:
	case HYBRIDGE_MESSAGE_UNKNOWN:
		hybridge_log(HYBRIDGE_LOG_DEBUG, "control message ignored",
			     HYBRIDGE_STR("conn", control->connection.name),
			     HYBRIDGE_STR("key", msg.name));
		break;
	}
	hybridge_message_free(&msg);
}
