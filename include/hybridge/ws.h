/*
 * ws.h - WebSocket frames (RFC 6455 section 5), incremental and in place.
 *
 * Pure: no I/O, no allocation.  The reader is given bytes as they arrive, cut
 * anywhere, and gives back pieces: payload (unmasked where it lies), or a
 * whole control frame.  Frames of any length are never collected.
 */
#ifndef HYBRIDGE_WS_H
#define HYBRIDGE_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HYBRIDGE_WS_HEADER_MAX  14  /* RFC 6455 5.2: 2 + 8 + 4 */
#define HYBRIDGE_WS_CONTROL_MAX 125 /* RFC 6455 5.5 */

enum hybridge_ws_opcode {
	HYBRIDGE_WS_CONTINUATION = 0,
	HYBRIDGE_WS_TEXT = 1,
	HYBRIDGE_WS_BINARY = 2,
	HYBRIDGE_WS_CLOSE = 8,
	HYBRIDGE_WS_PING = 9,
	HYBRIDGE_WS_PONG = 10,
};

/** Close codes that we use: RFC 6455 7.4.1 */
enum hybridge_ws_code {
	HYBRIDGE_WS_NORMAL = 1000,
	HYBRIDGE_WS_GOING_AWAY = 1001,
	HYBRIDGE_WS_PROTOCOL_ERROR = 1002,
	HYBRIDGE_WS_NO_CODE =
		1005, /* never on the wire: Close without a code */
	HYBRIDGE_WS_ABNORMAL = 1006, /* never on the wire: no Close at all */
	HYBRIDGE_WS_BAD_DATA = 1007,
	HYBRIDGE_WS_POLICY = 1008,
	HYBRIDGE_WS_TOO_BIG = 1009,
	HYBRIDGE_WS_INTERNAL = 1011,
};

/**
 * struct hybridge_ws_reader - Where a reader stands; start with hybridge_ws_reader_init()
 * @masked:  Whether frames must be masked (we are the server), else must not be
 */
struct hybridge_ws_reader {
	bool masked;
	bool in_frame;
	bool in_message;
	bool closed;
	uint8_t opcode;
	bool fin;
	bool at_start;
	uint8_t have; /* header bytes collected */
	uint8_t header[HYBRIDGE_WS_HEADER_MAX];
	uint8_t key[4];
	uint8_t key_at;
	uint64_t frame_len;
	uint64_t left;
	uint8_t control_len;
	uint8_t control[HYBRIDGE_WS_CONTROL_MAX];
};

enum hybridge_ws_event {
	HYBRIDGE_WS_MORE, /* everything is used up */
	HYBRIDGE_WS_DATA, /* payload of a text, binary or continuation frame */
	HYBRIDGE_WS_CONTROL, /* a whole ping, pong or close */
	HYBRIDGE_WS_ERROR, /* the peer broke the protocol: see why, close 1002 */
};

/**
 * struct hybridge_ws_piece - What hybridge_ws_next() found
 * @data:      DATA: inside the caller's buffer; CONTROL: inside the reader,
 *             valid until the next call
 * @len:       Bytes of @data; may be 0 for DATA: an empty frame
 * @opcode:    Of the frame (HYBRIDGE_WS_CONTINUATION for later fragments)
 * @fin:       Last frame of its message
 * @starts:    DATA: first piece of its frame
 * @ends:      DATA: last piece of its frame
 * @frame_len: DATA: payload length of the whole frame
 * @why:       ERROR: constant text
 */
struct hybridge_ws_piece {
	uint8_t *data;
	size_t len;
	uint8_t opcode;
	bool fin;
	bool starts;
	bool ends;
	uint64_t frame_len;
	const char *why;
};

/**
 * hybridge_ws_reader_init() - Start at a frame boundary
 * @masked: true in a server (RFC 6455 5.1: clients mask), false in a client
 */
void hybridge_ws_reader_init(struct hybridge_ws_reader *reader, bool masked);

/**
 * hybridge_ws_next() - Use up bytes until there is something to tell
 * @buf: Moved behind what was used; payload is unmasked in place
 * @len: Lowered likewise
 * @out: Filled in unless HYBRIDGE_WS_MORE
 *
 * Refused: reserved bits and opcodes, wrong masking, fragmented or long
 * control frames, a continuation of nothing, a new message inside another,
 * 64-bit lengths above 2^63-1 or not in shortest form, a Close of one byte or
 * with a code that may not be on the wire, any frame after a Close but pings
 * and pongs.
 */
enum hybridge_ws_event hybridge_ws_next(struct hybridge_ws_reader *reader,
					uint8_t **buf, size_t *len,
					struct hybridge_ws_piece *out);

/** hybridge_ws_at_boundary() - Whether the bytes so far end with a whole frame */
bool hybridge_ws_at_boundary(const struct hybridge_ws_reader *reader);

/**
 * hybridge_ws_header() - Write a frame header
 * @out:    Room for HYBRIDGE_WS_HEADER_MAX bytes
 * @key:    Masking key, or NULL for none
 *
 * Return: Bytes written: 2 to 14
 */
size_t hybridge_ws_header(uint8_t out[static HYBRIDGE_WS_HEADER_MAX],
			  uint8_t opcode, bool fin, uint64_t len,
			  const uint8_t key[4]);

/**
 * hybridge_ws_mask() - XOR with the masking key, from position @at of the key
 * Return: Position for the byte that follows
 */
uint8_t hybridge_ws_mask(uint8_t *data, size_t len, const uint8_t key[static 4],
			 uint8_t at);

/**
 * hybridge_ws_close_code() - The code of a Close's payload
 * Return: The code, HYBRIDGE_WS_NO_CODE when @len is 0
 */
uint16_t hybridge_ws_close_code(const uint8_t *data, size_t len);

/**
 * hybridge_ws_control_frame() - A whole control frame, ready to send
 * @out:    Room for HYBRIDGE_WS_HEADER_MAX + HYBRIDGE_WS_CONTROL_MAX bytes
 * @masked: true in a client: masks with a fresh random key
 *
 * Return: Bytes written
 */
size_t hybridge_ws_control_frame(uint8_t *out, uint8_t opcode, const void *data,
				 size_t len, bool masked);

/** hybridge_ws_random_key() - A masking key that cannot be predicted (RFC 6455 10.3) */
void hybridge_ws_random_key(uint8_t key[static 4]);

/**
 * hybridge_ws_accept() - Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 4.2.2)
 * @out: NUL-terminated
 */
void hybridge_ws_accept(const char *key, size_t len, char out[static 29]);

#endif
