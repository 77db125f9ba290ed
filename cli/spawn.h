/*
 * spawn.h - starts our own daemons and waits until they are ready.
 */
#ifndef CLI_SPAWN_H
#define CLI_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <hybridge/error.h>

/**
 * struct spawn_args - What to start and how
 * @program: "hybridge-relay" ...: found beside this program
 * @config:  For -f, or NULL
 * @env:     Its environment
 * @log:     File for its standard error (created, 0600); NULL: ours
 * @unseen:  Make it a child that this process's later wait(2) does not see: for
 *           a parent that becomes the user's program
 * @one_run: A sender whose socket's folder is removed when it leaves
 */
struct spawn_args {
	const char *program;
	const char *config;
	char *const *env;
	const char *log;
	bool unseen;
	bool one_run;
};

/**
 * spawn_ready() - Start a daemon; it is ended (SIGTERM) when this process ends
 * @ready: Filled with what it wrote behind "ready "
 * @size:  Bytes at @ready
 * @err:   Set on failure, with the last line of its log
 *
 * Waits 20 s for it to become ready.
 *
 * Return: Its process id, or -1
 */
HYBRIDGE_MUSTUSE pid_t spawn_ready(const struct spawn_args *args, char *ready,
				   size_t size, struct hybridge_error *err);

#endif
