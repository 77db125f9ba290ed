/*
 * h2_head.c - heads of HTTP/2 requests and answers.
 *
 * A request that came over HTTP/2 is made to look like HTTP/1.1, so that who serves it
 * need not know, nor the listener that is told its headers (RFC 8441 5.1 turned round).
 */
#include "h2_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include <hybridge/text.h>
#include <hybridge/ws.h>

#define FIELDS_MAX 64 /* headers that we send */
#define KEY_BYTES  16
#define KEY_TEXT   25

/* Reading a request. */

int h2_head_begin(struct hybridge_h2 *session, struct h2_stream *stream)
{
	struct scratch *scratch = loop_scratch(session->loop);
	struct h2_request *request = scratch->request;

	/* It is large: to get and release it for each stream disturbs the heap. */
	scratch->request = NULL;
	if (!request)
		request = malloc(sizeof(*request));
	free(session->request);
	session->request = request;
	if (!request)
		return -1;
	request->stream = stream;
	request->head.num_headers = 0;
	request->head.method = (struct hybridge_span){"", 0};
	request->head.target = (struct hybridge_span){"", 0};
	request->authority = (struct hybridge_span){"", 0};
	request->protocol = (struct hybridge_span){"", 0};
	request->is_too_large = false;
	request->len = 0;
	return 0;
}

static struct hybridge_span keep(struct h2_request *request,
				 struct hybridge_span text)
{
	char *to = request->text + request->len;

	if (text.len > sizeof(request->text) - request->len) {
		request->is_too_large = true;
		return (struct hybridge_span){"", 0};
	}
	memcpy(to, text.text, text.len);
	request->len += text.len;
	return (struct hybridge_span){to, text.len};
}

/* "sec-websocket-key" is what HTTP/1.1 spells "Sec-WebSocket-Key"; some read it by case. */
static void spell(char *name, size_t len)
{
	bool starts = true;

	for (size_t i = 0; i < len; i++) {
		if (starts && name[i] >= 'a' && name[i] <= 'z')
			name[i] = (char)(name[i] - 'a' + 'A');
		starts = name[i] == '-';
	}
	if (len > 13 && strncasecmp(name, "sec-websocket", 13) == 0)
		name[7] = 'S';
}

static void add(struct h2_request *request, struct hybridge_span name,
		struct hybridge_span value)
{
	struct hybridge_http_head *head = &request->head;

	/* Room is left for the four that are made up. */
	if (head->num_headers >= HYBRIDGE_HTTP_HEADERS_MAX - 4) {
		request->is_too_large = true;
		return;
	}
	name = keep(request, name);
	spell(request->text + (name.text - request->text), name.len);
	head->headers[head->num_headers++] =
		(struct hybridge_http_header){name, keep(request, value)};
}

void h2_head_add(struct h2_request *request, struct hybridge_span name,
		 struct hybridge_span value)
{
	if (request->is_too_large)
		return;
	if (hybridge_span_is(name, ":method"))
		request->head.method = keep(request, value);
	else if (hybridge_span_is(name, ":path"))
		request->head.target = keep(request, value);
	else if (hybridge_span_is(name, ":authority"))
		request->authority = keep(request, value);
	else if (hybridge_span_is(name, ":protocol"))
		request->protocol = keep(request, value);
	else if (name.len > 0 && name.text[0] != ':')
		add(request, name, value);
}

static void make_up(struct h2_request *request, const char *name,
		    struct hybridge_span value)
{
	request->head.headers[request->head.num_headers++] =
		(struct hybridge_http_header){hybridge_text_span(name), value};
}

/* What RFC 8441 leaves out. */
static void make_upgrade(struct h2_request *request, char key[static KEY_TEXT])
{
	unsigned char random[KEY_BYTES];

	for (size_t at = 0; at < sizeof(random); at += 4)
		hybridge_ws_random_key(random + at);
	EVP_EncodeBlock((unsigned char *)key, random, sizeof(random));
	request->head.method = hybridge_text_span("GET");
	make_up(request, "Connection", hybridge_text_span("Upgrade"));
	make_up(request, "Upgrade", hybridge_text_span("websocket"));
	make_up(request, "Sec-WebSocket-Key", hybridge_text_span(key));
}

