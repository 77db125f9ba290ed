/* match.c - does an address or a name belong to the map? */
#include <netinet/in.h>
#include <string.h>

#include "match.h"

#define NAME_MAX_LEN 254 /* with a trailing dot */

bool shim_ip_of(const struct sockaddr *addr, socklen_t len,
		struct hybridge_ip *ip, uint16_t *port)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	if (!addr || len < sizeof(sa_family_t))
		return false;
	memset(ip, 0, sizeof(*ip)); /* it may be sent to another process */
	if (addr->sa_family == AF_INET && len >= sizeof(in)) {
		memcpy(&in, addr, sizeof(in));
		ip->family = 4;
		memcpy(ip->bytes, &in.sin_addr, 4);
		*port = ntohs(in.sin_port);
		return true;
	}
	/* The kernel, too, does without the scope (RFC 2133's shorter form). */
	if (addr->sa_family != AF_INET6 ||
	    len < offsetof(struct sockaddr_in6, sin6_scope_id))
		return false;
	memcpy(&in6, addr, offsetof(struct sockaddr_in6, sin6_scope_id));
	*port = ntohs(in6.sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
		ip->family = 4;
		memcpy(ip->bytes, in6.sin6_addr.s6_addr + 12, 4);
		return true;
	}
	ip->family = 6;
	memcpy(ip->bytes, &in6.sin6_addr, 16);
	return true;
}

const struct hybridge_map_entry *
shim_match_address(const struct shim_config *config,
		   const struct hybridge_ip *ip, uint32_t *v4)
{
	*v4 = 0;
	if (!hybridge_address_is_ours(config->range, ip, v4))
		return NULL;
	for (size_t i = 0; i < config->map.len; i++)
		if (config->addresses[i] == *v4)
			return &config->map.entries[i];
	return NULL;
}

static enum shim_whose mapped(const struct hybridge_map_entry *found,
			      bool known)
{
	if (found)
		return SHIM_MAPPED;
	return known ? SHIM_UNMAPPED_PORT : SHIM_FOREIGN;
}

/* An address that may have been given out for a name. */
static enum shim_whose match_ours(const struct shim_config *config,
				  const struct hybridge_map_entry *entry,
				  struct shim_target *target)
{
	const struct hybridge_map_entry *found;
	bool known = false;

	if (!entry) {
		target->host = (struct hybridge_span){target->text, 0};
		return config->has_suffix ? SHIM_MAPPED : SHIM_FOREIGN;
	}
	target->host = entry->host;
	found = hybridge_map_find_name(&config->map, entry->host, target->port,
				       &known);
	return mapped(found, known);
}

static enum shim_whose match_literal(const struct shim_config *config,
				     struct shim_target *target)
{
	const struct hybridge_map_entry *found;
	bool known = false;

	if (!config->has_block)
		return SHIM_FOREIGN;
	found = hybridge_map_find_ip(&config->map, &target->asked, target->port,
				     &known);
	if (!known)
		return SHIM_FOREIGN;
	target->host.text = target->text;
	target->host.len = hybridge_ip_format(&target->asked, target->text);
	target->hold = hybridge_address_v4(config->range, target->host);
	return mapped(found, known);
}

enum shim_whose shim_match(const struct shim_config *config,
			   const struct sockaddr *addr, socklen_t len,
			   struct shim_target *target)
{
	const struct hybridge_map_entry *entry;

	if (config->map.len == 0 ||
	    !shim_ip_of(addr, len, &target->asked, &target->port))
		return SHIM_FOREIGN;
	entry = shim_match_address(config, &target->asked, &target->hold);
	if (target->hold != 0) {
		enum shim_whose whose = match_ours(config, entry, target);

		if (whose != SHIM_FOREIGN)
			return whose;
	}
	return match_literal(config, target);
}

bool shim_match_name(const struct shim_config *config, const char *name,
		     uint32_t *v4, const struct hybridge_map_entry **entry)
{
	struct hybridge_span text = {name, 0};
	struct hybridge_ip ip;

	if (config->map.len == 0 || !name)
		return false;
	while (text.len <= NAME_MAX_LEN && name[text.len] != '\0')
		text.len++;
	if (text.len > NAME_MAX_LEN || hybridge_ip_parse(text, &ip))
		return false;
	*entry = hybridge_map_find_name(&config->map, text, 0, NULL);
	if (!*entry)
		return false;
	*v4 = hybridge_address_v4(config->range, text);
	return true;
}
