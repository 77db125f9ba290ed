/*
 * http.c - plain HTTP requests on the relay's own port.
 *
 * "/" answers as Azure's does, since tools take that for a sign of life; a
 * request to a hybrid connection would have to be relayed, which is not done.
 */
#include "http.h"

#include <stdio.h>

#include "answer.h"

#define FEED_MAX 1024

static void serve_root(const struct call *call)
{
	char body[FEED_MAX];
	char stamp[32] = "";
	time_t now = time(NULL);
	struct answer answer = {
		.status = 200,
		.type = "application/atom+xml;type=feed;charset=utf-8",
		.body = body,
		.no_body = hybridge_span_is(call->head->method, "HEAD"),
	};
	struct tm utc;

	if (gmtime_r(&now, &utc))
		strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &utc);
	snprintf(body, sizeof(body),
		 "<feed xmlns=\"http://www.w3.org/2005/Atom\">"
		 "<title type=\"text\">Publicly Listed Services</title>"
		 "<subtitle type=\"text\">This is the list of publicly-listed "
		 "services currently available.</subtitle>"
		 "<id>uuid:%s</id><updated>%s</updated>"
		 "<generator>hybridge</generator></feed>\n",
		 call->guid, stamp);
	answer_send(call->conn, &answer);
}

void http_serve(const struct call *call)
{
	bool reads = hybridge_span_is(call->head->method, "GET") ||
		     hybridge_span_is(call->head->method, "HEAD");

	if (call->target.path.len == 0 && reads)
		serve_root(call);
	else if (!entities_find(&call->relay->entities, call->target.path))
		call_refuse(call, 404, "Endpoint does not exist");
	else
		call_refuse(call, 501,
			    "This relay does not relay HTTP requests");
}
