/* test_local.c - messages between shim and sender, and the socket's place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <hybridge/local.h>

static struct hybridge_local_msg message(enum hybridge_local_kind kind,
					 uint8_t family, const char *host)
{
	struct hybridge_local_msg msg = {
		.magic = HYBRIDGE_LOCAL_MAGIC,
		.kind = (uint8_t)kind,
		.port = 5432,
		.host_len = (uint16_t)strlen(host),
		.addr.family = family,
	};

	memset(msg.host, 'x', sizeof(msg.host));
	memcpy(msg.host, host, msg.host_len);
	return msg;
}

static void sound_messages_pass_and_their_host_is_terminated(void **state)
{
	static const struct {
		enum hybridge_local_kind kind;
		uint8_t family;
		const char *host;
	} cases[] = {
		{HYBRIDGE_LOCAL_CONNECT, 4, "db.corp"},
		{HYBRIDGE_LOCAL_CONNECT, 4, ""},
		{HYBRIDGE_LOCAL_CONNECT, 6, "2001:db8::1"},
		{HYBRIDGE_LOCAL_CONNECT, 0, "db.corp"},
		{HYBRIDGE_LOCAL_NAME, 4, "x.corp"},
		{HYBRIDGE_LOCAL_PEER, 4, ""},
		{HYBRIDGE_LOCAL_STATUS, 0, ""},
		{HYBRIDGE_LOCAL_REFUSED, 4, ""},
		{HYBRIDGE_LOCAL_UNKNOWN, 0, "x.corp"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_local_msg msg =
			message(cases[i].kind, cases[i].family, cases[i].host);

		print_message("case: %d %s\n", (int)cases[i].kind,
			      cases[i].host);
		assert_null(
			hybridge_local_valid(&msg, hybridge_local_size(&msg)));
		assert_string_equal(msg.host, cases[i].host);
	}
}

static void a_path_behind_the_host_is_taken_off(void **state)
{
	static const char path[] = "/etc/app.env";
	struct hybridge_local_packet packet = {
		.msg = message(HYBRIDGE_LOCAL_CONNECT, 4, "db.corp")};
	struct hybridge_local_msg *msg = &packet.msg;
	char file[HYBRIDGE_LOCAL_FILE_MAX];
	size_t len;

	(void)state;
	msg->file_len = sizeof(path) - 1;
	memcpy(msg->host + msg->host_len, path, sizeof(path) - 1);
	len = hybridge_local_size(msg);
	assert_int_equal(hybridge_local_take_file(&packet, len - 1, file),
			 len - 1);
	assert_string_equal(file, "");
	assert_non_null(hybridge_local_valid(msg, len - 1));
	assert_non_null(hybridge_local_valid(msg, len));
	len = hybridge_local_take_file(&packet, len, file);
	assert_string_equal(file, path);
	assert_null(hybridge_local_valid(msg, len));
	assert_string_equal(msg->host, "db.corp");
	assert_int_equal(hybridge_local_take_file(&packet, len, file), len);
	assert_string_equal(file, "");
}

static void the_size_counts_the_host_name(void **state)
{
	struct hybridge_local_msg msg =
		message(HYBRIDGE_LOCAL_CONNECT, 4, "db.corp");

	(void)state;
	assert_int_equal(hybridge_local_size(&msg), HYBRIDGE_LOCAL_FIXED + 7);
	msg.host_len = 0;
	assert_int_equal(hybridge_local_size(&msg), HYBRIDGE_LOCAL_FIXED);
}

static void unsound_messages_are_refused_with_a_reason(void **state)
{
	struct hybridge_local_msg good =
		message(HYBRIDGE_LOCAL_CONNECT, 4, "db.corp");
	size_t size = hybridge_local_size(&good);
	struct hybridge_local_msg msg;

	(void)state;
	for (size_t len = 0; len < 64; len++) {
		msg = good;
		if (len != size)
			assert_non_null(hybridge_local_valid(&msg, len));
	}
	msg = good;
	msg.magic++;
	assert_non_null(hybridge_local_valid(&msg, size));
	msg = good;
	msg.kind = 0;
	assert_non_null(hybridge_local_valid(&msg, size));
	msg.kind = HYBRIDGE_LOCAL_UNKNOWN + 1;
	assert_non_null(hybridge_local_valid(&msg, size));
	msg = good;
	msg.flags = 2;
	assert_non_null(hybridge_local_valid(&msg, size));
	msg = good;
	msg.addr.family = 10;
	assert_non_null(hybridge_local_valid(&msg, size));
	msg = good;
	msg.host[2] = '\0';
	assert_non_null(hybridge_local_valid(&msg, size));
	msg = good;
	msg.host_len = 256;
	assert_non_null(hybridge_local_valid(&msg, HYBRIDGE_LOCAL_FIXED + 256));
	msg = good;
	assert_null(hybridge_local_valid(&msg, size));
}

static void messages_without_what_their_kind_needs_are_refused(void **state)
{
	static const struct {
		enum hybridge_local_kind kind;
		uint8_t family;
		const char *host;
	} cases[] = {
		{HYBRIDGE_LOCAL_CONNECT, 0, ""},
		{HYBRIDGE_LOCAL_NAME, 4, ""},
		{HYBRIDGE_LOCAL_NAME, 0, "x"},
		{HYBRIDGE_LOCAL_NAME, 6, "x"},
		{HYBRIDGE_LOCAL_PEER, 0, "x"},
		{HYBRIDGE_LOCAL_REFUSED, 0, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_local_msg msg =
			message(cases[i].kind, cases[i].family, cases[i].host);

		print_message("case: %d\n", (int)cases[i].kind);
		assert_non_null(
			hybridge_local_valid(&msg, hybridge_local_size(&msg)));
	}
}

static void the_socket_is_found_in_the_order_of_the_manual(void **state)
{
	static const struct {
		const char *configured;
		const char *runtime_dir;
		unsigned int uid;
		const char *want;
	} cases[] = {
		{"/a/b.sock", "/run/user/7", 7, "/a/b.sock"},
		{NULL, "/run/user/7", 7, "/run/user/7/hybridge/sender.sock"},
		{"", "/run/user/7", 0, "/run/user/7/hybridge/sender.sock"},
		{NULL, NULL, 0, "/run/hybridge/sender.sock"},
		{NULL, "", 0, "/run/hybridge/sender.sock"},
		{NULL, NULL, 65534, "/tmp/hybridge-65534/sender.sock"},
		{NULL, NULL, 4294967295u,
		 "/tmp/hybridge-4294967295/sender.sock"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char out[108];

		print_message("case: %s\n", cases[i].want);
		assert_int_equal(
			hybridge_local_socket_path(cases[i].configured,
						   cases[i].runtime_dir,
						   cases[i].uid, out),
			0);
		assert_string_equal(out, cases[i].want);
	}
}

static void a_path_that_a_unix_socket_cannot_have_is_refused(void **state)
{
	char path[200], out[108] = "untouched";

	(void)state;
	memset(path, 'x', sizeof(path));
	path[108] = '\0';
	assert_int_equal(hybridge_local_socket_path(path, NULL, 0, out), -1);
	assert_string_equal(out, "untouched");
	path[107] = '\0';
	assert_int_equal(hybridge_local_socket_path(path, NULL, 0, out), 0);
	assert_string_equal(out, path);
	assert_int_equal(hybridge_local_socket_path(NULL, path, 0, out), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			sound_messages_pass_and_their_host_is_terminated),
		cmocka_unit_test(a_path_behind_the_host_is_taken_off),
		cmocka_unit_test(the_size_counts_the_host_name),
		cmocka_unit_test(unsound_messages_are_refused_with_a_reason),
		cmocka_unit_test(
			messages_without_what_their_kind_needs_are_refused),
		cmocka_unit_test(
			the_socket_is_found_in_the_order_of_the_manual),
		cmocka_unit_test(
			a_path_that_a_unix_socket_cannot_have_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
