/* address.c - the loopback address that stands for a mapped host name. */
#include <string.h>

#include <hybridge/address.h>

static const uint8_t v6_block[12] = {0xfd, 0x68, 0x79, 0x62, 0x72, 0x69,
				     0x64, 0x67, 0x00, 0x00, 0x00, 0x00};
static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

static uint32_t host_mask(struct hybridge_range range)
{
	return UINT32_MAX >> range.prefix;
}

static uint32_t load_v4(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
	       (uint32_t)bytes[2] << 8 | bytes[3];
}

bool hybridge_range_parse(struct hybridge_span text, struct hybridge_range *out)
{
	const char *slash = text.len ? memchr(text.text, '/', text.len) : NULL;
	struct hybridge_range range = {0, 0};
	struct hybridge_span digits;
	struct hybridge_ip ip;

	if (!slash)
		return false;
	digits.text = slash + 1;
	digits.len = text.len - (size_t)(slash + 1 - text.text);
	text.len = (size_t)(slash - text.text);
	if (!hybridge_ip_parse(text, &ip) || ip.family != 4)
		return false;
	if (digits.len < 1 || digits.len > 2 || digits.text[0] == '0')
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.text[i] < '0' || digits.text[i] > '9')
			return false;
		range.prefix =
			(uint8_t)(range.prefix * 10 + (digits.text[i] - '0'));
	}
	range.base = load_v4(ip.bytes);
	if (range.prefix < 8 || range.prefix > 24 ||
	    (range.base & host_mask(range)))
		return false;
	*out = range;
	return true;
}

static uint64_t fnv1a(struct hybridge_span text)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = (uint8_t)text.text[i];

		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c - 'A' + 'a');
		hash = (hash ^ c) * 0x100000001b3u;
	}
	return hash;
}

uint32_t hybridge_address_v4(struct hybridge_range range,
			     struct hybridge_span name)
{
	unsigned int bits = 32u - range.prefix;
	char canonical[HYBRIDGE_IP_TEXT];
	struct hybridge_ip ip;
	uint32_t host = 0, last;
	uint64_t hash;

	if (name.len > 0 && name.text[name.len - 1] == '.')
		name.len--;
	if (hybridge_ip_parse(name, &ip)) {
		if (ip.family == 6 &&
		    memcmp(ip.bytes, v4_mapped, sizeof(v4_mapped)) == 0) {
			ip.family = 4;
			memcpy(ip.bytes, ip.bytes + 12, 4);
		}
		name.len = hybridge_ip_format(&ip, canonical);
		name.text = canonical;
	}
	for (hash = fnv1a(name); hash; hash >>= bits)
		host ^= (uint32_t)hash & host_mask(range);
	last = 1 + (host & 0xff) % 254;
	return range.base | (host & ~0xffu) | last;
}

void hybridge_address_v6(uint32_t v4, uint8_t out[static 16])
{
	memcpy(out, v6_block, sizeof(v6_block));
	for (unsigned int i = 0; i < 4; i++)
		out[12 + i] = (uint8_t)(v4 >> (24 - 8 * i));
}

bool hybridge_address_is_ours(struct hybridge_range range,
			      const struct hybridge_ip *ip, uint32_t *v4)
{
	uint32_t address;

	if (ip->family == 6 &&
	    memcmp(ip->bytes, v6_block, sizeof(v6_block)) == 0) {
		*v4 = load_v4(ip->bytes + 12);
		return true;
	}
	if (ip->family == 6 &&
	    memcmp(ip->bytes, v4_mapped, sizeof(v4_mapped)) != 0)
		return false;
	address = load_v4(ip->family == 6 ? ip->bytes + 12 : ip->bytes);
	if ((address ^ range.base) & ~host_mask(range))
		return false;
	*v4 = address;
	return true;
}

const struct hybridge_map_entry *
hybridge_address_lookup(const struct hybridge_map *map,
			struct hybridge_range range, uint32_t v4)
{
	for (size_t i = 0; i < map->len; i++) {
		const struct hybridge_map_entry *entry = &map->entries[i];

		if (entry->kind == HYBRIDGE_MAP_SUFFIX)
			continue;
		if (entry->kind == HYBRIDGE_MAP_BLOCK &&
		    entry->prefix != (entry->block.family == 4 ? 32 : 128))
			continue;
		if (hybridge_address_v4(range, entry->host) == v4)
			return entry;
	}
	return NULL;
}

static size_t put_decimal(uint8_t value, char *out)
{
	size_t len = 0;

	if (value >= 100)
		out[len++] = (char)('0' + value / 100);
	if (value >= 10)
		out[len++] = (char)('0' + value / 10 % 10);
	out[len++] = (char)('0' + value % 10);
	return len;
}

static size_t put_v4(const uint8_t *bytes, char *out)
{
	size_t len = 0;

	for (int i = 0; i < 4; i++) {
		if (i > 0)
			out[len++] = '.';
		len += put_decimal(bytes[i], out + len);
	}
	return len;
}

static unsigned int group(const uint8_t *bytes, size_t i)
{
	return (unsigned int)bytes[2 * i] << 8 | bytes[2 * i + 1];
}

static size_t put_group(unsigned int value, char *out)
{
	size_t len = 0;

	for (int shift = 12; shift >= 0; shift -= 4)
		if (len > 0 || value >> shift || shift == 0)
			out[len++] = "0123456789abcdef"[value >> shift & 15];
	return len;
}

/* The longest run of two or more zero groups, the first of equals. */
static size_t longest_gap(const uint8_t *bytes, size_t *len)
{
	size_t best = 8;

	*len = 1;
	for (size_t i = 0; i < 8; i++) {
		size_t run = 0;

		while (i + run < 8 && group(bytes, i + run) == 0)
			run++;
		if (run > *len) {
			*len = run;
			best = i;
		}
	}
	return best;
}

size_t hybridge_ip_format(const struct hybridge_ip *ip,
			  char out[static HYBRIDGE_IP_TEXT])
{
	size_t gap, gap_len, len = 0;

	if (ip->family == 4) {
		len = put_v4(ip->bytes, out);
		out[len] = '\0';
		return len;
	}
	gap = longest_gap(ip->bytes, &gap_len);
	for (size_t i = 0; i < 8; i++) {
		if (i == gap) {
			out[len++] = ':';
			i += gap_len - 1;
			if (i == 7)
				out[len++] = ':';
			continue;
		}
		if (i > 0)
			out[len++] = ':';
		len += put_group(group(ip->bytes, i), out + len);
	}
	out[len] = '\0';
	return len;
}
