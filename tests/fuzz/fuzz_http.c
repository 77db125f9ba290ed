/*
 * fuzz_http.c - HTTP heads: nothing is changed, nothing dangerous is let through.
 */
#include "fuzz.h"

#include <strings.h>

#include <hybridge/http.h>

static bool is_clean(struct hybridge_span span)
{
	for (size_t i = 0; i < span.len; i++) {
		unsigned char c = (unsigned char)span.text[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static void check_header(const struct hybridge_http_head *head, size_t i,
			 const char *text, size_t len)
{
	const struct hybridge_http_header *header = &head->headers[i];
	struct hybridge_span found = {0};
	char *name = strndup(header->name.text, header->name.len);

	MUST(name);
	MUST(fuzz_within(header->name, text, len) && header->name.len > 0);
	MUST(fuzz_within(header->value, text, len));
	MUST(is_clean(header->name) && is_clean(header->value));
	MUST(!memchr(header->name.text, ' ', header->name.len) &&
	     !memchr(header->name.text, ':', header->name.len));
	MUST(hybridge_http_get(head, name, &found));
	for (size_t j = 0; j <= i; j++) {
		if (!hybridge_span_is(head->headers[j].name, name))
			continue;
		/* The first of its name counts. */
		MUST(fuzz_span_same(found, head->headers[j].value));
		break;
	}
	free(name);
}

static void check_start_line(const struct hybridge_http_head *head,
			     bool response, const char *text, size_t len)
{
	if (response) {
		MUST(head->status >= 100 && head->status <= 999);
		MUST(fuzz_within(head->reason, text, len) &&
		     is_clean(head->reason));
		return;
	}
	MUST(fuzz_within(head->method, text, len) && head->method.len > 0);
	MUST(fuzz_within(head->target, text, len) && head->target.len > 0);
	MUST(is_clean(head->target) &&
	     !memchr(head->target.text, ' ', head->target.len));
}

/* Written anew from its parts, a head must be taken apart into the same parts. */
static void check_round_trip(const struct hybridge_http_head *head,
			     bool response)
{
	struct hybridge_http_head again = {0};
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	MUST(to);
	if (response)
		fprintf(to, "HTTP/1.1 %d %.*s\r\n", head->status,
			(int)head->reason.len, head->reason.text);
	else
		fprintf(to, "%.*s %.*s HTTP/1.1\r\n", (int)head->method.len,
			head->method.text, (int)head->target.len,
			head->target.text);
	for (size_t i = 0; i < head->num_headers; i++)
		fprintf(to, "%.*s: %.*s\r\n", (int)head->headers[i].name.len,
			head->headers[i].name.text,
			(int)head->headers[i].value.len,
			head->headers[i].value.text);
	fputs("\r\n", to);
	MUST(fclose(to) == 0);
	MUST(hybridge_http_parse((struct hybridge_span){text, len}, response,
				 &again) == 0);
	MUST(again.status == head->status &&
	     again.num_headers == head->num_headers);
	for (size_t i = 0; i < head->num_headers; i++)
		MUST(fuzz_span_same(again.headers[i].name,
				    head->headers[i].name) &&
		     fuzz_span_same(again.headers[i].value,
				    head->headers[i].value));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	bool response = fuzz_byte(&in) & 1;
	struct hybridge_http_head head = {0};
	const char *end = memmem(in.data, in.size, "\r\n\r\n", 4);
	char *text;
	size_t len;
	int status;

	/* The contract: the text ends with its blank line. */
	if (!end)
		return 0;
	in.size = (size_t)(end + 4 - (const char *)in.data);
	text = fuzz_exact(&in, &len);
	status = hybridge_http_parse((struct hybridge_span){text, len},
				     response, &head);
	MUST(status == 0 || status == 400 || status == 431 || status == 505);
	if (status == 0) {
		MUST(head.num_headers <= HYBRIDGE_HTTP_HEADERS_MAX);
		check_start_line(&head, response, text, len);
		for (size_t i = 0; i < head.num_headers; i++)
			check_header(&head, i, text, len);
		(void)hybridge_http_has_token(&head, "Connection", "upgrade");
		check_round_trip(&head, response);
	}
	free(text);
	return 0;
}
