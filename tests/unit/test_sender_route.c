/*
 * test_sender_route.c - which connection a request is for, and under which name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "../../sender/names.h"
#include "../../sender/route.h"
#include "../../sender/tally.h"

static struct hybridge_config config;

static int load(void **state)
{
	char a[] = "HYBRIDGE_A_CONNECTION=Endpoint=sb://r.test/;"
		   "SharedAccessKeyName=k;SharedAccessKey=x;EntityPath=a";
	char a_hosts[] = "HYBRIDGE_A_HOSTS=db.corp:5432 10.9.0.0/16:80";
	char b[] = "HYBRIDGE_B_CONNECTION=Endpoint=sb://r.test/;"
		   "SharedAccessKeyName=k;SharedAccessKey=x;EntityPath=b";
	char b_hosts[] = "HYBRIDGE_B_HOSTS=*.wild.corp:443";
	char *env[] = {a, a_hosts, b, b_hosts, NULL};
	struct hybridge_error err = {0};

	(void)state;
	assert_int_equal(hybridge_config_load(NULL, env, HYBRIDGE_ROLE_SENDER,
					      &config, &err),
			 0);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	hybridge_config_free(&config);
	return 0;
}

static struct hybridge_ip ip_of(uint32_t v4)
{
	return (struct hybridge_ip){4,
				    {(uint8_t)(v4 >> 24), (uint8_t)(v4 >> 16),
				     (uint8_t)(v4 >> 8), (uint8_t)v4}};
}

static uint32_t address_of(const char *name)
{
	return hybridge_address_v4(config.range,
				   (struct hybridge_span){name, strlen(name)});
}

static void a_request_by_name_finds_its_connection(void **state)
{
	static const struct {
		const char *host;
		uint16_t port;
		enum route_found found;
		const char *connection;
	} cases[] = {
		{"db.corp", 5432, ROUTE_FOUND, "a"},
		{"DB.Corp.", 5432, ROUTE_FOUND, "a"},
		{"db.corp", 5433, ROUTE_NO_PORT, NULL},
		{"x.wild.corp", 443, ROUTE_FOUND, "b"},
		{"x.wild.corp", 80, ROUTE_NO_PORT, NULL},
		{"10.9.1.2", 80, ROUTE_FOUND, "a"},
		{"10.8.1.2", 80, ROUTE_NO_HOST, NULL},
		{"corp", 5432, ROUTE_NO_HOST, NULL},
	};
	struct names names = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_local_msg msg = {.port = cases[i].port};
		char host[256];
		size_t index = 99;

		print_message("case: %s:%u\n", cases[i].host, cases[i].port);
		msg.host_len = (uint16_t)snprintf(msg.host, sizeof(msg.host),
						  "%s", cases[i].host);
		assert_int_equal(
			route_find(&config, &names, &msg, host, &index),
			cases[i].found);
		assert_string_equal(host, cases[i].host);
		if (cases[i].connection)
			assert_string_equal(config.connections[index].name,
					    cases[i].connection);
	}
}

static void a_request_by_address_finds_the_name_that_has_it(void **state)
{
	struct names names = {0};
	struct hybridge_local_msg msg = {.port = 5432};
	char host[256];
	size_t index = 99;

	(void)state;
	msg.addr = ip_of(address_of("db.corp"));
	assert_int_equal(route_find(&config, &names, &msg, host, &index),
			 ROUTE_FOUND);
	assert_string_equal(host, "db.corp");
	assert_string_equal(config.connections[index].name, "a");

	/* A suffix entry's names are known only once they were resolved. */
	msg.addr = ip_of(address_of("x.wild.corp"));
	msg.port = 443;
	assert_int_equal(route_find(&config, &names, &msg, host, &index),
			 ROUTE_NO_HOST);
	assert_int_equal(names_remember(&names, address_of("x.wild.corp"),
					"x.wild.corp"),
			 0);
	assert_int_equal(route_find(&config, &names, &msg, host, &index),
			 ROUTE_FOUND);
	assert_string_equal(host, "x.wild.corp");
	assert_string_equal(config.connections[index].name, "b");

	/* An address of a block stands for itself. */
	msg.addr = ip_of(0x0a090102);
	msg.port = 80;
	assert_int_equal(route_find(&config, &names, &msg, host, &index),
			 ROUTE_FOUND);
	assert_string_equal(host, "10.9.1.2");
	names_free(&names);
}

static void failures_in_a_row_are_counted_until_a_success(void **state)
{
	struct hybridge_error one = {HYBRIDGE_EREFUSED, "one", "do this"};
	struct hybridge_error two = {HYBRIDGE_EUNREACH, "two", ""};
	struct tally tally = {0};
	struct route route = {.tally = &tally};

	(void)state;
	route_failed(&route, 10, &one);
	route_failed(&route, 20, &one);
	assert_int_equal(tally.error_count, 2);
	assert_int_equal(tally.error_since_us, 10);
	assert_string_equal(tally.last_error.what, "one");
	route_failed(&route, 30, &two);
	assert_int_equal(tally.error_count, 1);
	assert_int_equal(tally.error_since_us, 30);
	assert_int_equal(tally.failed, 3);
	route_succeeded(&route, 40);
	assert_int_equal(tally.last_error.code, HYBRIDGE_OK);
	assert_int_equal(tally.last_used_us, 40);
	route_failed(&route, 50, &two);
	assert_int_equal(tally.error_count, 1);
	assert_int_equal(tally.error_since_us, 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_by_name_finds_its_connection),
		cmocka_unit_test(
			a_request_by_address_finds_the_name_that_has_it),
		cmocka_unit_test(failures_in_a_row_are_counted_until_a_success),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
