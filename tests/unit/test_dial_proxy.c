/*
 * test_dial_proxy.c - dialling through a scripted HTTP CONNECT proxy.
 */
#include "dial_fixture.h"
#include "fake_names.h"

static struct fake_name fake_names[FAKE_NAMES] = {
	{.name = "one.test", .addresses = {"127.0.0.1"}},
	{.name = NULL},
};

/* Dials far.example:443 through a scripted proxy; its end after the request. */
static int through_proxy(struct fixture *fx, struct call *call, SSL_CTX *tls,
			 const char *credentials, char request[static 1000])
{
	char proxy[100];
	uint16_t port;
	int listener = fixture_listen(&port);
	struct hybridge_dial_args args = {
		.host = "far.example",
		.port = 443,
		.tls = tls,
		.proxy = proxy,
		.no_proxy = "localhost,.internal",
		.timeout_ms = 20000,
	};
	size_t len = 0;
	int fd;

	snprintf(proxy, sizeof(proxy), "http://%sone.test:%u/", credentials,
		 port);
	call_start(fx, call, &args);
	memset(proxy, 'x', sizeof(proxy)); /* it needs to live no longer */
	fd = accept_one(fx, listener);
	while (len < 4 || memcmp(request + len - 4, "\r\n\r\n", 4) != 0) {
		fixture_recv_all(fx, fd, request + len, 1);
		assert_true(++len < 999);
	}
	request[len] = '\0';
	assert_int_equal(call->calls, 0);
	close(listener);
	return fd;
}

static void a_proxy_is_asked_with_credentials(void **state)
{
	struct call call;
	char request[1000];
	int fd = through_proxy(*state, &call, NULL, "user:p%40ss%3A@", request);

	assert_string_equal(request,
			    "CONNECT far.example:443 HTTP/1.1\r\n"
			    "Host: far.example:443\r\n"
			    "Proxy-Authorization: Basic dXNlcjpwQHNzOg==\r\n"
			    "\r\n");
	/* What follows the head is the far end's already. */
	fixture_send(call.fx, fd, "HTTP/1.0 200 ok\r\nVia: x\r\n\r\nhello", 32);
	FIXTURE_UNTIL(call.fx, call.calls);
	FIXTURE_UNTIL(call.fx, call.end.len == 5);
	assert_memory_equal(call.end.got, "hello", 5);
	assert_int_equal(hybridge_conn_write(call.end.conn, "ping", 4), 0);
	fixture_expect(call.fx, fd, "ping", 4);
	end_close(&call.end, HYBRIDGE_CONN_RESET);
	close(fd);
}

static void tls_goes_through_a_proxy(void **state)
{
	struct secure secure;
	char request[1000];
	struct call call;
	int fd;

	secure_open(&secure, "DNS:far.example");
	fd = through_proxy(*state, &call, secure.client, "", request);
	assert_null(strstr(request, "Authorization"));
	fixture_send(call.fx, fd, "HTTP/1.1 200 ok\r\n\r\n", 19);
	answer_ping(&call, tls_far_open(secure.server, fd, true));
	close(fd);
	secure_close(&secure);
}

static void a_proxy_slips_nothing_in_before_tls(void **state)
{
	struct secure secure;
	char request[1000];
	struct call call;
	int fd;

	secure_open(&secure, "DNS:far.example");
	fd = through_proxy(*state, &call, secure.client, "", request);
	fixture_send(call.fx, fd, "HTTP/1.1 200 ok\r\n\r\nHTTP/1.1 101 ok\r\n",
		     36);
	call_fails(&call, EPROTO, HYBRIDGE_EPROTOCOL);
	close(fd);
	secure_close(&secure);
}

