/* hostmap.c - reads HOSTS items and finds the best one for a name or address. */
#include <string.h>

#include <hybridge/hostmap.h>

#define NAME_MAX_LEN  253 /* RFC 1035 2.3.4, in text form */
#define LABEL_MAX_LEN 63

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static unsigned char fold(char c)
{
	unsigned char byte = (unsigned char)c;

	return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

static struct hybridge_span cut_dot(struct hybridge_span name)
{
	if (name.len > 0 && name.text[name.len - 1] == '.')
		name.len--;
	return name;
}

static struct hybridge_span skip(struct hybridge_span text, size_t n)
{
	return (struct hybridge_span){text.text + n, text.len - n};
}

/* Letter for letter, but for their case. */
static bool is_same(struct hybridge_span a, struct hybridge_span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (fold(a.text[i]) != fold(b.text[i]))
			return false;
	return true;
}

bool hybridge_name_equal(struct hybridge_span a, struct hybridge_span b)
{
	return is_same(cut_dot(a), cut_dot(b));
}

/* Reads all of @text as a decimal number without leading zeros. */
static bool parse_number(struct hybridge_span text, uint32_t max, uint32_t *out)
{
	uint32_t value = 0;

	if (text.len == 0 || text.len > 5 ||
	    (text.len > 1 && text.text[0] == '0'))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!is_digit(text.text[i]))
			return false;
		value = value * 10 + (uint32_t)(text.text[i] - '0');
	}
	*out = value;
	return value <= max;
}

static size_t span_until(struct hybridge_span text, char c)
{
	const char *at = text.len ? memchr(text.text, c, text.len) : NULL;

	return at ? (size_t)(at - text.text) : text.len;
}

static bool parse_v4(struct hybridge_span text, uint8_t out[static 4])
{
	for (int i = 0; i < 4; i++) {
		struct hybridge_span part = {text.text, span_until(text, '.')};
		uint32_t value;

		if (!parse_number(part, 255, &value))
			return false;
		out[i] = (uint8_t)value;
		if (i == 3)
			return part.len == text.len;
		if (part.len == text.len)
			return false;
		text = skip(text, part.len + 1);
	}
	return false;
}

static int hex_value(char c)
{
	unsigned char low = fold(c);

	if (is_digit(c))
		return c - '0';
	return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

static bool parse_group(struct hybridge_span text, uint8_t out[static 2])
{
	unsigned int value = 0;

	if (text.len == 0 || text.len > 4)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		int digit = hex_value(text.text[i]);

		if (digit < 0)
			return false;
		value = value << 4 | (unsigned int)digit;
	}
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
	return true;
}

/*
 * Reads colon-separated groups, the last of which may be a dotted quad.
 * Returns how many bytes they fill, at most 16, or -1.
 */
static int parse_groups(struct hybridge_span text, uint8_t out[static 16])
{
	int len = 0;

	if (text.len == 0)
		return 0;
	for (;;) {
		struct hybridge_span part = {text.text, span_until(text, ':')};
		bool last = part.len == text.len;

		if (last && len <= 12 && parse_v4(part, out + len))
			return len + 4;
		if (len > 14 || !parse_group(part, out + len))
			return -1;
		len += 2;
		if (last)
			return len;
		text = skip(text, part.len + 1);
	}
}

static bool parse_v6(struct hybridge_span text, uint8_t out[static 16])
{
	uint8_t tail[16] = {0};
	int head_len, tail_len;
	size_t gap;

	for (gap = 0; gap + 1 < text.len; gap++)
		if (text.text[gap] == ':' && text.text[gap + 1] == ':')
			break;
	if (gap + 1 >= text.len)
		return parse_groups(text, out) == 16;
	head_len = parse_groups((struct hybridge_span){text.text, gap}, out);
	tail_len = parse_groups(skip(text, gap + 2), tail);
	/* A dotted quad may only end the whole address. */
	if (memchr(text.text, '.', gap))
		return false;
	if (head_len < 0 || tail_len < 0 || head_len + tail_len > 14)
		return false;
	memset(out + head_len, 0, (size_t)(16 - head_len));
	memcpy(out + 16 - tail_len, tail, (size_t)tail_len);
	return true;
}

bool hybridge_ip_parse(struct hybridge_span text, struct hybridge_ip *out)
{
	struct hybridge_ip ip = {.family = 4};

	if (text.len == 0 || text.len > 45)
		return false;
	if (memchr(text.text, ':', text.len)) {
		ip.family = 6;
		if (!parse_v6(text, ip.bytes))
			return false;
	} else if (!parse_v4(text, ip.bytes)) {
		return false;
	}
	*out = ip;
	return true;
}

