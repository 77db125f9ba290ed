/*
 * test_http.c - HTTP heads: what is taken apart, what is refused, and where a
 * head ends however its bytes arrive.
 */
#include "engine_fixture.h"

#include <hybridge/http.h>

static const char request[] = "GET /$hc/a%2Fb/../c?x=1&y=+%20 HTTP/1.1\r\n"
			      "Host: relay.example:443\r\n"
			      "Upgrade: websocket\r\n"
			      "X-Blank:\r\n"
			      "X-Spaced: \t two  words \t\r\n"
			      "connection: keep-alive , Upgrade\r\n"
			      "Connection: other\r\n"
			      "X-Colon: a:b: c\r\n"
			      "X-Latin: caf\xe9\r\n"
			      "\r\n";

static int parse(const char *text, size_t len, bool response,
		 struct hybridge_http_head *head)
{
	/* Memory of exactly its size: the sanitizer watches the end. */
	char *copy = malloc(len + !len);
	int ret;

	assert_non_null(copy);
	memcpy(copy, text, len);
	memset(head, 0xa5, sizeof(*head));
	ret = hybridge_http_parse((struct hybridge_span){copy, len}, response,
				  head);
	free(copy);
	return ret;
}

static void assert_span(struct hybridge_span span, const char *want)
{
	assert_int_equal(span.len, strlen(want));
	assert_memory_equal(span.text, want, span.len);
}

static void a_request_is_taken_apart_byte_for_byte(void **state)
{
	struct hybridge_http_head head;
	struct hybridge_span value = {0};

	(void)state;
	assert_int_equal(
		hybridge_http_parse(
			(struct hybridge_span){request, sizeof(request) - 1},
			false, &head),
		0);
	assert_span(head.method, "GET");
	assert_span(head.target, "/$hc/a%2Fb/../c?x=1&y=+%20");
	assert_int_equal(head.num_headers, 8);
	assert_span(head.headers[0].name, "Host");
	assert_span(head.headers[0].value, "relay.example:443");
	assert_span(head.headers[2].value, "");
	assert_span(head.headers[3].value, "two  words");
	assert_true(hybridge_http_get(&head, "CONNECTION", &value));
	assert_span(value, "keep-alive , Upgrade"); /* the first one */
	assert_true(hybridge_http_get(&head, "x-colon", &value));
	assert_span(value, "a:b: c");
	assert_true(hybridge_http_get(&head, "x-latin", &value));
	assert_span(value, "caf\xe9");
	assert_false(hybridge_http_get(&head, "Hos", &value));
	assert_false(hybridge_http_get(&head, "Hostt", &value));
	assert_false(hybridge_http_get(&head, "", &value));
}

static void list_headers_are_searched_for_tokens(void **state)
{
	static const struct {
		const char *name;
		const char *token;
		bool found;
	} cases[] = {
		{"Connection", "upgrade", true},
		{"Connection", "keep-alive", true},
		{"Connection", "other", true}, /* in a second header */
		{"Connection", "keep", false},
		{"Connection", "keep-alive , Upgrade", false},
		{"Connection", "", false},
		{"Upgrade", "WebSocket", true},
		{"Absent", "x", false},
	};
	struct hybridge_http_head head;

	(void)state;
	assert_int_equal(
		hybridge_http_parse(
			(struct hybridge_span){request, sizeof(request) - 1},
			false, &head),
		0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		print_message("case: %s: %s\n", cases[i].name, cases[i].token);
		assert_int_equal(hybridge_http_has_token(&head, cases[i].name,
							 cases[i].token),
				 cases[i].found);
	}
}

