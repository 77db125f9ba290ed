/*
 * command.h - the subcommands of hybridge, each in a file of its own.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <getopt.h>
#include <stdbool.h>

#include <hybridge/error.h>

/**
 * struct command - One subcommand
 * @name: As typed
 * @args: What follows it, for the usage line
 * @help: One line for the list
 * @more: Text of its --help behind the usage line: options and two examples
 * @main: Returns the exit status; argv[0] is @name
 */
struct command {
	const char *name;
	const char *args;
	const char *help;
	const char *more;
	int (*main)(int argc, char **argv);
};

/** commands - Every subcommand, ends with a NULL name */
extern const struct command commands[];

/** command_find() - The subcommand of that name, or NULL */
const struct command *command_find(const char *name);

/** command_help() - Print a subcommand's help on standard output; returns 0 */
int command_help(const char *name);

/**
 * command_fail() - Print a failure on standard error
 * Return: its exit status
 */
int command_fail(const struct hybridge_error *err);

/**
 * command_usage() - Complain about the command line
 * @name: The subcommand
 * @what: What is wrong
 *
 * Return: 64, the exit status
 */
int command_usage(const char *name, const char *what);

/**
 * command_option() - Complain about an option that getopt_long(3) has refused
 * @name:    The subcommand
 * @options: Its long options
 * @typed:   Where getopt_long() went on: argv + optind, as that was before the call
 * @missing: Whether it returned ':', as the option lacks its value
 *
 * Return: 64, the exit status
 */
int command_option(const char *name, const struct option *options,
		   char *const *typed, bool missing);

int completion_main(int argc, char **argv);
int config_main(int argc, char **argv);
int dev_main(int argc, char **argv);
int doctor_main(int argc, char **argv);
int key_main(int argc, char **argv);
int logs_main(int argc, char **argv);
int ping_main(int argc, char **argv);
int run_main(int argc, char **argv);
int status_main(int argc, char **argv);
int version_main(int argc, char **argv);
int wait_main(int argc, char **argv);

#endif
