/*
 * authority.h - the "HOST[:PORT]" part of URLs, end points and targets.
 */
#ifndef HYBRIDGE_AUTHORITY_H
#define HYBRIDGE_AUTHORITY_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/envfile.h>

/**
 * struct hybridge_authority - An authority taken apart
 * @host:     Name, IPv4 literal, or IPv6 literal without its brackets; points
 *            into the text
 * @port:     Its port, 0 when none was given
 * @has_port: Whether one was given
 */
struct hybridge_authority {
	struct hybridge_span host;
	uint16_t port;
	bool has_port;
};

/**
 * hybridge_authority_split() - Take HOST[:PORT] or [V6][:PORT] apart
 * @text: The text
 * @out:  Filled in on success, untouched on failure
 *
 * Host names are letters, digits, '-', '.' and '_'; a port is 1 to 65535.
 *
 * Return: NULL, or what is wrong with @text ("port is not 1 to 65535")
 */
const char *hybridge_authority_split(struct hybridge_span text,
				     struct hybridge_authority *out);

#endif
