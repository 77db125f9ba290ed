/*
 * preflight.h - whether the loader will preload the shim into a program.
 */
#ifndef CLI_PREFLIGHT_H
#define CLI_PREFLIGHT_H

#include <stddef.h>
#include <stdint.h>

#include <hybridge/error.h>

enum preflight_result {
	PREFLIGHT_OK,
	PREFLIGHT_STATIC,  /* no program interpreter: nothing is preloaded */
	PREFLIGHT_FOREIGN, /* made for another machine than the shim */
	PREFLIGHT_PRIVILEGED, /* setuid, setgid, capabilities: the loader ignores LD_PRELOAD */
	PREFLIGHT_UNKNOWN, /* neither ELF nor a script */
};

/**
 * preflight_elf() - Judge the beginning of an ELF file
 * @buf: From the start of the file
 * @len: Bytes: program headers behind them are not seen
 */
enum preflight_result preflight_elf(const uint8_t *buf, size_t len);

/**
 * preflight_check() - Judge a program, following the #! of scripts
 * @path: The program
 * @err:  Set unless PREFLIGHT_OK: what will not work, why, what to do
 */
enum preflight_result preflight_check(const char *path,
				      struct hybridge_error *err);

#endif
