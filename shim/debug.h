/* debug.h - one line to the file that HYBRIDGE_DEBUG names, and nothing without it. */
#ifndef SHIM_DEBUG_H
#define SHIM_DEBUG_H

#include <hybridge/envfile.h>

#include "config.h"

/**
 * shim_debug() - Write one line: time, process, what, about, number
 * @config: Says which file; @config->debug NULL: nothing happens
 * @what:   What happened: constant text
 * @about:  Host, path or file that it is about; len 0: none
 * @number: Port, line or errno; 0: none
 */
void shim_debug(const struct shim_config *config, const char *what,
		struct hybridge_span about, int number);

/**
 * shim_span() - A string as a span
 */
struct hybridge_span shim_span(const char *text);

#endif
