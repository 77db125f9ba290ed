/*
 * test_relay_throttle.c - who fails again and again is answered later and later.
 */
#include "engine_fixture.h"

#include <hybridge/hostmap.h>

#include "../../relay/throttle.h"
#include "../../relay/xml.h"

static const struct hybridge_ip here = {4, {192, 0, 2, 1}};
static const struct hybridge_ip there = {4, {192, 0, 2, 2}};
static const struct hybridge_ip net_a = {6, {0x20, 1, 13, 184, 0, 0, 0, 1, 9}};
static const struct hybridge_ip net_b = {6, {0x20, 1, 13, 184, 0, 0, 0, 1, 8}};

static void ignore(void *owner, struct hybridge_conn *conn)
{
	(void)owner;
	(void)conn;
}

/* A caller that fails; the far end of its connection. */
static int fails(struct fixture *fx, struct throttle *throttle,
		 const struct hybridge_ip *ip)
{
	char reason[] = "No";
	const struct answer answer = {.status = 401, .reason = reason};
	struct hybridge_conn *conn;
	int fds[2];

	fixture_tcp_pair(fds, 0);
	conn = hybridge_conn_new(fx->loop, fds[0], ignore, NULL);
	assert_non_null(conn);
	throttle_answer(throttle, ip, conn, &answer);
	memset(reason, 'x', sizeof(reason) - 1); /* it was copied */
	return fds[1];
}

static void expect_status(struct fixture *fx, int fd, const char *line)
{
	fixture_expect(fx, fd, line, strlen(line));
	close(fd);
}

static bool is_answered(struct fixture *fx, int fd)
{
	char c;

	fixture_step(fx, 1);
	return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

static void use_up(struct fixture *fx, struct throttle *throttle,
		   const struct hybridge_ip *ip)
{
	for (int i = 0; i < THROTTLE_BURST; i++)
		expect_status(fx, fails(fx, throttle, ip),
			      "HTTP/1.1 401 No\r\n");
}

static void finish(struct fixture *fx, struct throttle *throttle)
{
	throttle_flush(throttle);
	fixture_step(fx, 2);
	throttle_free(throttle);
}

static void
a_burst_is_answered_at_once_and_the_rest_in_turn_at_a_slow_pace(void **state)
{
	struct fixture *fx = *state;
	struct throttle *throttle = throttle_new(fx->loop);
	int64_t begun;
	int fds[3];

	assert_non_null(throttle);
	use_up(fx, throttle, &here);
	begun = hybridge_loop_now_us(fx->loop);
	for (size_t i = 0; i < 3; i++)
		fds[i] = fails(fx, throttle, &here);
	assert_false(is_answered(fx, fds[0]));
	expect_status(fx, fds[0], "HTTP/1.1 401 No\r\n");
	assert_false(is_answered(fx, fds[2]));
	expect_status(fx, fds[1], "HTTP/1.1 401 No\r\n");
	expect_status(fx, fds[2], "HTTP/1.1 401 No\r\n");
	assert_true(hybridge_loop_now_us(fx->loop) - begun >
		    INT64_C(2) * THROTTLE_TICK_MS * 1000);
	finish(fx, throttle);
}

static void other_origins_do_not_wait(void **state)
{
	struct fixture *fx = *state;
	struct throttle *throttle = throttle_new(fx->loop);
	int waits;

	use_up(fx, throttle, &here);
	waits = fails(fx, throttle, &here);
	expect_status(fx, fails(fx, throttle, &there), "HTTP/1.1 401 No\r\n");
	assert_false(is_answered(fx, waits));
	close(waits);
	/* All addresses of an IPv6 network are one origin. */
	use_up(fx, throttle, &net_a);
	waits = fails(fx, throttle, &net_b);
	assert_false(is_answered(fx, waits));
	close(waits);
	finish(fx, throttle);
}

static void who_hangs_up_while_it_waits_leaves_the_line(void **state)
{
	struct fixture *fx = *state;
	struct throttle *throttle = throttle_new(fx->loop);
	int64_t begun;
	int last;

	use_up(fx, throttle, &here);
	for (int i = 0; i < 20; i++)
		close(fails(fx, throttle, &here));
	last = fails(fx, throttle, &here);
	begun = hybridge_loop_now_us(fx->loop);
	expect_status(fx, last, "HTTP/1.1 401 No\r\n");
	assert_true(hybridge_loop_now_us(fx->loop) - begun <
		    INT64_C(10) * THROTTLE_TICK_MS * 1000);
	finish(fx, throttle);
}

static void a_line_has_an_end_and_behind_it_the_answer_is_429(void **state)
{
	struct fixture *fx = *state;
	struct throttle *throttle = throttle_new(fx->loop);
	int fds[THROTTLE_LINE];

	use_up(fx, throttle, &here);
	for (size_t i = 0; i < THROTTLE_LINE; i++) {
		assert_false(throttle_is_full(throttle, &here));
		fds[i] = fails(fx, throttle, &here);
	}
	assert_true(throttle_is_full(throttle, &here));
	assert_false(throttle_is_full(throttle, &there));
	expect_status(fx, fails(fx, throttle, &here), "HTTP/1.1 429 No\r\n");
	/* Whoever stops the relay does not leave them waiting. */
	throttle_flush(throttle);
	for (size_t i = 0; i < THROTTLE_LINE; i++)
		expect_status(fx, fds[i], "HTTP/1.1 401 No\r\n");
	assert_false(throttle_is_full(throttle, &here));
	finish(fx, throttle);
}

static void xml_escape_leaves_nothing_that_could_be_markup(void **state)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"[{\"key\":\"a\"}]", "[{\"key\":\"a\"}]"},
		{"<a>&amp;]]>", "&lt;a&gt;&amp;amp;]]&gt;"},
		{"&&&&", "&amp;&amp;&amp;&amp;"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = xml_escape(cases[i][0]);

		assert_non_null(text);
		assert_string_equal(text, cases[i][1]);
		free(text);
	}
}

#define WITH_LOOP(test) \
	cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(
			a_burst_is_answered_at_once_and_the_rest_in_turn_at_a_slow_pace),
		WITH_LOOP(other_origins_do_not_wait),
		WITH_LOOP(who_hangs_up_while_it_waits_leaves_the_line),
		WITH_LOOP(a_line_has_an_end_and_behind_it_the_answer_is_429),
		cmocka_unit_test(
			xml_escape_leaves_nothing_that_could_be_markup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
