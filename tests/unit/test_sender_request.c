/*
 * test_sender_request.c - a held connect() from hand-over to its end, with a relay whose part
 * the test plays.
 */
#include "sender_fixture.h"

#include "../../sender/warm.h"

static void refused_with(struct sender_fixture *sf, struct held *held,
			 int verdict)
{
	assert_int_equal(sender_result(sf, held->app), ECONNRESET);
	assert_int_equal(held_verdict(held->app),
			 HYBRIDGE_VERDICT_MAGIC | (unsigned int)verdict);
	FIXTURE_UNTIL(sf->fx, sf->sender->num_requests == 0);
	close(held->app);
}

/* Plays the relay up to an open stream; returns its connection. */
static int open_stream(struct sender_fixture *sf, struct held *held)
{
	char head[4096];
	int fd = relay_accept(sf);

	relay_read_head(sf, fd, head);
	relay_upgrade_answer(fd, head);
	assert_int_equal(sender_result(sf, held->app), 0);
	return fd;
}

static void the_relay_is_asked_for_the_connection_with_a_token(void **state)
{
	static const char line[] =
		"GET /$hc/a%20b/c?sb-hc-action=connect&sb-hc-id=";
	struct sender_fixture sf;
	struct held held;
	char head[4096];
	int fd;

	(void)state;
	sender_setup_with(&sf, "30s");
	held = sender_held(&sf, "db.corp", 5432);
	fd = relay_accept(&sf);
	relay_read_head(&sf, fd, head);
	assert_memory_equal(head, line, strlen(line));
	assert_memory_equal(head + strlen(line) + 36, " HTTP/1.1\r\n", 11);
	assert_non_null(strstr(head, "\r\nServiceBusAuthorization: "
				     "SharedAccessSignature sr=http%3A%2F%2F"
				     "127.0.0.1%2Fa%2520b%2Fc&"));
	assert_non_null(strstr(head, "\r\nRelay-User-Agent: hybridge-sender/"));
	close(fd);
	refused_with(&sf, &held, ENETUNREACH);
	sender_teardown(&sf);
}

static void the_relays_no_becomes_the_programs_errno(void **state)
{
	static const struct {
		const char *answer;
		int verdict;
	} cases[] = {
		{"HTTP/1.1 404 There are no listeners\r\n\r\n", ECONNREFUSED},
		{"HTTP/1.1 401 bad\r\n\r\n", EACCES},
		{"HTTP/1.1 504 hybridge ETIMEDOUT: x\r\n\r\n", ETIMEDOUT},
		{"HTTP/1.1 502 hybridge EHOSTUNREACH: x\r\n\r\n", EHOSTUNREACH},
		{"not HTTP\r\n\r\n", ENETUNREACH},
	};
	struct sender_fixture sf;
	char head[4096];

	(void)state;
	sender_setup_with(&sf, "30s");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct held held = sender_held(&sf, "DB.corp.", 5433);
		int fd = relay_accept(&sf);

		print_message("case: %.40s\n", cases[i].answer);
		relay_read_head(&sf, fd, head);
		relay_say(fd, cases[i].answer);
		refused_with(&sf, &held, cases[i].verdict);
		close(fd);
	}
	assert_int_equal(sf.sender->plan->routes[0].tally->failed, 5);
	assert_int_equal(sf.sender->plan->routes[0].tally->total, 0);
	sender_teardown(&sf);
}

