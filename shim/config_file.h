/* config_file.h - the env file's text, for a moment. */
#ifndef SHIM_CONFIG_FILE_H
#define SHIM_CONFIG_FILE_H

#include <hybridge/envfile.h>

/**
 * shim_config_file_read() - Read a regular file of at most 1 MiB
 * @path: The file
 * @out:  Its text, to be released with shim_config_file_wipe()
 *
 * Return: 0, or the negative errno
 */
int shim_config_file_read(const char *path, struct hybridge_span *out);

/**
 * shim_config_file_wipe() - Overwrite and release what was read
 * @text: May be {NULL, 0}
 */
void shim_config_file_wipe(struct hybridge_span text);

#endif
