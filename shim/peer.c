/*
 * peer.c - getpeername() gives the address and port back that the program
 * asked for, where the hold could not have them.
 *
 * The hold's address stands for one host.  An IP literal's is replaced by the
 * literal.  A port that is not one of the host's mapped ports was the hold's
 * second choice: the sender knows the first.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>

#include "hold.h"
#include "libc.h"
#include "sys.h"
#include "talk.h"

#define EPHEMERAL_MIN 32768 /* ip_local_port_range's usual start */

struct peer {
	struct hybridge_ip ip;
	uint16_t port;
};

static bool has_port(const struct shim_config *config,
		     const struct hybridge_map_entry *entry, uint16_t port)
{
	const struct hybridge_map_entry *found =
		hybridge_map_find_name(&config->map, entry->host, port, NULL);

	/* Of "every port" an ephemeral one may be a second choice all the same. */
	return found && (found->num_ports > 0 || port < EPHEMERAL_MIN);
}

static bool suffix_has_port(const struct shim_config *config, uint16_t port)
{
	if (config->has_wide_block || port >= EPHEMERAL_MIN)
		return false;
	for (size_t i = 0; i < config->map.len; i++) {
		const struct hybridge_map_entry *entry =
			&config->map.entries[i];

		if (entry->kind != HYBRIDGE_MAP_SUFFIX)
			continue;
		if (entry->num_ports == 0)
			return true;
		for (size_t n = 0; n < entry->num_ports; n++)
			if (entry->ports[n] == port)
				return true;
	}
	return false;
}

/* Asks the sender what this socket was connected to. */
static void ask(const struct shim_config *config, int fd, struct peer *peer)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);
	struct hybridge_local_msg msg;
	struct hybridge_span host;
	struct hybridge_ip local;
	uint16_t local_port;

	if (sys_getsockname(fd, &at, &len) < 0 ||
	    !shim_ip_of((struct sockaddr *)&at, len, &local, &local_port))
		return;
	msg = shim_message(HYBRIDGE_LOCAL_PEER, (struct hybridge_span){"", 0},
			   &local, peer->port);
	msg.addr_port = local_port;
	if (shim_ask(config, &msg) < 0 || msg.port == 0)
		return;
	peer->port = msg.port;
	host = (struct hybridge_span){msg.host, msg.host_len};
	if (host.len == 0 || hybridge_ip_parse(host, &peer->ip))
		return;
	/* ::1 says nothing about the host: its own address does. */
	if (peer->ip.family == 6) {
		uint32_t v4 = hybridge_address_v4(config->range, host);

		hybridge_address_v6(v4, peer->ip.bytes);
	}
}

/* Returns whether @peer was changed. */
static bool translate(const struct shim_config *config, int fd,
		      struct peer *peer)
{
	static const uint8_t loopback[16] = {[15] = 1};
	struct peer before = *peer;
	const struct hybridge_map_entry *entry;
	uint32_t v4;

	entry = shim_match_address(config, &peer->ip, &v4);
	if (v4 == 0) {
		if (peer->ip.family == 6 &&
		    memcmp(peer->ip.bytes, loopback, 16) == 0 &&
		    shim_hold_was_v6(fd))
			ask(config, fd, peer);
	} else if (entry ? !has_port(config, entry, peer->port)
			 : (config->has_suffix || config->has_wide_block) &&
				   !suffix_has_port(config, peer->port)) {
		ask(config, fd, peer);
	}
	if (entry && entry->kind == HYBRIDGE_MAP_BLOCK)
		peer->ip = entry->block;
	return before.port != peer->port ||
	       before.ip.family != peer->ip.family ||
	       memcmp(before.ip.bytes, peer->ip.bytes, 16) != 0;
}

static socklen_t make_sockaddr(const struct peer *peer, sa_family_t family,
			       struct sockaddr_storage *out)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_port = htons(peer->port)};
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(peer->port)};

	memset(out, 0, sizeof(*out));
	if (family == AF_INET && peer->ip.family == 4) {
		memcpy(&in.sin_addr, peer->ip.bytes, 4);
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	if (peer->ip.family == 4) {
		in6.sin6_addr.s6_addr[10] = 0xff;
		in6.sin6_addr.s6_addr[11] = 0xff;
		memcpy(in6.sin6_addr.s6_addr + 12, peer->ip.bytes, 4);
	} else {
		memcpy(&in6.sin6_addr, peer->ip.bytes, 16);
	}
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}

SHIM_EXPORT int getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	const struct shim_config *config = shim_config();
	socklen_t room = len ? *len : 0, full;
	int ret = shim_libc.getpeername(fd, addr, len);
	struct sockaddr_storage out;
	struct peer peer = {.port = 0};

	if (ret < 0 || !len || config->map.len == 0 || room < *len ||
	    !shim_ip_of(addr, *len, &peer.ip, &peer.port) ||
	    !translate(config, fd, &peer))
		return ret;
	full = make_sockaddr(&peer, addr->sa_family, &out);
	memcpy(addr, &out, full < room ? full : room);
	*len = full;
	return ret;
}
