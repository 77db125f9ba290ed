/*
 * main.c - hybridge: finds the subcommand and runs it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "suggest.h"

#define COMMANDS_MAX 32

static void print_overview(FILE *to)
{
	fputs("Usage: hybridge COMMAND [ARG...]\n\n"
	      "Unmodified programs reach private TCP services through a "
	      "relay.\n\n",
	      to);
	for (const struct command *command = commands; command->name; command++)
		fprintf(to, "  %-10s  %s\n", command->name, command->help);
	fputs("\nhybridge COMMAND --help says more; hybridge --version shows "
	      "the version.\n",
	      to);
}

static int unknown(const char *name)
{
	struct hybridge_error err = {0};
	const char *names[COMMANDS_MAX] = {NULL};
	const char *near;

	for (size_t i = 0; commands[i].name && i + 1 < COMMANDS_MAX; i++)
		names[i] = commands[i].name;
	near = suggest(name, names);
	hybridge_fail(&err, HYBRIDGE_EUSAGE, "'%s' is not a command", name);
	if (near)
		hybridge_hint(&err, "did you mean 'hybridge %s'?", near);
	else
		hybridge_hint(&err, "hybridge --help lists them");
	return command_fail(&err);
}

/* What nobody could read was not shown; a script must not go on with nothing. */
static int check_output(int status)
{
	struct hybridge_error err = {0};

	errno = 0;
	if (status != 0 || (fflush(stdout) == 0 && !ferror(stdout)))
		return status;
	hybridge_fail(&err, HYBRIDGE_ESYSTEM, "cannot write the output: %s",
		      strerror(errno ? errno : EIO));
	return command_fail(&err);
}

static int run_command(const struct command *command, int argc, char **argv)
{
	int status = command->main(argc, argv);

	/* Its status is that of what it ran, wherever its own lines went. */
	return command->main == dev_main ? status : check_output(status);
}

int main(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		print_overview(stderr);
		return 64;
	}
	if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		print_overview(stdout);
		return check_output(0);
	}
	if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0)
		return check_output(version_main(1, argv + 1));
	command = command_find(argv[1]);
	return command ? run_command(command, argc - 1, argv + 1)
		       : unknown(argv[1]);
}
