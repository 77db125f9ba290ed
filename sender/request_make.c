/*
 * request_make.c - a request's memory.
 */
#include "request_make.h"

#include <stdlib.h>
#include <string.h>

#include "request.h"
#include "sender.h"

static void run_reap(struct hybridge_task *task)
{
	struct request *request =
		hybridge_container(task, struct request, reap);

	free(request->host);
	free(request);
}

struct request *request_make(struct sender *sender,
			     const struct hybridge_local_msg *msg,
			     const char *host)
{
	struct request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->host = strdup(host);
	if (!request->host) {
		free(request);
		return NULL;
	}
	request->sender = sender;
	request->port = msg->port;
	request->asked = msg->addr;
	request->started_us = hybridge_loop_now_us(sender->loop);
	request->reap.run = run_reap;
	request->hold = HOLD_NONE;
	hybridge_endpoint_uuid(request->session);
	return request;
}
