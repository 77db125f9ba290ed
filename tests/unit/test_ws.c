/*
 * test_ws.c - WebSocket frames: what is written, what is read however it is cut,
 * and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hybridge/ws.h>

static const uint8_t rfc_key[4] = {0x37, 0xfa, 0x21, 0x3d};

/* What a reader said: data of one frame is joined, however it was cut. */
struct transcript {
	uint8_t *text;
	size_t len;
	size_t room;
	const char *why;
};

static void note(struct transcript *to, const void *data, size_t len)
{
	if (!to->text || to->len + len > to->room) {
		to->room = 2 * (to->len + len) + 1;
		to->text = realloc(to->text, to->room);
		if (!to->text)
			abort(); /* clang-tidy does not know cmocka's way */
	}
	if (len > 0)
		memcpy(to->text + to->len, data, len);
	to->len += len;
}

static void note_piece(struct transcript *to, enum hybridge_ws_event event,
		       const struct hybridge_ws_piece *piece)
{
	if (piece->starts) {
		char line[80];
		int len = snprintf(line, sizeof(line), "<%d %u %d %llu:", event,
				   piece->opcode, piece->fin,
				   (unsigned long long)piece->frame_len);
		note(to, line, (size_t)len);
	}
	note(to, piece->data, piece->len);
	if (piece->ends)
		note(to, ">", 1);
}

/* Feeds one part, in memory of exactly its size: the sanitizer watches its ends. */
static enum hybridge_ws_event feed(struct hybridge_ws_reader *reader,
				   const uint8_t *bytes, size_t len,
				   struct transcript *to)
{
	uint8_t *copy = malloc(len + !len);
	uint8_t *at = copy;
	struct hybridge_ws_piece piece;
	enum hybridge_ws_event event;

	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, bytes, len);
	while ((event = hybridge_ws_next(reader, &at, &len, &piece)) !=
	       HYBRIDGE_WS_MORE) {
		if (event == HYBRIDGE_WS_ERROR) {
			to->why = piece.why;
			break;
		}
		note_piece(to, event, &piece);
	}
	if (event == HYBRIDGE_WS_MORE)
		assert_int_equal(len, 0);
	free(copy);
	return event;
}

/* Appends a frame. */
static void add_frame(struct transcript *to, uint8_t opcode, bool fin,
		      const void *data, size_t len, bool masked)
{
	uint8_t header[HYBRIDGE_WS_HEADER_MAX];
	size_t size = hybridge_ws_header(header, opcode, fin, len,
					 masked ? rfc_key : NULL);

	note(to, header, size);
	note(to, data, len);
	if (masked)
		hybridge_ws_mask(to->text + to->len - len, len, rfc_key, 0);
}

/* A conversation with every kind of frame and every size class but the longest. */
static struct transcript conversation(bool masked)
{
	static const size_t sizes[] = {0, 1, 125, 126, 127, 300};
	struct transcript all = {0};
	uint8_t data[300];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + 1);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		add_frame(&all, HYBRIDGE_WS_BINARY, true, data, sizes[i],
			  masked);
	add_frame(&all, HYBRIDGE_WS_TEXT, false, "ab", 2, masked);
	add_frame(&all, HYBRIDGE_WS_PING, true, "are you there", 13, masked);
	add_frame(&all, HYBRIDGE_WS_CONTINUATION, false, "", 0, masked);
	add_frame(&all, HYBRIDGE_WS_PONG, true, data, 125, masked);
	add_frame(&all, HYBRIDGE_WS_CONTINUATION, true, "cd", 2, masked);
	add_frame(&all, HYBRIDGE_WS_PING, true, "", 0, masked);
	add_frame(&all, HYBRIDGE_WS_CLOSE, true,
		  "\x03\xe8"
		  "bye",
		  5, masked);
	return all;
}

static void read_whole(const struct transcript *bytes, bool masked,
		       struct transcript *to)
{
	struct hybridge_ws_reader reader;

	hybridge_ws_reader_init(&reader, masked);
	assert_int_equal(feed(&reader, bytes->text, bytes->len, to),
			 HYBRIDGE_WS_MORE);
	assert_true(hybridge_ws_at_boundary(&reader));
}