static bool is_websocket(const struct h2_request *request)
{
	return hybridge_span_is(request->head.method, "CONNECT") &&
	       hybridge_span_is(request->protocol, "websocket");
}

static void refuse(struct h2_stream *stream, int status)
{
	const struct hybridge_h2_answer answer = {.status = status};

	if (hybridge_h2_answer(&stream->conn, &answer) == 0)
		hybridge_conn_close(&stream->conn, HYBRIDGE_CONN_ORDERLY);
	else
		hybridge_conn_close(&stream->conn, HYBRIDGE_CONN_RESET);
}

void h2_head_done(struct hybridge_h2 *session)
{
	struct scratch *scratch = loop_scratch(session->loop);
	struct h2_request *request = session->request;
	struct h2_stream *stream = request ? request->stream : NULL;
	struct hybridge_span host;
	char key[KEY_TEXT];

	session->request = NULL;
	if (!stream || !session->ops) {
		free(request);
		return;
	}
	h2_stream_born(stream);
	if (request->authority.len > 0 &&
	    !hybridge_http_get(&request->head, "Host", &host))
		make_up(request, "Host", request->authority);
	if (request->is_too_large) {
		refuse(stream, 431);
	} else if (is_websocket(request)) {
		stream->is_websocket = true;
		make_upgrade(request, key);
		session->ops->request(session->owner, &stream->conn,
				      &request->head);
	} else if (hybridge_span_is(request->head.method, "CONNECT")) {
		refuse(stream, 501);
	} else {
		session->ops->request(session->owner, &stream->conn,
				      &request->head);
	}
	/* It may hold a token. */
	explicit_bzero(request->text, request->len);
	if (scratch->request)
		free(request);
	else
		scratch->request = request;
}

/* Reading an answer. */

void h2_head_answer(struct h2_stream *stream, struct hybridge_span name,
		    struct hybridge_span value)
{
	char text[HYBRIDGE_REASON_MAX];

	if (hybridge_span_is(name, ":status") && value.len == 3) {
		stream->heading = (value.text[0] - '0') * 100 +
				  (value.text[1] - '0') * 10 +
				  (value.text[2] - '0');
	} else if (hybridge_span_is(name, "hybridge-reason") &&
		   !stream->reason) {
		hybridge_text_printable(text, sizeof(text), value);
		stream->reason = strdup(text);
	}
}

int hybridge_h2_status(const struct hybridge_conn *conn, const char **reason)
{
	const struct h2_stream *stream = h2_stream_view(conn);

	*reason = stream->reason ? stream->reason : "";
	return stream->status;
}

bool hybridge_h2_refused(const struct hybridge_conn *conn)
{
	return h2_stream_view(conn)->is_refused;
}

/* Sending either. */

/* Headers on their way to nghttp2, which copies them. */
struct fields {
	nghttp2_nv list[FIELDS_MAX];
	size_t len;
};

/* nghttp2 does not write there, but its type has no const. */
static uint8_t *bytes_of(const char *text)
{
	union {
		const char *text;
		uint8_t *bytes;
	} same = {text};

	return same.bytes;
}

static void field(struct fields *fields, const char *name,
		  struct hybridge_span value, uint8_t flags)
{
	if (fields->len == FIELDS_MAX)
		return;
	fields->list[fields->len++] = (nghttp2_nv){
		.name = bytes_of(name),
		.namelen = strlen(name),
		.value = bytes_of(value.text),
		.valuelen = value.len,
		.flags = flags,
	};
}

/* Takes "Name: value" lines apart in @lines, and writes the names small. */
static void field_lines(struct fields *fields, char *lines)
{
	char *end, *colon, *value;

	for (; (end = strstr(lines, "\r\n")) != NULL; lines = end + 2) {
		*end = '\0';
		colon = strchr(lines, ':');
		if (!colon)
			continue;
		*colon = '\0';
		value = colon + 1 + strspn(colon + 1, " \t");
		hybridge_text_lower(lines);
		field(fields, lines, hybridge_text_span(value),
		      NGHTTP2_NV_FLAG_NONE);
	}
}

