/*
 * test_upgrade.c - the client's WebSocket handshake against a scripted server.
 */
#include "engine_fixture.h"

#include <hybridge/upgrade.h>
#include <hybridge/ws.h>

/* An upgrade under way, and what came of it. */
struct attempt {
	struct fixture *fx;
	struct hybridge_upgrade *upgrade;
	int far;
	char request[2000];
	char accept[29];
	unsigned int calls;
	struct hybridge_conn *conn;
	struct hybridge_upgrade_result result;
};

static void ignore(void *owner, struct hybridge_conn *conn)
{
	(void)owner;
	(void)conn;
}

static void attempt_done(void *owner, struct hybridge_conn *conn,
			 const struct hybridge_upgrade_result *result)
{
	struct attempt *attempt = owner;

	attempt->calls++;
	attempt->conn = conn;
	attempt->result = *result;
	if (conn)
		hybridge_conn_set_owner(conn, ignore, NULL);
}

/* Reads the request, byte by byte up to its blank line. */
static void read_request(struct attempt *attempt)
{
	static const char name[] = "Sec-WebSocket-Key: ";
	size_t len = 0;
	char *key;

	while (len < 4 ||
	       memcmp(attempt->request + len - 4, "\r\n\r\n", 4) != 0) {
		fixture_recv_all(attempt->fx, attempt->far,
				 attempt->request + len, 1);
		assert_true(++len < sizeof(attempt->request) - 1);
	}
	attempt->request[len] = '\0';
	key = strstr(attempt->request, name);
	assert_non_null(key);
	key += strlen(name);
	assert_int_equal(strcspn(key, "\r\n"), 24);
	hybridge_ws_accept(key, 24, attempt->accept);
}

static void start(struct fixture *fx, struct attempt *attempt,
		  const struct hybridge_upgrade_args *args)
{
	struct hybridge_conn *conn;
	int fds[2];

	*attempt = (struct attempt){.fx = fx};
	fixture_tcp_pair(fds, 0);
	attempt->far = fds[1];
	conn = hybridge_conn_new(fx->loop, fds[0], ignore, NULL);
	assert_non_null(conn);
	attempt->upgrade = hybridge_upgrade_start(fx->loop, conn, args,
						  attempt_done, attempt);
	assert_non_null(attempt->upgrade);
	read_request(attempt);
}

static const struct hybridge_upgrade_args plain = {
	.host = "relay.example",
	.target = "/$hc/x?sb-hc-action=connect",
	.timeout_ms = 20000,
};

static void start_plain(struct fixture *fx, struct attempt *attempt)
{
	start(fx, attempt, &plain);
}

