/* match.h - does an address or a name belong to the map? */
#ifndef SHIM_MATCH_H
#define SHIM_MATCH_H

#include <sys/socket.h>

#include "config.h"

enum shim_whose {
	SHIM_FOREIGN,       /* none of our business */
	SHIM_MAPPED,        /* goes to the sender */
	SHIM_UNMAPPED_PORT, /* the host is mapped, the port is not */
};

/**
 * struct shim_target - What an address stands for
 * @asked: The address in the sockaddr, IPv4-mapped ones as IPv4
 * @port:  Port, host order
 * @hold:  IPv4 loopback address to hold the connect() on, host order
 * @host:  Mapped name, or the address's text; empty for an address given out
 *         for a name that only the sender knows.  Points into the
 *         configuration or to @text
 * @text:  Room for an address's text
 */
struct shim_target {
	struct hybridge_ip asked;
	uint16_t port;
	uint32_t hold;
	struct hybridge_span host;
	char text[HYBRIDGE_IP_TEXT];
};

/**
 * shim_ip_of() - Read an AF_INET or AF_INET6 address
 * @addr: Address, or NULL
 * @len:  Its length
 * @ip:   IPv4-mapped addresses become IPv4
 * @port: Host order
 *
 * Return: false when it is neither
 */
bool shim_ip_of(const struct sockaddr *addr, socklen_t len,
		struct hybridge_ip *ip, uint16_t *port);

/**
 * shim_match() - Whose is this address?
 * @config: The configuration
 * @addr:   As the program gave it; may be NULL
 * @len:    As the program gave it
 * @target: Filled in unless the answer is SHIM_FOREIGN
 *
 * Makes no system call.
 */
enum shim_whose shim_match(const struct shim_config *config,
			   const struct sockaddr *addr, socklen_t len,
			   struct shim_target *target);

/**
 * shim_match_address() - The entry that an address was given out for
 * @ip: Any address
 * @v4: Set when the address is one of ours: its IPv4 form
 *
 * Return: The entry; NULL when the address is not ours (@v4 0), or when its
 *         name came from a suffix entry or its address from a block
 */
const struct hybridge_map_entry *
shim_match_address(const struct shim_config *config,
		   const struct hybridge_ip *ip, uint32_t *v4);

/**
 * shim_match_name() - The address of a mapped host name
 * @name:  As the program asked for it
 * @v4:    Set when the name is mapped
 * @entry: Set to the entry when the name is mapped
 *
 * Return: Whether it is mapped; IP literals are not names
 */
bool shim_match_name(const struct shim_config *config, const char *name,
		     uint32_t *v4, const struct hybridge_map_entry **entry);

#endif
