/*
 * test_relay_meter.c - what a scraper is told of hybrid connections, those that were removed too.
 */
#include "relay_fixture.h"

#include "../../relay/meter.h"
#include "../../relay/relay.h"

#define RULE                               \
	"HYBRIDGE_RULE_A_NAME=n\n"         \
	"HYBRIDGE_RULE_A_RIGHTS=listen\n"  \
	"HYBRIDGE_RULE_A_KEY=MDEyMzQ1Njc4" \
	"OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n"

static struct hybridge_loop *loop;

static struct relay *open_relay(void)
{
	struct relay_config config = {.max_streams = 7, .ping_ms = 600000};
	struct hybridge_error err = {0};
	struct relay *relay;

	put_file("db.env", "HYBRIDGE_RELAY_ENTITY=db\n" RULE, 0600);
	put_file("old.env", "HYBRIDGE_RELAY_ENTITY=old\n" RULE, 0600);
	config.dir = strdup(folder);
	config.hosts = calloc(1, sizeof(*config.hosts));
	loop = hybridge_loop_new(&err);
	assert_non_null(loop);
	relay = relay_new(loop, &config, &err);
	assert_string_equal(err.what, "");
	return relay;
}

static void close_relay(struct relay *relay)
{
	relay_close_all(relay);
	hybridge_loop_free(loop);
	relay_free(relay);
}

static bool is_told(const struct relay *relay, const char *line)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	bool is_there;

	assert_non_null(to);
	meters_write(&relay->meters, to);
	fclose(to);
	is_there = strstr(text, line) != NULL;
	free(text);
	return is_there;
}

static void a_connection_that_nobody_uses_has_zeros(void **state)
{
	static const char *const lines[] = {
		"\nhybridge_relay_listeners{hc=\"db\"} 0\n",
		"\nhybridge_relay_streams{hc=\"old\"} 0\n",
		"\nhybridge_relay_refused_total{hc=\"old\"} 0\n",
	};
	struct relay *relay = open_relay();

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		print_message("case: %s", lines[i]);
		assert_true(is_told(relay, lines[i]));
	}
	close_relay(relay);
}

static void
the_gauges_of_one_that_was_removed_go_when_they_are_zero(void **state)
{
	struct relay *relay = open_relay();
	struct meter *old = meter_get(&relay->meters, "old");

	(void)state;
	assert_non_null(old);
	old->streams = 1; /* it may go on for a moment */
	unlink(in_folder("old.env"));
	relay_reload(relay);
	assert_true(
		is_told(relay, "\nhybridge_relay_listeners{hc=\"db\"} 0\n"));
	assert_false(is_told(relay, "hybridge_relay_listeners{hc=\"old\"}"));
	assert_true(is_told(relay, "\nhybridge_relay_streams{hc=\"old\"} 1\n"));
	assert_true(is_told(relay,
			    "\nhybridge_relay_refused_total{hc=\"old\"} 0\n"));
	old->streams = 0;
	assert_false(is_told(relay, "hybridge_relay_streams{hc=\"old\"}"));
	put_file("old.env", "HYBRIDGE_RELAY_ENTITY=old\n" RULE, 0600);
	relay_reload(relay);
	assert_true(
		is_told(relay, "\nhybridge_relay_listeners{hc=\"old\"} 0\n"));
	close_relay(relay);
}

#define IN_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(a_connection_that_nobody_uses_has_zeros),
		IN_FOLDER(
			the_gauges_of_one_that_was_removed_go_when_they_are_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
