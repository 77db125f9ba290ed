/*
 * file.h - reads small files that may hold secrets.
 */
#ifndef HYBRIDGE_FILE_H
#define HYBRIDGE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <hybridge/error.h>

/**
 * struct hybridge_file - A file's text
 * @path: As opened; not owned
 * @text: Content and a NUL; owned
 * @len:  Bytes without the NUL
 * @mode: Permission bits
 * @uid:  Owner
 */
struct hybridge_file {
	const char *path;
	char *text;
	size_t len;
	mode_t mode;
	uid_t uid;
};

/**
 * hybridge_file_read() - Read a whole file
 * @out: Filled in on success, untouched on failure; points to @path
 * @err: "cannot read 'PATH': reason"
 *
 * Return: 0 and @out owned by the caller (hybridge_file_free()), or -1
 */
HYBRIDGE_MUSTUSE int hybridge_file_read(const char *path,
					struct hybridge_file *out,
					struct hybridge_error *err);

/**
 * hybridge_file_check_private() - Refuse a file that others can get at
 *
 * Its owner must be us or root, and nobody but owner and group may read it,
 * nobody but the owner write it.
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int
hybridge_file_check_private(const struct hybridge_file *file,
			    struct hybridge_error *err);

/** hybridge_file_same() - Whether two looks at a path found one file, not written in between */
bool hybridge_file_same(const struct stat *a, const struct stat *b);

/** hybridge_file_free() - Wipe and release the text */
void hybridge_file_free(struct hybridge_file *file);

#endif