struct hybridge_conn *hybridge_h2_open(struct hybridge_h2 *session,
				       const struct hybridge_upgrade_args *args,
				       hybridge_conn_fn *on_ready, void *owner)
{
	char *lines = strdup(args->headers ? args->headers : "");
	HYBRIDGE_UNCLEARED struct fields fields;
	struct h2_stream *stream = NULL;

	fields.len = 0;
	errno = ENOMEM;
	if (hybridge_h2_room(session) == 0)
		errno = EAGAIN;
	else if (lines)
		stream = h2_stream_new(session, on_ready, owner);
	if (!stream) {
		hybridge_text_free_secret(lines);
		return NULL;
	}
	h2_stream_born(stream);
	field(&fields, ":method", hybridge_text_span("CONNECT"), 0);
	field(&fields, ":protocol", hybridge_text_span("websocket"), 0);
	field(&fields, ":scheme", hybridge_text_span("https"), 0);
	/* Never the same twice: it must not drive the rest out of the table. */
	field(&fields, ":path", hybridge_text_span(args->target),
	      NGHTTP2_NV_FLAG_NO_INDEX);
	field(&fields, ":authority", hybridge_text_span(args->host), 0);
	field(&fields, "sec-websocket-version", hybridge_text_span("13"), 0);
	if (args->protocol)
		field(&fields, "sec-websocket-protocol",
		      hybridge_text_span(args->protocol), 0);
	field_lines(&fields, lines);
	stream->id = nghttp2_submit_request(session->ng, NULL, fields.list,
					    fields.len, h2_frames_provider(),
					    stream);
	explicit_bzero(lines, strlen(args->headers ? args->headers : ""));
	free(lines);
	if (stream->id > 0) {
		stream->is_answered = true; /* by us: bytes may follow */
		h2_send_later(session);
		return &stream->conn;
	}
	/* Stream numbers are used up after 2^30: another session has more. */
	if (stream->id == NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE)
		hybridge_h2_drain(session);
	stream->id = 0;
	hybridge_conn_close(&stream->conn, HYBRIDGE_CONN_RESET);
	errno = EAGAIN;
	return NULL;
}

static void note_opened(struct hybridge_h2 *session)
{
	bool is_first = !session->has_opened;

	session->has_opened = true;
	if (is_first && session->ops && session->ops->opened)
		session->ops->opened(session->owner);
}

int hybridge_h2_answer(struct hybridge_conn *conn,
		       const struct hybridge_h2_answer *answer)
{
	struct h2_stream *stream = h2_stream_of(conn);
	char *lines = strdup(answer->headers ? answer->headers : "");
	HYBRIDGE_UNCLEARED struct fields fields;
	char status[HYBRIDGE_TEXT_NUMBER], reason[HYBRIDGE_REASON_MAX];
	int ret;

	fields.len = 0;
	if (!lines || !stream->session || stream->is_answered) {
		free(lines);
		errno = lines ? ECONNRESET : ENOMEM;
		return -1;
	}
	field(&fields, ":status",
	      hybridge_text_number((uint32_t)answer->status, status), 0);
	hybridge_text_printable(reason, sizeof(reason),
				hybridge_text_trim(hybridge_text_span(
					answer->reason ? answer->reason : "")));
	if (reason[0])
		field(&fields, "hybridge-reason", hybridge_text_span(reason),
		      0);
	field_lines(&fields, lines);
	ret = nghttp2_submit_response(stream->session->ng, stream->id,
				      fields.list, fields.len,
				      h2_frames_provider());
	free(lines);
	if (ret != 0) {
		errno = ENOMEM;
		return -1;
	}
	stream->is_answered = true;
	h2_send_later(stream->session);
	if (answer->status == 200 && stream->is_websocket)
		note_opened(stream->session);
	return 0;
}
