/*
 * test_loopback.c - sockets to this machine, and their congestion control.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hybridge/loopback.h>

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage at = {0};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
		memcpy(&at, &v4, sizeof(v4));
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
		memcpy(&at, &v6, sizeof(v6));
	}
	return at;
}

static void addresses_of_this_machine_alone_are_loopback(void **state)
{
	static const struct {
		const char *text;
		bool is_loopback;
	} cases[] = {
		{"127.0.0.1", true},
		{"127.64.3.9", true},
		{"128.0.0.1", false},
		{"10.127.0.1", false},
		{"::1", true},
		{"::2", false},
		{"::ffff:127.1.2.3", true},
		{"::ffff:10.0.0.1", false},
		{"fd00::127", false},
	};
	struct sockaddr_storage none = {.ss_family = AF_UNIX};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sockaddr_storage at = address(cases[i].text);

		print_message("case: %s\n", cases[i].text);
		assert_int_equal(hybridge_is_loopback((struct sockaddr *)&at),
				 cases[i].is_loopback);
	}
	assert_false(hybridge_is_loopback((struct sockaddr *)&none));
}

static void congestion(int fd, char name[static 17])
{
	socklen_t len = 16;

	memset(name, 0, 17);
	assert_int_equal(
		getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
}

static bool is_plain(const char *name)
{
	return strcmp(name, "reno") == 0 || strcmp(name, "cubic") == 0;
}

/* Each algorithm of this kernel that we may use; how many. */
static int tune_each(void)
{
	FILE *list = fopen(
		"/proc/sys/net/ipv4/tcp_available_congestion_control", "re");
	char name[17];
	char now[17];
	int tried = 0;

	assert_non_null(list);
	while (fscanf(list, "%16s", name) == 1) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		assert_true(fd >= 0);
		if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name,
			       (socklen_t)strlen(name)) == 0) {
			print_message("case: %s\n", name);
			hybridge_loopback_tune(fd);
			congestion(fd, now);
			assert_true(is_plain(now));
			/* What will do already is not changed. */
			if (is_plain(name))
				assert_string_equal(now, name);
			tried++;
		}
		close(fd);
	}
	fclose(list);
	return tried;
}

static void whatever_the_default_is_losses_alone_count_afterwards(void **state)
{
	(void)state;
	assert_true(tune_each() > 0);
}

static void other_descriptors_are_left_alone(void **state)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_true(fd >= 0);
	hybridge_loopback_tune(fd);
	close(fd);
	hybridge_loopback_tune(-1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_of_this_machine_alone_are_loopback),
		cmocka_unit_test(
			whatever_the_default_is_losses_alone_count_afterwards),
		cmocka_unit_test(other_descriptors_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