static void a_stream_carries_bytes_both_ways_and_ends_in_order(void **state)
{
	struct sender_fixture sf;
	struct held held;
	uint8_t frame[16];
	size_t len = 0;
	char byte;
	int fd;

	(void)state;
	sender_setup_with(&sf, "30s");
	held = sender_held(&sf, "db.corp", 5432);
	fd = open_stream(&sf, &held);
	assert_int_equal(sf.sender->plan->routes[0].tally->open, 1);
	assert_int_equal(send(held.app, "hi", 2, MSG_NOSIGNAL), 2);
	FIXTURE_UNTIL(sf.fx,
		      (len = relay_gather(fd, frame, len, sizeof(frame))) >= 8);
	hybridge_ws_mask(frame + 6, 2, frame + 2, 0);
	assert_memory_equal(frame, "\x82\x82", 2);
	assert_memory_equal(frame + 6, "hi", 2);
	assert_int_equal(send(fd, "\x82\x03yes\x88\x02\x03\xe8", 9, 0), 9);
	FIXTURE_UNTIL(sf.fx, recv(held.app, frame, 3, 0) == 3);
	assert_memory_equal(frame, "yes", 3);
	FIXTURE_UNTIL(sf.fx, recv(held.app, &byte, 1, 0) == 0);
	close(held.app);
	FIXTURE_UNTIL(sf.fx, sf.sender->num_requests == 0);
	assert_int_equal(sf.sender->plan->routes[0].tally->open, 0);
	assert_int_equal(sf.sender->plan->routes[0].tally->total, 1);
	assert_int_equal(sf.sender->plan->routes[0].tally->bytes_in, 3);
	assert_int_equal(sf.sender->plan->routes[0].tally->bytes_out, 2);
	close(fd);
	sender_teardown(&sf);
}

static void a_lost_relay_resets_the_program(void **state)
{
	struct sender_fixture sf;
	struct held held;
	char byte;
	int fd;

	(void)state;
	sender_setup_with(&sf, "30s");
	held = sender_held(&sf, "db.corp", 5432);
	fd = open_stream(&sf, &held);
	close(fd);
	FIXTURE_UNTIL(sf.fx,
		      recv(held.app, &byte, 1, 0) < 0 && errno == ECONNRESET);
	FIXTURE_UNTIL(sf.fx, sf.sender->num_requests == 0);
	close(held.app);
	sender_teardown(&sf);
}

static void a_relay_that_cannot_be_reached_is_no_network(void **state)
{
	struct sender_fixture sf;
	struct held held;

	(void)state;
	sender_setup_with(&sf, "30s");
	close(sf.relay);
	sf.relay = -1;
	held = sender_held(&sf, "db.corp", 5432);
	refused_with(&sf, &held, ENETUNREACH);
	assert_int_equal(sf.sender->plan->routes[0].tally->last_error.code,
			 HYBRIDGE_EUNREACH);
	sender_teardown(&sf);
}

static void a_relay_that_says_nothing_is_a_timeout(void **state)
{
	struct sender_fixture sf;
	struct held held;
	int fd;

	(void)state;
	sender_setup_with(&sf, "50ms");
	held = sender_held(&sf, "db.corp", 5432);
	fd = relay_accept(&sf);
	refused_with(&sf, &held, ETIMEDOUT);
	close(fd);
	sender_teardown(&sf);
}

static void what_is_not_mapped_is_refused_without_the_relay(void **state)
{
	struct sender_fixture sf;
	struct held host, port;

	(void)state;
	sender_setup_with(&sf, "30s");
	host = sender_held(&sf, "other.corp", 5432);
	refused_with(&sf, &host, ECONNREFUSED);
	port = sender_held(&sf, "db.corp", 22);
	refused_with(&sf, &port, ECONNREFUSED);
	assert_int_equal(sf.sender->unmapped, 2);
	assert_int_equal(accept(sf.relay, NULL, NULL), -1);
	sender_teardown(&sf);
}

static void a_program_that_gave_up_ends_the_relays_request(void **state)
{
	static const struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct sender_fixture sf;
	struct held held;
	char head[4096];
	ssize_t n;
	int fd;

	(void)state;
	sender_setup_with(&sf, "30s");
	held = sender_held(&sf, "db.corp", 5432);
	fd = relay_accept(&sf);
	relay_read_head(&sf, fd, head);
	FIXTURE_UNTIL(sf.fx, sf.sender->requests->hold.started);
	assert_int_equal(connect(held.app, &none, sizeof(none)), 0);
	FIXTURE_UNTIL(sf.fx, sf.sender->num_requests == 0);
	FIXTURE_UNTIL(sf.fx, (n = recv(fd, head, 1, 0)) == 0 ||
				     (n < 0 && errno == ECONNRESET));
	assert_int_equal(sf.sender->plan->routes[0].tally->failed, 0);
	close(fd);
	close(held.app);
	sender_teardown(&sf);
}

