/*
 * fuzz_hostmap.c - host maps: the entry that is found is the one the rules name.
 *
 * The rules are written down a second time here, the slow and plain way: walk over
 * all entries and keep the best.
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <strings.h>

#include <hybridge/address.h>

#define ENTRIES_MAX 64

static bool has_port(const struct hybridge_map_entry *entry, uint16_t port)
{
	for (size_t i = 0; i < entry->num_ports; i++)
		if (entry->ports[i] == port)
			return true;
	return entry->num_ports == 0 || port == 0;
}

static struct hybridge_span without_dot(struct hybridge_span name)
{
	if (name.len > 0 && name.text[name.len - 1] == '.')
		name.len--;
	return name;
}

static bool ends_with(struct hybridge_span name, struct hybridge_span end)
{
	return name.len > end.len + 1 &&
	       name.text[name.len - end.len - 1] == '.' &&
	       strncasecmp(name.text + name.len - end.len, end.text, end.len) ==
		       0;
}

/* How well a name entry fits: 0 not at all, more for the longer, most when exact. */
static size_t fit_name(const struct hybridge_map_entry *entry,
		       struct hybridge_span name)
{
	name = without_dot(name);
	if (entry->kind == HYBRIDGE_MAP_NAME)
		return entry->host.len == name.len &&
				       strncasecmp(entry->host.text, name.text,
						   name.len) == 0
			       ? SIZE_MAX
			       : 0;
	if (entry->kind == HYBRIDGE_MAP_SUFFIX && ends_with(name, entry->host))
		return entry->host.len;
	return 0;
}

static size_t fit_ip(const struct hybridge_map_entry *entry,
		     const struct hybridge_ip *ip)
{
	if (entry->kind != HYBRIDGE_MAP_BLOCK ||
	    entry->block.family != ip->family)
		return 0;
	for (unsigned int bit = 0; bit < entry->prefix; bit++)
		if ((entry->block.bytes[bit / 8] ^ ip->bytes[bit / 8]) &
		    (0x80 >> bit % 8))
			return 0;
	return entry->prefix + 1U;
}

static const struct hybridge_map_entry *best(const struct hybridge_map *map,
					     struct hybridge_span name,
					     const struct hybridge_ip *ip,
					     uint16_t port, bool *known)
{
	const struct hybridge_map_entry *found = NULL;
	size_t found_fit = 0;

	*known = false;
	for (size_t i = 0; i < map->len; i++) {
		const struct hybridge_map_entry *entry = &map->entries[i];
		size_t fit = ip ? fit_ip(entry, ip) : fit_name(entry, name);

		*known = *known || fit > 0;
		if (fit > found_fit && has_port(entry, port)) {
			found = entry;
			found_fit = fit;
		}
	}
	return found;
}

/* ::ffff:a.b.c.d is a.b.c.d by another name; entries are kept in the short form. */
static void unmap(struct hybridge_ip *ip)
{
	struct in6_addr v6;

	memcpy(&v6, ip->bytes, sizeof(v6));
	if (ip->family != 6 || !IN6_IS_ADDR_V4MAPPED(&v6))
		return;
	ip->family = 4;
	memcpy(ip->bytes, v6.s6_addr + 12, 4);
}

static void check_find(const struct hybridge_map *map,
		       struct hybridge_span name, uint16_t port)
{
	struct hybridge_ip ip;
	bool is_ip = hybridge_ip_parse(name, &ip);
	const struct hybridge_map_entry *expected;
	bool known_expected;
	bool known = false;

	if (is_ip)
		unmap(&ip);
	expected = best(map, name, is_ip ? &ip : NULL, port, &known_expected);
	MUST(hybridge_map_find_name(map, name, port, &known) == expected);
	MUST(known == known_expected);
	if (!is_ip)
		return;
	known = false;
	MUST(hybridge_map_find_ip(map, &ip, port, &known) == expected);
	MUST(known == known_expected);
}

