/*
 * handover.c - a sender whose files have changed gives its socket to a new one.
 *
 * The new one says that it is ready over a pipe; an end without that means that it has failed.
 */
#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hybridge/log.h>
#include <hybridge/loop.h>
#include <hybridge/status.h>
#include <hybridge/tls.h>

#include "sender.h"
#include "socket.h"
#include "sources.h"

#define EXE       "/proc/self/exe"
#define DELETED   " (deleted)"
#define READY     "ready "
#define READY_FD  4  /* of the new sender, beside SOCKET_ACTIVATED_FD */
#define OUT_OF_IT 10 /* no number below is needed for anything else */

struct handover {
	struct sender *sender;
	struct hybridge_source pipe;
	void (*done)(void *owner, bool taken);
	void *owner;
	struct hybridge_task reap;
};

/* What a sender needs to come up, but for addresses that are the other one's yet. */
static int check_files(const struct sender *sender, struct hybridge_error *err)
{
	struct hybridge_config config = {0};
	SSL_CTX *tls;

	if (hybridge_config_load(sender->config.path, environ,
				 HYBRIDGE_ROLE_SENDER, &config, err) != 0)
		return -1;
	tls = hybridge_tls_client_ctx(config.ca_file, config.fast_crypto, err);
	SSL_CTX_free(tls);
	hybridge_config_free(&config);
	return tls ? 0 : -1;
}

bool handover_is_due(struct sender *sender)
{
	struct hybridge_error err = {0};

	if (sender->stopping || !sender->sources ||
	    !sources_changed(sender->sources))
		return false;
	if (check_files(sender, &err) != 0) {
		hybridge_log_error(HYBRIDGE_LOG_ERROR,
				   "configuration not changed", &err, NULL);
		return false;
	}
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
	return access(path, X_OK) == 0;
}

/* In a child: system calls alone, as other threads may have held any lock. */
static _Noreturn void become(const char *program, int listener, int ready)
{
	static char name[] = "hybridge-sender", activated[] = "--activated",
		    option[] = "--ready-fd", number[] = {'0' + READY_FD, '\0'};
	char *const argv[] = {name, activated, option, number, NULL};
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* It must not be ours to wait for: we may live for days yet. */
	if (_Fork() != 0)
		_exit(0);
	setsid();
	listener = fcntl(listener, F_DUPFD, OUT_OF_IT);
	ready = fcntl(ready, F_DUPFD, OUT_OF_IT);
	if (dup2(listener, SOCKET_ACTIVATED_FD) >= 0 &&
	    dup2(ready, READY_FD) >= 0 &&
	    close_range(READY_FD + 1, ~0u, 0) == 0)
		execve(program, argv, environ);
	_exit(127);
}

/* Returns -1 with errno set. */
static int start(const char *program, int listener, int ready)
{
	pid_t child = _Fork();

	if (child == 0)
		become(program, listener, ready);
	if (child < 0)
		return -1;
	/* Nobody to wait for: who started us ignores SIGCHLD, and so do we. */
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

static void run_reap(struct hybridge_task *task)
{
	free(hybridge_container(task, struct handover, reap));
}

/* Listens for status requests again, as nobody else does. */
static void take_status_back(struct sender *sender)
{
	struct hybridge_error err = {0};

	if (sender->status &&
	    hybridge_status_resume(sender->status, sender->config.status_listen,
				   &err) != 0)
		hybridge_log_error(HYBRIDGE_LOG_WARNING, "no status any more",
				   &err, NULL);
}

static void on_pipe(struct hybridge_source *source, uint32_t events)
{
	struct handover *handover =
		hybridge_container(source, struct handover, pipe);
	struct sender *sender = handover->sender;
	char said[sizeof(READY)] = "";
	ssize_t n = read(source->fd, said, strlen(READY));
	bool taken = n > 0 && strcmp(said, READY) == 0;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (taken) {
		hybridge_log_fields(HYBRIDGE_LOG_INFO,
				    "configuration has changed: a new sender "
				    "has taken over",
				    NULL);
	} else {
		hybridge_log(
			HYBRIDGE_LOG_ERROR, "configuration not changed",
			HYBRIDGE_STR("error", "the new sender has failed"));
		take_status_back(sender);
	}
	handover->done(handover->owner, taken);
	handover_cancel(handover);
}

static struct handover *watch(struct sender *sender, int pipe_fd,
			      void (*done)(void *owner, bool taken),
			      void *owner)
{
	struct handover *handover = calloc(1, sizeof(*handover));

	if (!handover)
		return NULL;
	*handover = (struct handover){
		.sender = sender,
		.pipe = {pipe_fd, on_pipe},
		.done = done,
		.owner = owner,
		.reap = {.run = run_reap},
	};
	if (hybridge_loop_watch_level(sender->loop, &handover->pipe) == 0)
		return handover;
	free(handover);
	return NULL;
}

struct handover *handover_start(struct sender *sender, int listener,
				void (*done)(void *owner, bool taken),
				void *owner)
{
	struct handover *handover = NULL;
	char program[PATH_MAX];
	int ends[2] = {-1, -1};

	if (!find_program(program) || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		goto fail;
	handover = watch(sender, ends[0], done, owner);
	if (!handover)
		goto fail;
	if (sender->status)
		hybridge_status_stop(sender->status);
	if (start(program, listener, ends[1]) == 0) {
		close(ends[1]);
		return handover;
	}
	take_status_back(sender);
fail:
	hybridge_log(HYBRIDGE_LOG_ERROR, "configuration not changed",
		     HYBRIDGE_STR("error", strerror(errno)),
		     HYBRIDGE_STR("hint", "kill the sender: the next connect() "
					  "starts another one"));
	if (handover)
		handover_cancel(handover);
	else if (ends[0] >= 0)
		close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
	return NULL;
}

void handover_cancel(struct handover *handover)
{
	if (!handover)
		return;
	hybridge_loop_unwatch(handover->sender->loop, &handover->pipe);
	close(handover->pipe.fd);
	hybridge_loop_defer(handover->sender->loop, &handover->reap);
}
