/*
 * origin.h - what counts as one caller: an IPv4 address, or an IPv6 network.
 */
#ifndef HYBRIDGE_RELAY_ORIGIN_H
#define HYBRIDGE_RELAY_ORIGIN_H

#include <stdint.h>
#include <string.h>

#include <hybridge/hostmap.h>

#define ORIGIN_LEN 8

/** struct origin - Hash key; the /64 network is what one IPv6 customer has */
struct origin {
	uint8_t key[ORIGIN_LEN];
};

/** origin_of() - The origin that an address belongs to */
static inline struct origin origin_of(const struct hybridge_ip *ip)
{
	struct origin origin = {{0}};

	memcpy(origin.key, ip->bytes, ip->family == 4 ? 4 : ORIGIN_LEN);
	return origin;
}

#endif
