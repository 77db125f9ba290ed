/*
 * test_sender_socket.c - one sender a path, and how it leaves without losing anybody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../sender/socket.h"

static char dir[] = "/tmp/hybridge-test-XXXXXX";
static char path[SOCKET_PATH_MAX];
static char lock_path[SOCKET_PATH_MAX + 8];

static int make_dir(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/d/s.sock", dir);
	snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	return 0;
}

static int remove_dir(void **state)
{
	char sub[SOCKET_PATH_MAX];

	(void)state;
	snprintf(sub, sizeof(sub), "%s/d", dir);
	unlink(path);
	unlink(lock_path);
	rmdir(sub);
	rmdir(dir);
	return 0;
}

static struct socket_file open_ours(void)
{
	struct hybridge_error err = {0};
	struct socket_file file;

	assert_int_equal(socket_open(path, true, &file, &err), 0);
	assert_string_equal(err.what, "");
	return file;
}

/* connect(); the descriptor, or -1 with errno. */
static int reach(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int error;

	assert_true(fd >= 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(name, &st), 0);
	return st.st_mode;
}

static void the_socket_and_its_directory_are_for_their_owner_alone(void **state)
{
	struct socket_file file = open_ours();
	char sub[SOCKET_PATH_MAX];
	int fd;

	(void)state;
	snprintf(sub, sizeof(sub), "%s/d", dir);
	assert_int_equal(mode_of(path), S_IFSOCK | 0600);
	assert_int_equal(mode_of(sub), S_IFDIR | 0700);
	fd = reach();
	assert_true(fd >= 0);
	close(fd);
	socket_close(&file);
	assert_int_equal(access(path, F_OK), -1);
}

static void a_second_sender_is_told_to_try_elsewhere(void **state)
{
	struct socket_file file = open_ours(), second;
	struct hybridge_error err = {0};
	char what[200];

	(void)state;
	snprintf(what, sizeof(what), "another sender is running at %s", path);
	assert_int_equal(socket_open(path, true, &second, &err), -1);
	assert_string_equal(err.what, what);
	assert_int_equal(hybridge_exit_status(err.code), 75);
	/* One that the library started has no lock, but answers. */
	flock(file.lock_fd, LOCK_UN);
	err = (struct hybridge_error){0};
	assert_int_equal(socket_open(path, true, &second, &err), -1);
	assert_string_equal(err.what, what);
	socket_close(&file);
}

static void a_socket_that_nobody_listens_on_is_replaced(void **state)
{
	struct socket_file file = open_ours();
	int fd;

	(void)state;
	close(file.fd);
	close(file.lock_fd);
	assert_int_equal(reach(), -1);
	file = open_ours();
	fd = reach();
	assert_true(fd >= 0);
	close(fd);
	socket_close(&file);
}

static void a_default_directory_that_others_may_enter_is_refused(void **state)
{
	struct hybridge_error err = {0};
	struct socket_file file;
	char sub[SOCKET_PATH_MAX], what[200];

	(void)state;
	snprintf(sub, sizeof(sub), "%s/d", dir);
	snprintf(what, sizeof(what),
		 "%s is not a directory of ours with mode 0700", sub);
	assert_int_equal(chmod(sub, 0750), 0);
	assert_int_equal(socket_open(path, true, &file, &err), -1);
	assert_string_equal(err.what, what);
	err = (struct hybridge_error){0};
	assert_int_equal(socket_open(path, false, &file, &err), 0);
	socket_close(&file);
	assert_int_equal(chmod(sub, 0700), 0);
}

