/*
 * dev.h - the embedded relay, agent and sender: what hybridge dev makes for a run.
 */
#ifndef CLI_DEV_H
#define CLI_DEV_H

#include <stdint.h>

#include <hybridge/error.h>

/**
 * struct dev_mapping - HOST:PORT=TARGET:PORT; strings are owned
 */
struct dev_mapping {
	char *host;
	uint16_t port;
	char *target_host;
	uint16_t target_port;
};

/**
 * dev_mapping_parse() - Read one mapping
 * Return: 0 and @out owned by the caller (dev_mapping_free()), or -1 with @err set
 */
HYBRIDGE_MUSTUSE int dev_mapping_parse(const char *text,
				       struct dev_mapping *out,
				       struct hybridge_error *err);

/** dev_mapping_free() - Release; zeroes @mapping */
void dev_mapping_free(struct dev_mapping *mapping);

/**
 * struct dev_files - The files of one run, in a folder of their own
 * @dir: The folder, mode 0700
 */
struct dev_files {
	char *dir;
	char *relay_env;
	char *agent_env;
	char *app_env;
};

/**
 * dev_files_make() - Folder, certificate, and the relay's configuration
 * Return: 0 and @out owned by the caller (dev_files_remove()), or -1 with @err set
 */
HYBRIDGE_MUSTUSE int dev_files_make(struct dev_files *out, size_t num_mappings,
				    struct hybridge_error *err);

/**
 * dev_files_connect() - Now that the relay's port is known: the other two files
 * @relay: HOST:PORT that it listens on
 */
HYBRIDGE_MUSTUSE int dev_files_connect(const struct dev_files *files,
				       const char *relay,
				       const struct dev_mapping *mappings,
				       size_t num_mappings,
				       struct hybridge_error *err);

/** dev_daemons - "hybridge-relay" and the other two, in the order of their start */
#define DEV_DAEMONS 3
extern const char *const dev_daemons[DEV_DAEMONS];

/**
 * dev_folder() - The folder of the run that an env file is of: dev_files.dir
 * @file: Path, perhaps dev_env_running()
 *
 * Return: Owned by the caller; NULL: of none
 */
HYBRIDGE_MUSTUSE char *dev_folder(const char *file);

/**
 * dev_log() - Where a daemon of a run logs, if not to the terminal
 * Return: Owned by the caller; NULL when out of memory
 */
HYBRIDGE_MUSTUSE char *dev_log(const char *dir, const char *daemon);

/** dev_files_remove() - Remove the folder with all that is in it; zeroes @files */
void dev_files_remove(struct dev_files *files);

/**
 * dev_certificate_make() - An authority, and a certificate for localhost and 127.0.0.1
 * @dir: Gets ca.pem, cert.pem and key.pem (mode 0600)
 *
 * ECDSA P-256, good for two days.  The authority's key is forgotten at once.
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int dev_certificate_make(const char *dir,
					  struct hybridge_error *err);

/**
 * dev_env_path() - Where a running hybridge dev leaves a link to its app file
 * Return: Owned by the caller; NULL when there is no place for it
 */
HYBRIDGE_MUSTUSE char *dev_env_path(void);

/** dev_env_running() - The same if one runs; else NULL */
HYBRIDGE_MUSTUSE char *dev_env_running(void);

#endif
