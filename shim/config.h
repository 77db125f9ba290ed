/*
 * config.h - the part of the configuration that the shim may know: hosts,
 * range, socket, debug file, sender program.  Never a credential.
 */
#ifndef SHIM_CONFIG_H
#define SHIM_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <hybridge/address.h>
#include <hybridge/hostmap.h>

/**
 * struct shim_config - What is mapped, and where the sender is; never changes
 * @map:        Everything that is mapped; empty: the shim does nothing at all
 * @addresses:  By entry: the address given out for it, 0 for those without one
 * @range:      Where the addresses come from
 * @has_suffix: Whether some entry is a suffix
 * @has_block:  Whether some entry is an address or a block
 * @has_wide_block: Whether some block holds more than one address
 * @socket:     Sender's socket; empty when the path is too long
 * @debug:      HYBRIDGE_DEBUG, or NULL
 * @sender:     HYBRIDGE_SENDER, or NULL
 * @env_file:   HYBRIDGE_ENV as an absolute path, or NULL
 * @folder:     Where relative paths of the environment start: it ends with "/", or
 *              is empty
 */
struct shim_config {
	struct hybridge_map map;
	const uint32_t *addresses;
	struct hybridge_range range;
	bool has_suffix;
	bool has_block;
	bool has_wide_block;
	char socket[108];
	const char *debug;
	const char *sender;
	const char *env_file;
	const char *folder;
};

/** shim_config_current - Set once, by shim_config_load() */
extern const struct shim_config *_Atomic shim_config_current;

/**
 * shim_config_load() - Read the configuration and publish it
 *
 * Threads that race here read it each for themselves; the first to finish
 * wins.  No lock, so that a fork at any moment is safe.
 *
 * Return: The configuration; with an empty map when there is none
 */
const struct shim_config *shim_config_load(void);

/**
 * shim_config() - The configuration, read when the library is loaded, or else at the first call
 * Return: Never NULL
 */
static inline const struct shim_config *shim_config(void)
{
	const struct shim_config *config = atomic_load_explicit(
		&shim_config_current, memory_order_acquire);

	return config ? config : shim_config_load();
}

#endif
