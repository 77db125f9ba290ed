/*
 * launch.h - turns this process into the user's program, under the shim.
 */
#ifndef CLI_LAUNCH_H
#define CLI_LAUNCH_H

#include <stdbool.h>

#include "probe.h"

#define LAUNCH_FAILED       125 /* as env(1), timeout(1) and nohup(1) */
#define LAUNCH_NOT_RUNNABLE 126
#define LAUNCH_NOT_FOUND    127

/**
 * struct launch - What to run and how
 * @config:  Env file, or NULL: the environment has it all
 * @argv:    The program and its arguments, NULL-terminated
 * @strict:  Refuse a program that one cannot judge as well, and stop one that has not
 *           loaded the shim
 * @verbose: Say on standard error what is used for what
 */
struct launch {
	const char *config;
	char **argv;
	bool strict;
	bool verbose;
};

/**
 * launch_check() - Find the program and see whether it can be relayed
 * Complains on standard error.
 *
 * Return: 0 and @path owned by the caller, or the exit status
 */
int launch_check(const struct launch *launch, char **path);

/**
 * launch_exec() - Become the program, or with @strict wait for it (supervise())
 * @path: From launch_check()
 *
 * A program that does not load the shim is warned about soon.
 *
 * Return: The exit status, of a failure or of the program that was waited for
 */
int launch_exec(const struct launch *launch, const char *path);

/**
 * launch_complain() - Say that execve(2) has failed (errno), and tell the probe
 * Return: The exit status
 */
int launch_complain(const char *path, const struct probe *probe);

#endif
