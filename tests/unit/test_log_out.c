/*
 * test_log_out.c - lines that wait for others: which, for how long, and that none is lost.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hybridge/log.h>

#include "engine_fixture.h"

#define MANY 100

static int pipe_fds[2];
static int saved_stderr;
static char seen[65536];

static int redirect(void)
{
	hybridge_log_setup("prog", HYBRIDGE_LOG_DEBUG, HYBRIDGE_LOG_LOGFMT);
	if (pipe2(pipe_fds, O_NONBLOCK) < 0)
		return -1;
	saved_stderr = dup(STDERR_FILENO);
	return dup2(pipe_fds[1], STDERR_FILENO) < 0 ? -1 : 0;
}

static void restore(void)
{
	hybridge_log_hold(false);
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static int setup(void **state)
{
	(void)state;
	return redirect();
}

static int teardown(void **state)
{
	(void)state;
	restore();
	return 0;
}

static int setup_with_loop(void **state)
{
	return redirect() < 0 ? -1 : fixture_setup(state);
}

static int teardown_with_loop(void **state)
{
	int ret = fixture_teardown(state);

	restore();
	return ret;
}

/* What was written since the last call. */
static const char *written(void)
{
	ssize_t n = read(pipe_fds[0], seen, sizeof(seen) - 1);

	seen[n > 0 ? n : 0] = '\0';
	return seen;
}

static void log_line(enum hybridge_log_level level, const char *msg)
{
	hybridge_log_fields(level, msg, NULL);
}

/* Whether @text has these two in this order. */
static bool has_both(const char *text, const char *first, const char *second)
{
	const char *at = strstr(text, first);

	return at && strstr(at, second);
}

static void lines_are_written_at_once_unless_they_may_wait(void **state)
{
	(void)state;
	log_line(HYBRIDGE_LOG_INFO, "first");
	assert_non_null(strstr(written(), "msg=first\n"));
	hybridge_log_hold(true);
	log_line(HYBRIDGE_LOG_INFO, "second");
	assert_true(hybridge_log_waits());
	assert_string_equal(written(), "");
	hybridge_log_flush();
	assert_false(hybridge_log_waits());
	assert_non_null(strstr(written(), "msg=second\n"));
	log_line(HYBRIDGE_LOG_INFO, "third");
	hybridge_log_hold(false);
	assert_non_null(strstr(written(), "msg=third\n"));
	log_line(HYBRIDGE_LOG_INFO, "fourth");
	assert_non_null(strstr(written(), "msg=fourth\n"));
}

static void what_is_wrong_waits_for_nothing_and_comes_in_order(void **state)
{
	static const enum hybridge_log_level levels[] = {
		HYBRIDGE_LOG_ERROR, HYBRIDGE_LOG_WARNING, HYBRIDGE_LOG_DEBUG};

	(void)state;
	hybridge_log_hold(true);
	for (size_t i = 0; i < 3; i++) {
		log_line(HYBRIDGE_LOG_INFO, "before");
		log_line(levels[i], "behind");
		assert_true(
			has_both(written(), "msg=before\n", "msg=behind\n"));
	}
}

/* A pipe takes 4,096 bytes in one piece: no more is written together. */
static void many_lines_are_written_whole_and_in_order(void **state)
{
	const char *at;
	int lines = 0;

	(void)state;
	hybridge_log_hold(true);
	for (int i = 0; i < MANY; i++)
		hybridge_log(HYBRIDGE_LOG_INFO, "line", HYBRIDGE_NUM("i", i));
	hybridge_log_flush();
	for (at = written(); *at; at = strchr(at, '\n') + 1) {
		char wanted[16];

		snprintf(wanted, sizeof(wanted), " i=%d\n", lines++);
		at = strstr(at, wanted);
		assert_non_null(at);
	}
	assert_int_equal(lines, MANY);
}

static void *log_in_thread(void *arg)
{
	log_line(HYBRIDGE_LOG_INFO, arg);
	return NULL;
}

static void other_threads_write_at_once(void **state)
{
	char msg[] = "elsewhere";
	pthread_t thread;

	(void)state;
	hybridge_log_hold(true);
	log_line(HYBRIDGE_LOG_INFO, "here");
	assert_int_equal(pthread_create(&thread, NULL, log_in_thread, msg), 0);
	pthread_join(thread, NULL);
	assert_non_null(strstr(written(), "msg=elsewhere\n"));
	assert_null(strstr(seen, "msg=here\n"));
	hybridge_log_flush();
	assert_non_null(strstr(written(), "msg=here\n"));
}

static _Noreturn void die(int number)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	hybridge_log_hold(true);
	log_line(HYBRIDGE_LOG_INFO, "last words");
	if (number == SIGABRT)
		abort();
	kill(getpid(), number);
	_exit(1);
}

static void a_process_that_dies_by_its_fault_has_said_all(void **state)
{
	static const int deaths[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

	(void)state;
	for (size_t i = 0; i < sizeof(deaths) / sizeof(*deaths); i++) {
		pid_t pid;
		int status;

		/* A sanitizer that has one of its own keeps it. */
		signal(deaths[i], SIG_DFL);
		pid = fork();
		if (pid == 0)
			die(deaths[i]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), deaths[i]);
		assert_non_null(strstr(written(), "msg=\"last words\"\n"));
	}
}

/* A loop that logs a line, and is stopped by what comes through the pipe. */
struct watch {
	struct hybridge_source source;
	struct hybridge_task task;
	struct hybridge_loop *loop;
	bool waited;
	bool came;
};

static void log_from_loop(struct hybridge_task *task)
{
	struct watch *watch = hybridge_container(task, struct watch, task);

	log_line(HYBRIDGE_LOG_INFO, "meanwhile");
	watch->waited = hybridge_log_waits();
}

static void stop_when_written(struct hybridge_source *source, uint32_t events)
{
	struct watch *watch = hybridge_container(source, struct watch, source);

	if (!(events & EPOLLIN))
		return;
	watch->came = strstr(written(), "msg=meanwhile\n") != NULL;
	hybridge_loop_stop(watch->loop);
}

static void a_loop_writes_what_waits_before_long(void **state)
{
	struct fixture *fx = *state;
	struct watch watch = {.loop = fx->loop,
			      .task.run = log_from_loop,
			      .source.ready = stop_when_written,
			      .source.fd = pipe_fds[0]};

	hybridge_loop_hold_log(fx->loop);
	assert_int_equal(hybridge_loop_watch(fx->loop, &watch.source), 0);
	hybridge_loop_defer(fx->loop, &watch.task);
	fixture_step(fx, FIXTURE_PATIENCE_S * 1000);
	assert_true(watch.waited);
	assert_true(watch.came);
	hybridge_loop_unwatch(fx->loop, &watch.source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define WITH_STDERR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		WITH_STDERR(lines_are_written_at_once_unless_they_may_wait),
		WITH_STDERR(what_is_wrong_waits_for_nothing_and_comes_in_order),
		WITH_STDERR(many_lines_are_written_whole_and_in_order),
		WITH_STDERR(other_threads_write_at_once),
		WITH_STDERR(a_process_that_dies_by_its_fault_has_said_all),
		cmocka_unit_test_setup_teardown(
			a_loop_writes_what_waits_before_long, setup_with_loop,
			teardown_with_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
