/*
 * answer.c - writes HTTP answers on a connection.
 */
#include "answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

void answer_send(struct hybridge_conn *conn, const struct answer *answer)
{
	const char *reason = answer->reason && *answer->reason
				     ? answer->reason
				     : phrase(answer->status);
	const char *body = answer->body ? answer->body : reason;
	char *text = NULL;
	int len = asprintf(&text,
			   "HTTP/1.1 %d %s\r\n"
			   "Content-Type: %s\r\n"
			   "Content-Length: %zu\r\n"
			   "%s"
			   "Connection: close\r\n\r\n"
			   "%s",
			   answer->status, reason,
			   answer->type ? answer->type
					: "text/plain; charset=utf-8",
			   strlen(body), answer->headers ? answer->headers : "",
			   answer->no_body ? "" : body);

	if (len < 0 || hybridge_conn_write(conn, text, (size_t)len) != 0) {
		hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
	} else {
		hybridge_conn_close(conn, HYBRIDGE_CONN_ORDERLY);
	}
	if (len >= 0)
		free(text);
}

int answer_upgrade(struct hybridge_conn *conn, const char *accept,
		   struct hybridge_span protocol)
{
	char *text = NULL;
	int len = asprintf(
		&text,
		"HTTP/1.1 101 Switching Protocols\r\n"
		"Upgrade: websocket\r\n"
		"Connection: Upgrade\r\n"
		"Sec-WebSocket-Accept: %s\r\n"
		"%s%.*s%s\r\n",
		accept, protocol.len > 0 ? "Sec-WebSocket-Protocol: " : "",
		(int)protocol.len, protocol.text ? protocol.text : "",
		protocol.len > 0 ? "\r\n" : "");
	int ret = -1;

	if (len < 0)
		return -1;
	if (hybridge_conn_write(conn, text, (size_t)len) == 0)
		ret = hybridge_conn_flush(conn);
	free(text);
	return ret;
}
