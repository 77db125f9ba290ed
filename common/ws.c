/*
 * ws.c - WebSocket frames (RFC 6455 section 5), incremental and in place.
 */
#include <hybridge/ws.h>

#include <endian.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#define LEN_16_BIT 126
#define LEN_64_BIT 127

/* One register of every x86-64 and arm64: gcc keeps wider ones in memory there. */
typedef uint8_t vector __attribute__((vector_size(16)));

static inline void mask_block(uint8_t *data, vector wide)
{
	vector block;

	memcpy(&block, data, sizeof(block));
	block ^= wide;
	memcpy(data, &block, sizeof(block));
}

uint8_t hybridge_ws_mask(uint8_t *data, size_t len, const uint8_t key[static 4],
			 uint8_t at)
{
	vector wide = {0};
	size_t i = 0;

	for (size_t k = 0; k < sizeof(wide); k++)
		wide[k] = key[(at + k) & 3];
	for (; i + 4 * sizeof(wide) <= len; i += 4 * sizeof(wide)) {
		mask_block(data + i, wide);
		mask_block(data + i + sizeof(wide), wide);
		mask_block(data + i + 2 * sizeof(wide), wide);
		mask_block(data + i + 3 * sizeof(wide), wide);
	}
	for (; i + sizeof(wide) <= len; i += sizeof(wide))
		mask_block(data + i, wide);
	/* sizeof(wide) is a multiple of 4: the key's phase is still @at. */
	for (; i < len; i++)
		data[i] ^= key[(at + i) & 3];
	return (uint8_t)((at + len) & 3);
}

void hybridge_ws_random_key(uint8_t key[static 4])
{
	static _Thread_local uint8_t pool[4096];
	static _Thread_local size_t left;

	if (left < 4) {
		/* Without randomness there is no safe way to go on. */
		if (RAND_bytes(pool, sizeof(pool)) != 1)
			__builtin_trap();
		left = sizeof(pool);
	}
	left -= 4;
	memcpy(key, pool + left, 4);
}

size_t hybridge_ws_header(uint8_t out[static HYBRIDGE_WS_HEADER_MAX],
			  uint8_t opcode, bool fin, uint64_t len,
			  const uint8_t key[4])
{
	size_t at = 2;

	out[0] = (uint8_t)(opcode | (fin ? 0x80 : 0));
	if (len < LEN_16_BIT) {
		out[1] = (uint8_t)len;
	} else if (len <= UINT16_MAX) {
		uint16_t wire = htobe16((uint16_t)len);

		out[1] = LEN_16_BIT;
		memcpy(out + at, &wire, sizeof(wire));
		at += sizeof(wire);
	} else {
		uint64_t wire = htobe64(len);

		out[1] = LEN_64_BIT;
		memcpy(out + at, &wire, sizeof(wire));
		at += sizeof(wire);
	}
	if (key) {
		out[1] |= 0x80;
		memcpy(out + at, key, 4);
		at += 4;
	}
	return at;
}

size_t hybridge_ws_control_frame(uint8_t *out, uint8_t opcode, const void *data,
				 size_t len, bool masked)
{
	uint8_t key[4];
	size_t at;

	if (len > HYBRIDGE_WS_CONTROL_MAX)
		len = HYBRIDGE_WS_CONTROL_MAX;
	if (masked)
		hybridge_ws_random_key(key);
	at = hybridge_ws_header(out, opcode, true, len, masked ? key : NULL);
	if (len > 0)
		memcpy(out + at, data, len);
	if (masked)
		hybridge_ws_mask(out + at, len, key, 0);
	return at + len;
}

uint16_t hybridge_ws_close_code(const uint8_t *data, size_t len)
{
	if (len < 2)
		return HYBRIDGE_WS_NO_CODE;
	return (uint16_t)(data[0] << 8 | data[1]);
}