static bool is_label_char(char c)
{
	unsigned char low = fold(c);

	return (low >= 'a' && low <= 'z') || is_digit(c) || c == '-' ||
	       c == '_';
}

static const char *check_name(struct hybridge_span name)
{
	bool numeric = false;

	if (name.len == 0)
		return "no host name";
	if (name.len > NAME_MAX_LEN)
		return "a host name has at most 253 characters";
	for (size_t at = 0; at <= name.len; at++) {
		struct hybridge_span label = skip(name, at);

		label.len = span_until(label, '.');
		if (label.len == 0)
			return "a host name has no empty part between its dots";
		if (label.len > LABEL_MAX_LEN)
			return "a part of a host name has at most 63 "
			       "characters";
		numeric = true;
		for (size_t i = 0; i < label.len; i++) {
			if (!is_label_char(label.text[i]))
				return "a host name has only letters, digits, "
				       "'-', '_' and '.'";
			numeric = numeric && is_digit(label.text[i]);
		}
		at += label.len;
	}
	return numeric ? "neither an IPv4 address nor a host name" : NULL;
}

static const char *parse_ports(struct hybridge_span text,
			       struct hybridge_map_entry *out)
{
	out->num_ports = 0;
	if (text.len == 1 && text.text[0] == '*')
		return NULL;
	for (;;) {
		struct hybridge_span item = {text.text, span_until(text, ',')};
		uint32_t port = 0;

		if (!parse_number(item, UINT16_MAX, &port) || port == 0)
			return "a port is a number from 1 to 65535, or '*'";
		if (out->num_ports == HYBRIDGE_MAP_PORTS)
			return "at most 16 ports in one item";
		out->ports[out->num_ports++] = (uint16_t)port;
		if (item.len == text.len)
			return NULL;
		text = skip(text, item.len + 1);
	}
}

static bool host_bits_zero(const struct hybridge_ip *ip, unsigned int prefix)
{
	unsigned int bits = ip->family == 4 ? 32 : 128;

	for (unsigned int i = prefix; i < bits; i++)
		if (ip->bytes[i / 8] & (0x80u >> (i % 8)))
			return false;
	return true;
}

/* ::ffff:a.b.c.d reaches the same service as a.b.c.d: one form for both. */
static void unmap(struct hybridge_map_entry *entry)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct hybridge_ip v4 = {.family = 4};

	if (entry->block.family != 6 || entry->prefix < 96 ||
	    memcmp(entry->block.bytes, mapped, sizeof(mapped)) != 0)
		return;
	memcpy(v4.bytes, entry->block.bytes + 12, 4);
	entry->block = v4;
	entry->prefix = (uint8_t)(entry->prefix - 96);
}

/* @length: what follows the address: empty, or "/N". */
static const char *parse_block(struct hybridge_span host,
			       struct hybridge_span length,
			       struct hybridge_map_entry *out)
{
	uint32_t bits = out->block.family == 4 ? 32 : 128;
	uint32_t prefix = bits;

	if (length.len > 0 &&
	    (!parse_number(skip(length, 1), bits, &prefix) || prefix == 0))
		return "a block's length is a number from 1 to 32, or to 128 "
		       "for IPv6";
	if (!host_bits_zero(&out->block, prefix))
		return "the address of a block has bits set beyond its length";
	out->kind = HYBRIDGE_MAP_BLOCK;
	out->host = host;
	out->prefix = (uint8_t)prefix;
	unmap(out);
	return NULL;
}

/* @host: everything before the last ':'. */
static const char *parse_host(struct hybridge_span host,
			      struct hybridge_map_entry *out)
{
	struct hybridge_span name = host;

	if (host.len > 0 && host.text[0] == '[') {
		size_t close = span_until(host, ']');
		struct hybridge_span inner = {host.text + 1, close - 1};
		struct hybridge_span length;

		if (close == host.len)
			return "no ']' after '['";
		length = skip(host, close + 1);
		if ((length.len > 0 && length.text[0] != '/') ||
		    !hybridge_ip_parse(inner, &out->block) ||
		    out->block.family != 6)
			return "not an IPv6 address in [ ]";
		return parse_block(inner, length, out);
	}
	if (memchr(host.text, ',', host.len))
		return "a ',' only separates ports; blanks separate items";
	if (memchr(host.text, ':', host.len))
		return "an IPv6 address stands in [ ]";
	name.len = span_until(host, '/');
	if (hybridge_ip_parse(name, &out->block))
		return parse_block(name, skip(host, name.len), out);
	if (name.len < host.len)
		return "only an IP address can have a '/' and a length";
	out->kind = HYBRIDGE_MAP_NAME;
	if (host.len >= 2 && host.text[0] == '*' && host.text[1] == '.') {
		out->kind = HYBRIDGE_MAP_SUFFIX;
		name = skip(host, 2);
	}
	out->host = cut_dot(name);
	return check_name(out->host);
}

