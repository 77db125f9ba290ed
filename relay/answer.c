/*
 * answer.c - writes HTTP answers on a connection, or on a stream of HTTP/2.
 */
#include "answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hybridge/h2.h>
#include <hybridge/upgrade.h>

#include "far.h"

static const char *features = ""; /* a header line, or nothing */

void answer_announce_h2(bool speaks)
{
	features =
		speaks ? HYBRIDGE_FEATURES ": " HYBRIDGE_FEATURE_H2 "\r\n" : "";
}

/* RFC 9110 15, as far as a relay or a listener is likely to need it. */
static const char *phrase(int status)
{
	static const struct {
		int status;
		const char *text;
	} phrases[] = {
		{200, "OK"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{410, "Gone"},
		{421, "Misdirected Request"},
		{426, "Upgrade Required"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
		{505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == status)
			return phrases[i].text;
	return status < 500 ? "Client Error" : "Server Error";
}

/* Ours, or a worker's. */
static bool is_stream(struct hybridge_conn *conn)
{
	return far_of(conn) || hybridge_h2_is_stream(conn);
}

static int answer_stream(struct hybridge_conn *conn,
			 const struct hybridge_h2_answer *answer)
{
	return far_of(conn) ? far_answer(conn, answer)
			    : hybridge_h2_answer(conn, answer);
}

/* The same on a stream: the reason has a header of its own. */
static int send_on_stream(struct hybridge_conn *conn,
			  const struct answer *answer, const char *reason,
			  const char *body)
{
	struct hybridge_h2_answer head = {
		.status = answer->status,
		.reason = reason,
	};
	char *headers = NULL;
	int ret = -1;

	if (asprintf(&headers, "Content-Type: %s\r\n%s",
		     answer->type ? answer->type : "text/plain; charset=utf-8",
		     answer->headers ? answer->headers : "") < 0)
		return -1;
	head.headers = headers;
	if (answer_stream(conn, &head) == 0)
		ret = answer->no_body
			      ? 0
			      : hybridge_conn_write(conn, body, strlen(body));
	free(headers);
	return ret;
}

static int send_on_connection(struct hybridge_conn *conn,
			      const struct answer *answer, const char *reason,
			      const char *body)
{
	char *text = NULL;
	int len = asprintf(&text,
			   "HTTP/1.1 %d %s\r\n"
			   "Content-Type: %s\r\n"
			   "Content-Length: %zu\r\n"
			   "%s%s"
			   "Connection: close\r\n\r\n"
			   "%s",
			   answer->status, reason,
			   answer->type ? answer->type
					: "text/plain; charset=utf-8",
			   strlen(body), answer->headers ? answer->headers : "",
			   features, answer->no_body ? "" : body);
	int ret = -1;

	if (len < 0)
		return -1;
	ret = hybridge_conn_write(conn, text, (size_t)len);
	free(text);
	return ret;
}

void answer_send(struct hybridge_conn *conn, const struct answer *answer)
{
	const char *reason = answer->reason && *answer->reason
				     ? answer->reason
				     : phrase(answer->status);
	const char *body = answer->body ? answer->body : reason;
	int ret = is_stream(conn)
			  ? send_on_stream(conn, answer, reason, body)
			  : send_on_connection(conn, answer, reason, body);

	hybridge_conn_close(conn, ret == 0 ? HYBRIDGE_CONN_ORDERLY
					   : HYBRIDGE_CONN_RESET);
}

/* RFC 8441 5.1: 200 instead of 101. */
static int upgrade_stream(struct hybridge_conn *conn,
			  struct hybridge_span protocol)
{
	struct hybridge_h2_answer head = {.status = 200};
	char *headers = NULL;
	int ret;

	if (protocol.len > 0 &&
	    asprintf(&headers, "Sec-WebSocket-Protocol: %.*s\r\n",
		     (int)protocol.len, protocol.text) < 0)
		return -1;
	head.headers = headers;
	ret = answer_stream(conn, &head);
	free(headers);
	return ret;
}

int answer_upgrade(struct hybridge_conn *conn, const char *accept,
		   struct hybridge_span protocol)
{
	char *text = NULL;
	int len;
	int ret = -1;

	if (is_stream(conn))
		return upgrade_stream(conn, protocol);
	len = asprintf(&text,
		       "HTTP/1.1 101 Switching Protocols\r\n"
		       "Upgrade: websocket\r\n"
		       "Connection: Upgrade\r\n"
		       "Sec-WebSocket-Accept: %s\r\n"
		       "%s%s%.*s%s\r\n",
		       accept, features,
		       protocol.len > 0 ? "Sec-WebSocket-Protocol: " : "",
		       (int)protocol.len, protocol.text ? protocol.text : "",
		       protocol.len > 0 ? "\r\n" : "");
	if (len < 0)
		return -1;
	if (hybridge_conn_write(conn, text, (size_t)len) == 0)
		ret = hybridge_conn_flush(conn);
	free(text);
	return ret;
}
