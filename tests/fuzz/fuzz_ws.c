/*
 * fuzz_ws.c - WebSocket frames: however the bytes are cut, the same frames come out.
 */
#include "fuzz.h"

#include <hybridge/ws.h>

/* What a reader told, in a form that does not depend on how the input was cut. */
struct story {
	uint8_t *bytes;
	size_t len;
	size_t room;
	uint64_t frame_got; /* payload bytes of the frame that is open */
	bool in_frame;
};

static void tell(struct story *story, const void *bytes, size_t len)
{
	if (story->len + len > story->room) {
		story->room = (story->len + len) * 2;
		story->bytes = realloc(story->bytes, story->room);
		MUST(story->bytes);
	}
	if (len > 0)
		memcpy(story->bytes + story->len, bytes, len);
	story->len += len;
}

static void tell_data(struct story *story,
		      const struct hybridge_ws_piece *piece)
{
	MUST(piece->opcode <= HYBRIDGE_WS_BINARY);
	MUST(piece->starts == !story->in_frame);
	MUST(piece->len > 0 || piece->frame_len == 0);
	if (piece->starts) {
		story->frame_got = 0;
		tell(story, "D", 1);
		tell(story, &piece->opcode, 1);
		tell(story, &piece->fin, 1);
		tell(story, &piece->frame_len, sizeof(piece->frame_len));
	}
	story->frame_got += piece->len;
	MUST(story->frame_got <= piece->frame_len);
	MUST(piece->ends == (story->frame_got == piece->frame_len));
	story->in_frame = !piece->ends;
	tell(story, piece->data, piece->len);
}

static void tell_control(struct story *story,
			 const struct hybridge_ws_piece *piece)
{
	MUST(piece->opcode >= HYBRIDGE_WS_CLOSE &&
	     piece->opcode <= HYBRIDGE_WS_PONG);
	MUST(piece->len <= HYBRIDGE_WS_CONTROL_MAX && piece->fin);
	MUST(!story->in_frame);
	if (piece->opcode == HYBRIDGE_WS_CLOSE)
		MUST(piece->len != 1 &&
		     hybridge_ws_close_code(piece->data, piece->len) >= 1000);
	tell(story, "C", 1);
	tell(story, &piece->opcode, 1);
	tell(story, piece->data, piece->len);
}

/* Feeds one cut; false when the reader refused. */
static bool feed(struct hybridge_ws_reader *reader, uint8_t *at, size_t len,
		 struct story *story)
{
	struct hybridge_ws_piece piece = {0};
	enum hybridge_ws_event event;
	const uint8_t *end = at + len;

	while ((event = hybridge_ws_next(reader, &at, &len, &piece)) !=
	       HYBRIDGE_WS_MORE) {
		MUST(at + len == end);
		if (event == HYBRIDGE_WS_ERROR) {
			MUST(piece.why && piece.why[0]);
			tell(story, piece.why, strlen(piece.why));
			return false;
		}
		if (event == HYBRIDGE_WS_DATA)
			tell_data(story, &piece);
		else
			tell_control(story, &piece);
	}
	MUST(len == 0);
	return true;
}

/* Reads all of it in cuts of 1 to @cut_max bytes. */
static struct story read_in_cuts(struct fuzz_input in, bool masked,
				 size_t cut_max, uint32_t seed)
{
	struct hybridge_ws_reader reader;
	struct story story = {0};
	size_t size;
	uint8_t *copy =
		(uint8_t *)fuzz_exact(&in, &size); /* is unmasked in place */
	bool sound = true;

	hybridge_ws_reader_init(&reader, masked);
	for (size_t at = 0; at < size && sound;) {
		size_t len;

		seed = seed * 1664525 + 1013904223; /* Numerical Recipes */
		len = 1 + (seed >> 8) % cut_max;
		if (len > size - at)
			len = size - at;
		sound = feed(&reader, copy + at, len, &story);
		at += len;
	}
	if (sound && hybridge_ws_at_boundary(&reader))
		tell(&story, "B", 1);
	free(copy);
	return story;
}

/* Frames of our own making must come out as they went in. */
static void check_round_trip(struct fuzz_input in, bool masked)
{
	uint8_t key[4] = {fuzz_byte(&in), fuzz_byte(&in), fuzz_byte(&in), 7};
	/* The three forms of a length, and their edges. */
	static const size_t lens[] = {0, 1, 7, 125, 126, 127, 65535, 65536};
	uint8_t frame[HYBRIDGE_WS_HEADER_MAX + 65536];
	size_t len = lens[fuzz_byte(&in) % 8];
	size_t head = hybridge_ws_header(frame, HYBRIDGE_WS_BINARY, true, len,
					 masked ? key : NULL);
	struct hybridge_ws_reader reader;
	struct hybridge_ws_piece piece = {0};
	uint8_t *at = frame;
	size_t left = head + len;

	MUST(head >= 2 && head <= HYBRIDGE_WS_HEADER_MAX);
	memset(frame + head, 'x', len);
	if (masked)
		hybridge_ws_mask(frame + head, len, key, 0);
	hybridge_ws_reader_init(&reader, masked);
	MUST(hybridge_ws_next(&reader, &at, &left, &piece) == HYBRIDGE_WS_DATA);
	MUST(piece.starts && piece.ends && piece.fin && piece.len == len &&
	     piece.frame_len == len && left == 0);
	for (size_t i = 0; i < len; i++)
		MUST(piece.data[i] == 'x');
	MUST(hybridge_ws_at_boundary(&reader));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint8_t choice = fuzz_byte(&in);
	bool masked = choice & 1;
	struct story whole = read_in_cuts(in, masked, 1 << 24, 0);
	struct story bytes = read_in_cuts(in, masked, 1, 0);
	struct story cuts = read_in_cuts(in, masked, 2U + choice / 4, choice);

	MUST(whole.len == bytes.len && whole.len == cuts.len);
	MUST(whole.len == 0 ||
	     (memcmp(whole.bytes, bytes.bytes, whole.len) == 0 &&
	      memcmp(whole.bytes, cuts.bytes, whole.len) == 0));
	free(whole.bytes);
	free(bytes.bytes);
	free(cuts.bytes);
	check_round_trip(in, masked);
	return 0;
}
