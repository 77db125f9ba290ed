/*
 * names.h - which address was given out for which name that matched a suffix.
 */
#ifndef SENDER_NAMES_H
#define SENDER_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/error.h>

#define NAMES_MAX 65536

struct name;

/** struct names - Start with {0}, end with names_free() */
struct names {
	struct name *by_address;
};

/**
 * names_remember() - A name got this address; the oldest one goes when there are NAMES_MAX
 * @address: IPv4, host order
 * @name:    Copied
 *
 * Return: 0, also when names_share() has said that it has none; or -1 when out of memory
 */
HYBRIDGE_MUSTUSE int names_remember(struct names *names, uint32_t address,
				    const char *name);

/**
 * names_share() - Another name has this address, too
 * Nobody can tell any more which of them a connect() means: it has no name from now on.
 */
void names_share(struct names *names, uint32_t address);

/** names_find() - The name that has this address, or NULL */
const char *names_find(const struct names *names, uint32_t address);

/** names_is_shared() - Whether names_share() has said so of this address */
bool names_is_shared(const struct names *names, uint32_t address);

/** names_each() - Show all, oldest first, shared ones as NULL; @show must not change them */
void names_each(const struct names *names,
		void (*show)(void *owner, uint32_t address, const char *name),
		void *owner);

/** names_count() - How many are known */
unsigned int names_count(const struct names *names);

/** names_free() - Release all */
void names_free(struct names *names);

#endif
