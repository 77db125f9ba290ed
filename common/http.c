/*
 * http.c - HTTP/1.1 message heads (RFC 9112), kept byte for byte.
 */
#include <hybridge/http.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <hybridge/text.h>

#define READ_CHUNK 4096

bool hybridge_span_is(struct hybridge_span span, const char *text)
{
	return span.len == strlen(text) &&
	       (span.len == 0 || strncasecmp(span.text, text, span.len) == 0);
}

char *hybridge_span_dup(struct hybridge_span span)
{
	return strndup(span.text ? span.text : "", span.len);
}

/* Cuts up to @separator off the front of @rest; false when it is not there. */
static bool cut(struct hybridge_span *rest, const char *separator,
		struct hybridge_span *out)
{
	size_t len = strlen(separator);
	const char *at = memmem(rest->text, rest->len, separator, len);

	if (!at)
		return false;
	*out = (struct hybridge_span){rest->text, (size_t)(at - rest->text)};
	rest->text = at + len;
	rest->len -= out->len + len;
	return true;
}

/* RFC 9110 5.6.2: what a method or a header name may hold. */
static bool is_token(struct hybridge_span span)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < span.len; i++) {
		char c = span.text[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= 'a' && c <= 'z') &&
		    (c == '\0' || !strchr(others, c)))
			return false;
	}
	return span.len > 0;
}

static bool has_control(struct hybridge_span span)
{
	for (size_t i = 0; i < span.len; i++) {
		unsigned char c = (unsigned char)span.text[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

/* RFC 9112 2.3: in capitals. */
static bool is_version(struct hybridge_span span)
{
	return span.len == 8 && (memcmp(span.text, "HTTP/1.1", 8) == 0 ||
				 memcmp(span.text, "HTTP/1.0", 8) == 0);
}

static int parse_request_line(struct hybridge_span line,
			      struct hybridge_http_head *out)
{
	if (!cut(&line, " ", &out->method) || !is_token(out->method) ||
	    !cut(&line, " ", &out->target) || out->target.len == 0 ||
	    memchr(out->target.text, '\t', out->target.len))
		return 400;
	if (is_version(line))
		return 0;
	return line.len >= 5 && strncmp(line.text, "HTTP/", 5) == 0 ? 505 : 400;
}

static int parse_status_line(struct hybridge_span line,
			     struct hybridge_http_head *out)
{
	struct hybridge_span version;

	if (!cut(&line, " ", &version) || !is_version(version) ||
	    line.len < 3 || (line.len > 3 && line.text[3] != ' '))
		return 400;
	for (int i = 0; i < 3; i++) {
		if (line.text[i] < '0' || line.text[i] > '9')
			return 400;
		out->status = out->status * 10 + (line.text[i] - '0');
	}
	out->reason = hybridge_text_trim(
		(struct hybridge_span){line.text + 3, line.len - 3});
	return out->status >= 100 ? 0 : 400;
}

int hybridge_http_parse(struct hybridge_span text, bool response,
			struct hybridge_http_head *out)
{
	struct hybridge_span line;
	int status;

	out->status = 0;
	out->num_headers = 0;
	if (!cut(&text, "\r\n", &line) || has_control(line))
		return 400;
	status = response ? parse_status_line(line, out)
			  : parse_request_line(line, out);
	if (status)
		return status;
	while (cut(&text, "\r\n", &line)) {
		struct hybridge_http_header header;

		if (line.len == 0)
			return 0;
		if (out->num_headers == HYBRIDGE_HTTP_HEADERS_MAX)
			return 431;
		if (has_control(line) || !cut(&line, ":", &header.name) ||
		    !is_token(header.name))
			return 400;
		header.value = hybridge_text_trim(line);
		out->headers[out->num_headers++] = header;
	}
	return 400; /* no blank line */
}

bool hybridge_http_get(const struct hybridge_http_head *head, const char *name,
		       struct hybridge_span *out)
{
	for (size_t i = 0; i < head->num_headers; i++)
		if (hybridge_span_is(head->headers[i].name, name)) {
			*out = head->headers[i].value;
			return true;
		}
	return false;
}

size_t hybridge_http_count(const struct hybridge_http_head *head,
			   const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < head->num_headers; i++)
		if (hybridge_span_is(head->headers[i].name, name))
			count++;
	return count;
}

bool hybridge_http_has_token(const struct hybridge_http_head *head,
			     const char *name, const char *token)
{
	for (size_t i = 0; i < head->num_headers; i++) {
		struct hybridge_span rest = head->headers[i].value;
		struct hybridge_span item;

		if (!hybridge_span_is(head->headers[i].name, name))
			continue;
		while (cut(&rest, ",", &item))
			if (hybridge_span_is(hybridge_text_trim(item), token))
				return true;
		if (hybridge_span_is(hybridge_text_trim(rest), token))
			return true;
	}
	return false;
}

/* Where the head ends, or 0; @seen bytes do not hold its end. */
static ssize_t end_of_head(const struct hybridge_head_reader *reader,
			   size_t seen)
{
	size_t from = seen > 3 ? seen - 3 : 0;
	const char *end =
		memmem(reader->buf + from, reader->len - from, "\r\n\r\n", 4);

	return end ? end - reader->buf + 4 : 0;
}

ssize_t hybridge_head_read(struct hybridge_head_reader *reader,
			   struct hybridge_conn *conn)
{
	for (;;) {
		ssize_t n;
		ssize_t end;

		if (reader->len >= HYBRIDGE_HTTP_HEAD_MAX) {
			errno = EMSGSIZE;
			return -1;
		}
		if (reader->len % READ_CHUNK == 0) {
			char *grown = malloc(reader->len + READ_CHUNK);

			if (!grown)
				return -1;
			if (reader->len > 0)
				memcpy(grown, reader->buf, reader->len);
			/* Not realloc(): the old copy may hold a token. */
			if (reader->buf)
				explicit_bzero(reader->buf, reader->len);
			free(reader->buf);
			reader->buf = grown;
		}
		n = hybridge_conn_read(conn, reader->buf + reader->len,
				       READ_CHUNK - reader->len % READ_CHUNK);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n == 0)
			errno = ECONNRESET;
		if (n <= 0)
			return -1;
		reader->len += (size_t)n;
		end = end_of_head(reader, reader->len - (size_t)n);
		if (end > 0) {
			size_t behind = reader->len - (size_t)end;

			reader->len = (size_t)end;
			return hybridge_conn_unread(conn, reader->buf + end,
						    behind) == 0
				       ? end
				       : -1;
		}
	}
}

void hybridge_head_free(struct hybridge_head_reader *reader)
{
	if (reader->buf)
		explicit_bzero(reader->buf, reader->len);
	free(reader->buf);
	*reader = (struct hybridge_head_reader){0};
}
