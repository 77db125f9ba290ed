/*
 * arguments.h - the command line of the commands that look at a configuration.
 */
#ifndef CLI_ARGUMENTS_H
#define CLI_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/error.h>

/** What a command takes beside -f FILE and --help */
#define ARGUMENTS_JSON    1u /* --json */
#define ARGUMENTS_TIMEOUT 2u /* --timeout DURATION */
#define ARGUMENTS_ROUNDS  4u /* -c COUNT, -i DURATION */

/**
 * struct arguments - What was typed
 * @file:       Env file: -f, else $HYBRIDGE_ENV, else that of a running hybridge dev, else NULL
 * @as_json:    --json
 * @timeout_ms: --timeout; what it was before without
 * @count:      -c, at least 1; likewise
 * @interval_ms: -i; likewise
 * @rest:       What is no option: of argv
 * @num:        How many
 * @dev:        Owns @file where that is hybridge dev's
 */
struct arguments {
	const char *file;
	bool as_json;
	uint32_t timeout_ms;
	uint32_t count;
	uint32_t interval_ms;
	char **rest;
	int num;
	char *dev;
};

/**
 * arguments_parse() - Read it
 * @argv:  argv[0] is the command's name
 * @takes: ARGUMENTS_JSON and others
 * @out:   Release with arguments_free(); what it was before does not matter but where it is said above
 *
 * Return: -1: go on; else the exit status, as all was said: help was asked for, or there is a mistake
 */
HYBRIDGE_MUSTUSE int arguments_parse(int argc, char **argv, unsigned int takes,
				     struct arguments *out);

/** arguments_free() - Release what it owns */
void arguments_free(struct arguments *arguments);

#endif
