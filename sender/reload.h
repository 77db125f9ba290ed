/*
 * reload.h - another configuration for a sender that runs.
 */
#ifndef SENDER_RELOAD_H
#define SENDER_RELOAD_H

#include <stdint.h>

#include <hybridge/config.h>
#include <hybridge/error.h>

struct sender;
struct sources;

/**
 * struct reload_failure - The last reading, if it was in vain
 * @at_us: When that was, as hybridge_loop_now_us() counts
 * @why:   What is logged of it; HYBRIDGE_OK: it was not
 */
struct reload_failure {
	int64_t at_us;
	struct hybridge_error why;
};

/**
 * reload_read() - Read a configuration, and remember how its files looked
 * @path:    Env file, or NULL
 * @sources: Set to what remembers them, the caller's (sources_free())
 * @out:     The caller's (hybridge_config_free())
 *
 * What is written meanwhile shows as a change.
 *
 * Return: 0, or -1 with @err set and nothing to release
 */
HYBRIDGE_MUSTUSE int reload_read(const char *path, struct sources **sources,
				 struct hybridge_config *out,
				 struct hybridge_error *err);

/**
 * reload() - Read the files again
 *
 * Connects from now on go as they say; those that are on their way, and streams, stay as they are.
 * What cannot be used is logged, and changes nothing.
 */
void reload(struct sender *sender);

/**
 * reload_if_changed() - reload(), if a file has changed and the library started this sender
 * Nobody else would.  What could not be used is tried again at a connect a second later, as the
 * cause may lie outside of the files.  One that was started by hand says, once for each change,
 * that it can be told to.
 */
void reload_if_changed(struct sender *sender);

#endif
