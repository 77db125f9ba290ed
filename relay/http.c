/*
 * http.c - plain HTTP requests on the relay's own port.
 *
 * "/" answers as Azure's does, since tools take that for a sign of life, and so does the
 * management request by which Microsoft's manager and .NET look a hybrid connection up; any
 * other request to one would have to be relayed, which is not done.
 */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>

#include <hybridge/url.h>

#include "answer.h"
#include "xml.h"

#define FEED_MAX    1024
#define STAMP_MAX   32
#define DESCRIPTION "HybridConnectionDescription"

static void format_now(char stamp[static STAMP_MAX])
{
	time_t now = time(NULL);
	struct tm utc;

	stamp[0] = '\0';
	if (gmtime_r(&now, &utc))
		strftime(stamp, STAMP_MAX, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static void serve_root(const struct call *call)
{
	char body[FEED_MAX];
	char stamp[STAMP_MAX];
	struct answer answer = {
		.status = 200,
		.type = "application/atom+xml;type=feed;charset=utf-8",
		.body = body,
		.no_body = hybridge_span_is(call->head->method, "HEAD"),
	};

	format_now(stamp);
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

/* The elements stand in the order in which .NET's serializer wants them. */
static char *describe(const struct call *call, const struct entity *entity)
{
	char *metadata = xml_escape(entity->metadata ? entity->metadata : "");
	char stamp[STAMP_MAX];
	char *text = NULL;

	format_now(stamp);
	if (metadata &&
	    asprintf(
		    &text,
		    "<entry xmlns=\"http://www.w3.org/2005/Atom\">"
		    "<id>uuid:%s</id><title type=\"text\">%s</title>"
		    "<updated>%s</updated>"
		    "<content type=\"application/xml\"><" DESCRIPTION
		    " xmlns=\"http://schemas.microsoft.com/netservices/2010/10/"
		    "servicebus/connect\">"
		    "<RequiresClientAuthorization>%s"
		    "</RequiresClientAuthorization>"
		    "%s%s%s<ListenerCount>%zu</ListenerCount></" DESCRIPTION
		    "></content></entry>\n",
		    call->guid, entity->path, stamp,
		    entity->open_senders ? "false" : "true",
		    entity->metadata ? "<UserMetadata>" : "", metadata,
		    entity->metadata ? "</UserMetadata>" : "",
		    bus_count(call->relay->bus, entity->folded)) < 0)
		text = NULL;
	free(metadata);
	return text;
}

static void serve_description(const struct call *call,
			      const struct entity *entity)
{
	char *body = describe(call, entity);
	struct answer answer = {
		.status = 200,
		.type = "application/atom+xml;type=entry;charset=utf-8",
		.body = body,
		.no_body = hybridge_span_is(call->head->method, "HEAD"),
	};

	if (body)
		answer_send(call->conn, &answer);
	else
		call_refuse(call, 500, "out of memory");
	free(body);
}

static void manage(struct call *call)
{
	const struct entity *entity;
	struct auth_result result;
	enum auth_carrier carrier;

	call->is_management = true;
	entity = call_entity_itself(call);
	if (entity &&
	    call_authorize(call, entity, ENTITY_LISTEN, &result, &carrier))
		serve_description(call, entity);
}

void http_serve(struct call *call)
{
	struct hybridge_span version;
	bool reads = hybridge_span_is(call->head->method, "GET") ||
		     hybridge_span_is(call->head->method, "HEAD");

	if (call->target.path.len == 0 && reads)
		serve_root(call);
	else if (reads && hybridge_query_get(call->target.query, "api-version",
					     &version))
		manage(call);
	else if (call_entity(call))
		call_refuse(call, 501,
			    "This relay does not relay HTTP requests");
}
