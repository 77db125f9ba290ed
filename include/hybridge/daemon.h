/*
 * daemon.h - what the three daemons have in common: options, signals, readiness.
 */
#ifndef HYBRIDGE_DAEMON_H
#define HYBRIDGE_DAEMON_H

#include <stdbool.h>

#include <hybridge/error.h>
#include <hybridge/loop.h>

/**
 * struct hybridge_daemon_options - The common command line
 * @config:   -f FILE, --config FILE; else $HYBRIDGE_ENV; else NULL
 * @ready_fd: --ready-fd N: one line is written there when ready; else -1
 * @activated: --activated: descriptor 3 is the listening socket, there is no terminal
 * @one_run: --one-run: the socket's folder is removed when the sender leaves
 */
struct hybridge_daemon_options {
	const char *config;
	int ready_fd;
	bool activated;
	bool one_run;
};

/** hybridge_daemon_config() - $HYBRIDGE_ENV, or NULL when it is not set or empty */
const char *hybridge_daemon_config(void);

/**
 * hybridge_daemon_parse() - Read the command line
 * @about: One sentence for --help
 *
 * Handles --help and --version itself (prints and exits 0).
 *
 * Return: 0, or -1 with @err set (HYBRIDGE_EUSAGE)
 */
HYBRIDGE_MUSTUSE int hybridge_daemon_parse(int argc, char **argv,
					   const char *about,
					   struct hybridge_daemon_options *out,
					   struct hybridge_error *err);

/**
 * struct hybridge_daemon_ops - What signals mean; members may be NULL
 * @stop:   SIGTERM or SIGINT: a second one ends the loop at once
 * @reload: SIGHUP
 */
struct hybridge_daemon_ops {
	void (*stop)(void *owner);
	void (*reload)(void *owner);
};

/**
 * hybridge_daemon_signals() - Route signals to the loop, ignore SIGPIPE
 * @ops: Must outlive the loop
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int
hybridge_daemon_signals(struct hybridge_loop *loop,
			const struct hybridge_daemon_ops *ops, void *owner,
			struct hybridge_error *err);

/**
 * hybridge_daemon_ready() - Say that we are ready
 * @options: Its ready_fd gets "ready TEXT\n" and is closed
 * @text:    What a script wants to know: the address listened on
 *
 * Also tells a service manager (sd_notify(3): READY=1 to $NOTIFY_SOCKET).
 */
void hybridge_daemon_ready(struct hybridge_daemon_options *options,
			   const char *text);

/**
 * hybridge_daemon_notify() - One sd_notify(3) message, e.g. "STATUS=2 of 3 up"; does nothing
 * without a service manager
 *
 * STATUS= is left out rather than waited with while the manager does not read.
 */
void hybridge_daemon_notify(const char *state);

#endif
