/*
 * resolve.c - getaddrinfo(): a mapped name becomes its numeric address, and
 * libc builds the result, so that freeaddrinfo() is libc's own.
 *
 * For AF_INET6 libc is asked for the IPv4-mapped form, and the bytes of the
 * unique-local address are written over it.  So is the name over ai_canonname:
 * the numeric text that libc copies there is made as long as the name, by
 * zeros in front of its octal digits.
 */
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>

#include "libc.h"
#include "names.h"

#define OCTETS     4
#define DIGITS_MIN 19 /* 0177.0377.0377.0377 */

/* Writes the address in octal, at least @len characters long. */
static void write_numeric(uint32_t v4, size_t len,
			  char out[static SHIM_HOST_SIZE])
{
	size_t pad = len > DIGITS_MIN ? len - DIGITS_MIN : 0;
	char *at = out;

	memset(at, '0', pad);
	at += pad;
	for (int i = 0; i < OCTETS; i++) {
		uint32_t octet = v4 >> (24 - 8 * i) & 0xff;

		*at++ = '0';
		*at++ = "01234567"[octet >> 6];
		*at++ = "01234567"[octet >> 3 & 7];
		*at++ = "01234567"[octet & 7];
		*at++ = '.';
	}
	at[-1] = '\0';
}

static void patch(struct addrinfo *list, const struct shim_name *name)
{
	for (struct addrinfo *at = list; at; at = at->ai_next) {
		if (at->ai_family == AF_INET6) {
			struct sockaddr_in6 *in6 = (void *)at->ai_addr;

			hybridge_address_v6(name->v4, in6->sin6_addr.s6_addr);
		}
		if (at->ai_canonname && strlen(at->ai_canonname) >= name->len)
			memcpy(at->ai_canonname, name->text, name->len + 1);
	}
}

SHIM_EXPORT int getaddrinfo(const char *name, const char *service,
			    const struct addrinfo *req, struct addrinfo **pai)
{
	struct shim_libc *libc = shim_libc_resolve();
	struct addrinfo own = {.ai_family = AF_UNSPEC};
	char numeric[SHIM_HOST_SIZE];
	struct shim_name mapped;
	enum shim_known known;
	int ret;

	if (req && req->ai_flags & AI_NUMERICHOST)
		return libc->getaddrinfo(name, service, req, pai);
	known = shim_name_resolve(name, &mapped);
	if (known == SHIM_NAME_SHARES)
		return EAI_FAIL;
	if (known == SHIM_NAME_OTHER) {
		ret = libc->getaddrinfo(name, service, req, pai);
		if (ret == EAI_NONAME || ret == EAI_AGAIN)
			shim_suggest(name);
		return ret;
	}
	if (req) {
		own.ai_flags = req->ai_flags & ~(AI_ADDRCONFIG | AI_ALL);
		own.ai_family = req->ai_family;
		own.ai_socktype = req->ai_socktype;
		own.ai_protocol = req->ai_protocol;
	}
	own.ai_flags |= AI_NUMERICHOST;
	if (own.ai_family == AF_INET6)
		own.ai_flags |= AI_V4MAPPED;
	write_numeric(mapped.v4, mapped.len, numeric);
	ret = libc->getaddrinfo(numeric, service, &own, pai);
	if (ret == 0)
		patch(*pai, &mapped);
	return ret;
}
