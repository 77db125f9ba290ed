/*
 * test_dial.c - dialling directly and through a proxy: every way to fail says so.
 */
#include "engine_fixture.h"

#include <arpa/inet.h>

#include <hybridge/dial.h>

#include "fake_names.h"

static struct fake_name fake_names[FAKE_NAMES] = {
	{.name = "one.test", .addresses = {"127.0.0.1"}},
	{.name = "second.test", .addresses = {"127.0.0.2", "127.0.0.1"}},
	{.name = "none.test", .addresses = {"127.0.0.2", "127.0.0.3"}},
	{.name = "slow.test", .addresses = {"127.0.0.1"}},
	{.name = "nonexistent.invalid", .gai_error = EAI_NONAME},
	{.name = NULL},
};

/* A dial, and what came of it. */
struct call {
	struct fixture *fx;
	struct hybridge_dial *dial;
	unsigned int calls;
	struct end end; /* whose conn is the result */
	int os_errno;
	struct hybridge_error err;
};

static void call_done(void *owner, struct hybridge_conn *conn, int os_errno,
		      const struct hybridge_error *err)
{
	struct call *call = owner;

	call->calls++;
	call->os_errno = os_errno;
	if (err)
		call->err = *err;
	assert_int_equal(conn == NULL, err != NULL);
	call->end = (struct end){conn, .limit = SIZE_MAX, .chunk = 1000};
	if (conn)
		hybridge_conn_set_owner(conn, end_ready, &call->end);
}

static void call_start(struct fixture *fx, struct call *call,
		       const struct hybridge_dial_args *args)
{
	*call = (struct call){.fx = fx};
	call->dial = hybridge_dial_start(fx->loop, args, call_done, call);
	assert_non_null(call->dial);
	assert_int_equal(call->calls, 0); /* from the loop only */
}

static void call_fails(struct call *call, int os_errno, enum hybridge_code code)
{
	FIXTURE_UNTIL(call->fx, call->calls);
	assert_null(call->end.conn);
	assert_int_equal(call->os_errno, os_errno);
	assert_int_equal(call->err.code, code);
	fixture_step(call->fx, 2);
	assert_int_equal(call->calls, 1);
}

/* Accepts what was dialled and checks that bytes pass. */
static int call_succeeds(struct call *call, int listener)
{
	int far;

	FIXTURE_UNTIL(call->fx, call->calls);
	assert_string_equal(call->err.what, "");
	assert_int_equal(call->os_errno, 0);
	far = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(far >= 0);
	assert_int_equal(hybridge_conn_write(call->end.conn, "ping", 4), 0);
	fixture_expect(call->fx, far, "ping", 4);
	fixture_send(call->fx, far, "pong", 4);
	FIXTURE_UNTIL(call->fx, call->end.len == 4);
	assert_memory_equal(call->end.got, "pong", 4);
	end_close(&call->end, HYBRIDGE_CONN_RESET);
	return far;
}

