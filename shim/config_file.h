/* config_file.h - the env file's text, for a moment. */
#ifndef SHIM_CONFIG_FILE_H
#define SHIM_CONFIG_FILE_H

#include <stddef.h>

/**
 * struct shim_config_file - What was read
 * @text: NULL when nothing was
 * @len:  Bytes
 */
struct shim_config_file {
	char *text;
	size_t len;
};

/**
 * shim_config_file_read() - Read a regular file of at most 1 MiB
 * @path: The file
 * @out:  Its text, to be released with shim_config_file_wipe(); untouched on
 *        failure
 *
 * Return: 0, or the negative errno
 */
int shim_config_file_read(const char *path, struct shim_config_file *out);

/**
 * shim_config_file_wipe() - Overwrite and release what was read
 * @file: May hold nothing; holds nothing afterwards
 */
void shim_config_file_wipe(struct shim_config_file *file);

#endif