static void every_cut_into_two_gives_the_same_pieces(void **state)
{
	(void)state;
	for (int masked = 0; masked <= 1; masked++) {
		struct transcript bytes = conversation(masked);
		struct transcript whole = {0};

		read_whole(&bytes, masked, &whole);
		for (size_t cut = 0; cut <= bytes.len; cut++) {
			struct transcript parts = {0};
			struct hybridge_ws_reader reader;

			hybridge_ws_reader_init(&reader, masked);
			feed(&reader, bytes.text, cut, &parts);
			feed(&reader, bytes.text + cut, bytes.len - cut,
			     &parts);
			assert_null(parts.why);
			assert_int_equal(parts.len, whole.len);
			assert_memory_equal(parts.text, whole.text, whole.len);
			free(parts.text);
		}
		free(bytes.text);
		free(whole.text);
	}
}

static void parts_of_every_size_give_the_same_pieces(void **state)
{
	(void)state;
	for (int masked = 0; masked <= 1; masked++) {
		struct transcript bytes = conversation(masked);
		struct transcript whole = {0};

		read_whole(&bytes, masked, &whole);
		for (size_t size = 1; size <= 300; size++) {
			struct transcript parts = {0};
			struct hybridge_ws_reader reader;

			hybridge_ws_reader_init(&reader, masked);
			for (size_t at = 0; at < bytes.len; at += size)
				feed(&reader, bytes.text + at,
				     bytes.len - at < size ? bytes.len - at
							   : size,
				     &parts);
			assert_int_equal(parts.len, whole.len);
			assert_memory_equal(parts.text, whole.text, whole.len);
			free(parts.text);
		}
		free(bytes.text);
		free(whole.text);
	}
}

static void what_is_read_is_what_was_written(void **state)
{
	static const char want[] =
		"<1 1 0 2:ab><2 9 1 4:ping><1 0 1 2:cd><1 2 1 0:><2 8 1 2:\x0f"
		"\xa0>";
	struct transcript bytes = {0};
	struct transcript got = {0};

	(void)state;
	add_frame(&bytes, HYBRIDGE_WS_TEXT, false, "ab", 2, true);
	add_frame(&bytes, HYBRIDGE_WS_PING, true, "ping", 4, true);
	add_frame(&bytes, HYBRIDGE_WS_CONTINUATION, true, "cd", 2, true);
	add_frame(&bytes, HYBRIDGE_WS_BINARY, true, "", 0, true);
	add_frame(&bytes, HYBRIDGE_WS_CLOSE, true, "\x0f\xa0", 2, true);
	read_whole(&bytes, true, &got);
	assert_int_equal(got.len, sizeof(want) - 1);
	assert_memory_equal(got.text, want, got.len);
	free(bytes.text);
	free(got.text);
}

static void long_frames_pass_in_pieces_and_are_never_collected(void **state)
{
	static const struct {
		size_t len;
		size_t header;
	} cases[] = {
		{0, 2},      {1, 2},      {125, 2},
		{126, 4},    {127, 4},    {65535, 4},
		{65536, 10}, {65537, 10}, {(1 << 20) + 3, 10},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_ws_reader reader;
		struct hybridge_ws_piece piece;
		uint8_t header[HYBRIDGE_WS_HEADER_MAX];
		size_t len = cases[i].len;
		uint8_t *data = calloc(1, len + 14);
		uint8_t *at = data;
		size_t size, left, seen = 0;

		print_message("case: %zu bytes\n", len);
		size = hybridge_ws_header(header, HYBRIDGE_WS_BINARY, true, len,
					  rfc_key);
		assert_int_equal(size, cases[i].header + 4);
		memcpy(data, header, size);
		for (size_t k = 0; k < len; k++)
			data[size + k] = (uint8_t)(k % 251);
		hybridge_ws_mask(data + size, len, rfc_key, 0);
		hybridge_ws_reader_init(&reader, true);
		for (left = size + len; left > 0;) {
			size_t part = left < 40001 ? left : 40001;

			left -= part;
			while (hybridge_ws_next(&reader, &at, &part, &piece) ==
			       HYBRIDGE_WS_DATA) {
				assert_int_equal(piece.frame_len, len);
				assert_int_equal(piece.starts, seen == 0);
				for (size_t k = 0; k < piece.len; k++)
					if (piece.data[k] !=
					    (uint8_t)((seen + k) % 251))
						fail_msg("byte %zu", seen + k);
				seen += piece.len;
				assert_int_equal(piece.ends, seen == len);
			}
		}
		assert_int_equal(seen, len);
		assert_true(hybridge_ws_at_boundary(&reader));
		free(data);
	}
}

