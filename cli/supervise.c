/*
 * supervise.c - runs a program as a child that may not go on without the shim.
 *
 * The child stays in this process's group, as in a pipeline it has to.  So the
 * terminal's signals (Ctrl-C, Ctrl-Z, a new size) reach it without our help,
 * and what other processes send is passed on.
 */
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch.h"

struct supervisor {
	const char *name;
	pid_t program;
	struct probe *probe; /* its reading end is -1 when all has been told */
	int signal_fd;
	int status;   /* from wait(2), when the program has ended */
	bool stopped; /* as far as wait(2) has told */
	bool ended;
};

static int refuse(const char *name, bool stopped)
{
	struct hybridge_error err = {0};

	hybridge_fail(&err, HYBRIDGE_ECONFIG,
		      "'%s' did not load the library and %s: its connections "
		      "would have gone out directly",
		      name, stopped ? "was stopped" : "has ended");
	hybridge_hint(&err, "see why: hybridge run -v -- %s", name);
	hybridge_error_print(stderr, &err);
	return LAUNCH_NOT_RUNNABLE;
}

static _Noreturn void become(const char *path, char *const *argv,
			     char *const *env, const struct probe *probe,
			     pid_t parent)
{
	/* Whoever kills us means the program. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(LAUNCH_FAILED);
	probe_offer(probe);
	execve(path, argv, env);
	_exit(launch_complain(path, probe));
}

/*
 * Blocked signals are not lost and, unlike caught ones, keep the disposition that the
 * program shall inherit.  Only SIGCHLD must not be ignored, for wait(2) to work.
 */
static int start(struct supervisor *s, const char *path, char *const *argv,
		 char *const *env)
{
	struct sigaction by_default = {.sa_handler = SIG_DFL}, saved;
	pid_t parent = getpid();
	sigset_t all, mask;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &mask);
	sigaction(SIGCHLD, &by_default, &saved);
	s->signal_fd = probe_above_streams(
		signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK));
	s->program = s->signal_fd < 0 ? -1 : fork();
	if (s->program == 0) {
		sigaction(SIGCHLD, &saved, NULL);
		sigprocmask(SIG_SETMASK, &mask, NULL);
		become(path, argv, env, s->probe, parent);
	}
	return s->program < 0 ? -1 : 0;
}

/* What the program inherited is its own: others may wait until it closes it. */
static void let_go_of_descriptors(struct supervisor *s)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int low = s->signal_fd, high = s->probe->read_fd;

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	s->probe->write_fd = -1; /* among those that are closed now */
	if (low > high) {
		low = s->probe->read_fd;
		high = s->signal_fd;
	}
	for (int fd = STDERR_FILENO + 1; fd < low; fd++)
		close(fd);
	for (int fd = low + 1; fd < high; fd++)
		close(fd);
	syscall(SYS_close_range, high + 1, ~0U, 0);
}

/* Collects the dead; stops together with the program, as a shell expects it. */
static void collect(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status,
			      WNOHANG | WUNTRACED | WCONTINUED | __WALL)) > 0) {
		if (pid != s->program)
			continue;
		s->stopped = WIFSTOPPED(status);
		s->status = status;
		s->ended = !WIFSTOPPED(status) && !WIFCONTINUED(status);
		/* SIGSTOP itself is nobody's job control. */
		if (s->stopped && WSTOPSIG(status) != SIGSTOP)
			kill(getpid(), SIGSTOP);
	}
}

/* A shell tells the whole group: twice could undo a stop that came in between. */
static void go_on(struct supervisor *s)
{
	collect(s);
	if (s->stopped)
		kill(s->program, SIGCONT);
}

/*
 * Whether the program has not got it as well.  What another process sends to our
 * whole group does come twice: there is no telling.
 */
static bool is_for_program(const struct supervisor *s,
			   const struct signalfd_siginfo *info)
{
	pid_t sender = (pid_t)info->ssi_pid;

	if (info->ssi_code > 0) /* the terminal: it tells the group, but */
		return info->ssi_signo == SIGHUP && getsid(0) == getpid();
	return sender != s->program;
}

static void take_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			collect(s);
		else if (info.ssi_signo == SIGCONT)
			go_on(s);
		else if (!s->ended && is_for_program(s, &info))
			kill(s->program, (int)info.ssi_signo);
	}
}

/* Whether the program has told enough; false when it may not go on. */
static bool ask_probe(struct supervisor *s)
{
	enum probe_answer answer = probe_read(s->probe);

	if (answer == PROBE_NOTHING)
		return !s->ended && probe_left_ms(s->probe) > 0;
	probe_close(s->probe);
	return answer != PROBE_NOT_LOADED;
}

/* Returns whether it was still running. */
static bool kill_program(struct supervisor *s)
{
	if (!s->ended) {
		kill(s->program, SIGKILL);
		while (waitpid(s->program, &s->status, 0) < 0 && errno == EINTR)
			;
	}
	return WIFSIGNALED(s->status) && WTERMSIG(s->status) == SIGKILL;
}

static int wait_for_end(struct supervisor *s)
{
	for (;;) {
		bool asking = s->probe->read_fd >= 0;
		struct pollfd fds[] = {
			{.fd = s->signal_fd, .events = POLLIN},
			{.fd = s->probe->read_fd, .events = POLLIN},
		};

		if (asking && !ask_probe(s))
			return refuse(s->name, kill_program(s));
		if (s->ended)
			break;
		poll(fds, 2, asking ? probe_left_ms(s->probe) : -1);
		take_signals(s);
	}
	return WIFSIGNALED(s->status) ? 128 + WTERMSIG(s->status)
				      : WEXITSTATUS(s->status);
}

int supervise(const char *path, char *const *argv, char *const *env,
	      struct probe *probe)
{
	struct supervisor s = {.name = argv[0], .probe = probe};
	struct hybridge_error err = {0};
	int status = LAUNCH_FAILED;

	if (start(&s, path, argv, env) == 0) {
		let_go_of_descriptors(&s);
		status = wait_for_end(&s);
	} else {
		hybridge_fail(&err, HYBRIDGE_ESYSTEM, "cannot start '%s': %s",
			      path, strerror(errno));
		hybridge_error_print(stderr, &err);
	}
	if (s.signal_fd >= 0)
		close(s.signal_fd);
	probe_close(probe);
	return status;
}