static void of_two_requests_for_one_socket_the_later_counts(void **state)
{
	static const struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct sender_fixture sf;
	struct held first, second;
	int fd;

	(void)state;
	sender_setup_with(&sf, "30s");
	first = sender_held(&sf, "db.corp", 5432);
	fd = relay_accept(&sf);
	assert_int_equal(connect(first.app, &none, sizeof(none)), 0);
	second = held_open(AF_INET, AF_INET);
	close(second.app);
	second.app = first.app;
	held_connect(&second, second.app);
	sender_ask(&sf, &second, "db.corp", 5432);
	assert_int_equal(sf.sender->num_requests, 1);
	close(fd);
	fd = open_stream(&sf, &second);
	close(fd);
	close(second.app);
	sender_teardown(&sf);
}

static void a_request_is_found_by_the_programs_local_address(void **state)
{
	struct sender_fixture sf;
	struct hold_address address;
	struct held held;
	struct hold twin;
	uint16_t port;
	int fd;

	(void)state;
	sender_setup_with(&sf, "30s");
	held = sender_held(&sf, "db.corp", 5432);
	twin = (struct hold){.app = held.app, .peer = -1, .listener = -1};
	assert_true(hold_address(&twin, &address));
	port = ntohs(((struct sockaddr_in *)(void *)&held.at)->sin_port);
	fd = open_stream(&sf, &held);
	assert_ptr_equal(request_find(sf.sender, &address, port),
			 sf.sender->requests);
	assert_ptr_equal(request_find(sf.sender, &address, 0),
			 sf.sender->requests);
	assert_null(request_find(sf.sender, &address, (uint16_t)(port ^ 1)));
	address.netns ^= 1;
	assert_null(request_find(sf.sender, &address, 0));
	address.netns ^= 1;
	close(fd);
	FIXTURE_UNTIL(sf.fx, sf.sender->num_requests == 0);
	assert_null(request_find(sf.sender, &address, 0));
	close(held.app);
	sender_teardown(&sf);
}

/* Connections that are opened in advance. */

static void
a_stream_that_was_opened_has_the_next_connection_made_ready(void **state)
{
	struct sender_fixture sf;
	struct held first, second;
	char head[4096];
	int fd, warm;

	(void)state;
	sender_setup_with(&sf, "30s");
	first = sender_held(&sf, "db.corp", 5432);
	fd = open_stream(&sf, &first);
	warm = relay_accept(&sf);
	FIXTURE_UNTIL(sf.fx, warm_count(sf.sender->plan->routes[0].warm) == 1);
	second = sender_held(&sf, "db.corp", 5432);
	relay_read_head(&sf, warm, head);
	assert_int_equal(accept(sf.relay, NULL, NULL), -1);
	relay_upgrade_answer(warm, head);
	assert_int_equal(sender_result(&sf, second.app), 0);
	close(fd);
	close(warm);
	close(first.app);
	close(second.app);
	sender_teardown(&sf);
}

static void a_connection_that_died_while_it_waited_is_replaced(void **state)
{
	struct sender_fixture sf;
	struct held first, second;
	char head[4096];
	int fd, warm;

	(void)state;
	sender_setup_with(&sf, "30s");
	first = sender_held(&sf, "db.corp", 5432);
	fd = open_stream(&sf, &first);
	warm = relay_accept(&sf);
	FIXTURE_UNTIL(sf.fx, warm_count(sf.sender->plan->routes[0].warm) == 1);
	second = sender_held(&sf, "db.corp", 5432);
	/* The request is on its way already when the relay goes. */
	relay_read_head(&sf, warm, head);
	close(warm);
	warm = open_stream(&sf, &second);
	assert_int_equal(sf.sender->plan->routes[0].tally->failed, 0);
	close(fd);
	close(warm);
	close(first.app);
	close(second.app);
	sender_teardown(&sf);
}

