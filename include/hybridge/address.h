/*
 * address.h - the loopback address that stands for a mapped host name.
 *
 * Pure and free of dependencies.  The address is a function of the name (and
 * of the configured range) alone, so every process, every run and every
 * machine computes the same one: a program may resolve in one process and
 * connect in another.
 */
#ifndef HYBRIDGE_ADDRESS_H
#define HYBRIDGE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/hostmap.h>

#define HYBRIDGE_IP_TEXT 46 /* bytes of an address as text, with its NUL */

/**
 * struct hybridge_range - Block of IPv4 addresses to take from
 * @base:   First address, host order
 * @prefix: Bits that are fixed, 8 to 24
 */
struct hybridge_range {
	uint32_t base;
	uint8_t prefix;
};

/* 127.64.0.0/10: loopback, away from what people use by hand. */
#define HYBRIDGE_RANGE_DEFAULT ((struct hybridge_range){0x7f400000u, 10})

/**
 * hybridge_range_parse() - Read A.B.C.D/N with N from 8 to 24
 * Return: true when it is one and the host bits are zero
 */
bool hybridge_range_parse(struct hybridge_span text,
			  struct hybridge_range *out);

/**
 * hybridge_address_v4() - The IPv4 address for a name
 * @range: Where to take it from
 * @name:  Host name or IP literal; case and one trailing dot do not matter
 *
 * FNV-1a (64 bit) of the folded name, xor-folded into the host bits; the last byte
 * is never 0 or 255.  Of an IP literal its canonical text counts, however it was
 * written.
 *
 * Return: Address in host order
 */
uint32_t hybridge_address_v4(struct hybridge_range range,
			     struct hybridge_span name);

/**
 * hybridge_address_v6() - The unique-local address for callers that want only IPv6
 * @v4:  What hybridge_address_v4() returned
 * @out: fd68:7962:7269:6467::/96 (RFC 4193) followed by @v4
 */
void hybridge_address_v6(uint32_t v4, uint8_t out[static 16]);

/**
 * hybridge_address_is_ours() - Whether an address can be one that we gave out
 * @range: The configured range
 * @ip:    The address: inside @range, IPv4-mapped inside it, or in our IPv6 block
 * @v4:    Set to the IPv4 form, host order
 */
bool hybridge_address_is_ours(struct hybridge_range range,
			      const struct hybridge_ip *ip, uint32_t *v4);

/**
 * hybridge_address_lookup() - Exact entry of a map whose address this is
 * @map:   The map
 * @range: The configured range
 * @v4:    Address, host order
 *
 * Only names and single addresses have one; a suffix or block entry never matches.
 *
 * Return: The first entry, or NULL
 */
const struct hybridge_map_entry *
hybridge_address_lookup(const struct hybridge_map *map,
			struct hybridge_range range, uint32_t v4);

/**
 * hybridge_ip_format() - Write an address as canonical text (RFC 5952)
 * @ip:  Address
 * @out: Text, NUL-terminated; no dotted quad inside an IPv6 address
 *
 * Return: Length of the text
 */
size_t hybridge_ip_format(const struct hybridge_ip *ip,
			  char out[static HYBRIDGE_IP_TEXT]);

#endif
