/*
 * test_resolve.c - names are looked up off the loop's thread, together, and for
 * nobody who has gone.
 */
#include "engine_fixture.h"

#include <arpa/inet.h>

#include "fake_names.h"

#include "../../common/resolve.h"

static struct fake_name fake_names[FAKE_NAMES] = {
	{.name = "one.test", .addresses = {"127.0.0.1"}},
	{.name = "two.test", .addresses = {"127.0.0.2", "127.0.0.1"}},
	{.name = "shared.test", .addresses = {"127.0.0.3"}},
	{.name = "slow.test", .addresses = {"127.0.0.4"}},
	{.name = "gone.test", .addresses = {"127.0.0.5"}},
	{.name = "late.test", .addresses = {"127.0.0.6"}},
	{.name = "again.test", .addresses = {"127.0.0.7"}},
	{.name = "unknown.test", .gai_error = EAI_NONAME},
	{.name = NULL},
};

/* Somebody who asks. */
struct asker {
	struct resolve_wait wait;
	struct fixture *fx;
	unsigned int calls;
	char got[200]; /* addresses and ports */
	int gai_error;
	const char *asks_again;
	struct asker *cancels;
};

static void asker_done(struct resolve_wait *wait, const struct addrinfo *list,
		       int gai_error)
{
	struct asker *asker = hybridge_container(wait, struct asker, wait);

	asker->calls++;
	asker->gai_error = gai_error;
	asker->got[0] = '\0';
	if (asker->asks_again)
		assert_int_equal(resolve_start(asker->fx->loop,
					       asker->asks_again, 80, wait),
				 0);
	if (asker->cancels)
		resolve_cancel(&asker->cancels->wait);
	/* After all that, the list must still be there. */
	for (; list; list = list->ai_next) {
		char host[64], port[8];
		size_t len = strlen(asker->got);

		assert_int_equal(list->ai_socktype, SOCK_STREAM);
		assert_int_equal(getnameinfo(list->ai_addr, list->ai_addrlen,
					     host, sizeof(host), port,
					     sizeof(port),
					     NI_NUMERICHOST | NI_NUMERICSERV),
				 0);
		snprintf(asker->got + len, sizeof(asker->got) - len, "%s/%s ",
			 host, port);
	}
}

static void ask(struct fixture *fx, struct asker *asker, const char *host,
		uint16_t port)
{
	*asker = (struct asker){.wait.done = asker_done, .fx = fx};
	assert_int_equal(resolve_start(fx->loop, host, port, &asker->wait), 0);
	assert_int_equal(asker->calls, 0); /* from the loop only */
}

static void names_and_literals_become_addresses(void **state)
{
	static const struct {
		const char *host;
		const char *want;
	} cases[] = {
		{"one.test", "127.0.0.1/443 "},
		{"two.test", "127.0.0.2/443 127.0.0.1/443 "},
		{"127.1.2.3", "127.1.2.3/443 "},
		{"::1", "::1/443 "},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct asker asker;

		print_message("case: %s\n", cases[i].host);
		ask(*state, &asker, cases[i].host, 443);
		FIXTURE_UNTIL(asker.fx, asker.calls);
		assert_int_equal(asker.gai_error, 0);
		assert_string_equal(asker.got, cases[i].want);
	}
}

static void a_name_that_does_not_exist_is_an_error_each_time(void **state)
{
	for (int i = 0; i < 2; i++) {
		struct asker asker;

		ask(*state, &asker, "unknown.test", 443);
		FIXTURE_UNTIL(asker.fx, asker.calls);
		assert_int_equal(asker.gai_error, EAI_NONAME);
		assert_string_equal(asker.got, "");
	}
	assert_int_equal(fake_lookups("unknown.test"), 1);
}

static void those_who_wait_together_share_one_look_up(void **state)
{
	struct asker askers[5];

	fake_hold("shared.test", true);
	for (size_t i = 0; i < 3; i++)
		ask(*state, &askers[i], "shared.test", 80);
	fixture_step(askers[0].fx, 2);
	ask(*state, &askers[3], "shared.test", 80);
	resolve_cancel(&askers[1].wait);
	resolve_cancel(&askers[1].wait); /* twice is fine */
	fake_hold("shared.test", false);
	FIXTURE_UNTIL(askers[0].fx, askers[0].calls);
	/* The answer stays good for a while. */
	ask(*state, &askers[4], "shared.test", 80);
	FIXTURE_UNTIL(askers[0].fx, askers[4].calls);
	fixture_step(askers[0].fx, 2);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(askers[i].calls, i == 1 ? 0 : 1);
		if (i != 1)
			assert_string_equal(askers[i].got, "127.0.0.3/80 ");
	}
	assert_int_equal(fake_lookups("shared.test"), 1);
}

static void one_slow_name_holds_up_no_other(void **state)
{
	struct asker slow, quick;

	fake_hold("slow.test", true);
	ask(*state, &slow, "slow.test", 80);
	ask(*state, &quick, "one.test", 80);
	FIXTURE_UNTIL(quick.fx, quick.calls);
	assert_int_equal(slow.calls, 0);
	fake_hold("slow.test", false);
	FIXTURE_UNTIL(slow.fx, slow.calls);
	assert_string_equal(slow.got, "127.0.0.4/80 ");
}

static void a_callback_may_ask_and_cancel(void **state)
{
	struct asker askers[3];

	fake_hold("again.test", true);
	for (size_t i = 0; i < 3; i++)
		ask(*state, &askers[i], "again.test", 80);
	askers[0].asks_again = "again.test";
	askers[0].cancels = &askers[1];
	fake_hold("again.test", false);
	/* Who asks again and again is answered once a turn. */
	FIXTURE_UNTIL(askers[0].fx, askers[0].calls >= 5);
	resolve_cancel(&askers[0].wait);
	assert_string_equal(askers[0].got, "127.0.0.7/80 ");
	assert_int_equal(askers[1].calls, 0);
	assert_int_equal(askers[2].calls, 1);
	assert_int_equal(fake_lookups("again.test"), 1);
}

/* When the answer comes all have gone; then the loop has, too. */
static void answers_that_nobody_wants_are_dropped(void **state)
{
	struct fixture *fx;
	struct asker asker;

	(void)state;
	fixture_setup((void **)&fx);
	fake_hold("gone.test", true);
	ask(fx, &asker, "gone.test", 80);
	resolve_cancel(&asker.wait);
	fake_hold("gone.test", false);
	fixture_step(fx, 20);
	assert_int_equal(asker.calls, 0);
	fixture_teardown((void **)&fx);
}

static void a_loop_may_go_while_names_are_looked_up(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++) {
		struct fixture *fx;
		struct asker asker;

		fixture_setup((void **)&fx);
		fake_hold("late.test", true);
		ask(fx, &asker, "late.test", 80);
		fake_await_lookup("late.test", (unsigned int)i + 1);
		/* The answer comes before, during or after the end. */
		if (i % 2)
			fake_hold("late.test", false);
		if (i % 4 == 1)
			fixture_step(fx, 1);
		resolve_cancel(&asker.wait);
		fixture_teardown((void **)&fx);
		fake_hold("late.test", false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(names_and_literals_become_addresses),
		WITH_LOOP(a_name_that_does_not_exist_is_an_error_each_time),
		WITH_LOOP(those_who_wait_together_share_one_look_up),
		WITH_LOOP(one_slow_name_holds_up_no_other),
		WITH_LOOP(a_callback_may_ask_and_cancel),
		cmocka_unit_test(answers_that_nobody_wants_are_dropped),
		cmocka_unit_test(a_loop_may_go_while_names_are_looked_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
