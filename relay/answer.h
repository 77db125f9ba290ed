/*
 * answer.h - writes HTTP answers on a connection.
 */
#ifndef HYBRIDGE_RELAY_ANSWER_H
#define HYBRIDGE_RELAY_ANSWER_H

#include <stdbool.h>

#include <hybridge/conn.h>
#include <hybridge/envfile.h>

/**
 * struct answer - An answer other than 101
 * @reason:  Status line's text, printable ASCII; NULL or "": the standard phrase
 * @headers: More header lines, each ending with CR LF, or NULL
 * @type:    Content-Type; NULL: text/plain
 * @body:    NULL: the reason again
 * @no_body: It was a HEAD request
 */
struct answer {
	int status;
	const char *reason;
	const char *headers;
	const char *type;
	const char *body;
	bool no_body;
};

/** answer_announce_h2() - Whether every HTTP/1.1 answer says that this relay speaks HTTP/2,
 * which only our own senders and agents look for; set once */
void answer_announce_h2(bool speaks);

/** answer_send() - Answer, and close the connection in good order */
void answer_send(struct hybridge_conn *conn, const struct answer *answer);

/**
 * answer_upgrade() - Answer 101
 * @accept:   Sec-WebSocket-Accept; a stream of HTTP/2 is answered 200 without it
 * @protocol: Sec-WebSocket-Protocol, or empty
 *
 * Return: 0, or -1 when the connection is broken; it stays the caller's
 */
HYBRIDGE_MUSTUSE int answer_upgrade(struct hybridge_conn *conn,
				    const char *accept,
				    struct hybridge_span protocol);

#endif