static void a_length_of_63_bits_is_accepted(void **state)
{
	static const uint8_t bytes[] = {0x82, 0x7f, 0x7f, 0xff, 0xff, 0xff,
					0xff, 0xff, 0xff, 0xff, 'x'};
	struct hybridge_ws_reader reader;
	struct transcript got = {0};

	(void)state;
	hybridge_ws_reader_init(&reader, false);
	assert_int_equal(feed(&reader, bytes, sizeof(bytes), &got),
			 HYBRIDGE_WS_MORE);
	note(&got, "", 1);
	assert_string_equal(got.text, "<1 2 1 9223372036854775807:x");
	assert_false(hybridge_ws_at_boundary(&reader));
	free(got.text);
}

static void masks_fit_at_every_alignment_length_and_phase(void **state)
{
	uint8_t plain[160], data[160];

	(void)state;
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * 13 + 5);
	for (size_t from = 0; from < 33; from++)
		for (size_t len = 0; len <= 100; len++)
			for (uint8_t at = 0; at < 4; at++) {
				uint8_t next;

				memcpy(data, plain, sizeof(data));
				next = hybridge_ws_mask(data + from, len,
							rfc_key, at);
				assert_int_equal(next, (at + len) % 4);
				for (size_t i = 0; i < sizeof(data); i++) {
					bool in = i >= from && i < from + len;
					uint8_t mask =
						rfc_key[(at + i - from) % 4];

					if (data[i] !=
					    (plain[i] ^ (in ? mask : 0)))
						fail_msg("%zu %zu %u: %zu",
							 from, len, at, i);
				}
			}
}

