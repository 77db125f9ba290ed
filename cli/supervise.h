/*
 * supervise.h - runs a program as a child that may not go on without the shim.
 */
#ifndef CLI_SUPERVISE_H
#define CLI_SUPERVISE_H

#include "probe.h"

/**
 * supervise() - Run a program to its end; kill it when it does not load the shim
 * @path:  What to execute
 * @argv:  Its arguments; argv[0] is its name in messages
 * @env:   Its environment, where probe_open() has named @probe
 * @probe: Closed here
 *
 * To its caller and to its terminal this process then looks like the program:
 * signals are passed on, and it stops and goes on together with it.  Should it be killed
 * itself, the program is killed as well.  All other children that end
 * meanwhile are reaped: this may be process 1 of a container.
 *
 * Return: The exit status: the program's own; 128 + N when signal N killed it;
 *         126 and 127 when it could not be executed; 126 when the shim was not
 *         loaded within PROBE_SECONDS, or before the program ended
 */
int supervise(const char *path, char *const *argv, char *const *env,
	      struct probe *probe);

#endif
