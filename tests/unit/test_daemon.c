/*
 * test_daemon.c - command lines, readiness, and signals.
 */
#include "engine_fixture.h"

#include <getopt.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <hybridge/daemon.h>

#define ARGS_MAX 6

/* @config is a copy that the caller owns: the options point into ours, which go. */
static int parse(const char *const args[ARGS_MAX],
		 struct hybridge_daemon_options *out, char **config,
		 struct hybridge_error *err)
{
	char copies[ARGS_MAX][40] = {"daemon"};
	char *argv[ARGS_MAX + 2] = {copies[0]};
	int argc = 1;

	for (size_t i = 0; i < ARGS_MAX && args[i]; i++) {
		snprintf(copies[argc], sizeof(copies[0]), "%s", args[i]);
		argv[argc] = copies[argc];
		argc++;
	}
	/* Start anew, whatever the last one left half read (getopt(3)). */
	optind = 0;
	(void)getopt(1, argv, "+");
	if (hybridge_daemon_parse(argc, argv, "Does things.", out, err) != 0)
		return -1;
	*config = out->config ? strdup(out->config) : NULL;
	return 0;
}

static void options_are_read(void **state)
{
	static const struct {
		const char *args[ARGS_MAX];
		const char *env;
		const char *config;
		int ready_fd;
		bool activated;
	} cases[] = {
		{{NULL}, NULL, NULL, -1, false},
		{{NULL}, "/env", "/env", -1, false},
		{{NULL}, "", NULL, -1, false},
		{{"-f", "/a"}, "/env", "/a", -1, false},
		{{"-f/a"}, NULL, "/a", -1, false},
		{{"--config", "/a"}, NULL, "/a", -1, false},
		{{"--config=/a"}, NULL, "/a", -1, false},
		{{"--ready-fd", "0"}, NULL, NULL, 0, false},
		{{"--ready-fd=7", "--activated"}, NULL, NULL, 7, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_daemon_options options;
		struct hybridge_error err = {0};
		char *config = NULL;

		print_message("case %zu\n", i);
		if (cases[i].env)
			setenv("HYBRIDGE_ENV", cases[i].env, 1);
		else
			unsetenv("HYBRIDGE_ENV");
		assert_int_equal(parse(cases[i].args, &options, &config, &err),
				 0);
		if (cases[i].config)
			assert_string_equal(config, cases[i].config);
		else
			assert_null(config);
		assert_int_equal(options.ready_fd, cases[i].ready_fd);
		assert_int_equal(options.activated, cases[i].activated);
		free(config);
	}
	unsetenv("HYBRIDGE_ENV");
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *args[ARGS_MAX];
		const char *what;
	} cases[] = {
		{{"--bogus"}, "'--bogus' is not an option, or lacks its value"},
		{{"-x"}, "'-x' is not an option, or lacks its value"},
		{{"-xh"}, "'-xh' is not an option, or lacks its value"},
		{{"-f", "/a", "-x"},
		 "'-x' is not an option, or lacks its value"},
		{{"-f"}, "'-f' is not an option, or lacks its value"},
		{{"--ready-fd"},
		 "'--ready-fd' is not an option, or lacks its value"},
		{{"--ready-fd", "x"}, "'x' is not a descriptor"},
		{{"--ready-fd", "-1"}, "'-1' is not a descriptor"},
		{{"--ready-fd", ""}, "'' is not a descriptor"},
		{{"--ready-fd", "3x"}, "'3x' is not a descriptor"},
		{{"--ready-fd", "99999999999999999999"},
		 "'99999999999999999999' is not a descriptor"},
		{{"start"}, "unexpected argument 'start'"},
		{{"start", "-f", "/a"}, "unexpected argument 'start'"},
		{{"start", "-x"}, "unexpected argument 'start'"},
		{{"--", "-f"}, "unexpected argument '-f'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_daemon_options options;
		struct hybridge_error err = {0};
		char *config = NULL;

		print_message("case: %s\n", cases[i].what);
		assert_int_equal(parse(cases[i].args, &options, &config, &err),
				 -1);
		assert_int_equal(err.code, HYBRIDGE_EUSAGE);
		assert_string_equal(err.what, cases[i].what);
	}
}

/* Forks; the child's standard output goes to the pipe that is returned. */
static pid_t fork_with_output(int *out)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		dup2(fds[1], STDOUT_FILENO);
	close(fds[1]);
	*out = fds[0];
	return pid;
}

