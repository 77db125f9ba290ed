/*
 * version.c - hybridge version: which hybridge this is.
 */
#include <stdio.h>
#include <string.h>

#include "command.h"

int version_main(int argc, char **argv)
{
	if (argc > 1 &&
	    (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0))
		return command_help("version");
	if (argc > 2 || (argc == 2 && strcmp(argv[1], "--json") != 0))
		return command_usage("version", "unexpected argument");
	if (argc == 2)
		printf("{\"schema\":1,\"version\":\"%s\"}\n", HYBRIDGE_VERSION);
	else
		printf("hybridge %s\n", HYBRIDGE_VERSION);
	return 0;
}