static void a_proxy_that_does_not_connect_is_named(void **state)
{
	static const struct {
		const char *answer;
		int os_errno;
		enum hybridge_code code;
		const char *what; /* the end of it */
	} cases[] = {
		{"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
		 ECONNREFUSED, HYBRIDGE_EDENIED,
		 "does not connect to far.example:443: 407 Proxy "
		 "Authentication Required"},
		{"HTTP/1.1 502 Bad Gateway\r\n\r\n", ECONNREFUSED,
		 HYBRIDGE_EUNREACH,
		 "does not connect to far.example:443: 502 Bad Gateway"},
		{"HTTP/1.1 101 Switching\r\n\r\n", ECONNREFUSED,
		 HYBRIDGE_EUNREACH,
		 "does not connect to far.example:443: 101 Switching"},
		{"SSH-2.0-OpenSSH\r\n\r\n", EPROTO, HYBRIDGE_EPROTOCOL,
		 "cannot reach far.example:443: the proxy's answer is not "
		 "HTTP"},
		{"", ECONNRESET, HYBRIDGE_EUNREACH,
		 "cannot reach far.example:443: the proxy closed the "
		 "connection"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct call call;
		char request[1000];
		const char *tail;
		int fd;

		print_message("case: %s\n", cases[i].what);
		fd = through_proxy(*state, &call, NULL, "user:secret@",
				   request);
		fixture_send(call.fx, fd, cases[i].answer,
			     strlen(cases[i].answer));
		shutdown(fd, SHUT_WR);
		call_fails(&call, cases[i].os_errno, cases[i].code);
		assert_true(strlen(call.err.what) >= strlen(cases[i].what));
		tail = call.err.what + strlen(call.err.what) -
		       strlen(cases[i].what);
		assert_string_equal(tail, cases[i].what);
		assert_null(strstr(call.err.what, "secret"));
		assert_int_equal(call.err.hint[0] != '\0', i == 0);
		close(fd);
	}
}

static void a_proxy_that_is_silent_is_a_time_out(void **state)
{
	char proxy[100];
	uint16_t port;
	int listener = fixture_listen(&port);
	struct hybridge_dial_args args = {.host = "far.example",
					  .port = 443,
					  .proxy = proxy,
					  .timeout_ms = 100};
	struct call call;

	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", port);
	call_start(*state, &call, &args);
	call_fails(&call, ETIMEDOUT, HYBRIDGE_ETIMEOUT);
	assert_string_equal(call.err.what,
			    "cannot reach far.example:443: the proxy did not "
			    "answer within 0.1 s");
	close(listener);
}

static void a_proxy_that_is_not_there_is_named(void **state)
{
	char proxy[100], what[200];
	struct hybridge_dial_args args = {.host = "far.example",
					  .port = 443,
					  .proxy = proxy,
					  .timeout_ms = 20000};
	struct call call;
	uint16_t port;

	close(fixture_listen(&port));
	snprintf(proxy, sizeof(proxy), "http://user:secret@one.test:%u", port);
	call_start(*state, &call, &args);
	call_fails(&call, ECONNREFUSED, HYBRIDGE_EUNREACH);
	snprintf(what, sizeof(what),
		 "cannot reach the proxy one.test:%u on the way to "
		 "far.example:443: Connection refused",
		 port);
	assert_string_equal(call.err.what, what);
}

static void a_proxy_url_that_is_wrong_is_a_mistake_of_the_user(void **state)
{
	struct hybridge_dial_args args = {
		.host = "one.test",
		.port = 443,
		.proxy = "socks5://user:secret@proxy.example:1080",
		.timeout_ms = 20000};
	struct call call;

	call_start(*state, &call, &args);
	call_fails(&call, EINVAL, HYBRIDGE_ECONFIG);
	assert_null(strstr(call.err.what, "secret"));
	assert_null(strstr(call.err.hint, "secret"));
	/* Cancelled before it was told. */
	call_start(*state, &call, &args);
	hybridge_dial_cancel(call.dial);
	fixture_step(call.fx, 5);
	assert_int_equal(call.calls, 0);
}

static void no_proxy_is_dialled_directly(void **state)
{
	struct hybridge_dial_args args = {.host = "one.test",
					  .proxy = "http://127.0.0.1:1",
					  .no_proxy = "x.test, .test",
					  .timeout_ms = 20000};
	int listener = fixture_listen(&args.port);
	struct call call;

	call_start(*state, &call, &args);
	close(call_succeeds(&call, listener));
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(a_proxy_is_asked_with_credentials),
		WITH_LOOP(tls_goes_through_a_proxy),
		WITH_LOOP(a_proxy_slips_nothing_in_before_tls),
		WITH_LOOP(a_proxy_that_does_not_connect_is_named),
		WITH_LOOP(a_proxy_that_is_silent_is_a_time_out),
		WITH_LOOP(a_proxy_that_is_not_there_is_named),
		WITH_LOOP(a_proxy_url_that_is_wrong_is_a_mistake_of_the_user),
		WITH_LOOP(no_proxy_is_dialled_directly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