static void answer(struct attempt *attempt, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void answer(struct attempt *attempt, const char *fmt, ...)
{
	char text[2000];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	assert_in_range(len, 0, sizeof(text) - 1);
	fixture_send(attempt->fx, attempt->far, text, (size_t)len);
}

static void finish(struct attempt *attempt)
{
	char c;

	fixture_step(attempt->fx, 5);
	assert_int_equal(attempt->calls, 1);
	if (attempt->conn) {
		hybridge_conn_close(attempt->conn, HYBRIDGE_CONN_ORDERLY);
	} else {
		/* It was closed, in good order: our answer was read. */
		assert_int_equal(fixture_recv(attempt->fx, attempt->far, &c, 1),
				 0);
	}
	close(attempt->far);
	fixture_step(attempt->fx, 1);
}

#define GOOD                                   \
	"HTTP/1.1 101 Switching Protocols\r\n" \
	"Upgrade: websocket\r\nConnection: Upgrade\r\n"

static void the_request_says_what_the_standard_wants(void **state)
{
	static const struct hybridge_upgrade_args args = {
		.host = "relay.example:8443",
		.target = "/$hc/a%20b?x=1&y",
		.headers = "ServiceBusAuthorization: token\r\nX-More: b\r\n",
		.protocol = "wssubprotocol",
		.timeout_ms = 20000,
	};
	struct attempt attempt;
	char key[25];

	start(*state, &attempt, &args);
	memcpy(key, strstr(attempt.request, "Key: ") + 5, 24);
	key[24] = '\0';
	memset(strstr(attempt.request, key), 'K', 24);
	assert_string_equal(attempt.request,
			    "GET /$hc/a%20b?x=1&y HTTP/1.1\r\n"
			    "Host: relay.example:8443\r\n"
			    "Connection: Upgrade\r\n"
			    "Upgrade: websocket\r\n"
			    "Sec-WebSocket-Version: 13\r\n"
			    "Sec-WebSocket-Key: KKKKKKKKKKKKKKKKKKKKKKKK\r\n"
			    "Sec-WebSocket-Protocol: wssubprotocol\r\n"
			    "ServiceBusAuthorization: token\r\n"
			    "X-More: b\r\n"
			    "\r\n");
	answer(&attempt,
	       GOOD "Sec-WebSocket-Accept: %s\r\n"
		    "Sec-WebSocket-Protocol: wssubprotocol\r\n\r\n",
	       attempt.accept);
	FIXTURE_UNTIL(attempt.fx, attempt.calls);
	assert_int_equal(attempt.result.status, 101);
	finish(&attempt);
}

static void keys_are_fresh(void **state)
{
	struct attempt attempts[2];

	for (size_t i = 0; i < 2; i++)
		start_plain(*state, &attempts[i]);
	assert_string_not_equal(attempts[0].accept, attempts[1].accept);
	for (size_t i = 0; i < 2; i++) {
		hybridge_upgrade_cancel(attempts[i].upgrade);
		close(attempts[i].far);
	}
}

static void a_good_answer_hands_the_connection_over(void **state)
{
	struct attempt attempt;

	start_plain(*state, &attempt);
	answer(&attempt,
	       "HTTP/1.1 101 ok\r\nconnection: keep-alive, upgrade\r\n"
	       "UPGRADE: WebSocket\r\nsec-websocket-accept:%s\r\n"
	       "Sec-WebSocket-Extensions:\r\n\r\n",
	       attempt.accept);
	FIXTURE_UNTIL(attempt.fx, attempt.calls);
	assert_non_null(attempt.conn);
	assert_int_equal(attempt.result.status, 101);
	assert_string_equal(attempt.result.reason, "ok");
	assert_int_equal(attempt.result.err.code, HYBRIDGE_OK);
	assert_string_equal(attempt.result.err.what, "");
	finish(&attempt);
}

static void what_follows_the_head_is_left_to_be_read(void **state)
{
	struct end end = {.limit = SIZE_MAX, .chunk = 100};
	struct attempt attempt;

	start_plain(*state, &attempt);
	answer(&attempt, GOOD "Sec-WebSocket-Accept: %s\r\n\r\n\x81\x02hi",
	       attempt.accept);
	FIXTURE_UNTIL(attempt.fx, attempt.calls);
	assert_non_null(attempt.conn);
	end.conn = attempt.conn;
	hybridge_conn_set_owner(attempt.conn, end_ready, &end);
	FIXTURE_UNTIL(attempt.fx, end.len == 4);
	assert_memory_equal(end.got, "\x81\x02hi", 4);
	answer(&attempt, "more");
	FIXTURE_UNTIL(attempt.fx, end.len == 8);
	free(end.got);
	hybridge_conn_close(attempt.conn, HYBRIDGE_CONN_RESET);
	close(attempt.far);
}

static void an_answer_may_arrive_byte_by_byte(void **state)
{
	struct attempt attempt;
	char text[300];
	int len;

	start_plain(*state, &attempt);
	len = snprintf(text, sizeof(text),
		       GOOD "Sec-WebSocket-Accept: %s\r\n\r\n", attempt.accept);
	for (int i = 0; i < len; i++) {
		assert_int_equal(attempt.calls, 0);
		fixture_send(attempt.fx, attempt.far, text + i, 1);
		fixture_step(attempt.fx, 0);
	}
	FIXTURE_UNTIL(attempt.fx, attempt.calls);
	assert_int_equal(attempt.result.status, 101);
	finish(&attempt);
}

static void answers_that_prove_nothing_are_refused(void **state)
{
	static const struct {
		const char *text; /* %s is the right Sec-WebSocket-Accept */
		const char *what;
	} cases[] = {
		{GOOD "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
		      "X: %s\r\n\r\n",
		 "101 with a wrong Sec-WebSocket-Accept"},
		{GOOD "X: %s\r\n\r\n", "101 with a wrong Sec-WebSocket-Accept"},
		{GOOD "Sec-WebSocket-Accept: %s=\r\n\r\n",
		 "101 with a wrong Sec-WebSocket-Accept"},
		{GOOD "Sec-WebSocket-Accept: %s\r\n"
		      "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
		 "101 with an extension that was not offered"},
		{GOOD "Sec-WebSocket-Accept: %s\r\n"
		      "Sec-WebSocket-Protocol: chat\r\n\r\n",
		 "101 with a subprotocol that was not offered"},
		{"HTTP/1.1 101 x\r\nConnection: Upgrade\r\n"
		 "Sec-WebSocket-Accept: %s\r\n\r\n",
		 "101 without the Upgrade and Connection headers"},
		{"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n"
		 "Sec-WebSocket-Accept: %s\r\n\r\n",
		 "101 without the Upgrade and Connection headers"},
		{"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n"
		 "Sec-WebSocket-Accept: %s\r\n\r\n",
		 "101 without the Upgrade and Connection headers"},
		{"SSH-2.0-OpenSSH_9.2\r\n%s\r\n\r\n",
		 "the answer to the upgrade is not HTTP"},
		{"HTTP/1.1 101 x\r\nbad\r\n%s\r\n\r\n",
		 "the answer to the upgrade is not HTTP"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct attempt attempt;
		char text[500];

		print_message("case %zu: %s\n", i, cases[i].what);
		start_plain(*state, &attempt);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(text, sizeof(text), cases[i].text, attempt.accept);
#pragma GCC diagnostic pop
		answer(&attempt, "%s", text);
		FIXTURE_UNTIL(attempt.fx, attempt.calls);
		assert_null(attempt.conn);
		assert_int_equal(attempt.result.status, 0);
		assert_int_equal(attempt.result.os_errno, EPROTO);
		assert_int_equal(attempt.result.err.code, HYBRIDGE_EPROTOCOL);
		assert_string_equal(attempt.result.err.what, cases[i].what);
		finish(&attempt);
	}
}

static void refusals_give_status_reason_and_class(void **state)
{
	static const struct {
		const char *line;
		int status;
		const char *reason;
		enum hybridge_code code;
		const char *what;
	} cases[] = {
		{"404 Endpoint does not exist. TrackingId:abc", 404,
		 "Endpoint does not exist. TrackingId:abc", HYBRIDGE_EREFUSED,
		 "404 Endpoint does not exist. TrackingId:abc"},
		{"401 InvalidSignature", 401, "InvalidSignature",
		 HYBRIDGE_EDENIED, "401 InvalidSignature"},
		{"403 ", 403, "", HYBRIDGE_EDENIED, "403 "},
		{"408 slow", 408, "slow", HYBRIDGE_ETIMEOUT, "408 slow"},
		{"504 target timed out", 504, "target timed out",
		 HYBRIDGE_ETIMEOUT, "504 target timed out"},
		{"502 caf\xc3\xa9\ttab", 502, "caf???tab", HYBRIDGE_EREFUSED,
		 "502 caf???tab"},
		{"200 OK", 200, "OK", HYBRIDGE_EREFUSED, "200 OK"},
		{"301 Moved", 301, "Moved", HYBRIDGE_EREFUSED, "301 Moved"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct attempt attempt;

		print_message("case: %d\n", cases[i].status);
		start_plain(*state, &attempt);
		answer(&attempt, "HTTP/1.1 %s\r\nContent-Length: 4\r\n\r\nbody",
		       cases[i].line);
		FIXTURE_UNTIL(attempt.fx, attempt.calls);
		assert_null(attempt.conn);
		assert_int_equal(attempt.result.status, cases[i].status);
		assert_string_equal(attempt.result.reason, cases[i].reason);
		assert_int_equal(attempt.result.err.code, cases[i].code);
		assert_string_equal(attempt.result.err.what, cases[i].what);
		finish(&attempt);
	}
}

static void a_long_reason_is_cut(void **state)
{
	struct attempt attempt;
	char reason[1000];

	memset(reason, 'r', sizeof(reason));
	reason[sizeof(reason) - 1] = '\0';
	start_plain(*state, &attempt);
	answer(&attempt, "HTTP/1.1 500 %s\r\n\r\n", reason);
	FIXTURE_UNTIL(attempt.fx, attempt.calls);
	assert_int_equal(strlen(attempt.result.reason),
			 sizeof(attempt.result.reason) - 1);
	finish(&attempt);
}

static void an_answer_without_an_end_is_bounded(void **state)
{
	static char text[40000];
	struct attempt attempt;

	memset(text, 'x', sizeof(text));
	start_plain(*state, &attempt);
	answer(&attempt, "HTTP/1.1 101 x\r\nA: ");
	fixture_send(attempt.fx, attempt.far, text, sizeof(text));
	FIXTURE_UNTIL(attempt.fx, attempt.calls);
	assert_int_equal(attempt.result.status, 0);
	assert_string_equal(attempt.result.err.what,
			    "the answer to the upgrade is too long");
	finish(&attempt);
}

static void a_connection_that_ends_first_is_an_error(void **state)
{
	for (int reset = 0; reset <= 1; reset++) {
		struct attempt attempt;

		print_message("case: reset %d\n", reset);
		start_plain(*state, &attempt);
		answer(&attempt, "HTTP/1.1 101 x\r\n");
		fixture_step(attempt.fx, 2);
		if (reset)
			fixture_reset(attempt.far);
		else
			shutdown(attempt.far, SHUT_WR);
		FIXTURE_UNTIL(attempt.fx, attempt.calls);
		assert_null(attempt.conn);
		assert_int_equal(attempt.result.status, 0);
		assert_int_equal(attempt.result.os_errno, ECONNRESET);
		assert_int_equal(attempt.result.err.code, HYBRIDGE_EUNREACH);
		assert_string_equal(attempt.result.err.what,
				    "the connection was closed before the "
				    "upgrade was answered");
		if (!reset)
			finish(&attempt);
	}
}

static void a_slow_answer_is_not_waited_for(void **state)
{
	struct hybridge_upgrade_args args = plain;
	struct attempt attempt;

	args.timeout_ms = 50;
	start(*state, &attempt, &args);
	answer(&attempt, "HTTP/1.1 101 Swi");
	FIXTURE_UNTIL(attempt.fx, attempt.calls);
	assert_null(attempt.conn);
	assert_int_equal(attempt.result.os_errno, ETIMEDOUT);
	assert_int_equal(attempt.result.err.code, HYBRIDGE_ETIMEOUT);
	assert_string_equal(attempt.result.err.what,
			    "no answer to the upgrade within 0.05 s");
	answer(&attempt, "tching\r\n\r\n");
	finish(&attempt);
}

static void a_cancelled_upgrade_closes_and_stays_silent(void **state)
{
	struct attempt attempt;
	char c;

	hybridge_upgrade_cancel(NULL);
	start_plain(*state, &attempt);
	answer(&attempt, "HTTP/1.1 404 x\r\n\r\n");
	hybridge_upgrade_cancel(attempt.upgrade);
	hybridge_upgrade_cancel(attempt.upgrade); /* same turn: fine */
	assert_int_equal(fixture_recv(attempt.fx, attempt.far, &c, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	fixture_step(attempt.fx, 5);
	assert_int_equal(attempt.calls, 0);
	close(attempt.far);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(the_request_says_what_the_standard_wants),
		WITH_LOOP(keys_are_fresh),
		WITH_LOOP(a_good_answer_hands_the_connection_over),
		WITH_LOOP(what_follows_the_head_is_left_to_be_read),
		WITH_LOOP(an_answer_may_arrive_byte_by_byte),
		WITH_LOOP(answers_that_prove_nothing_are_refused),
		WITH_LOOP(refusals_give_status_reason_and_class),
		WITH_LOOP(a_long_reason_is_cut),
		WITH_LOOP(an_answer_without_an_end_is_bounded),
		WITH_LOOP(a_connection_that_ends_first_is_an_error),
		WITH_LOOP(a_slow_answer_is_not_waited_for),
		WITH_LOOP(a_cancelled_upgrade_closes_and_stays_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
