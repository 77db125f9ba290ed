/*
 * arguments.c - reads the command line of the commands that look at a configuration.
 */
#include "arguments.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include <hybridge/config.h>
#include <hybridge/daemon.h>

#include "command.h"
#include "dev.h"

#define OPTIONS_MAX 4

/* Those that the command takes, and --help. */
static void choose(unsigned int takes, struct option out[static OPTIONS_MAX])
{
	size_t len = 0;

	memset(out, 0, OPTIONS_MAX * sizeof(*out));
	if (takes & ARGUMENTS_JSON)
		out[len++] = (struct option){"json", no_argument, NULL, 'j'};
	if (takes & ARGUMENTS_TIMEOUT)
		out[len++] = (struct option){"timeout", required_argument, NULL,
					     't'};
	out[len] = (struct option){"help", no_argument, NULL, 'h'};
}

int arguments_parse(int argc, char **argv, unsigned int takes,
		    struct arguments *out)
{
	const char *name = argv[0];
	struct option options[OPTIONS_MAX];
	int at, option;

	*out = (struct arguments){.file = hybridge_daemon_config(),
				  .timeout_ms = out->timeout_ms};
	choose(takes, options);
	opterr = 0;
	while (at = optind, (option = getopt_long(argc, argv, ":hf:", options,
						  NULL)) != -1) {
		if (option == 'f')
			out->file = optarg;
		else if (option == 'j')
			out->as_json = true;
		else if (option == 'h')
			return command_help(name);
		else if (option != 't')
			return command_option(name, options, argv + at,
					      option == ':');
		else if (hybridge_parse_duration(optarg, &out->timeout_ms) != 0)
			return command_usage(name, "--timeout wants a time "
						   "like 30s or 5m");
	}
	out->rest = argv + optind;
	out->num = argc - optind;
	if (!out->file)
		out->file = out->dev = dev_env_running();
	return -1;
}

void arguments_free(struct arguments *arguments)
{
	free(arguments->dev);
	*arguments = (struct arguments){0};
}
