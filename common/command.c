/*
 * command.c - runs a shell command beside the loop.
 *
 * The process is its own group, so that whatever it started ends with it.  It has ended when its
 * pidfd says so (pidfd_open(2)), and not at the end of its output, which a child of its may hold.
 */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

struct command {
	struct hybridge_loop *loop;
	command_fn *done;
	void *owner;
	pid_t pid;
	struct hybridge_source output;
	struct hybridge_source process;
	struct hybridge_timer deadline;
	struct hybridge_task reap;
	bool is_over;
	uint32_t timeout_ms;
	size_t len;
	char buf[COMMAND_OUTPUT_MAX +
		 1]; /* one more shows that it is too much */
};

static void run_reap(struct hybridge_task *task)
{
	free(hybridge_container(task, struct command, reap));
}

static void forget_source(struct command *command,
			  struct hybridge_source *source)
{
	if (source->fd < 0)
		return;
	hybridge_loop_unwatch(command->loop, source);
	close(source->fd);
	source->fd = -1;
}

/* Leaves no process behind; its wait status. */
static int clean_up(struct command *command)
{
	int status = 0;

	command->is_over = true;
	hybridge_timer_clear(command->loop, &command->deadline);
	kill(-command->pid, SIGKILL);
	/* It has ended, or will in a moment: nothing survives SIGKILL. */
	while (waitpid(command->pid, &status, 0) < 0 && errno == EINTR)
		;
	forget_source(command, &command->output);
	forget_source(command, &command->process);
	hybridge_loop_defer(command->loop, &command->reap);
	return status;
}

static void finish(struct command *command, const struct hybridge_error *err)
{
	struct hybridge_span out = {command->buf, command->len};

	command->done(command->owner,
		      err ? (struct hybridge_span){NULL, 0} : out, err);
	explicit_bzero(command->buf, sizeof(command->buf));
}

/* Takes what there is; false once it is too much. */
static bool drain(struct command *command)
{
	ssize_t n = 1;

	while (n > 0 && command->len < sizeof(command->buf)) {
		n = read(command->output.fd, command->buf + command->len,
			 sizeof(command->buf) - command->len);
		if (n > 0)
			command->len += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	return command->len <= COMMAND_OUTPUT_MAX;
}

static void fail_output(struct command *command)
{
	struct hybridge_error err = {0};

	clean_up(command);
	hybridge_fail(&err, HYBRIDGE_ECONFIG,
		      "the command printed more than %d bytes",
		      COMMAND_OUTPUT_MAX);
	finish(command, &err);
}

static void on_output(struct hybridge_source *source, uint32_t events)
{
	struct command *command =
		hybridge_container(source, struct command, output);

	(void)events;
	if (!drain(command))
		fail_output(command);
}

static void on_exit_of_process(struct hybridge_source *source, uint32_t events)
{
	struct command *command =
		hybridge_container(source, struct command, process);
	struct hybridge_error err = {0};
	int status;

	(void)events;
	if (!drain(command)) {
		fail_output(command);
		return;
	}
	status = clean_up(command);
	if (WIFSIGNALED(status))
		hybridge_fail(&err, HYBRIDGE_ECONFIG,
			      "the command was ended by signal %d",
			      WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		hybridge_fail(&err, HYBRIDGE_ECONFIG,
			      "the command left with status %d",
			      WEXITSTATUS(status));
	finish(command, err.code == HYBRIDGE_OK ? NULL : &err);
}

static void on_deadline(struct hybridge_timer *timer)
{
	struct command *command =
		hybridge_container(timer, struct command, deadline);
	struct hybridge_error err = {0};

	clean_up(command);
	hybridge_fail(&err, HYBRIDGE_ETIMEOUT,
		      "the command has not ended within %u s",
		      command->timeout_ms / 1000);
	finish(command, &err);
}

/* Starts the shell with its output in @out_fd; 0 or an errno. */
static int spawn(const char *text, int out_fd, pid_t *pid)
{
	char shell[] = "sh", option[] = "-c";
	char *copy = strdup(text);
	char *argv[] = {shell, option, copy, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int ret = copy ? 0 : ENOMEM;

	if (ret == 0)
		ret = posix_spawn_file_actions_init(&actions);
	if (ret != 0)
		goto out;
	ret = posix_spawnattr_init(&attr);
	if (ret != 0)
		goto out_actions;
	sigemptyset(&none);
	sigfillset(&all);
	/* Ours are blocked or ignored; a shell expects neither. */
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP |
						POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	ret = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null",
					       O_RDONLY, 0);
	if (ret == 0)
		ret = posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
	if (ret == 0)
		ret = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null",
						       O_WRONLY, 0);
	if (ret == 0)
		ret = posix_spawn(pid, "/bin/sh", &actions, &attr, argv,
				  environ);
	posix_spawnattr_destroy(&attr);
out_actions:
	posix_spawn_file_actions_destroy(&actions);
out:
	free(copy);
	return ret;
}

static int watch(struct command *command)
{
	if (command->process.fd < 0)
		return -1;
	if (hybridge_loop_watch(command->loop, &command->output) != 0 ||
	    hybridge_loop_watch_level(command->loop, &command->process) != 0)
		return -1;
	return hybridge_timer_set(command->loop, &command->deadline,
				  command->timeout_ms);
}

struct command *command_start(struct hybridge_loop *loop, const char *text,
			      uint32_t timeout_ms, command_fn *done,
			      void *owner, struct hybridge_error *err)
{
	struct command *command = calloc(1, sizeof(*command));
	int fds[2];
	int ret;

	if (!command || pipe2(fds, O_CLOEXEC) != 0) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM,
			      "the command cannot be run: %s", strerror(errno));
		free(command);
		return NULL;
	}
	command->loop = loop;
	command->done = done;
	command->owner = owner;
	command->timeout_ms = timeout_ms;
	command->deadline.fire = on_deadline;
	command->reap.run = run_reap;
	command->output = (struct hybridge_source){fds[0], on_output};
	command->process = (struct hybridge_source){-1, on_exit_of_process};
	/* Only our end: a shell's tools do not expect EAGAIN. */
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	ret = spawn(text, fds[1], &command->pid);
	close(fds[1]);
	if (ret != 0) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM,
			      "the command cannot be run: %s", strerror(ret));
		close(fds[0]);
		free(command);
		return NULL;
	}
	command->process.fd = pidfd_open(command->pid, 0);
	if (watch(command) == 0)
		return command;
	hybridge_fail(err, HYBRIDGE_ESYSTEM,
		      "the command cannot be watched: %s", strerror(errno));
	clean_up(command);
	return NULL;
}

void command_cancel(struct command *command)
{
	if (!command || command->is_over)
		return;
	clean_up(command);
	explicit_bzero(command->buf, sizeof(command->buf));
}
