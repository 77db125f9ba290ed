/* names.h - what the hooks of the resolver family have in common. */
#ifndef SHIM_NAMES_H
#define SHIM_NAMES_H

#include <netdb.h>

#include "match.h"

#define SHIM_HOST_SIZE 256 /* a host name with its NUL */

/**
 * struct shim_name - A mapped name that a program asks for
 * @text:  The name, NUL-terminated, as asked for, without a trailing dot
 * @len:   Its length
 * @v4:    The address given out for it, host order
 */
struct shim_name {
	char text[SHIM_HOST_SIZE];
	size_t len;
	uint32_t v4;
};

/** enum shim_known - What the map says of a name */
enum shim_known {
	SHIM_NAME_OTHER,  /* not mapped: libc's affair */
	SHIM_NAME_MAPPED, /* has an address */
	SHIM_NAME_SHARES, /* mapped, but its address is another entry's: the look-up must fail */
};

/**
 * shim_name_resolve() - Look a name up in the map
 * @name: As the program asked for it; may be NULL
 * @out:  Filled in when it is SHIM_NAME_MAPPED
 *
 * Of a name that a suffix entry matches, the sender is told which address it
 * got: connect() will know only that.
 */
enum shim_known shim_name_resolve(const char *name, struct shim_name *out);

/**
 * shim_name_of_address() - The name that an address was given out for
 * @ip:   Any address
 * @out:  The name, NUL-terminated
 *
 * Asks the sender for addresses that only it knows.
 *
 * Return: Whether there is one
 */
bool shim_name_of_address(const struct hybridge_ip *ip,
			  char out[static SHIM_HOST_SIZE]);

/**
 * shim_suggest() - A look-up of a name that is not mapped has failed
 * @name: As the program asked for it; may be NULL
 *
 * Tells the sender's log when the map has other names of the same domain.
 * Leaves errno alone.
 */
void shim_suggest(const char *name);

/**
 * struct shim_hostent - Everything that a hostent(3) points to
 */
struct shim_hostent {
	char *addresses[2];
	char *aliases[1];
	unsigned char address[16];
	char name[SHIM_HOST_SIZE];
};

/**
 * shim_hostent_fill() - Build a host entry
 * @buf:    Memory for what it points to, aligned or not
 * @size:   Bytes of it
 * @name:   Official name
 * @family: AF_INET or AF_INET6
 * @addr:   4 or 16 bytes
 *
 * Return: false when @buf is too small
 */
bool shim_hostent_fill(struct hostent *out, char *buf, size_t size,
		       const char *name, int family, const void *addr);

/**
 * shim_hostent_reply() - What a function of the _r form returns
 * @fits:     Whether the buffer was large enough
 * @entry:    The caller's entry
 * @result:   Set to @entry, or to NULL
 * @h_errnop: Set
 *
 * Return: 0, or ERANGE, which is in errno too then, as libc has it
 */
int shim_hostent_reply(bool fits, struct hostent *entry,
		       struct hostent **result, int *h_errnop);

/**
 * shim_hostent_fail() - What a function of the _r form returns for SHIM_NAME_SHARES
 * Return: 0, with *@result NULL and *@h_errnop NO_RECOVERY
 */
int shim_hostent_fail(struct hostent **result, int *h_errnop);

#endif