/* Against the C library's opinion of the same text. */
static void check_literal(const char *text)
{
	struct hybridge_span span = {text, strlen(text)};
	struct hybridge_ip ip;
	struct hybridge_ip again;
	unsigned char bytes[16];
	char formatted[HYBRIDGE_IP_TEXT];
	size_t len;

	if (!hybridge_ip_parse(span, &ip)) {
		MUST(inet_pton(AF_INET, text, bytes) != 1 &&
		     inet_pton(AF_INET6, text, bytes) != 1);
		return;
	}
	MUST(inet_pton(ip.family == 4 ? AF_INET : AF_INET6, text, bytes) == 1);
	MUST(memcmp(bytes, ip.bytes, ip.family == 4 ? 4 : 16) == 0);
	len = hybridge_ip_format(&ip, formatted);
	MUST(len == strlen(formatted) && len < sizeof(formatted));
	MUST(hybridge_ip_parse((struct hybridge_span){formatted, len}, &again));
	MUST(again.family == ip.family &&
	     memcmp(again.bytes, ip.bytes, ip.family == 4 ? 4 : 16) == 0);
}

/* A name's address does not depend on case or a trailing dot, and leads back to it. */
static void check_name_address(const struct hybridge_map *map,
			       const struct hybridge_map_entry *entry,
			       struct hybridge_range range, uint32_t v4)
{
	const struct hybridge_map_entry *found;
	char upper[512];
	struct hybridge_span loud = {upper, entry->host.len + 1};

	if (loud.len > sizeof(upper))
		return;
	for (size_t i = 0; i < entry->host.len; i++) {
		char c = entry->host.text[i];

		upper[i] = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
	}
	upper[entry->host.len] = '.';
	MUST(hybridge_address_v4(range, loud) == v4);
	found = hybridge_address_lookup(map, range, v4);
	MUST(found && found <= entry);
}

static void check_address(const struct hybridge_map *map,
			  const struct hybridge_map_entry *entry)
{
	const struct hybridge_range range = HYBRIDGE_RANGE_DEFAULT;
	uint32_t v4 = hybridge_address_v4(range, entry->host);
	struct hybridge_ip ip = {.family = 4};
	uint32_t back = 0;

	MUST(v4 >> 22 == range.base >> 22);
	MUST((v4 & 255) != 0 && (v4 & 255) != 255);
	for (int i = 0; i < 4; i++)
		ip.bytes[i] = (uint8_t)(v4 >> (24 - 8 * i));
	MUST(hybridge_address_is_ours(range, &ip, &back) && back == v4);
	hybridge_address_v6(v4, ip.bytes);
	ip.family = 6;
	MUST(hybridge_address_is_ours(range, &ip, &back) && back == v4);
	if (entry->kind == HYBRIDGE_MAP_NAME)
		check_name_address(map, entry, range, v4);
}

/* Reads all items of a HOSTS value; returns how many there are. */
static size_t read_items(const char *text, size_t len,
			 struct hybridge_map_entry *entries)
{
	struct hybridge_span rest = {text, len};
	size_t n = 0;

	while (n < ENTRIES_MAX) {
		struct hybridge_map_entry *entry = &entries[n];
		const char *before = rest.text;
		const char *why = NULL;
		int ret = hybridge_map_parse_item(&rest, entry, &why);

		MUST(fuzz_within(rest, text, len));
		MUST(ret != -1 || (why && why[0] && rest.len > 0));
		if (ret != 1)
			break;
		MUST(rest.text > before);
		MUST(fuzz_within(entry->host, text, len) &&
		     entry->host.len > 0);
		MUST(entry->num_ports <= HYBRIDGE_MAP_PORTS);
		for (size_t i = 0; i < entry->num_ports; i++)
			MUST(entry->ports[i] > 0);
		if (entry->kind == HYBRIDGE_MAP_BLOCK)
			MUST(entry->prefix <=
			     (entry->block.family == 4 ? 32 : 128));
		n++;
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hybridge_map_entry entries[ENTRIES_MAX];
	struct fuzz_input in = {data, size};
	char *name = fuzz_string(&in);
	uint16_t port = fuzz_byte(&in);
	size_t len;
	char *text = fuzz_exact(&in, &len);
	struct hybridge_map map = {entries, read_items(text, len, entries)};

	check_literal(name);
	check_find(&map, (struct hybridge_span){name, strlen(name)}, port);
	for (size_t i = 0; i < map.len; i++) {
		uint16_t own = entries[i].num_ports ? entries[i].ports[0] : 1;

		check_find(&map, entries[i].host, own);
		check_find(&map, entries[i].host, port);
		check_address(&map, &entries[i]);
	}
	free(name);
	free(text);
	return 0;
}
