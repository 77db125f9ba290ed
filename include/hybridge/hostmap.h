/*
 * hostmap.h - which host:port pairs go through which connection.
 *
 * Pure and free of dependencies: shared by the shim, the sender and the
 * command line.  Entries point into the text that they were parsed from.
 *
 * An item is HOST:PORT, HOST:*, HOST:P1,P2, *.SUFFIX:PORT, an IPv4 literal,
 * [IPv6], or a block A.B.C.D/N:PORT or [X::]/N:PORT.  Items are separated by
 * blanks.  Host names are compared without regard to case, one trailing dot
 * is ignored.  Of several entries, an exact name wins over a suffix, a longer
 * suffix over a shorter one, a longer prefix over a shorter one, and of equals
 * the first.
 */
#ifndef HYBRIDGE_HOSTMAP_H
#define HYBRIDGE_HOSTMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hybridge/envfile.h>

#define HYBRIDGE_MAP_PORTS 16 /* ports that one item may list */

enum hybridge_map_kind {
	HYBRIDGE_MAP_NAME, /* db.corp */
	HYBRIDGE_MAP_SUFFIX, /* *.corp: host is "corp"; matches a.corp and a.b.corp, not corp */
	HYBRIDGE_MAP_BLOCK, /* an address or a block of them */
};

/**
 * struct hybridge_ip - An IPv4 or IPv6 address
 * @family: 4 or 6
 * @bytes:  Network order; IPv4 uses the first four
 */
struct hybridge_ip {
	uint8_t family;
	uint8_t bytes[16];
};

/**
 * struct hybridge_map_entry - One item of a HOSTS value
 * @kind:       What @host is
 * @host:       Name or suffix, trailing dot removed, case as written; for a
 *              block, its text without brackets and length
 * @block:      HYBRIDGE_MAP_BLOCK: the address
 * @prefix:     HYBRIDGE_MAP_BLOCK: bits that count (32 or 128: one address)
 * @ports:      Ports that are mapped
 * @num_ports:  How many; 0 means every port
 * @connection: Whatever the caller set: index of the connection
 */
struct hybridge_map_entry {
	enum hybridge_map_kind kind;
	struct hybridge_span host;
	struct hybridge_ip block;
	uint8_t prefix;
	uint8_t num_ports;
	uint16_t connection;
	uint16_t ports[HYBRIDGE_MAP_PORTS];
};

/**
 * struct hybridge_map - All entries
 * @entries: Owned by the caller
 * @len:     How many
 */
struct hybridge_map {
	const struct hybridge_map_entry *entries;
	size_t len;
};

/**
 * hybridge_map_parse_item() - Read the next item of a HOSTS value
 * @text: Rest of the value; moved behind the item
 * @out:  Filled in when an item was read; @out->connection is left alone
 *
 * Return: 1 when an item was read, 0 when only blanks were left, or -1: then
 *         @text is at the offending item and *@why says what is wrong with it;
 *         with the ports alone: @out has the host, and port 0 for them
 */
int hybridge_map_parse_item(struct hybridge_span *text,
			    struct hybridge_map_entry *out, const char **why);

/**
 * hybridge_map_find_name() - The best entry for a host name and port
 * @map:        The map
 * @name:       Host name as the program asked for it, or an IP literal
 * @port:       Port in host order; 0 asks for the host alone
 * @known_host: Set to whether some entry has the host, whatever its ports;
 *              may be NULL
 *
 * Return: The entry, or NULL when no entry has this host and port
 */
const struct hybridge_map_entry *
hybridge_map_find_name(const struct hybridge_map *map,
		       struct hybridge_span name, uint16_t port,
		       bool *known_host);

/**
 * hybridge_map_find_ip() - The best HYBRIDGE_MAP_BLOCK entry for an address
 * As hybridge_map_find_name(), by address.
 */
const struct hybridge_map_entry *
hybridge_map_find_ip(const struct hybridge_map *map,
		     const struct hybridge_ip *ip, uint16_t port,
		     bool *known_host);

/**
 * hybridge_ip_parse() - Read an IPv4 or IPv6 literal, no brackets, no scope
 * Return: true when the whole text was one
 */
bool hybridge_ip_parse(struct hybridge_span text, struct hybridge_ip *out);

/**
 * hybridge_name_equal() - Compare host names: case folded, one trailing dot ignored
 */
bool hybridge_name_equal(struct hybridge_span a, struct hybridge_span b);

#endif