void hybridge_ws_accept(const char *key, size_t len, char out[static 29])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int digest_len = 0;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) != 1 ||
	    EVP_DigestUpdate(ctx, key, len) != 1 ||
	    EVP_DigestUpdate(ctx, guid, sizeof(guid) - 1) != 1 ||
	    EVP_DigestFinal_ex(ctx, digest, &digest_len) != 1)
		__builtin_trap(); /* SHA-1 of a few bytes: only without memory */
	EVP_MD_CTX_free(ctx);
	EVP_EncodeBlock((unsigned char *)out, digest, (int)digest_len);
}

void hybridge_ws_reader_init(struct hybridge_ws_reader *reader, bool masked)
{
	memset(reader, 0, sizeof(*reader));
	reader->masked = masked;
}

bool hybridge_ws_at_boundary(const struct hybridge_ws_reader *reader)
{
	return !reader->in_frame && reader->have == 0;
}

static bool is_control(uint8_t opcode)
{
	return opcode >= HYBRIDGE_WS_CLOSE;
}

/* Bytes that the header has, as far as its first bytes tell. */
static size_t header_size(const struct hybridge_ws_reader *reader)
{
	size_t size = 2;

	if (reader->have < 2)
		return size;
	if ((reader->header[1] & 0x7f) == LEN_16_BIT)
		size += 2;
	else if ((reader->header[1] & 0x7f) == LEN_64_BIT)
		size += 8;
	return reader->header[1] & 0x80 ? size + 4 : size;
}

/* The first two bytes are there: what is wrong with them, or NULL. */
static const char *check_start(const struct hybridge_ws_reader *reader)
{
	uint8_t opcode = reader->header[0] & 0x0f;
	bool fin = reader->header[0] & 0x80;
	uint8_t len = reader->header[1] & 0x7f;

	/* RFC 6455 5.5.1: no more data; 5.5.2, 5.5.3: whoever still reads may ping and answer. */
	if (reader->closed && opcode != HYBRIDGE_WS_PING &&
	    opcode != HYBRIDGE_WS_PONG)
		return "frame after Close";
	if (reader->header[0] & 0x70)
		return "reserved bits are set";
	if ((opcode > HYBRIDGE_WS_BINARY && opcode < HYBRIDGE_WS_CLOSE) ||
	    opcode > HYBRIDGE_WS_PONG)
		return "reserved opcode";
	if (!(reader->header[1] & 0x80) == reader->masked)
		return reader->masked ? "frame from a client without mask"
				      : "masked frame from a server";
	if (is_control(opcode)) {
		if (!fin)
			return "fragmented control frame";
		if (len > HYBRIDGE_WS_CONTROL_MAX)
			return "control frame of more than 125 bytes";
		if (opcode == HYBRIDGE_WS_CLOSE && len == 1)
			return "Close with half a code";
		return NULL;
	}
	if (opcode == HYBRIDGE_WS_CONTINUATION && !reader->in_message)
		return "continuation without a message";
	if (opcode != HYBRIDGE_WS_CONTINUATION && reader->in_message)
		return "new message inside a message";
	return NULL;
}

/* The header is whole: fill in what it says; what is wrong with it, or NULL. */
static const char *finish_header(struct hybridge_ws_reader *reader)
{
	uint8_t short_len = reader->header[1] & 0x7f;
	size_t at = 2;

	reader->frame_len = short_len;
	if (short_len == LEN_16_BIT) {
		uint16_t wire;

		memcpy(&wire, reader->header + at, sizeof(wire));
		reader->frame_len = be16toh(wire);
		at += sizeof(wire);
		if (reader->frame_len < LEN_16_BIT)
			return "length not in its shortest form";
	} else if (short_len == LEN_64_BIT) {
		uint64_t wire;

		memcpy(&wire, reader->header + at, sizeof(wire));
		reader->frame_len = be64toh(wire);
		at += sizeof(wire);
		if (reader->frame_len > INT64_MAX)
			return "length with its highest bit set";
		if (reader->frame_len <= UINT16_MAX)
			return "length not in its shortest form";
	}
	if (reader->masked)
		memcpy(reader->key, reader->header + at, 4);
	reader->opcode = reader->header[0] & 0x0f;
	reader->fin = reader->header[0] & 0x80;
	reader->left = reader->frame_len;
	reader->key_at = 0;
	reader->control_len = 0;
	reader->have = 0;
	reader->in_frame = true;
	reader->at_start = true;
	if (!is_control(reader->opcode))
		reader->in_message = !reader->fin;
	return NULL;
}