static int exit_status(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void read_to_end(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
	close(fd);
}

static void help_and_version_are_printed_and_end_well(void **state)
{
	static const char *const options[] = {"-h", "--help", "-V",
					      "--version"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		char text[2000];
		int out;
		pid_t pid = fork_with_output(&out);

		if (pid == 0) {
			const char *args[ARGS_MAX] = {options[i]};
			struct hybridge_daemon_options parsed;
			char *config = NULL;
			int ret = parse(args, &parsed, &config, NULL);

			_exit(ret == 0 ? 2 : 3); /* not reached */
		}
		print_message("case: %s\n", options[i]);
		read_to_end(out, text, sizeof(text));
		assert_int_equal(exit_status(pid), 0);
		if (i < 2) {
			assert_non_null(strstr(text, "Does things."));
			assert_non_null(strstr(text, "--config"));
			assert_non_null(strstr(text, "--ready-fd"));
			assert_non_null(strstr(text, "78 wrong config"));
			assert_null(strstr(text, "--one-run"));
		} else {
			assert_non_null(strstr(text, HYBRIDGE_VERSION "\n"));
		}
	}
}

static void a_script_is_told_once_that_we_are_ready(void **state)
{
	struct hybridge_daemon_options options = {.ready_fd = -1};
	char text[100];
	int fds[2];

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	hybridge_daemon_ready(&options, "nobody listens");
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	options.ready_fd = fds[1];
	hybridge_daemon_ready(&options, "127.0.0.1:9000");
	assert_int_equal(options.ready_fd, -1);
	assert_int_equal(fcntl(fds[1], F_GETFD), -1); /* closed */
	hybridge_daemon_ready(&options, "again");
	read_to_end(fds[0], text, sizeof(text));
	assert_string_equal(text, "ready 127.0.0.1:9000\n");
}

static void a_service_manager_is_told(void **state)
{
	struct hybridge_daemon_options options = {.ready_fd = -1};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char text[100] = "";
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(sa_family_t); /* the kernel chooses a name */

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	len = sizeof(addr);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	snprintf(text, sizeof(text), "@%.*s",
		 (int)(len - offsetof(struct sockaddr_un, sun_path) - 1),
		 addr.sun_path + 1);
	setenv("NOTIFY_SOCKET", text, 1);
	hybridge_daemon_ready(&options, "x");
	memset(text, 0, sizeof(text));
	assert_int_equal(recv(fd, text, sizeof(text), 0), 7);
	assert_string_equal(text, "READY=1");
	hybridge_daemon_notify("STATUS=2 of 3 up");
	assert_int_equal(recv(fd, text, sizeof(text), 0), 16);
	assert_memory_equal(text, "STATUS=2 of 3 up", 16);
	/* One that is gone, or never was one, is not our failure. */
	close(fd);
	hybridge_daemon_notify("READY=1");
	setenv("NOTIFY_SOCKET", "relative", 1);
	hybridge_daemon_notify("READY=1");
	setenv("NOTIFY_SOCKET", "", 1);
	hybridge_daemon_notify("READY=1");
	unsetenv("NOTIFY_SOCKET");
}

/* What a child does with its signals; its letters go to standard output. */
struct child {
	struct hybridge_loop *loop;
	bool stop_at_once;
};

static void say(char letter)
{
	if (write(STDOUT_FILENO, &letter, 1) != 1)
		_exit(9);
}

static void child_stop(void *owner)
{
	struct child *child = owner;

	say('s');
	if (child->stop_at_once)
		hybridge_loop_stop(child->loop);
}

static void child_reload(void *owner)
{
	(void)owner;
	say('r');
}

static void run_child(bool stop_at_once, bool with_ops)
{
	static const struct hybridge_daemon_ops ops = {child_stop,
						       child_reload};
	static const struct hybridge_daemon_ops none = {NULL, NULL};
	struct hybridge_error err = {0};
	struct child child = {.stop_at_once = stop_at_once};
	struct rlimit limit;
	int fds[2];

	child.loop = hybridge_loop_new(&err);
	if (!child.loop ||
	    hybridge_daemon_signals(child.loop, with_ops ? &ops : &none, &child,
				    &err) != 0)
		_exit(8);
	/* A pipe that nobody reads must not kill us. */
	if (pipe2(fds, O_CLOEXEC) != 0 || close(fds[0]) != 0 ||
	    write(fds[1], "x", 1) != -1 || errno != EPIPE)
		_exit(7);
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
	    limit.rlim_cur != limit.rlim_max)
		_exit(6);
	say('.');
	hybridge_loop_run(child.loop);
	say('e');
	hybridge_loop_free(child.loop);
	_exit(0);
}

/* Sends each signal when the letter before it has been said. */
static void signals_are_answered(bool stop_at_once, bool with_ops,
				 const int *numbers, const char *letters)
{
	char said;
	int out;
	pid_t pid = fork_with_output(&out);

	if (pid == 0)
		run_child(stop_at_once, with_ops);
	for (; *letters; letters++) {
		assert_int_equal(read(out, &said, 1), 1);
		assert_int_equal(said, *letters);
		if (*numbers)
			assert_int_equal(kill(pid, *numbers++), 0);
	}
	assert_int_equal(read(out, &said, 1), 0);
	close(out);
	assert_int_equal(exit_status(pid), 0);
}

static void a_stop_ends_the_loop_when_the_owner_says_so(void **state)
{
	(void)state;
	signals_are_answered(
		true, true, (const int[]){SIGHUP, SIGHUP, SIGTERM, 0}, ".rrse");
}

static void a_second_stop_ends_the_loop_at_once(void **state)
{
	(void)state;
	signals_are_answered(false, true,
			     (const int[]){SIGTERM, SIGHUP, SIGINT, 0}, ".sre");
}

static void without_callbacks_a_stop_just_ends_the_loop(void **state)
{
	(void)state;
	signals_are_answered(false, false, (const int[]){SIGINT, 0}, ".e");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_read),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(help_and_version_are_printed_and_end_well),
		cmocka_unit_test(a_script_is_told_once_that_we_are_ready),
		cmocka_unit_test(a_service_manager_is_told),
		cmocka_unit_test(a_stop_ends_the_loop_when_the_owner_says_so),
		cmocka_unit_test(a_second_stop_ends_the_loop_at_once),
		cmocka_unit_test(without_callbacks_a_stop_just_ends_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
