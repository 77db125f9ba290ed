/*
 * test_sender_hold.c - completing and refusing held connects, on real sockets.
 */
#include "hold_fixture.h"

#include "../../sender/hold.h"

#include <hybridge/local.h>

static struct hold take(struct held *held, bool early)
{
	struct hybridge_error err = {0};
	struct hold hold;
	int fds[3] = {-1, -1, -1};
	size_t n = held_fds(held, fds);

	assert_int_equal(hold_take(fds, n, early, &hold, &err), 0);
	assert_string_equal(err.what, "");
	held_close_ours(held);
	return hold;
}

/* The kernel needs a moment where it is busy: the sender comes again, too. */
static int complete(struct hold *hold)
{
	int fd = -1;
	enum hold_step step;

	while ((step = hold_complete(hold, &fd)) == HOLD_WAIT)
		poll(NULL, 0, 1);
	assert_int_equal(step, HOLD_DONE);
	assert_true(fd >= 0);
	return fd;
}

static void assert_carries(int from, int to)
{
	struct pollfd ready = {.fd = to, .events = POLLIN};
	char buf[8];

	assert_int_equal(send(from, "hello", 5, MSG_NOSIGNAL), 5);
	assert_int_equal(poll(&ready, 1, HELD_PATIENCE_MS), 1);
	assert_int_equal(recv(to, buf, sizeof(buf), 0), 5);
	assert_memory_equal(buf, "hello", 5);
}