static void a_waiting_connection_that_the_relay_closes_is_dropped(void **state)
{
	struct sender_fixture sf;
	struct held held;
	time_t since;
	int fd, warm;

	(void)state;
	sender_setup_with(&sf, "30s");
	held = sender_held(&sf, "db.corp", 5432);
	fd = open_stream(&sf, &held);
	warm = relay_accept(&sf);
	FIXTURE_UNTIL(sf.fx, warm_count(sf.sender->plan->routes[0].warm) == 1);
	close(warm);
	since = time(NULL);
	FIXTURE_UNTIL(sf.fx, warm_count(sf.sender->plan->routes[0].warm) == 0);
	/* Because of the close: disuse alone drops it only after 30 s. */
	assert_true(time(NULL) - since < 20);
	close(fd);
	close(held.app);
	sender_teardown(&sf);
}

static void
who_cannot_be_served_is_told_when_its_connect_has_begun(void **state)
{
	struct hybridge_local_msg msg = {.port = 5432, .host_len = 7};
	struct hybridge_error why = {0};
	struct sender_fixture sf;
	struct held held;
	int fds[3];
	size_t n;

	(void)state;
	sender_setup_with(&sf, "30s");
	hybridge_fail(&why, HYBRIDGE_ESYSTEM, "out of descriptors");
	snprintf(msg.host, sizeof(msg.host), "db.corp");
	held = held_open(AF_INET, AF_INET);
	n = held_fds(&held, fds);
	/* The library has not closed its own yet, as if others shared the hold's address. */
	request_start_refused(sf.sender, &msg, fds, n, &why);
	fixture_step(sf.fx, 5);
	held_connect(&held, held.app);
	refused_with(&sf, &held, ECONNREFUSED);
	held_close_ours(&held);
	assert_int_equal(sf.sender->plan->routes[0].tally->failed, 1);
	sender_teardown(&sf);
}

static void stopping_refuses_what_is_held(void **state)
{
	struct sender_fixture sf;
	struct held held;
	int fd;

	(void)state;
	sender_setup_with(&sf, "30s");
	held = sender_held(&sf, "db.corp", 5432);
	fd = relay_accept(&sf);
	sender_stop(sf.sender);
	refused_with(&sf, &held, ECONNREFUSED);
	close(fd);
	sender_teardown(&sf);
}

/* Programs that resolved *.wild.corp go on using the address, and only this sender knows it. */
static void who_has_given_out_addresses_is_not_idle(void **state)
{
	struct sender_fixture sf;
	struct sender *sender;

	(void)state;
	sender_setup_with(&sf, "30s");
	sender = sf.sender;
	sender->idle_exit = true;
	sender_changed(sender);
	assert_int_not_equal(sender->idle.slot, 0);
	assert_int_equal(
		names_remember(&sender->names, 0x7f010203, "x.wild.corp"), 0);
	sender_changed(sender);
	assert_int_equal(sender->idle.slot, 0);
	sender_teardown(&sf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_relay_is_asked_for_the_connection_with_a_token),
		cmocka_unit_test(the_relays_no_becomes_the_programs_errno),
		cmocka_unit_test(
			a_stream_carries_bytes_both_ways_and_ends_in_order),
		cmocka_unit_test(a_lost_relay_resets_the_program),
		cmocka_unit_test(a_relay_that_cannot_be_reached_is_no_network),
		cmocka_unit_test(a_relay_that_says_nothing_is_a_timeout),
		cmocka_unit_test(
			what_is_not_mapped_is_refused_without_the_relay),
		cmocka_unit_test(
			a_program_that_gave_up_ends_the_relays_request),
		cmocka_unit_test(
			of_two_requests_for_one_socket_the_later_counts),
		cmocka_unit_test(
			a_request_is_found_by_the_programs_local_address),
		cmocka_unit_test(
			a_stream_that_was_opened_has_the_next_connection_made_ready),
		cmocka_unit_test(
			a_connection_that_died_while_it_waited_is_replaced),
		cmocka_unit_test(
			a_waiting_connection_that_the_relay_closes_is_dropped),
		cmocka_unit_test(
			who_cannot_be_served_is_told_when_its_connect_has_begun),
		cmocka_unit_test(who_has_given_out_addresses_is_not_idle),
		cmocka_unit_test(stopping_refuses_what_is_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
