/*
 * reload.h - another configuration for a sender that runs.
 */
#ifndef SENDER_RELOAD_H
#define SENDER_RELOAD_H

#include <hybridge/config.h>
#include <hybridge/error.h>

struct sender;
struct sources;

/**
 * reload_read() - Read a configuration, and remember how its files looked
 * @path:    Env file, or NULL
 * @sources: Set to what remembers them, the caller's (sources_free()); NULL when out of memory
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
 * Nobody else would.  One that was started by hand says, once for each change, that it can be told to.
 */
void reload_if_changed(struct sender *sender);

#endif
