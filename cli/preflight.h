/*
 * preflight.h - whether the loader will preload the shim into a program.
 */
#ifndef CLI_PREFLIGHT_H
#define CLI_PREFLIGHT_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include <hybridge/error.h>

enum preflight_result {
	PREFLIGHT_OK,
	PREFLIGHT_STATIC,  /* no program interpreter: nothing is preloaded */
	PREFLIGHT_GO,      /* its connections do not go through libc */
	PREFLIGHT_FOREIGN, /* made for another machine than the shim */
	PREFLIGHT_PRIVILEGED, /* setuid, setgid to another than we are: the loader ignores LD_PRELOAD */
	PREFLIGHT_CAPABILITIES, /* the same for file capabilities */
	PREFLIGHT_UNKNOWN, /* neither ELF nor a script, or not to be read */
};

/**
 * struct preflight - What is behind a program's name
 * @program: What the kernel executes in the end: the interpreter of a script, and
 *           what env(1) runs where that is the interpreter
 * @loader:  Its loader (PT_INTERP); "" when there is none
 */
struct preflight {
	char program[PATH_MAX];
	char loader[PATH_MAX];
};

/**
 * preflight_elf() - Judge an ELF file
 * @buf:    All of it
 * @len:    Bytes at @buf
 * @loader: Gets the path of its loader, or ""
 */
enum preflight_result preflight_elf(const uint8_t *buf, size_t len,
				    char loader[static PATH_MAX]);

/**
 * preflight_check() - Judge a program, following the #! of scripts
 * @path: The program
 * @out:  Filled in as far as it was found out
 * @err:  Set unless PREFLIGHT_OK: what will not work, why, what to do
 */
enum preflight_result preflight_check(const char *path, struct preflight *out,
				      struct hybridge_error *err);

#endif
