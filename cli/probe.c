/*
 * probe.c - whether the shim was really loaded into the program that was started.
 *
 * The loader ignores a library that it cannot load, with a message at best.
 * So the shim's constructor writes a byte to a pipe (include/hybridge/probe.h);
 * a program without the shim keeps the pipe open until it ends.
 */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <hybridge/probe.h>

#include "environment.h"

#define NOT_RUN_BYTE "x" /* ours, where the shim writes HYBRIDGE_PROBE_BYTE */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int probe_above_streams(int fd)
{
	int moved, error;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	error = errno;
	close(fd);
	errno = error;
	return moved;
}

int probe_open(struct probe *out, char ***env, struct hybridge_error *err)
{
	struct stat info;
	int fds[2] = {-1, -1};

	if (pipe2(fds, O_CLOEXEC) == 0) {
		out->read_fd = probe_above_streams(fds[0]);
		out->write_fd = probe_above_streams(fds[1]);
	}
	if (out->read_fd < 0 || out->write_fd < 0) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "cannot make a pipe: %s",
			      strerror(errno));
		probe_close(out);
		return -1;
	}
	out->began_ms = now_ms();
	if (fcntl(out->read_fd, F_SETFL, O_NONBLOCK) == 0 &&
	    fstat(out->write_fd, &info) == 0) {
		char value[64];

		snprintf(value, sizeof(value), "%d:%ju", out->write_fd,
			 (uintmax_t)info.st_ino);
		if (environment_set(env, HYBRIDGE_PROBE_VARIABLE, value) == 0)
			return 0;
	}
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	probe_close(out);
	return -1;
}

void probe_offer(const struct probe *probe)
{
	fcntl(probe->write_fd, F_SETFD, 0);
}

void probe_give_up(const struct probe *probe)
{
	signal(SIGPIPE, SIG_IGN);
	/* Whoever is to read it may have been killed: then nobody asks. */
	if (write(probe->write_fd, NOT_RUN_BYTE, 1) < 0)
		return;
}

enum probe_answer probe_read(const struct probe *probe)
{
	char byte;
	ssize_t n = read(probe->read_fd, &byte, 1);

	if (n < 0)
		return PROBE_NOTHING;
	if (n == 0)
		return PROBE_NOT_LOADED;
	return byte == HYBRIDGE_PROBE_BYTE[0] ? PROBE_LOADED : PROBE_NOT_RUN;
}

int probe_left_ms(const struct probe *probe)
{
	int64_t left =
		probe->began_ms + (int64_t)PROBE_SECONDS * 1000 - now_ms();

	return left > 0 ? (int)left : 0;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void probe_close(struct probe *probe)
{
	close_one(&probe->read_fd);
	close_one(&probe->write_fd);
}

/* All descriptors but standard error and the pipe: others wait for their end. */
static void keep_only(int pipe_fd)
{
	for (int fd = 0; fd < STDERR_FILENO; fd++)
		close(fd);
	if (pipe_fd > STDERR_FILENO + 1)
		syscall(SYS_close_range, STDERR_FILENO + 1, pipe_fd - 1, 0);
	syscall(SYS_close_range, pipe_fd + 1, ~0U, 0);
}

static _Noreturn void watch(struct probe *probe, const char *name, bool verbose)
{
	enum probe_answer answer = PROBE_NOTHING;

	signal(SIGTTOU, SIG_IGN); /* a background job may say it, too */
	keep_only(probe->read_fd);
	while (answer == PROBE_NOTHING && probe_left_ms(probe) > 0) {
		struct pollfd told = {.fd = probe->read_fd, .events = POLLIN};

		if (poll(&told, 1, probe_left_ms(probe)) > 0)
			answer = probe_read(probe);
	}
	if (answer == PROBE_LOADED && verbose)
		fprintf(stderr, "hybridge: '%s' has loaded the library\n",
			name);
	if (answer == PROBE_NOTHING || answer == PROBE_NOT_LOADED)
		fprintf(stderr,
			"hybridge: warning: '%s' did not load the library; its "
			"connections %s out directly\n"
			"  -> see why: hybridge run -v -- %s   (stop it "
			"instead: --strict)\n",
			name, answer == PROBE_NOTHING ? "go" : "went", name);
	_exit(0);
}

/* Whether an orphan would become a child of what we become. */
static bool adopts_orphans(void)
{
	int reaper = 0;

	prctl(PR_GET_CHILD_SUBREAPER, &reaper);
	return reaper || getpid() == 1;
}

void probe_watch(struct probe *probe, const char *name, bool verbose)
{
	bool direct = adopts_orphans();
	/* Without an exit signal, wait(2) does not report the child: clone(2). */
	pid_t pid = (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);

	if (pid == 0) {
		if (direct || fork() == 0)
			watch(probe, name, verbose);
		_exit(0);
	}
	if (pid > 0 && !direct)
		while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
			;
	close_one(&probe->read_fd);
}
