/*
 * test_relay_bus.c - who is asked to accept, and who is told that a listener
 * has left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../relay/bus.h"

static unsigned int asked[3];
static uint64_t left;

static int accept_0(struct bus_member *member, const struct bus_invite *invite)
{
	(void)member;
	assert_string_equal(invite->target, "/t");
	asked[0]++;
	return 0;
}

static int accept_1(struct bus_member *member, const struct bus_invite *invite)
{
	(void)member;
	(void)invite;
	asked[1]++;
	return 0;
}

static int accept_fails(struct bus_member *member,
			const struct bus_invite *invite)
{
	(void)member;
	(void)invite;
	asked[2]++;
	return -1;
}

static void on_left(void *owner, uint64_t member)
{
	assert_ptr_equal(owner, &left);
	left = member;
}

static const struct bus_invite invite = {.target = "/t"};

static struct bus *start(void)
{
	struct bus *bus = bus_new(on_left, &left);

	memset(asked, 0, sizeof(asked));
	left = 0;
	assert_non_null(bus);
	return bus;
}

static void invite_spreads_over_all_listeners_of_an_entity(void **state)
{
	struct bus *bus = start();
	struct bus_member a = {.accept = accept_0};
	struct bus_member b = {.accept = accept_1};
	struct bus_member elsewhere = {.accept = accept_fails};

	(void)state;
	assert_int_equal(bus_join(bus, "erp", &a), 0);
	assert_int_equal(bus_join(bus, "erp", &b), 0);
	assert_int_equal(bus_join(bus, "web", &elsewhere), 0);
	assert_int_equal(bus_count(bus, "erp"), 2);
	/* Either stays unasked with a probability of 2^-199. */
	for (int i = 0; i < 200; i++)
		assert_int_not_equal(bus_invite(bus, "erp", NULL, 0, &invite),
				     0);
	assert_true(asked[0] > 0 && asked[1] > 0);
	assert_int_equal(asked[0] + asked[1], 200);
	assert_int_equal(asked[2], 0);
	bus_leave(bus, &a);
	bus_leave(bus, &b);
	bus_leave(bus, &elsewhere);
	bus_free(bus);
}

static void invite_passes_over_who_was_asked(void **state)
{
	struct bus *bus = start();
	struct bus_member a = {.accept = accept_0};
	struct bus_member b = {.accept = accept_1};
	uint64_t ids[2];

	(void)state;
	assert_int_equal(bus_join(bus, "erp", &a), 0);
	assert_int_equal(bus_join(bus, "erp", &b), 0);
	ids[0] = a.id;
	ids[1] = b.id;
	for (int i = 0; i < 20; i++)
		assert_int_equal(bus_invite(bus, "erp", ids, 1, &invite), b.id);
	assert_int_equal(bus_invite(bus, "erp", ids, 2, &invite), 0);
	bus_leave(bus, &a);
	bus_leave(bus, &b);
	bus_free(bus);
}

static void invite_asks_only_who_is_allowed_and_not_disallowed(void **state)
{
	static const struct {
		const char *allowed;
		const char *disallowed;
		bool a;
		bool b;
	} cases[] = {
		{"x, A", NULL, true, false}, {"b", NULL, false, true},
		{"x", NULL, false, false},   {"", NULL, false, false},
		{NULL, "x", true, true},     {NULL, "a,x", false, true},
		{"a,b", "b", true, false},   {"aa", NULL, false, false},
	};
	struct bus *bus = start();
	struct bus_member a = {.accept = accept_0, .guid = "a"};
	struct bus_member b = {.accept = accept_1, .guid = "b"};

	(void)state;
	assert_int_equal(bus_join(bus, "erp", &a), 0);
	assert_int_equal(bus_join(bus, "erp", &b), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct bus_invite wish = {
			.target = "/t",
			.allowed = cases[i].allowed,
			.disallowed = cases[i].disallowed,
		};
		bool some = cases[i].a || cases[i].b;

		memset(asked, 0, sizeof(asked));
		for (int n = 0; n < 100; n++)
			assert_int_equal(
				bus_invite(bus, "erp", NULL, 0, &wish) != 0,
				some);
		assert_int_equal(asked[0] > 0, cases[i].a);
		assert_int_equal(asked[1] > 0, cases[i].b);
	}
	bus_leave(bus, &a);
	bus_leave(bus, &b);
	bus_free(bus);
}

static void invite_finds_nobody_where_nobody_listens(void **state)
{
	struct bus *bus = start();
	struct bus_member broken = {.accept = accept_fails};

	(void)state;
	assert_int_equal(bus_invite(bus, "erp", NULL, 0, &invite), 0);
	assert_int_equal(bus_join(bus, "erp", &broken), 0);
	assert_int_equal(bus_invite(bus, "erp", NULL, 0, &invite), 0);
	assert_int_equal(asked[2], 1);
	bus_leave(bus, &broken);
	bus_free(bus);
}

/* A control channel may be ending, while others are in the best of health. */
static void invite_goes_on_when_one_cannot_be_asked(void **state)
{
	struct bus *bus = start();
	struct bus_member a = {.accept = accept_0};
	struct bus_member broken[2] = {{.accept = accept_fails},
				       {.accept = accept_fails}};
	unsigned int before;

	(void)state;
	assert_int_equal(bus_join(bus, "erp", &broken[0]), 0);
	assert_int_equal(bus_join(bus, "erp", &a), 0);
	assert_int_equal(bus_join(bus, "erp", &broken[1]), 0);
	for (int i = 0; i < 200; i++)
		assert_int_equal(bus_invite(bus, "erp", NULL, 0, &invite),
				 a.id);
	/* It may have been for lack of memory: the next invitation is another. */
	assert_true(asked[2] > 1);
	before = asked[2];
	/* And nobody is asked twice for the same. */
	assert_int_equal(bus_invite(bus, "erp", &a.id, 1, &invite), 0);
	assert_int_equal(asked[2], before + 2);
	bus_leave(bus, &a);
	bus_leave(bus, &broken[0]);
	bus_leave(bus, &broken[1]);
	bus_free(bus);
}

static void leave_is_told_once_and_after_the_fact(void **state)
{
	struct bus *bus = start();
	struct bus_member a = {.accept = accept_0};
	uint64_t id;

	(void)state;
	assert_int_equal(bus_join(bus, "erp", &a), 0);
	id = a.id;
	bus_leave(bus, &a);
	assert_int_equal(left, id);
	assert_int_equal(bus_count(bus, "erp"), 0);
	left = 0;
	bus_leave(bus, &a);
	assert_int_equal(left, 0);
	/* An id is never used again. */
	assert_int_equal(bus_join(bus, "erp", &a), 0);
	assert_int_not_equal(a.id, id);
	bus_leave(bus, &a);
	bus_free(bus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			invite_spreads_over_all_listeners_of_an_entity),
		cmocka_unit_test(invite_passes_over_who_was_asked),
		cmocka_unit_test(
			invite_asks_only_who_is_allowed_and_not_disallowed),
		cmocka_unit_test(invite_finds_nobody_where_nobody_listens),
		cmocka_unit_test(invite_goes_on_when_one_cannot_be_asked),
		cmocka_unit_test(leave_is_told_once_and_after_the_fact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
