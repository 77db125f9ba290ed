/*
 * http.h - HTTP/1.1 message heads (RFC 9112), kept byte for byte.
 *
 * A relay must hand on what it was given, so nothing is decoded, merged or
 * normalised.  Pure: spans point into the caller's buffer.
 */
#ifndef HYBRIDGE_HTTP_H
#define HYBRIDGE_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include <hybridge/conn.h>
#include <hybridge/envfile.h>
#include <hybridge/error.h>

#define HYBRIDGE_HTTP_HEAD_MAX    32768
#define HYBRIDGE_HTTP_HEADERS_MAX 128

/** struct hybridge_http_header - Name and value, blanks round the value removed */
struct hybridge_http_header {
	struct hybridge_span name;
	struct hybridge_span value;
};

/**
 * struct hybridge_http_head - A request's or a response's head
 * @method, @target: Of a request
 * @status, @reason: Of a response
 * @headers, @num_headers: In order
 */
struct hybridge_http_head {
	struct hybridge_span method;
	struct hybridge_span target;
	int status;
	struct hybridge_span reason;
	size_t num_headers;
	struct hybridge_http_header headers[HYBRIDGE_HTTP_HEADERS_MAX];
};

/**
 * hybridge_http_parse() - Take a head apart
 * @text:     From the first byte to the blank line, which it must hold
 * @response: What is expected
 * @out:      Filled in on success
 *
 * Refused: control characters, a space before ':', obsolete line folding, more than
 * HYBRIDGE_HTTP_HEADERS_MAX headers, versions other than HTTP/1.0 and 1.1.
 *
 * Return: 0, or the status to answer a request with: 400, 431 or 505
 */
HYBRIDGE_MUSTUSE int hybridge_http_parse(struct hybridge_span text,
					 bool response,
					 struct hybridge_http_head *out);

/**
 * hybridge_http_get() - First header of this name, without regard to case
 * Return: true when it is there
 */
bool hybridge_http_get(const struct hybridge_http_head *head, const char *name,
		       struct hybridge_span *out);

/** hybridge_http_count() - How many headers have this name, without regard to case */
size_t hybridge_http_count(const struct hybridge_http_head *head,
			   const char *name);

/** hybridge_http_has_token() - Whether a list header (Connection, Upgrade) names @token */
bool hybridge_http_has_token(const struct hybridge_http_head *head,
			     const char *name, const char *token);

/** hybridge_span_is() - Compare with a text, without regard to ASCII case */
bool hybridge_span_is(struct hybridge_span span, const char *text);

/** hybridge_span_dup() - Copy as a C string, owned by the caller; NULL when out of memory */
HYBRIDGE_MUSTUSE char *hybridge_span_dup(struct hybridge_span span);

/**
 * struct hybridge_head_reader - Collects a head from a connection; start with {0}
 * @buf: Owned; @len bytes are filled
 */
struct hybridge_head_reader {
	char *buf;
	size_t len;
};

/**
 * hybridge_head_read() - Read until the blank line
 *
 * What follows the blank line is given back with hybridge_conn_unread().
 *
 * Return: length of the head with its blank line; 0 not yet; -1 with errno: EMSGSIZE
 *         longer than HYBRIDGE_HTTP_HEAD_MAX, ECONNRESET ended too early, or
 *         hybridge_conn_read()'s
 */
HYBRIDGE_MUSTUSE ssize_t hybridge_head_read(struct hybridge_head_reader *reader,
					    struct hybridge_conn *conn);

/** hybridge_head_free() - Wipe (it may hold tokens) and release the buffer */
void hybridge_head_free(struct hybridge_head_reader *reader);

#endif