static void examples_of_the_standard_are_read(void **state)
{
	static const struct {
		const char *name;
		bool masked;
		size_t len;
		const char *bytes;
		const char *want;
	} cases[] = {
		{"unmasked text", false, 7, "\x81\x05Hello", "<1 1 1 5:Hello>"},
		{"masked text", true, 11,
		 "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
		 "<1 1 1 5:Hello>"},
		{"fragments", false, 9,
		 "\x01\x03Hel\x80\x02"
		 "lo",
		 "<1 1 0 3:Hel><1 0 1 2:lo>"},
		{"ping", false, 7, "\x89\x05Hello", "<2 9 1 5:Hello>"},
		{"masked pong", true, 11,
		 "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
		 "<2 10 1 5:Hello>"},
		{"head of 256 bytes", false, 4, "\x82\x7e\x01\x00", ""},
		{"head of 64 KiB", false, 10,
		 "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_ws_reader reader;
		struct transcript got = {0};

		print_message("case: %s\n", cases[i].name);
		hybridge_ws_reader_init(&reader, cases[i].masked);
		assert_int_equal(feed(&reader, (const uint8_t *)cases[i].bytes,
				      cases[i].len, &got),
				 HYBRIDGE_WS_MORE);
		note(&got, "", 1);
		assert_string_equal(got.text, cases[i].want);
		free(got.text);
	}
}

static void examples_of_the_standard_are_written(void **state)
{
	uint8_t header[HYBRIDGE_WS_HEADER_MAX];

	(void)state;
	assert_int_equal(
		hybridge_ws_header(header, HYBRIDGE_WS_TEXT, true, 5, rfc_key),
		6);
	assert_memory_equal(header, "\x81\x85\x37\xfa\x21\x3d", 6);
	assert_int_equal(
		hybridge_ws_header(header, HYBRIDGE_WS_TEXT, false, 3, NULL),
		2);
	assert_memory_equal(header, "\x01\x03", 2);
	assert_int_equal(
		hybridge_ws_header(header, HYBRIDGE_WS_BINARY, true, 256, NULL),
		4);
	assert_memory_equal(header, "\x82\x7e\x01\x00", 4);
	assert_int_equal(hybridge_ws_header(header, HYBRIDGE_WS_BINARY, true,
					    65536, NULL),
			 10);
	assert_memory_equal(header, "\x82\x7f\0\0\0\0\0\x01\0\0", 10);
}

static void what_breaks_the_protocol_is_refused(void **state)
{
	static const struct {
		const char *why;
		bool masked;
		size_t len;
		const char *bytes;
	} cases[] = {
		{"reserved bits are set", false, 2, "\xc2\x00"},
		{"reserved bits are set", false, 2, "\xa2\x00"},
		{"reserved bits are set", false, 2, "\x92\x00"},
		{"reserved opcode", false, 2, "\x83\x00"},
		{"reserved opcode", false, 2, "\x87\x00"},
		{"reserved opcode", false, 2, "\x8b\x00"},
		{"reserved opcode", false, 2, "\x8f\x00"},
		{"frame from a client without mask", true, 2, "\x82\x00"},
		{"masked frame from a server", false, 6, "\x82\x80\0\0\0\0"},
		{"fragmented control frame", false, 2, "\x09\x00"},
		{"fragmented control frame", false, 2, "\x08\x00"},
		{"control frame of more than 125 bytes", false, 4,
		 "\x89\x7e\x00\x7e"},
		{"control frame of more than 125 bytes", false, 2, "\x88\x7f"},
		{"continuation without a message", false, 2, "\x80\x00"},
		{"continuation without a message", false, 4,
		 "\x82\x00\x80\x00"},
		{"new message inside a message", false, 4, "\x02\x00\x82\x00"},
		{"new message inside a message", false, 4, "\x01\x00\x01\x00"},
		{"length not in its shortest form", false, 4,
		 "\x82\x7e\x00\x7d"},
		{"length not in its shortest form", false, 10,
		 "\x82\x7f\0\0\0\0\0\0\xff\xff"},
		{"length with its highest bit set", false, 10,
		 "\x82\x7f\x80\0\0\0\0\0\0\0"},
		{"Close with half a code", false, 3, "\x88\x01\x03"},
		{"frame after Close", false, 5, "\x88\x00\x82\x01x"},
		{"frame after Close", false, 4, "\x88\x00\x88\x00"},
		{"frame after Close", false, 6, "\x88\x00\x89\x00\x80\x00"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		/* Whole, and byte by byte. */
		for (size_t size = cases[i].len; size > 0;
		     size = size == 1 ? 0 : 1) {
			struct hybridge_ws_reader reader;
			struct transcript got = {0};

			print_message("case %zu: %s\n", i, cases[i].why);
			hybridge_ws_reader_init(&reader, cases[i].masked);
			for (size_t at = 0; at < cases[i].len && !got.why;
			     at += size)
				feed(&reader,
				     (const uint8_t *)cases[i].bytes + at, size,
				     &got);
			assert_non_null(got.why);
			assert_string_equal(got.why, cases[i].why);
			free(got.text);
		}
	}
}

static void only_codes_that_may_travel_close(void **state)
{
	(void)state;
	for (unsigned int code = 0; code <= 0xffff; code++) {
		/* RFC 6455 7.4.1 and 7.4.2, and IANA's registry. */
		bool good = (code >= 1000 && code <= 1003) ||
			    (code >= 1007 && code <= 1014) ||
			    (code >= 3000 && code <= 4999);
		uint8_t bytes[4] = {0x88, 0x02, (uint8_t)(code >> 8),
				    (uint8_t)code};
		struct hybridge_ws_reader reader;
		struct hybridge_ws_piece piece;
		uint8_t *at = bytes;
		size_t len = sizeof(bytes);
		enum hybridge_ws_event event;

		hybridge_ws_reader_init(&reader, false);
		event = hybridge_ws_next(&reader, &at, &len, &piece);
		if (event != (good ? HYBRIDGE_WS_CONTROL : HYBRIDGE_WS_ERROR))
			fail_msg("code %u: event %d", code, event);
		if (good)
			assert_int_equal(
				hybridge_ws_close_code(piece.data, piece.len),
				code);
		else
			assert_string_equal(
				piece.why,
				"Close with a code that must not be sent");
	}
	assert_int_equal(hybridge_ws_close_code(NULL, 0), HYBRIDGE_WS_NO_CODE);
}

static void boundaries_are_known(void **state)
{
	struct transcript bytes = conversation(true);
	struct hybridge_ws_reader reader;
	struct transcript got = {0};
	size_t boundaries = 0;

	(void)state;
	hybridge_ws_reader_init(&reader, true);
	assert_true(hybridge_ws_at_boundary(&reader));
	for (size_t i = 0; i < bytes.len; i++) {
		feed(&reader, bytes.text + i, 1, &got);
		assert_int_equal(hybridge_ws_at_boundary(&reader),
				 got.len > 0 && got.text[got.len - 1] == '>' &&
					 reader.have == 0 && reader.left == 0);
		boundaries += hybridge_ws_at_boundary(&reader);
	}
	assert_int_equal(boundaries, 13);
	free(bytes.text);
	free(got.text);
}

static void control_frames_come_whole_and_bounded(void **state)
{
	uint8_t frame[HYBRIDGE_WS_HEADER_MAX + HYBRIDGE_WS_CONTROL_MAX];
	char data[200];

	(void)state;
	memset(data, 'p', sizeof(data));
	for (int masked = 0; masked <= 1; masked++)
		for (size_t len = 0; len <= sizeof(data); len++) {
			size_t kept = len < 125 ? len : 125;
			struct hybridge_ws_reader reader;
			struct hybridge_ws_piece piece;
			uint8_t *at = frame;
			size_t size;

			size = hybridge_ws_control_frame(
				frame, HYBRIDGE_WS_PING, data, len, masked);
			assert_int_equal(size, (masked ? 6u : 2u) + kept);
			hybridge_ws_reader_init(&reader, masked);
			assert_int_equal(
				hybridge_ws_next(&reader, &at, &size, &piece),
				HYBRIDGE_WS_CONTROL);
			assert_int_equal(piece.opcode, HYBRIDGE_WS_PING);
			assert_int_equal(piece.len, kept);
			if (kept > 0)
				assert_memory_equal(piece.data, data, kept);
		}
}

static void keys_differ(void **state)
{
	static uint8_t keys[5000][4];
	size_t equal = 0;

	(void)state;
	/* More than one pool of random bytes. */
	for (size_t i = 0; i < 5000; i++) {
		hybridge_ws_random_key(keys[i]);
		for (size_t k = 0; k < i; k++)
			equal += memcmp(keys[k], keys[i], 4) == 0;
	}
	/* 0.003 pairs are expected. */
	assert_true(equal < 3);
}

static void accept_is_the_one_of_the_standard(void **state)
{
	static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
	char accept[29];

	(void)state;
	hybridge_ws_accept(key, strlen(key), accept);
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut_into_two_gives_the_same_pieces),
		cmocka_unit_test(parts_of_every_size_give_the_same_pieces),
		cmocka_unit_test(what_is_read_is_what_was_written),
		cmocka_unit_test(
			long_frames_pass_in_pieces_and_are_never_collected),
		cmocka_unit_test(a_length_of_63_bits_is_accepted),
		cmocka_unit_test(masks_fit_at_every_alignment_length_and_phase),
		cmocka_unit_test(examples_of_the_standard_are_read),
		cmocka_unit_test(examples_of_the_standard_are_written),
		cmocka_unit_test(what_breaks_the_protocol_is_refused),
		cmocka_unit_test(only_codes_that_may_travel_close),
		cmocka_unit_test(boundaries_are_known),
		cmocka_unit_test(control_frames_come_whole_and_bounded),
		cmocka_unit_test(keys_differ),
		cmocka_unit_test(accept_is_the_one_of_the_standard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
