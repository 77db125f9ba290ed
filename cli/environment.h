/*
 * environment.h - the environment of the program that is run.
 */
#ifndef CLI_ENVIRONMENT_H
#define CLI_ENVIRONMENT_H

#include <stdbool.h>

#include <hybridge/error.h>

/**
 * environment_copy() - A copy to change
 * Return: Owned by the caller (environment_free()), or NULL when out of memory
 */
HYBRIDGE_MUSTUSE char **environment_copy(char *const *env);

/** environment_free() - Wipe and release; NULL is fine */
void environment_free(char **env);

/**
 * environment_set() - Set, or replace, NAME
 * @env: May move
 *
 * Return: 0, or -1 when out of memory
 */
HYBRIDGE_MUSTUSE int environment_set(char ***env, const char *name,
				     const char *value);

/** environment_get() - Value of NAME, or NULL */
const char *environment_get(char *const *env, const char *name);

/**
 * environment_strip_secrets() - Take out connection strings, and what else the table of
 * keys calls secret with such a value: the program has no use for them
 *
 * Return: Whether there were any
 */
bool environment_strip_secrets(char **env);

/**
 * environment_wipe_secrets() - Overwrite the values of the same in this process's own
 * environment, which /proc shows for as long as the process is there
 */
void environment_wipe_secrets(char **env);

/**
 * environment_preload() - Put the shim in front of LD_PRELOAD (ld.so(8))
 * @shim: Its path; the loader cannot be given one with a blank or a colon
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int environment_preload(char ***env, const char *shim,
					 struct hybridge_error *err);

#endif
