/*
 * run.c - hybridge run: a program with its connections relayed.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hybridge/daemon.h>

#include "command.h"
#include "dev.h"
#include "launch.h"

/* Nobody reads warnings there. */
static bool in_continuous_integration(void)
{
	const char *ci = getenv("CI");

	return ci && *ci && strcmp(ci, "0") != 0 && strcmp(ci, "false") != 0;
}

int run_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"strict", no_argument, NULL, 's'},
		{"no-strict", no_argument, NULL, 'n'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct launch launch = {
		.config = hybridge_daemon_config(),
		.strict = in_continuous_integration(),
	};
	char *path = NULL, *dev = NULL;
	int at, option, status;

	opterr = 0;
	while (at = optind, (option = getopt_long(argc, argv, "+:hf:v", options,
						  NULL)) != -1) {
		if (option == 'f')
			launch.config = optarg;
		else if (option == 's')
			launch.strict = true;
		else if (option == 'n')
			launch.strict = false;
		else if (option == 'v')
			launch.verbose = true;
		else if (option == 'h')
			return command_help("run");
		else
			return command_option("run", options, argv + at,
					      option == ':');
	}
	if (optind >= argc)
		return command_usage("run", "which command?");
	launch.argv = argv + optind;
	if (!launch.config)
		launch.config = dev = dev_env_running();
	status = launch_check(&launch, &path);
	if (status == 0)
		status = launch_exec(&launch, path);
	free(path);
	free(dev);
	return status;
}
