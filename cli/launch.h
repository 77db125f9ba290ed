/*
 * launch.h - turns this process into the user's program, under the shim.
 */
#ifndef CLI_LAUNCH_H
#define CLI_LAUNCH_H

#include <stdbool.h>

#define LAUNCH_FAILED       125 /* as env(1), timeout(1) and nohup(1) */
#define LAUNCH_NOT_RUNNABLE 126
#define LAUNCH_NOT_FOUND    127

/**
 * struct launch - What to run and how
 * @config: Env file, or NULL: the environment has it all
 * @argv:   The program and its arguments, NULL-terminated
 * @strict: A program that one cannot judge is refused as well
 */
struct launch {
	const char *config;
	char **argv;
	bool strict;
};

/**
 * launch_check() - Find the program and see whether it can be relayed
 * Complains on standard error.
 *
 * Return: 0 and @path owned by the caller, or the exit status
 */
int launch_check(const struct launch *launch, char **path);

/**
 * launch_exec() - Become the program; returns only on failure
 * @path: From launch_check()
 *
 * Return: The exit status
 */
int launch_exec(const struct launch *launch, const char *path);

#endif