/* A listener on @ip:@port that drops every SYN: its time to live is too small. */
static int silent_listener(const char *ip, uint16_t port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ttl = 255;

	assert_int_equal(inet_pton(AF_INET, ip, &addr.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(
		setsockopt(fd, IPPROTO_IP, IP_MINTTL, &ttl, sizeof(ttl)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void names_and_literals_are_dialled(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "one.test"};
	uint16_t port;
	int listener = fixture_listen(&port);

	for (size_t i = 0; i < 2; i++) {
		struct hybridge_dial_args args = {
			.host = hosts[i], .port = port, .timeout_ms = 20000};
		struct call call;

		print_message("case: %s\n", hosts[i]);
		call_start(*state, &call, &args);
		close(call_succeeds(&call, listener));
	}
	close(listener);
}

static void a_refusal_is_a_refusal(void **state)
{
	struct hybridge_dial_args args = {.host = "one.test",
					  .timeout_ms = 20000};
	char what[100];
	struct call call;

	close(fixture_listen(&args.port));
	call_start(*state, &call, &args);
	call_fails(&call, ECONNREFUSED, HYBRIDGE_EUNREACH);
	snprintf(what, sizeof(what),
		 "cannot reach one.test:%u: Connection refused", args.port);
	assert_string_equal(call.err.what, what);
}

static void an_unknown_name_is_no_route(void **state)
{
	struct hybridge_dial_args args = {.host = "nonexistent.invalid",
					  .port = 443,
					  .timeout_ms = 20000};
	struct call call;

	call_start(*state, &call, &args);
	call_fails(&call, EHOSTUNREACH, HYBRIDGE_EUNREACH);
	assert_string_equal(call.err.what,
			    "cannot reach nonexistent.invalid:443: Name or "
			    "service not known");
}

static void a_second_address_is_tried_when_the_first_refuses(void **state)
{
	struct hybridge_dial_args args = {.host = "second.test",
					  .timeout_ms = 20000};
	int listener = fixture_listen(&args.port);
	struct call call;
	int64_t begun = now_ms();

	call_start(*state, &call, &args);
	close(call_succeeds(&call, listener));
	assert_in_range(now_ms() - begun, 0, 240); /* at once */
	close(listener);
}

static void a_second_address_is_tried_while_the_first_is_silent(void **state)
{
	struct hybridge_dial_args args = {.host = "second.test",
					  .timeout_ms = 20000};
	int listener = fixture_listen(&args.port);
	int silent = silent_listener("127.0.0.2", args.port);
	struct call call;
	int64_t begun = now_ms();

	call_start(*state, &call, &args);
	close(call_succeeds(&call, listener));
	assert_in_range(now_ms() - begun, 240, 5000);
	close(listener);
	close(silent);
}

static void the_first_of_two_may_answer_late(void **state)
{
	struct hybridge_dial_args args = {.host = "second.test",
					  .timeout_ms = 20000};
	int off = 0, silent, other;
	struct call call;

	/* Both are silent; then the first one's listener takes SYNs again. */
	silent = fixture_listen(&args.port);
	close(silent);
	silent = silent_listener("127.0.0.2", args.port);
	other = silent_listener("127.0.0.1", args.port);
	call_start(*state, &call, &args);
	fixture_step(call.fx, 300);
	assert_int_equal(call.calls, 0);
	assert_int_equal(
		setsockopt(silent, IPPROTO_IP, IP_MINTTL, &off, sizeof(off)),
		0);
	close(call_succeeds(&call, silent));
	close(silent);
	close(other);
}

static void the_last_error_counts_when_all_addresses_fail(void **state)
{
	struct hybridge_dial_args args = {.host = "none.test",
					  .timeout_ms = 20000};
	struct call call;

	close(fixture_listen(&args.port));
	call_start(*state, &call, &args);
	call_fails(&call, ECONNREFUSED, HYBRIDGE_EUNREACH);
}

static void silence_is_a_time_out(void **state)
{
	struct hybridge_dial_args args = {.host = "one.test",
					  .timeout_ms = 300};
	struct call call;
	char what[100];
	int64_t begun = now_ms();
	int silent;

	close(fixture_listen(&args.port));
	silent = silent_listener("127.0.0.1", args.port);
	call_start(*state, &call, &args);
	call_fails(&call, ETIMEDOUT, HYBRIDGE_ETIMEOUT);
	assert_in_range(now_ms() - begun, 300, 5000);
	snprintf(what, sizeof(what),
		 "cannot reach one.test:%u: no answer within 0.3 s", args.port);
	assert_string_equal(call.err.what, what);
	close(silent);
}

static void a_name_that_takes_too_long_is_a_time_out(void **state)
{
	struct hybridge_dial_args args = {
		.host = "slow.test", .port = 443, .timeout_ms = 50};
	struct call call;

	fake_hold("slow.test", true);
	call_start(*state, &call, &args);
	call_fails(&call, ETIMEDOUT, HYBRIDGE_ETIMEOUT);
	assert_string_equal(call.err.what,
			    "cannot reach slow.test:443: its name was not "
			    "resolved within 0.05 s");
	fake_hold("slow.test", false);
}

/* TLS. */

struct secure {
	struct pki pki;
	SSL_CTX *server;
	SSL_CTX *client;
};

static void secure_open(struct secure *secure, const char *names)
{
	pki_open(&secure->pki);
	secure->server = pki_server(&secure->pki, names);
	secure->client = pki_client(&secure->pki);
}

static void secure_close(struct secure *secure)
{
	SSL_CTX_free(secure->server);
	SSL_CTX_free(secure->client);
	pki_close(&secure->pki);
}

/* The far end of a TLS connection over @fd answers a ping. */
static void answer_ping(struct call *call, SSL *far)
{
	char buf[4];

	assert_int_equal(tls_far_handshake(call->fx, far), 1);
	FIXTURE_UNTIL(call->fx, call->calls);
	assert_string_equal(call->err.what, "");
	assert_int_equal(hybridge_conn_write(call->end.conn, "ping", 4), 0);
	assert_int_equal(tls_far_recv(call->fx, far, buf, 4), 4);
	tls_far_send(call->fx, far, "pong", 4);
	FIXTURE_UNTIL(call->fx, call->end.len == 4);
	assert_memory_equal(call->end.got, "pong", 4);
	end_close(&call->end, HYBRIDGE_CONN_RESET);
	SSL_free(far);
}

static int accept_one(struct fixture *fx, int listener)
{
	int fd = -1;

	fixture_nonblocking(listener);
	FIXTURE_UNTIL(fx, (fd = accept4(listener, NULL, NULL,
					SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
	return fd;
}

static void tls_is_spoken_and_the_name_checked(void **state)
{
	static const char *const names[] = {"DNS:one.test", "DNS:other.test"};

	for (int wrong = 0; wrong <= 1; wrong++) {
		struct hybridge_dial_args args = {.host = "one.test",
						  .timeout_ms = 20000};
		int listener = fixture_listen(&args.port);
		struct secure secure;
		struct call call;
		char what[200];
		SSL *far;
		int fd;

		print_message("case: %s\n", names[wrong]);
		secure_open(&secure, names[wrong]);
		args.tls = secure.client;
		call_start(*state, &call, &args);
		fd = accept_one(call.fx, listener);
		far = tls_far_open(secure.server, fd, true);
		if (wrong) {
			assert_int_equal(tls_far_handshake(call.fx, far), -1);
			call_fails(&call, EPROTO, HYBRIDGE_EDENIED);
			snprintf(what, sizeof(what),
				 "certificate of one.test:%u is not trusted: "
				 "hostname mismatch",
				 args.port);
			assert_string_equal(call.err.what, what);
			SSL_free(far);
		} else {
			answer_ping(&call, far);
		}
		close(fd);
		close(listener);
		secure_close(&secure);
	}
}

static void a_handshake_that_does_not_go_on_is_a_time_out(void **state)
{
	struct hybridge_dial_args args = {.host = "one.test",
					  .timeout_ms = 100};
	int listener = fixture_listen(&args.port);
	struct secure secure;
	struct call call;
	char what[200];

	secure_open(&secure, "DNS:one.test");
	args.tls = secure.client;
	call_start(*state, &call, &args);
	call_fails(&call, ETIMEDOUT, HYBRIDGE_ETIMEOUT);
	snprintf(what, sizeof(what),
		 "cannot reach one.test:%u: the TLS handshake did not finish "
		 "within 0.1 s",
		 args.port);
	assert_string_equal(call.err.what, what);
	close(listener);
	secure_close(&secure);
}

/* Proxies. */

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

/* Giving up. */

static void a_cancelled_dial_is_silent_whatever_it_was_doing(void **state)
{
	struct fixture *fx = *state;
	struct secure secure;
	char proxy[100];
	struct hybridge_dial_args args = {.timeout_ms = 20000};
	int listener = fixture_listen(&args.port);
	int silent = silent_listener("127.0.0.2", args.port);

	secure_open(&secure, "DNS:one.test");
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", args.port);
	hybridge_dial_cancel(NULL);
	for (int doing = 0; doing < 4; doing++) {
		static const char *const hosts[] = {"slow.test", "127.0.0.2",
						    "far.example", "one.test"};
		struct call call;

		print_message("case: %s\n", hosts[doing]);
		fake_hold("slow.test", true);
		args.host = hosts[doing];
		args.proxy = doing == 2 ? proxy : NULL;
		args.tls = doing == 3 ? secure.client : NULL;
		call_start(fx, &call, &args);
		fixture_step(fx, 20);
		assert_int_equal(call.calls, 0);
		hybridge_dial_cancel(call.dial);
		hybridge_dial_cancel(call.dial); /* same turn: fine */
		fake_hold("slow.test", false);
		fixture_step(fx, 20);
		assert_int_equal(call.calls, 0);
	}
	close(listener);
	close(silent);
	secure_close(&secure);
}

static void many_dials_at_once_all_end(void **state)
{
	static struct call calls[100];
	struct hybridge_dial_args args = {.host = "one.test",
					  .timeout_ms = 20000};
	int listener = fixture_listen(&args.port);
	size_t done = 0;

	listen(listener, 128);
	for (size_t i = 0; i < 100; i++)
		call_start(*state, &calls[i], &args);
	for (size_t i = 0; i < 100; i++) {
		FIXTURE_UNTIL(calls[i].fx, calls[i].calls);
		done += calls[i].end.conn != NULL;
		end_close(&calls[i].end, HYBRIDGE_CONN_RESET);
	}
	assert_int_equal(done, 100);
	close(listener);
}

#define WITH_LOOP(test) \
	cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(names_and_literals_are_dialled),
		WITH_LOOP(a_refusal_is_a_refusal),
		WITH_LOOP(an_unknown_name_is_no_route),
		WITH_LOOP(a_second_address_is_tried_when_the_first_refuses),
		WITH_LOOP(a_second_address_is_tried_while_the_first_is_silent),
		WITH_LOOP(the_first_of_two_may_answer_late),
		WITH_LOOP(the_last_error_counts_when_all_addresses_fail),
		WITH_LOOP(silence_is_a_time_out),
		WITH_LOOP(a_name_that_takes_too_long_is_a_time_out),
		WITH_LOOP(tls_is_spoken_and_the_name_checked),
		WITH_LOOP(a_handshake_that_does_not_go_on_is_a_time_out),
		WITH_LOOP(a_proxy_is_asked_with_credentials),
		WITH_LOOP(tls_goes_through_a_proxy),
		WITH_LOOP(a_proxy_slips_nothing_in_before_tls),
		WITH_LOOP(a_proxy_that_does_not_connect_is_named),
		WITH_LOOP(a_proxy_that_is_silent_is_a_time_out),
		WITH_LOOP(a_proxy_that_is_not_there_is_named),
		WITH_LOOP(a_proxy_url_that_is_wrong_is_a_mistake_of_the_user),
		WITH_LOOP(no_proxy_is_dialled_directly),
		WITH_LOOP(a_cancelled_dial_is_silent_whatever_it_was_doing),
		WITH_LOOP(many_dials_at_once_all_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