static void only_a_listening_unix_socket_is_inherited(void **state)
{
	struct hybridge_error err = {0};
	struct socket_file file = open_ours(), inherited;
	int plain = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	(void)state;
	assert_int_equal(socket_inherit(plain, &inherited, &err), -1);
	assert_int_equal(err.code, HYBRIDGE_EUSAGE);
	close(plain);
	assert_int_equal(fcntl(file.fd, F_SETFL, 0), 0);
	assert_int_equal(fcntl(file.fd, F_SETFD, 0), 0);
	assert_int_equal(socket_inherit(file.fd, &inherited, NULL), 0);
	assert_string_equal(inherited.path, path);
	assert_true(fcntl(file.fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(file.fd, F_GETFD) & FD_CLOEXEC);
	socket_close(&file);
}

/* A sender that the library started: it has no lock until it leaves. */
static struct socket_file inherit_ours(void)
{
	struct socket_file file = open_ours(), inherited;

	close(file.lock_fd);
	assert_int_equal(socket_inherit(file.fd, &inherited, NULL), 0);
	return inherited;
}

static void after_retiring_nobody_gets_in_and_nobody_is_lost(void **state)
{
	struct socket_file file = inherit_ours();
	int early = reach(), fd;

	(void)state;
	assert_true(early >= 0);
	assert_true(socket_retire(&file));
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(reach(), -1);
	assert_int_equal(errno, ENOENT);
	fd = accept4(file.fd, NULL, NULL, SOCK_NONBLOCK);
	assert_true(fd >= 0);
	assert_int_equal(send(early, "x", 1, 0), 1);
	close(fd);
	close(early);
	assert_int_equal(accept4(file.fd, NULL, NULL, SOCK_NONBLOCK), -1);
	socket_close(&file);
}

/* Who had looked the path up before it went: the kernel refuses, and queues nothing. */
static void a_retired_listener_queues_no_more(void **state)
{
	struct socket_file file = inherit_ours();
	char moved[SOCKET_PATH_MAX + 8];

	(void)state;
	/* Another name for the same socket stands for the look-up. */
	snprintf(moved, sizeof(moved), "%s.2", path);
	assert_int_equal(link(path, moved), 0);
	assert_true(socket_retire(&file));
	assert_int_equal(rename(moved, path), 0);
	assert_int_equal(reach(), -1);
	assert_int_equal(errno, ECONNREFUSED);
	unlink(path);
	socket_close(&file);
}

static void retiring_waits_for_whoever_has_the_lock(void **state)
{
	struct socket_file file = inherit_ours();
	int lock = open(lock_path, O_RDWR | O_CLOEXEC);
	int fd;

	(void)state;
	assert_true(lock >= 0);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_false(socket_retire(&file));
	fd = reach();
	assert_true(fd >= 0);
	close(fd);
	close(lock);
	assert_true(socket_retire(&file));
	socket_close(&file);
}

static void a_revived_socket_can_be_reached_and_is_not_locked(void **state)
{
	struct socket_file file = inherit_ours();
	struct hybridge_error err = {0};
	int lock = open(lock_path, O_RDWR | O_CLOEXEC);
	int fd;

	(void)state;
	assert_true(socket_retire(&file));
	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(socket_revive(&file, &err), 0);
	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
	fd = reach();
	assert_true(fd >= 0);
	close(fd);
	close(lock);
	socket_close(&file);
}

static void anothers_socket_at_the_path_is_left_alone(void **state)
{
	struct socket_file old = inherit_ours(), successor;

	(void)state;
	unlink(path);
	successor = open_ours();
	socket_close(&old);
	assert_int_equal(access(path, F_OK), 0);
	socket_close(&successor);
	assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_socket_and_its_directory_are_for_their_owner_alone),
		cmocka_unit_test(a_second_sender_is_told_to_try_elsewhere),
		cmocka_unit_test(a_socket_that_nobody_listens_on_is_replaced),
		cmocka_unit_test(
			a_default_directory_that_others_may_enter_is_refused),
		cmocka_unit_test(only_a_listening_unix_socket_is_inherited),
		cmocka_unit_test(
			after_retiring_nobody_gets_in_and_nobody_is_lost),
		cmocka_unit_test(a_retired_listener_queues_no_more),
		cmocka_unit_test(retiring_waits_for_whoever_has_the_lock),
		cmocka_unit_test(
			a_revived_socket_can_be_reached_and_is_not_locked),
		cmocka_unit_test(anothers_socket_at_the_path_is_left_alone),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
