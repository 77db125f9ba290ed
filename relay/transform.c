/*
 * transform.c - turns what a client sent into what another client is sent.
 *
 * Theory of operation.  Payload is unmasked where it lies, and its new header,
 * which is never longer than what was read of the old one plus the room
 * before the buffer, is put in front of it.  Small frames move up to the one before, so
 * that a batch of them is one run; a large one starts a run of its own, as
 * moving it would cost more than another write.
 */
#include "transform.h"

#include <string.h>

#define MOVE_MAX 4096

void transform_init(struct transform *transform)
{
	*transform = (struct transform){0};
	hybridge_ws_reader_init(&transform->reader, true);
}

/* Whether a piece is forwarded at all; with the header that it needs, if any. */
static bool wants_piece(struct transform *transform,
			const struct hybridge_ws_piece *piece,
			uint8_t header[static HYBRIDGE_WS_HEADER_MAX],
			size_t *header_len)
{
	uint8_t opcode = HYBRIDGE_WS_CONTINUATION;

	*header_len = 0;
	if (!piece->starts)
		return true;
	if (piece->opcode != HYBRIDGE_WS_CONTINUATION) {
		transform->opcode = piece->opcode;
		transform->begun = false;
	}
	if (piece->frame_len == 0 && !(piece->fin && transform->begun))
		return false;
	if (!transform->begun)
		opcode = transform->opcode;
	transform->begun = true;
	*header_len = hybridge_ws_header(header, opcode, piece->fin,
					 piece->frame_len, NULL);
	return true;
}

static void put(struct transform *transform,
		const struct hybridge_ws_piece *piece,
		struct transform_out *out)
{
	uint8_t header[HYBRIDGE_WS_HEADER_MAX];
	size_t header_len;
	uint8_t *to;

	if (!wants_piece(transform, piece, header, &header_len))
		return;
	if (out->run_len == 0)
		out->run = piece->data - header_len;
	to = out->run + out->run_len;
	if (piece->len > 0 && to + header_len != piece->data)
		memmove(to + header_len, piece->data, piece->len);
	memcpy(to, header, header_len);
	out->run_len += header_len + piece->len;
	out->payload += piece->len;
	transform->mid_frame = !piece->ends;
}

enum transform_event transform_next(struct transform *transform, uint8_t **buf,
				    size_t *len, struct transform_out *out)
{
	struct hybridge_ws_piece piece;

	*out = (struct transform_out){0};
	if (transform->has_held) {
		transform->has_held = false;
		put(transform, &transform->held, out);
	}
	for (;;) {
		switch (hybridge_ws_next(&transform->reader, buf, len,
					 &piece)) {
		case HYBRIDGE_WS_MORE:
			return TRANSFORM_MORE;
		case HYBRIDGE_WS_ERROR:
			out->why = piece.why;
			return TRANSFORM_ERROR;
		case HYBRIDGE_WS_DATA:
			if (out->run_len > 0 && piece.len > MOVE_MAX) {
				transform->held = piece;
				transform->has_held = true;
				return TRANSFORM_RUN;
			}
			put(transform, &piece, out);
			break;
		case HYBRIDGE_WS_CONTROL:
			out->control = piece.data;
			out->control_len = piece.len;
			if (piece.opcode == HYBRIDGE_WS_PING)
				return TRANSFORM_PING;
			if (piece.opcode == HYBRIDGE_WS_CLOSE)
				return TRANSFORM_CLOSE;
			break;
		}
	}
}
