/*
 * spawn.c - starts our own daemons and waits until they are ready.
 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "find.h"

#define READY_TIMEOUT_MS 20000

/* In the child: becomes the daemon, or ends with 127. */
static _Noreturn void become(const struct spawn_args *args, char *path,
			     pid_t parent, int ready_fd)
{
	char fd_text[16], config[PATH_MAX];
	char ready_option[] = "--ready-fd", config_option[] = "-f";
	char one_run_option[] = "--one-run";
	char *argv[7] = {path, ready_option, fd_text, NULL};
	size_t argc = 3;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Ctrl-C is for the user's program. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(0);
	if (args->log) {
		int log = open(args->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		if (log < 0 || dup2(log, STDERR_FILENO) < 0)
			_exit(126);
	}
	fcntl(ready_fd, F_SETFD, 0);
	snprintf(fd_text, sizeof(fd_text), "%d", ready_fd);
	if (args->config) {
		snprintf(config, sizeof(config), "%s", args->config);
		argv[argc++] = config_option;
		argv[argc++] = config;
	}
	if (args->one_run)
		argv[argc++] = one_run_option;
	argv[argc] = NULL;
	execve(path, argv, args->env);
	_exit(127);
}

static pid_t start(const struct spawn_args *args, char *path, int ready_fd)
{
	pid_t parent = getpid();
	/* Without an exit signal, wait(2) does not report the child: clone(2). */
	pid_t pid = args->unseen ? (pid_t)syscall(SYS_clone, 0, NULL, NULL,
						  NULL, NULL)
				 : fork();

	if (pid == 0)
		become(args, path, parent, ready_fd);
	return pid;
}

/* What the daemon said before it gave up, for the message: the line, not its hint. */
static void last_words(const char *log, char *out, size_t size)
{
	static const char prefix[] = "hybridge: ";
	FILE *file = log ? fopen(log, "re") : NULL;
	char line[400];

	snprintf(out, size, "see above");
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, prefix, strlen(prefix)) == 0)
			snprintf(out, size, "%.*s", (int)size - 1,
				 line + strlen(prefix));
		else if (line[0] && strncmp(line, "  -> ", 5) != 0)
			snprintf(out, size, "%.*s", (int)size - 1, line);
	}
	if (file)
		fclose(file);
}

/* Reads up to the newline; 0, or -1: closed early or too late. */
static int read_ready(int fd, char *out, size_t size)
{
	size_t len = 0;

	while (len + 1 < size) {
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&poll_fd, 1, READY_TIMEOUT_MS) <= 0)
			return -1;
		n = read(fd, out + len, size - 1 - len);
		if (n <= 0)
			return -1;
		len += (size_t)n;
		out[len] = '\0';
		if (out[len - 1] == '\n')
			break;
	}
	out[strcspn(out, "\n")] = '\0';
	if (strncmp(out, "ready ", 6) != 0)
		return -1;
	memmove(out, out + 6, strlen(out + 6) + 1);
	return 0;
}

pid_t spawn_ready(const struct spawn_args *args, char *ready, size_t size,
		  struct hybridge_error *err)
{
	char *path = find_own(args->program, err);
	int fds[2] = {-1, -1};
	char words[300];
	pid_t pid = -1;

	if (!path)
		return -1;
	if (pipe2(fds, O_CLOEXEC) != 0 ||
	    (pid = start(args, path, fds[1])) < 0) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "cannot start %s: %s",
			      args->program, strerror(errno));
		goto out;
	}
	close(fds[1]);
	fds[1] = -1;
	if (read_ready(fds[0], ready, size) == 0)
		goto out;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, __WALL);
	pid = -1;
	last_words(args->log, words, sizeof(words));
	hybridge_fail(err, HYBRIDGE_EUNREACH, "%s did not become ready: %s",
		      args->program, words);
out:
	if (fds[0] >= 0)
		close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	free(path);
	return pid;
}
