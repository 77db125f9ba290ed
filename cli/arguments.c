/*
 * arguments.c - reads the command line of the commands that look at a configuration.
 */
#include "arguments.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include <hybridge/config.h>
#include <hybridge/daemon.h>

#include "command.h"
#include "dev.h"

#define OPTIONS_MAX 4
#define COUNT_MAX   1000000

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

static int parse_count(const char *text, uint32_t *out)
{
	unsigned long count;
	char *end;

	errno = 0;
	count = strtoul(text, &end, 10);
	if (text[0] < '1' || text[0] > '9' || *end || errno != 0 ||
	    count > COUNT_MAX)
		return -1;
	*out = (uint32_t)count;
	return 0;
}

/* An option with a value, and what is wrong with that; NULL: nothing. */
static const char *take_value(int option, struct arguments *out)
{
	if (option == 'c')
		return parse_count(optarg, &out->count) == 0
			       ? NULL
			       : "-c wants a number from 1 to 1000000";
	if (option == 'i')
		return hybridge_parse_duration(optarg, &out->interval_ms) == 0
			       ? NULL
			       : "-i wants a time like 1s or 200ms";
	return hybridge_parse_duration(optarg, &out->timeout_ms) == 0
		       ? NULL
		       : "--timeout wants a time like 30s or 5m";
}

int arguments_parse(int argc, char **argv, unsigned int takes,
		    struct arguments *out)
{
	const char *name = argv[0];
	const char *letters = takes & ARGUMENTS_ROUNDS ? ":hf:c:i:" : ":hf:";
	struct option options[OPTIONS_MAX];
	const char *wrong;
	int at, option;

	*out = (struct arguments){.file = hybridge_daemon_config(),
				  .timeout_ms = out->timeout_ms,
				  .count = out->count,
				  .interval_ms = out->interval_ms};
	choose(takes, options);
	opterr = 0;
	while (at = optind, (option = getopt_long(argc, argv, letters, options,
						  NULL)) != -1) {
		if (option == 'f')
			out->file = optarg;
		else if (option == 'j')
			out->as_json = true;
		else if (option == 'h')
			return command_help(name);
		else if (option == '?' || option == ':')
			return command_option(name, options, argv + at,
					      option == ':');
		else if ((wrong = take_value(option, out)))
			return command_usage(name, wrong);
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
