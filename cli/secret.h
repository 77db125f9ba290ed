/*
 * secret.h - random keys, private files, and secrets from standard input.
 */
#ifndef CLI_SECRET_H
#define CLI_SECRET_H

#include <hybridge/error.h>

#define SECRET_KEY_TEXT 45 /* 32 random bytes in base64, with NUL */

/** secret_make_key() - A fresh key, as Azure's: base64 of 32 random bytes */
HYBRIDGE_MUSTUSE int secret_make_key(char out[static SECRET_KEY_TEXT],
				     struct hybridge_error *err);

/**
 * secret_write() - Write a file that only its owner can read
 * Never overwrites.
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int secret_write(const char *path, const char *text,
				  struct hybridge_error *err);

/**
 * secret_read_line() - The first line of standard input
 * Return: Owned by the caller (secret_free()), or NULL with @err set
 */
HYBRIDGE_MUSTUSE char *secret_read_line(struct hybridge_error *err);

/** secret_free() - Wipe and free; NULL is fine */
void secret_free(char *secret);

#endif