/* Collects header bytes: 1 when it is whole, 0 when more are needed. */
static int take_header(struct hybridge_ws_reader *reader, uint8_t **buf,
		       size_t *len, const char **why)
{
	while (reader->have < header_size(reader)) {
		if (*len == 0)
			return 0;
		reader->header[reader->have++] = *(*buf)++;
		(*len)--;
		if (reader->have == 2 && (*why = check_start(reader)))
			return 1;
	}
	*why = finish_header(reader);
	return 1;
}

static bool code_allowed(uint16_t code)
{
	/* RFC 6455 7.4; 1012 to 1014 are registered with IANA. */
	return (code >= 1000 && code <= 1003) ||
	       (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static enum hybridge_ws_event take_control(struct hybridge_ws_reader *reader,
					   uint8_t **buf, size_t *len,
					   struct hybridge_ws_piece *out)
{
	size_t n = reader->left < *len ? (size_t)reader->left : *len;

	memcpy(reader->control + reader->control_len, *buf, n);
	reader->control_len = (uint8_t)(reader->control_len + n);
	reader->left -= n;
	*buf += n;
	*len -= n;
	if (reader->left > 0)
		return HYBRIDGE_WS_MORE;

	reader->in_frame = false;
	if (reader->masked)
		hybridge_ws_mask(reader->control, reader->control_len,
				 reader->key, 0);
	if (reader->opcode == HYBRIDGE_WS_CLOSE) {
		reader->closed = true;
		if (reader->control_len >= 2 &&
		    !code_allowed(hybridge_ws_close_code(
			    reader->control, reader->control_len))) {
			out->why = "Close with a code that must not be sent";
			return HYBRIDGE_WS_ERROR;
		}
	}
	*out = (struct hybridge_ws_piece){
		.data = reader->control,
		.len = reader->control_len,
		.opcode = reader->opcode,
		.fin = true,
		.starts = true,
		.ends = true,
		.frame_len = reader->control_len,
	};
	return HYBRIDGE_WS_CONTROL;
}

static enum hybridge_ws_event take_data(struct hybridge_ws_reader *reader,
					uint8_t **buf, size_t *len,
					struct hybridge_ws_piece *out)
{
	size_t n = reader->left < *len ? (size_t)reader->left : *len;

	if (n == 0 && reader->left > 0)
		return HYBRIDGE_WS_MORE;
	if (reader->masked)
		reader->key_at =
			hybridge_ws_mask(*buf, n, reader->key, reader->key_at);
	reader->left -= n;
	*out = (struct hybridge_ws_piece){
		.data = *buf,
		.len = n,
		.opcode = reader->opcode,
		.fin = reader->fin,
		.starts = reader->at_start,
		.ends = reader->left == 0,
		.frame_len = reader->frame_len,
	};
	*buf += n;
	*len -= n;
	reader->at_start = false;
	reader->in_frame = reader->left > 0;
	return HYBRIDGE_WS_DATA;
}

enum hybridge_ws_event hybridge_ws_next(struct hybridge_ws_reader *reader,
					uint8_t **buf, size_t *len,
					struct hybridge_ws_piece *out)
{
	if (!reader->in_frame) {
		out->why = NULL;
		if (!take_header(reader, buf, len, &out->why))
			return HYBRIDGE_WS_MORE;
		if (out->why)
			return HYBRIDGE_WS_ERROR;
	}
	return is_control(reader->opcode) ? take_control(reader, buf, len, out)
					  : take_data(reader, buf, len, out);
}
