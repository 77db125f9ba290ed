/*
 * find.h - where our own files and the user's programs are.
 */
#ifndef CLI_FIND_H
#define CLI_FIND_H

#include <hybridge/error.h>

/**
 * find_own() - A file that was installed, or built, together with this program
 * @name: "libhybridge.so", "hybridge-sender" ...
 * @err:  Set on failure: which places were looked at
 *
 * Looked for beside the executable, then in ../lib/hybridge and ../sbin.
 *
 * Return: Absolute path, owned by the caller; or NULL
 */
HYBRIDGE_MUSTUSE char *find_own(const char *name, struct hybridge_error *err);

/**
 * find_program() - What a shell would run: execvp(3), past folders of PATH that may not be searched
 * Return: Path, owned by the caller; or NULL with errno: ENOENT, EACCES
 */
HYBRIDGE_MUSTUSE char *find_program(const char *name);

#endif