int hybridge_map_parse_item(struct hybridge_span *text,
			    struct hybridge_map_entry *out, const char **why)
{
	struct hybridge_map_entry entry = {.connection = out->connection};
	size_t len = 0, colon;

	while (text->len > 0 && is_blank(text->text[0]))
		*text = skip(*text, 1);
	if (text->len == 0)
		return 0;
	while (len < text->len && !is_blank(text->text[len]))
		len++;
	for (colon = len; colon > 0 && text->text[colon - 1] != ':'; colon--)
		;
	if (colon == 0 || text->text[len - 1] == ']')
		colon = len + 1;
	*why = parse_host((struct hybridge_span){text->text, colon - 1},
			  &entry);
	if (*why)
		return -1;
	*why = colon > len
		       ? "no ':' and port after the host"
		       : parse_ports((struct hybridge_span){text->text + colon,
							    len - colon},
				     &entry);
	if (*why) {
		entry.num_ports = 1;
		entry.ports[0] = 0;
	} else {
		*text = skip(*text, len);
	}
	*out = entry;
	return *why ? -1 : 1;
}

static bool has_port(const struct hybridge_map_entry *entry, uint16_t port)
{
	if (port == 0 || entry->num_ports == 0)
		return true;
	for (size_t i = 0; i < entry->num_ports; i++)
		if (entry->ports[i] == port)
			return true;
	return false;
}

/* How well an entry fits a name without its last dot: 0 not at all; more is better. */
static size_t fit_name(const struct hybridge_map_entry *entry,
		       struct hybridge_span name)
{
	struct hybridge_span tail;

	if (entry->kind == HYBRIDGE_MAP_NAME)
		return is_same(entry->host, name) ? SIZE_MAX : 0;
	if (entry->kind != HYBRIDGE_MAP_SUFFIX ||
	    name.len < entry->host.len + 2)
		return 0;
	tail = skip(name, name.len - entry->host.len);
	return tail.text[-1] == '.' && is_same(entry->host, tail)
		       ? entry->host.len
		       : 0;
}

static size_t fit_ip(const struct hybridge_map_entry *entry,
		     const struct hybridge_ip *ip)
{
	size_t whole = entry->prefix / 8, rest = entry->prefix % 8;

	if (entry->kind != HYBRIDGE_MAP_BLOCK ||
	    entry->block.family != ip->family ||
	    memcmp(entry->block.bytes, ip->bytes, whole) != 0)
		return 0;
	if (rest &&
	    (entry->block.bytes[whole] ^ ip->bytes[whole]) >> (8 - rest))
		return 0;
	return entry->prefix;
}

/* One of @name (text) and @ip is given. */
static const struct hybridge_map_entry *find(const struct hybridge_map *map,
					     struct hybridge_span name,
					     const struct hybridge_ip *ip,
					     uint16_t port, bool *known_host)
{
	const struct hybridge_map_entry *best = NULL;
	size_t best_fit = 0;
	bool known = false;

	for (size_t i = 0; i < map->len; i++) {
		const struct hybridge_map_entry *entry = &map->entries[i];
		size_t fit = ip ? fit_ip(entry, ip) : fit_name(entry, name);

		known = known || fit > 0;
		if (fit > best_fit && has_port(entry, port)) {
			best = entry;
			best_fit = fit;
		}
	}
	if (known_host)
		*known_host = known;
	return best;
}

const struct hybridge_map_entry *
hybridge_map_find_name(const struct hybridge_map *map,
		       struct hybridge_span name, uint16_t port,
		       bool *known_host)
{
	struct hybridge_map_entry literal = {.prefix = 128};

	if (hybridge_ip_parse(name, &literal.block)) {
		unmap(&literal);
		return hybridge_map_find_ip(map, &literal.block, port,
					    known_host);
	}
	return find(map, cut_dot(name), NULL, port, known_host);
}

const struct hybridge_map_entry *
hybridge_map_find_ip(const struct hybridge_map *map,
		     const struct hybridge_ip *ip, uint16_t port,
		     bool *known_host)
{
	return find(map, (struct hybridge_span){NULL, 0}, ip, port, known_host);
}
