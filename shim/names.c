/* names.c - what the hooks of the resolver family have in common. */
#include <errno.h>
#include <string.h>

#include "debug.h"
#include "names.h"
#include "talk.h"

static void tell_sender(const struct shim_config *config,
			const struct shim_name *name)
{
	struct hybridge_span text = {name->text, name->len};
	struct hybridge_ip ip = {.family = 4};
	struct hybridge_local_msg msg;

	for (unsigned int i = 0; i < 4; i++)
		ip.bytes[i] = (uint8_t)(name->v4 >> (24 - 8 * i));
	msg = shim_message(HYBRIDGE_LOCAL_NAME, text, &ip, 0);
	shim_talk(config, &msg, NULL, 0, SHIM_START_SENDER);
}

/* Of two names with one address connect() could not tell which one is meant. */
static bool shares_address(const struct shim_config *config, uint32_t v4)
{
	for (size_t i = 0; i < config->map.len; i++)
		if (config->addresses[i] == v4)
			return true;
	return false;
}

enum shim_known shim_name_resolve(const char *name, struct shim_name *out)
{
	const struct shim_config *config = shim_config();
	const struct hybridge_map_entry *entry;

	if (!shim_match_name(config, name, &out->v4, &entry))
		return SHIM_NAME_OTHER;
	if (entry->kind == HYBRIDGE_MAP_SUFFIX &&
	    shares_address(config, out->v4)) {
		shim_debug(config,
			   "look-up failed, another entry has this name's "
			   "address: change HYBRIDGE_RANGE",
			   shim_span(name), 0);
		return SHIM_NAME_SHARES;
	}
	out->len = strlen(name);
	memcpy(out->text, name, out->len);
	if (out->len > 0 && out->text[out->len - 1] == '.')
		out->len--;
	out->text[out->len] = '\0';
	if (entry->kind == HYBRIDGE_MAP_SUFFIX)
		tell_sender(config, out);
	return SHIM_NAME_MAPPED;
}

static bool ask_sender(const struct shim_config *config, uint32_t v4,
		       char out[static SHIM_HOST_SIZE])
{
	struct hybridge_ip ip = {.family = 4};
	struct hybridge_local_msg msg;

	for (unsigned int i = 0; i < 4; i++)
		ip.bytes[i] = (uint8_t)(v4 >> (24 - 8 * i));
	msg = shim_message(HYBRIDGE_LOCAL_PEER, (struct hybridge_span){out, 0},
			   &ip, 0);
	if (shim_ask(config, &msg) < 0 || msg.host_len == 0)
		return false;
	memcpy(out, msg.host, (size_t)msg.host_len + 1);
	return true;
}

bool shim_name_of_address(const struct hybridge_ip *ip,
			  char out[static SHIM_HOST_SIZE])
{
	const struct shim_config *config = shim_config();
	const struct hybridge_map_entry *entry;
	uint32_t v4;

	if (config->map.len == 0)
		return false;
	entry = shim_match_address(config, ip, &v4);
	if (entry && entry->host.len < SHIM_HOST_SIZE) {
		memcpy(out, entry->host.text, entry->host.len);
		out[entry->host.len] = '\0';
		return true;
	}
	if (v4 == 0 || !(config->has_suffix || config->has_wide_block))
		return false;
	return ask_sender(config, v4, out);
}

bool shim_hostent_fill(struct hostent *out, char *buf, size_t size,
		       const char *name, int family, const void *addr)
{
	size_t pad = -(uintptr_t)buf % _Alignof(struct shim_hostent);
	size_t name_len = strlen(name) + 1;
	size_t addr_len = family == AF_INET ? 4 : 16;
	struct shim_hostent *all;

	if (size < pad + offsetof(struct shim_hostent, name) + name_len)
		return false;
	all = (void *)(buf + pad);
	memcpy(all->address, addr, addr_len);
	memcpy(all->name, name, name_len);
	all->addresses[0] = (char *)all->address;
	all->addresses[1] = NULL;
	all->aliases[0] = NULL;
	out->h_name = all->name;
	out->h_aliases = all->aliases;
	out->h_addrtype = family;
	out->h_length = (int)addr_len;
	out->h_addr_list = all->addresses;
	return true;
}

int shim_hostent_reply(bool fits, struct hostent *entry,
		       struct hostent **result, int *h_errnop)
{
	*result = fits ? entry : NULL;
	*h_errnop = fits ? NETDB_SUCCESS : NETDB_INTERNAL;
	if (fits)
		return 0;
	errno = ERANGE;
	return ERANGE;
}

int shim_hostent_fail(struct hostent **result, int *h_errnop)
{
	*result = NULL;
	*h_errnop = NO_RECOVERY;
	return 0;
}
