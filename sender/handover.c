/*
 * handover.c - a sender whose files have changed gives its socket to a new one.
 */
#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hybridge/log.h>
#include <hybridge/status.h>

#include "sender.h"
#include "socket.h"
#include "sources.h"

#define EXE     "/proc/self/exe"
#define DELETED " (deleted)"

bool handover_is_due(struct sender *sender)
{
	struct hybridge_config config = {0};
	struct hybridge_error err = {0};

	if (sender->stopping || !sender->sources ||
	    !sources_changed(sender->sources))
		return false;
	if (hybridge_config_load(sender->config.path, environ,
				 HYBRIDGE_ROLE_SENDER, &config, &err) != 0) {
		hybridge_log_error(HYBRIDGE_LOG_ERROR,
				   "configuration not changed", &err, NULL);
		return false;
	}
	hybridge_config_free(&config);
	if (!sender->idle_exit)
		hybridge_log(HYBRIDGE_LOG_WARNING,
			     "configuration has changed, and is not used",
			     HYBRIDGE_STR("hint", "restart the sender"));
	return sender->idle_exit;
}

/* Ours, or that of a package that has replaced it meanwhile. */
static bool find_program(char path[static PATH_MAX])
{
	ssize_t len = readlink(EXE, path, PATH_MAX - 1);
	size_t suffix = strlen(DELETED);

	if (len < 0)
		return false;
	path[len] = '\0';
	if ((size_t)len > suffix &&
	    strcmp(path + (size_t)len - suffix, DELETED) == 0)
		path[(size_t)len - suffix] = '\0';
	return true;
}

/* In a child: system calls alone, as other threads may have held any lock. */
static _Noreturn void become(const char *program, int listener)
{
	static char name[] = "hybridge-sender", activated[] = "--activated";
	char *const argv[] = {name, activated, NULL};
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* It must not be ours to wait for: we may live for days yet. */
	if (_Fork() != 0)
		_exit(0);
	setsid();
	if (listener == SOCKET_ACTIVATED_FD)
		fcntl(listener, F_SETFD, 0);
	else
		dup2(listener, SOCKET_ACTIVATED_FD);
	close_range(SOCKET_ACTIVATED_FD + 1, ~0u, 0);
	execve(program, argv, environ);
	_exit(127);
}

bool handover_start(struct sender *sender, int listener)
{
	char program[PATH_MAX];
	pid_t child;
	int status = 0;

	if (!find_program(program) || access(program, X_OK) != 0)
		goto fail;
	if (sender->status)
		hybridge_status_stop(sender->status);
	child = _Fork();
	if (child == 0)
		become(program, listener);
	if (child < 0 || waitpid(child, &status, 0) != child)
		goto fail;
	hybridge_log(HYBRIDGE_LOG_INFO,
		     "configuration has changed: a new sender takes over",
		     HYBRIDGE_STR("program", program));
	return true;
fail:
	hybridge_log(HYBRIDGE_LOG_ERROR, "configuration not changed",
		     HYBRIDGE_STR("error", strerror(errno)),
		     HYBRIDGE_STR("hint", "kill the sender: the next connect() "
					  "starts another one"));
	return false;
}