/* Neither end is slowed down by a default that is meant for networks. */
static void assert_goes_by_loss(int fd)
{
	char name[16] = "";
	socklen_t len = sizeof(name) - 1;

	assert_int_equal(
		getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
	if (strcmp(name, "reno") != 0 && strcmp(name, "cubic") != 0)
		fail_msg("congestion control is %s", name);
}

static void
complete_connects_the_program_and_both_ends_carry_bytes(void **state)
{
	static const struct {
		const char *name;
		int hold_family;
		int app_family;
	} cases[] = {
		{"IPv4", AF_INET, AF_INET},
		{"IPv6", AF_INET6, AF_INET6},
		{"IPv6 socket to a mapped IPv4 address", AF_INET, AF_INET6},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct held held =
			held_open(cases[i].hold_family, cases[i].app_family);
		struct pollfd quiet = {.fd = held.app, .events = POLLOUT};
		struct hold hold;
		int fd;

		print_message("case: %s\n", cases[i].name);
		held_connect(&held, held.app);
		hold = take(&held, false);
		assert_int_equal(hold_look(&hold), HOLD_PENDING);
		assert_int_equal(poll(&quiet, 1, 0), 0);
		fd = complete(&hold);
		assert_int_equal(held_result(held.app), 0);
		assert_carries(held.app, fd);
		assert_carries(fd, held.app);
		assert_goes_by_loss(held.app);
		assert_goes_by_loss(fd);
		assert_int_equal(hold.app, -1);
		assert_int_equal(hold.peer, -1);
		assert_int_equal(hold.listener, -1);
		close(fd);
		close(held.app);
	}
}

static void the_senders_end_resets_when_it_is_closed(void **state)
{
	struct held held = held_open(AF_INET, AF_INET);
	struct pollfd ready = {.fd = held.app, .events = POLLIN};
	struct hold hold;
	char byte;

	(void)state;
	held_connect(&held, held.app);
	hold = take(&held, false);
	close(complete(&hold));
	assert_int_equal(poll(&ready, 1, HELD_PATIENCE_MS), 1);
	assert_int_equal(recv(held.app, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(held.app);
}

static void
complete_waits_for_a_program_that_is_not_yet_connecting(void **state)
{
	struct held held = held_open(AF_INET, AF_INET);
	struct hold hold = take(&held, false);
	int fd = -1;

	(void)state;
	assert_int_equal(hold_look(&hold), HOLD_NOT_YET);
	assert_int_equal(hold_complete(&hold, &fd), HOLD_WAIT);
	held_connect(&held, held.app);
	fd = complete(&hold);
	assert_int_equal(held_result(held.app), 0);
	close(fd);
	close(held.app);
}

static void a_program_that_dissolved_its_connect_is_gone(void **state)
{
	static const struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct held held = held_open(AF_INET, AF_INET);
	struct hold hold;
	int fd = -1;

	(void)state;
	held_connect(&held, held.app);
	hold = take(&held, false);
	assert_int_equal(hold_look(&hold), HOLD_PENDING);
	assert_int_equal(connect(held.app, &none, sizeof(none)), 0);
	assert_int_equal(hold_look(&hold), HOLD_OVER);
	assert_int_equal(hold_complete(&hold, &fd), HOLD_GONE);
	assert_int_equal(hold_refuse(&hold, ECONNREFUSED), HOLD_GONE);
	assert_int_equal(held_verdict(held.app), 0);
	hold_close(&hold);
	close(held.app);
}

static void
a_program_that_dissolved_its_connect_and_began_another_is_left_alone(
	void **state)
{
	static const struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct held held = held_open(AF_INET, AF_INET);
	struct held other = held_open(AF_INET, AF_INET);
	struct hold hold;
	int fd = -1;

	(void)state;
	held_connect(&held, held.app);
	hold = take(&held, false);
	assert_int_equal(hold_look(&hold), HOLD_PENDING);
	assert_int_equal(connect(held.app, &none, sizeof(none)), 0);
	held_connect(&other, held.app);
	assert_int_equal(hold_refuse(&hold, ECONNREFUSED), HOLD_GONE);
	assert_int_equal(hold_complete(&hold, &fd), HOLD_GONE);
	assert_int_equal(hold_look(&hold), HOLD_OVER);
	hold_close(&hold);
	/* It still waits for the other. */
	assert_int_equal(held_verdict(held.app), 0);
	close(other.app);
	other.app = held.app;
	hold = take(&other, false);
	assert_int_equal(hold_look(&hold), HOLD_PENDING);
	fd = complete(&hold);
	assert_int_equal(held_result(held.app), 0);
	close(fd);
	close(held.app);
}

static void
a_program_that_closed_its_socket_sees_nothing_and_we_see_an_end(void **state)
{
	struct held held = held_open(AF_INET, AF_INET);
	struct pollfd ready = {.events = POLLIN};
	struct hold hold;
	char byte;

	(void)state;
	held_connect(&held, held.app);
	hold = take(&held, false);
	close(held.app);
	ready.fd = complete(&hold);
	assert_int_equal(poll(&ready, 1, HELD_PATIENCE_MS), 1);
	assert_true(recv(ready.fd, &byte, 1, 0) <= 0);
	close(ready.fd);
}

static void refuse_wakes_the_program_and_leaves_the_verdict(void **state)
{
	static const struct {
		const char *name;
		int verdict;
	} cases[] = {
		{"ECONNREFUSED", ECONNREFUSED},
		{"ETIMEDOUT", ETIMEDOUT},
		{"EHOSTUNREACH", EHOSTUNREACH},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct held held = held_open(AF_INET, AF_INET);
		struct hold hold;

		print_message("case: %s\n", cases[i].name);
		held_connect(&held, held.app);
		hold = take(&held, false);
		assert_int_equal(hold_refuse(&hold, cases[i].verdict),
				 HOLD_DONE);
		assert_int_equal(held_result(held.app), ECONNRESET);
		assert_int_equal(held_verdict(held.app),
				 HYBRIDGE_VERDICT_MAGIC |
					 (unsigned int)cases[i].verdict);
		assert_int_equal(hold.app, -1);
		close(held.app);
	}
}

static void refuse_waits_for_a_program_that_is_not_yet_connecting(void **state)
{
	struct held held = held_open(AF_INET, AF_INET);
	struct hold hold = take(&held, false);

	(void)state;
	assert_int_equal(hold_refuse(&hold, EACCES), HOLD_WAIT);
	assert_int_equal(held_verdict(held.app), 0);
	held_connect(&held, held.app);
	assert_int_equal(hold_refuse(&hold, EACCES), HOLD_DONE);
	assert_int_equal(held_result(held.app), ECONNRESET);
	assert_int_equal(held_verdict(held.app),
			 HYBRIDGE_VERDICT_MAGIC | EACCES);
	close(held.app);
}

static void the_programs_flags_are_left_alone(void **state)
{
	struct held held = held_open(AF_INET, AF_INET);
	struct hold hold;

	(void)state;
	assert_int_equal(fcntl(held.app, F_SETFL, 0), 0);
	hold = take(&held, false);
	assert_int_equal(fcntl(held.app, F_GETFL) & O_NONBLOCK, 0);
	hold_close(&hold);
	close(held.app);
}

/* Early mode. */

static void
early_takes_the_programs_connection_and_resets_a_strangers(void **state)
{
	struct held held = held_open_early();
	struct pollfd ready = {.events = POLLIN};
	int stranger = held_socket(AF_INET);
	struct hold hold;
	char byte;
	int fd;

	(void)state;
	assert_int_equal(
		connect(stranger, (struct sockaddr *)&held.at, held.at_len), 0);
	held_connect(&held, held.app);
	hold = take(&held, true);
	fd = complete(&hold);
	assert_int_equal(held_result(held.app), 0);
	assert_carries(held.app, fd);
	ready.fd = stranger;
	assert_int_equal(poll(&ready, 1, HELD_PATIENCE_MS), 1);
	assert_int_equal(recv(stranger, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(stranger);
	close(fd);
	close(held.app);
}

static void early_waits_for_a_program_that_is_not_yet_connected(void **state)
{
	struct held held = held_open_early();
	struct hold hold = take(&held, true);
	struct hold_address address;
	struct sockaddr_in local = {0};
	socklen_t len = sizeof(local);
	int fd = -1;

	(void)state;
	assert_false(hold_address(&hold, &address));
	assert_int_equal(hold_complete(&hold, &fd), HOLD_WAIT);
	held_connect(&held, held.app);
	fd = complete(&hold);
	assert_int_equal(held_result(held.app), 0);
	assert_true(hold_address(&hold, &address));
	assert_int_equal(getsockname(held.app, (struct sockaddr *)&local, &len),
			 0);
	assert_int_equal(address.port, ntohs(local.sin_port));
	close(fd);
	close(held.app);
}

static void early_refusal_resets_the_program(void **state)
{
	struct held held = held_open_early();
	struct pollfd ready = {.fd = held.app, .events = POLLIN};
	struct hold hold;
	char byte;

	(void)state;
	held_connect(&held, held.app);
	hold = take(&held, true);
	assert_int_equal(held_result(held.app), 0);
	assert_int_equal(hold_refuse(&hold, EHOSTUNREACH), HOLD_DONE);
	assert_int_equal(poll(&ready, 1, HELD_PATIENCE_MS), 1);
	assert_int_equal(recv(held.app, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(held_verdict(held.app),
			 HYBRIDGE_VERDICT_MAGIC | EHOSTUNREACH);
	close(held.app);
}

/* What is handed over. */

enum which { APP, PEER, LISTENER };

/* Something else in the place of one descriptor. */
static void swap(struct held *held, enum which which, int fd)
{
	int *place = which == APP    ? &held->app
		     : which == PEER ? &held->peer
				     : &held->listener;

	close(*place);
	*place = fd;
}

static int udp_socket(const struct held *held)
{
	(void)held;
	return socket(AF_INET, SOCK_DGRAM, 0);
}

static int unix_socket(const struct held *held)
{
	(void)held;
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int null_device(const struct held *held)
{
	(void)held;
	return open("/dev/null", O_RDWR);
}

static int fresh_socket(const struct held *held)
{
	(void)held;
	return held_socket(AF_INET);
}

static int listening_socket(const struct held *held)
{
	return dup(held->listener);
}

static void take_refuses_what_is_not_as_it_should_be(void **state)
{
	static const struct {
		const char *name;
		const char *what;
		int (*make)(const struct held *held);
		enum which which;
		bool refusable; /* A itself is sound */
	} cases[] = {
		{"A is UDP",
		 "the program's socket that was handed over is not a stream "
		 "socket",
		 udp_socket, APP, false},
		{"A is a unix socket",
		 "the program's socket that was handed over is not an IP "
		 "socket",
		 unix_socket, APP, false},
		{"A is no socket",
		 "the program's socket that was handed over is not an IP "
		 "socket",
		 null_device, APP, false},
		{"A listens",
		 "the program's socket that was handed over is neither closed "
		 "nor connecting",
		 listening_socket, APP, false},
		{"B is not bound",
		 "the hold's peer that was handed over is not bound to the "
		 "hold's address",
		 fresh_socket, PEER, true},
		{"B listens", "the hold's peer that was handed over is in use",
		 listening_socket, PEER, true},
		{"L does not listen",
		 "the hold that was handed over is not listening", fresh_socket,
		 LISTENER, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct held held = held_open(AF_INET, AF_INET);
		struct hybridge_error err = {0};
		struct hold hold;
		int fds[3] = {-1, -1, -1};

		print_message("case: %s\n", cases[i].name);
		swap(&held, cases[i].which, cases[i].make(&held));
		held_fds(&held, fds);
		assert_int_equal(hold_take(fds, 3, false, &hold, &err), -1);
		assert_string_equal(err.what, cases[i].what);
		assert_int_equal(hold.app >= 0, cases[i].refusable);
		hold_close(&hold);
		held_close_ours(&held);
		close(held.app);
	}
}

static void take_closes_what_it_does_not_want(void **state)
{
	struct held held = held_open(AF_INET, AF_INET);
	struct hybridge_error err = {0};
	struct hold hold;
	int fds[3] = {-1, -1, -1};

	(void)state;
	held_fds(&held, fds);
	assert_int_equal(hold_take(fds, 2, false, &hold, &err), -1);
	assert_string_equal(err.what,
			    "the hold that was handed over is missing");
	assert_true(hold.app >= 0);
	assert_int_equal(fcntl(fds[1], F_GETFD), -1);
	hold_close(&hold);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	close(fds[2]);
	assert_int_equal(hold_take(NULL, 0, false, &hold, NULL), -1);
	assert_int_equal(hold.app, -1);
	held_close_ours(&held);
	close(held.app);
}

static void duplicates_of_a_socket_have_one_cookie_and_one_address(void **state)
{
	struct held held = held_open(AF_INET, AF_INET6);
	struct hold_address address, other;
	struct sockaddr_in6 local = {0};
	socklen_t len = sizeof(local);
	struct hold hold = take(&held, false);
	struct hold twin = {.app = held.app, .peer = -1, .listener = -1};
	struct hold another = {
		.app = held_socket(AF_INET), .peer = -1, .listener = -1};

	(void)state;
	assert_false(hold_address(&hold, &address));
	held_connect(&held, held.app);
	assert_true(hold_cookie(&hold) != 0);
	assert_true(hold_cookie(&hold) == hold_cookie(&twin));
	assert_true(hold_cookie(&hold) != hold_cookie(&another));
	assert_true(hold_address(&hold, &address));
	assert_true(hold_address(&twin, &other));
	assert_memory_equal(&address, &other, sizeof(address));
	assert_int_equal(getsockname(held.app, (struct sockaddr *)&local, &len),
			 0);
	assert_int_equal(address.port, ntohs(local.sin6_port));
	assert_memory_equal(address.ip, &local.sin6_addr, 16);
	hold_close(&hold);
	hold_close(&another);
	close(held.app);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			complete_connects_the_program_and_both_ends_carry_bytes),
		cmocka_unit_test(the_senders_end_resets_when_it_is_closed),
		cmocka_unit_test(
			complete_waits_for_a_program_that_is_not_yet_connecting),
		cmocka_unit_test(a_program_that_dissolved_its_connect_is_gone),
		cmocka_unit_test(
			a_program_that_dissolved_its_connect_and_began_another_is_left_alone),
		cmocka_unit_test(
			a_program_that_closed_its_socket_sees_nothing_and_we_see_an_end),
		cmocka_unit_test(
			refuse_wakes_the_program_and_leaves_the_verdict),
		cmocka_unit_test(
			refuse_waits_for_a_program_that_is_not_yet_connecting),
		cmocka_unit_test(the_programs_flags_are_left_alone),
		cmocka_unit_test(
			early_takes_the_programs_connection_and_resets_a_strangers),
		cmocka_unit_test(
			early_waits_for_a_program_that_is_not_yet_connected),
		cmocka_unit_test(early_refusal_resets_the_program),
		cmocka_unit_test(take_refuses_what_is_not_as_it_should_be),
		cmocka_unit_test(take_closes_what_it_does_not_want),
		cmocka_unit_test(
			duplicates_of_a_socket_have_one_cookie_and_one_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
