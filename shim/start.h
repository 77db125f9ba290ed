/* start.h - creates the sender's process. */
#ifndef SHIM_START_H
#define SHIM_START_H

#include "config.h"

/**
 * shim_start_program() - Where the sender's program is
 * @out: Filled with its path
 *
 * HYBRIDGE_SENDER, or hybridge-sender beside the library or in the sbin and
 * bin directories that belong to it.
 *
 * Return: 0, or the negative errno
 */
int shim_start_program(const struct shim_config *config, char out[static 4096]);

/**
 * shim_start_process() - Run the sender
 * @program:  Path
 * @listener: Becomes its descriptor 3, all others but 0 to 2 are closed
 *
 * Returns when the program has been executed.  The process has no relation to
 * this one that wait() would show.
 *
 * Return: 0, or the negative errno
 */
int shim_start_process(const struct shim_config *config, const char *program,
		       int listener);

#endif