static void a_response_is_taken_apart(void **state)
{
	static const struct {
		const char *text;
		int status;
		const char *reason;
	} cases[] = {
		{"HTTP/1.1 101 Switching Protocols\r\n\r\n", 101,
		 "Switching Protocols"},
		{"HTTP/1.1 404 Endpoint: no. TrackingId:a\tb\r\nA: b\r\n\r\n",
		 404, "Endpoint: no. TrackingId:a\tb"},
		{"HTTP/1.0 200 \r\n\r\n", 200, ""},
		{"HTTP/1.0 200\r\n\r\n", 200, ""},
		{"HTTP/1.1 100 caf\xe9\r\n\r\n", 100, "caf\xe9"},
		{"HTTP/1.1 999 x\r\n\r\n", 999, "x"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_http_head head;

		print_message("case %d\n", cases[i].status);
		assert_int_equal(
			hybridge_http_parse(
				(struct hybridge_span){cases[i].text,
						       strlen(cases[i].text)},
				true, &head),
			0);
		assert_int_equal(head.status, cases[i].status);
		assert_span(head.reason, cases[i].reason);
	}
}

static void bad_heads_are_refused_with_a_status(void **state)
{
	static const struct {
		bool response;
		int status;
		const char *text;
	} cases[] = {
		{false, 400, "\r\n\r\n"},
		{false, 400, " GET / HTTP/1.1\r\n\r\n"},
		{false, 400, "GET  / HTTP/1.1\r\n\r\n"},
		{false, 400, "GET /\r\n\r\n"},
		{false, 400, "GET / \r\n\r\n"},
		{false, 400, "GET\t/ HTTP/1.1\r\n\r\n"},
		{false, 400, "GET /a\tb HTTP/1.1\r\n\r\n"},
		{false, 400, "G(T / HTTP/1.1\r\n\r\n"},
		{false, 400, "GET / HTTPS/1.1\r\n\r\n"},
		{false, 400, "GET / http/1.1\r\n\r\n"},
		{false, 400, "GET / HTTP/1.1"},
		{false, 400, "GET / HTTP/1.1\r\n"},
		{false, 400, "GET / HTTP/1.1\nHost: a\n\n"},
		{false, 400, "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"},
		{false, 400, "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"},
		{false, 505, "GET / HTTP/2.0\r\n\r\n"},
		{false, 505, "GET / HTTP/0.9\r\n\r\n"},
		{false, 400, "GET / x HTTP/1.1\r\n\r\n"},
		{false, 505, "GET / HTTP/1.10\r\n\r\n"},
		{false, 400, "GET / HTTP/1.1\r\nHost\r\n\r\n"},
		{false, 400, "GET / HTTP/1.1\r\n: a\r\n\r\n"},
		{false, 400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
		{false, 400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
		{false, 400, "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"},
		{false, 400, "GET / HTTP/1.1\r\nA: b\r\n\tc: d\r\n\r\n"},
		{false, 400, "GET / HTTP/1.1\r\nA b: c\r\n\r\n"},
		{false, 400, "GET / HTTP/1.1\r\nA\xe9: c\r\n\r\n"},
		{false, 400, "GET / HTTP/1.1\r\nA: \x01\r\n\r\n"},
		{false, 400, "GET / HTTP/1.1\r\nA: \x7f\r\n\r\n"},
		{false, 400, "GET /\x1b[2J HTTP/1.1\r\n\r\n"},
		{true, 400, "HTTP/1.1\r\n\r\n"},
		{true, 400, "HTTP/1.1 \r\n\r\n"},
		{true, 400, "HTTP/1.1 20\r\n\r\n"},
		{true, 400, "HTTP/1.1 2000 OK\r\n\r\n"},
		{true, 400, "HTTP/1.1 2x0 OK\r\n\r\n"},
		{true, 400, "HTTP/1.1 099 OK\r\n\r\n"},
		{true, 400, "HTTP/1.1 -20 OK\r\n\r\n"},
		{true, 400, "HTTP/2.0 200 OK\r\n\r\n"},
		{true, 400, "HTTP/1.1  200 OK\r\n\r\n"},
		{true, 400, "HTTP/1.1 200 \x1b[2J\r\n\r\n"},
		{true, 400, "SSH-2.0-OpenSSH_9.2\r\n\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_http_head head;

		print_message("case %zu\n", i);
		assert_int_equal(parse(cases[i].text, strlen(cases[i].text),
				       cases[i].response, &head),
				 cases[i].status);
	}
}

static void a_nul_is_refused_wherever_it_stands(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		struct hybridge_http_head head;
		char text[sizeof(request)];

		memcpy(text, request, sizeof(text));
		text[i] = '\0';
		assert_int_not_equal(
			parse(text, sizeof(text) - 1, false, &head), 0);
	}
}

static void every_truncation_is_refused(void **state)
{
	struct hybridge_http_head head;

	(void)state;
	for (size_t len = 0; len < sizeof(request) - 1; len++)
		assert_int_not_equal(parse(request, len, false, &head), 0);
	assert_int_equal(parse(request, sizeof(request) - 1, false, &head), 0);
	/* What follows the blank line is not looked at. */
	assert_int_equal(
		parse("GET / HTTP/1.1\r\n\r\n\x01 :", 21, false, &head), 0);
	assert_int_equal(head.num_headers, 0);
}

static void headers_are_counted(void **state)
{
	(void)state;
	for (size_t num = 127; num <= 129; num++) {
		struct hybridge_http_head head;
		char text[2000] = "GET / HTTP/1.1\r\n";
		size_t len = strlen(text);

		for (size_t i = 0; i < num; i++, len += 6)
			snprintf(text + len, sizeof(text) - len, "A: b\r\n");
		snprintf(text + len, sizeof(text) - len, "\r\n");
		assert_int_equal(parse(text, len + 2, false, &head),
				 num <= HYBRIDGE_HTTP_HEADERS_MAX ? 0 : 431);
	}
}

static void spans_compare_and_copy(void **state)
{
	struct hybridge_span span = {"WebSocket!", 9};
	char *copy = hybridge_span_dup(span);
	char *empty = hybridge_span_dup((struct hybridge_span){0});

	(void)state;
	assert_string_equal(copy, "WebSocket");
	assert_string_equal(empty, "");
	assert_true(hybridge_span_is(span, "websocket"));
	assert_false(hybridge_span_is(span, "websocket!"));
	assert_false(hybridge_span_is(span, "websocke"));
	assert_true(hybridge_span_is((struct hybridge_span){0}, ""));
	free(copy);
	free(empty);
}

/* The reader. */

struct reading {
	struct hybridge_conn *conn;
	struct hybridge_head_reader reader;
	ssize_t ret;
	int error;
};

static void reading_ready(void *owner, struct hybridge_conn *conn)
{
	struct reading *reading = owner;

	if (reading->ret != 0)
		return;
	reading->ret = hybridge_head_read(&reading->reader, conn);
	reading->error = errno;
}

static int reading_open(struct fixture *fx, struct reading *reading)
{
	int fds[2];

	*reading = (struct reading){0};
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	reading->conn =
		hybridge_conn_new(fx->loop, fds[0], reading_ready, reading);
	assert_non_null(reading->conn);
	return fds[1];
}

static void reading_close(struct reading *reading, int far)
{
	hybridge_conn_close(reading->conn, HYBRIDGE_CONN_RESET);
	hybridge_head_free(&reading->reader);
	hybridge_head_free(&reading->reader); /* twice is fine */
	close(far);
}

/* What follows the head and was given back, or is still in the socket. */
static void read_behind(struct fixture *fx, struct reading *reading, char *buf,
			size_t len)
{
	while (len > 0) {
		ssize_t n = hybridge_conn_read(reading->conn, buf, len);

		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			fixture_step(fx, 1);
			continue;
		}
		assert_true(n > 0);
		buf += n;
		len -= (size_t)n;
	}
}

static void a_head_is_read_however_it_is_cut(void **state)
{
	struct fixture *fx = *state;
	static const char text[] = "HTTP/1.1 101 x\r\nA: b\r\n\r\n\r\n\r\nrest";
	size_t end = (size_t)(strstr(text, "\r\n\r\n") + 4 - text);

	for (size_t cut = 0; cut < sizeof(text) - 1; cut++) {
		struct reading reading;
		char rest[20];
		int far = reading_open(fx, &reading);

		fixture_send(fx, far, text, cut);
		fixture_step(fx, 0);
		assert_int_equal(reading.ret, cut < end ? 0 : end);
		fixture_send(fx, far, text + cut, sizeof(text) - 1 - cut);
		FIXTURE_UNTIL(fx, reading.ret != 0);
		assert_int_equal(reading.ret, end);
		assert_int_equal(reading.reader.len, end);
		assert_memory_equal(reading.reader.buf, text, end);
		/* What follows is given back. */
		fixture_step(fx, 0);
		read_behind(fx, &reading, rest, 8);
		assert_memory_equal(rest, "\r\n\r\nrest", 8);
		reading_close(&reading, far);
	}
}

static void a_head_that_arrives_byte_by_byte_is_read(void **state)
{
	struct fixture *fx = *state;
	struct reading reading;
	int far = reading_open(fx, &reading);

	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		assert_int_equal(reading.ret, 0);
		fixture_send(fx, far, request + i, 1);
		fixture_step(fx, 0);
	}
	FIXTURE_UNTIL(fx, reading.ret != 0);
	assert_int_equal(reading.ret, sizeof(request) - 1);
	assert_memory_equal(reading.reader.buf, request, sizeof(request) - 1);
	reading_close(&reading, far);
}

/* A head of @len bytes. */
static char *long_head(size_t len)
{
	static const char start[] = "GET / HTTP/1.1\r\nA: ";
	char *text = malloc(len);

	assert_non_null(text);
	memset(text, 'x', len);
	memcpy(text, start, sizeof(start) - 1);
	for (size_t i = 0; i < 4; i++)
		text[len - 4 + i] = "\r\n\r\n"[i];
	return text;
}

static void heads_are_bounded(void **state)
{
	static const size_t lens[] = {4095,
				      4096,
				      4097,
				      8192,
				      HYBRIDGE_HTTP_HEAD_MAX - 1,
				      HYBRIDGE_HTTP_HEAD_MAX,
				      HYBRIDGE_HTTP_HEAD_MAX + 1,
				      HYBRIDGE_HTTP_HEAD_MAX + 4};
	struct fixture *fx = *state;

	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++)
		for (int tail = 0; tail <= 1; tail++) {
			struct reading reading;
			int far = reading_open(fx, &reading);
			char *text = long_head(lens[i]);

			print_message("case: %zu bytes, %d behind\n", lens[i],
				      4 * tail);
			fixture_send(fx, far, text, lens[i]);
			if (tail)
				fixture_send(fx, far, "rest", 4);
			FIXTURE_UNTIL(fx, reading.ret != 0);
			if (lens[i] > HYBRIDGE_HTTP_HEAD_MAX) {
				assert_int_equal(reading.ret, -1);
				assert_int_equal(reading.error, EMSGSIZE);
			} else {
				assert_int_equal(reading.ret, lens[i]);
				assert_memory_equal(reading.reader.buf, text,
						    lens[i]);
				if (tail) {
					char rest[4];

					read_behind(fx, &reading, rest, 4);
					assert_memory_equal(rest, "rest", 4);
				}
			}
			free(text);
			reading_close(&reading, far);
		}
}

static void a_head_that_never_ends_is_an_error(void **state)
{
	struct fixture *fx = *state;
	struct reading reading;
	int far = reading_open(fx, &reading);

	fixture_send(fx, far, request, 50);
	fixture_step(fx, 5);
	shutdown(far, SHUT_WR);
	FIXTURE_UNTIL(fx, reading.ret != 0);
	assert_int_equal(reading.ret, -1);
	assert_int_equal(reading.error, ECONNRESET);
	reading_close(&reading, far);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_taken_apart_byte_for_byte),
		cmocka_unit_test(list_headers_are_searched_for_tokens),
		cmocka_unit_test(a_response_is_taken_apart),
		cmocka_unit_test(bad_heads_are_refused_with_a_status),
		cmocka_unit_test(a_nul_is_refused_wherever_it_stands),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(headers_are_counted),
		cmocka_unit_test(spans_compare_and_copy),
		WITH_LOOP(a_head_is_read_however_it_is_cut),
		WITH_LOOP(a_head_that_arrives_byte_by_byte_is_read),
		WITH_LOOP(heads_are_bounded),
		WITH_LOOP(a_head_that_never_ends_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
