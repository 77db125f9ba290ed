/*
 * sources.h - the files that a sender's configuration was read from: have they changed?
 */
#ifndef SENDER_SOURCES_H
#define SENDER_SOURCES_H

#include <stdbool.h>

#include <hybridge/config.h>
#include <hybridge/error.h>

struct sources;

/**
 * sources_new() - Remember how the files of a configuration look now
 * Its own, those of connection strings, and that of authorities.
 *
 * Return: Owned by the caller (sources_free()), or NULL when out of memory
 */
HYBRIDGE_MUSTUSE struct sources *
sources_new(const struct hybridge_config *config);

/**
 * sources_changed() - Whether one of them is another than when this was asked last
 * A system call for each.
 */
bool sources_changed(struct sources *sources);

/** sources_free() - NULL is fine */
void sources_free(struct sources *sources);

#endif
