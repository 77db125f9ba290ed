/*
 * test_relay_transform.c - what one client sent becomes what the other is
 * sent, wherever the bytes are cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../relay/transform.h"

#define ROOM (1 << 18)

/* Bytes on their way in, or what came out. */
struct bytes {
	uint8_t data[ROOM];
	size_t len;
};

static struct bytes in, want, got;
static char want_events[64], got_events[64];

static int start(void **state)
{
	(void)state;
	in.len = want.len = got.len = 0;
	want_events[0] = '\0';
	return 0;
}

static void add(struct bytes *to, const void *data, size_t len)
{
	assert_true(to->len + len <= ROOM);
	memcpy(to->data + to->len, data, len);
	to->len += len;
}

static void add_frame(struct bytes *to, uint8_t opcode, bool fin,
		      const void *payload, size_t len, bool masked)
{
	uint8_t header[HYBRIDGE_WS_HEADER_MAX];
	uint8_t key[4] = {0xa1, 0x02, 0xf3, (uint8_t)(len + opcode)};
	size_t at;

	add(to, header,
	    hybridge_ws_header(header, opcode, fin, len, masked ? key : NULL));
	at = to->len;
	add(to, payload, len);
	if (masked)
		hybridge_ws_mask(to->data + at, len, key, 0);
}

/* A frame that must come out as it went in. */
static void both(uint8_t opcode, bool fin, const void *payload, size_t len)
{
	add_frame(&in, opcode, fin, payload, len, true);
	add_frame(&want, opcode, fin, payload, len, false);
}

static void send_only(uint8_t opcode, bool fin, const char *payload)
{
	add_frame(&in, opcode, fin, payload, strlen(payload), true);
}

static void note(const char *kind, const uint8_t *data, size_t len)
{
	size_t at = strlen(got_events);

	snprintf(got_events + at, sizeof(got_events) - at, "%s%.*s;", kind,
		 (int)len, (const char *)data);
}

/* Feeds one batch from a buffer of its own, so that an overrun is seen. */
static enum transform_event feed(struct transform *transform,
				 const uint8_t *data, size_t len,
				 uint64_t *payload)
{
	uint8_t *room = malloc(TRANSFORM_ROOM + len + 1);
	uint8_t *buf = room + TRANSFORM_ROOM;
	enum transform_event event = TRANSFORM_RUN;
	struct transform_out out;

	assert_non_null(room);
	memcpy(buf, data, len);
	while (event != TRANSFORM_MORE && event != TRANSFORM_ERROR) {
		event = transform_next(transform, &buf, &len, &out);
		if (out.run_len > 0) {
			assert_true(out.run >= room);
			assert_true(out.run + out.run_len <= buf);
			add(&got, out.run, out.run_len);
		}
		*payload += out.payload;
		if (event == TRANSFORM_PING)
			note("ping ", out.control, out.control_len);
		if (event == TRANSFORM_CLOSE)
			note("close ", out.control + 2, out.control_len - 2);
		if (event == TRANSFORM_ERROR)
			note("error", buf, 0);
	}
	free(room);
	return event;
}

static void run_cut_at(size_t first, size_t second)
{
	struct transform transform;
	uint64_t payload = 0;

	got.len = 0;
	got_events[0] = '\0';
	transform_init(&transform);
	if (feed(&transform, in.data, first, &payload) == TRANSFORM_MORE &&
	    feed(&transform, in.data + first, second - first, &payload) ==
		    TRANSFORM_MORE)
		feed(&transform, in.data + second, in.len - second, &payload);
	if (got.len != want.len || memcmp(got.data, want.data, want.len) != 0 ||
	    strcmp(got_events, want_events) != 0)
		fail_msg("cut at %zu and %zu: %zu bytes instead of %zu, events "
			 "'%s' instead of '%s'",
			 first, second, got.len, want.len, got_events,
			 want_events);
	assert_false(transform.mid_frame);
}

static void assert_with_every_cut(void)
{
	for (size_t first = 0; first <= in.len; first++)
		for (size_t second = first; second <= in.len; second++)
			run_cut_at(first, second);
}

static void one_byte_at_a_time(void)
{
	struct transform transform;
	uint64_t payload = 0;

	got.len = 0;
	got_events[0] = '\0';
	transform_init(&transform);
	for (size_t i = 0; i < in.len; i++)
		feed(&transform, in.data + i, 1, &payload);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.data, want.data, want.len);
}

static void
frames_keep_opcode_fin_and_payload_wherever_they_are_cut(void **state)
{
	static char text[130];

	(void)state;
	memset(text, 'x', sizeof(text));
	both(HYBRIDGE_WS_BINARY, true, "a", 1);
	both(HYBRIDGE_WS_TEXT, false, "bc", 2);
	both(HYBRIDGE_WS_CONTINUATION, false, "d", 1);
	both(HYBRIDGE_WS_CONTINUATION, true, "efg", 3);
	both(HYBRIDGE_WS_BINARY, true, text, 125);
	both(HYBRIDGE_WS_BINARY, true, text, 126);
	assert_with_every_cut();
	one_byte_at_a_time();
}

static void control_frames_are_told_and_not_forwarded(void **state)
{
	(void)state;
	both(HYBRIDGE_WS_BINARY, false, "ab", 2);
	send_only(HYBRIDGE_WS_PING, true, "p1");
	both(HYBRIDGE_WS_CONTINUATION, true, "cd", 2);
	send_only(HYBRIDGE_WS_PONG, true, "nobody asked");
	send_only(HYBRIDGE_WS_PING, true, "");
	send_only(HYBRIDGE_WS_CLOSE, true,
		  "\x03\xe9"
		  "bye");
	strcpy(want_events, "ping p1;ping ;close bye;");
	assert_with_every_cut();
}

static void empty_frames_are_left_out_but_messages_end(void **state)
{
	(void)state;
	send_only(HYBRIDGE_WS_BINARY, true, "");
	/* An empty first fragment: the second one starts the message. */
	send_only(HYBRIDGE_WS_TEXT, false, "");
	add_frame(&in, HYBRIDGE_WS_CONTINUATION, true, "ab", 2, true);
	add_frame(&want, HYBRIDGE_WS_TEXT, true, "ab", 2, false);
	/* Empty ones in the middle go, an empty last one stays. */
	both(HYBRIDGE_WS_BINARY, false, "cd", 2);
	send_only(HYBRIDGE_WS_CONTINUATION, false, "");
	both(HYBRIDGE_WS_CONTINUATION, true, "", 0);
	/* Nothing but empty ones: nothing. */
	send_only(HYBRIDGE_WS_TEXT, false, "");
	send_only(HYBRIDGE_WS_CONTINUATION, true, "");
	both(HYBRIDGE_WS_BINARY, true, "e", 1);
	assert_with_every_cut();
}

static void large_and_small_frames_mix(void **state)
{
	static uint8_t big[70000];
	static const size_t sizes[] = {1, 5000, 4096,  4097,  70000,
				       2, 3,    65535, 65536, 1};

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t i = 0; i + 3 < sizeof(sizes) / sizeof(sizes[0]); i++)
		both(HYBRIDGE_WS_BINARY, true, big, sizes[i]);
	for (size_t cut = 0; cut <= in.len; cut += 509)
		run_cut_at(cut, in.len - (in.len - cut) / 3);
	for (size_t cut = 0; cut < 40; cut++)
		run_cut_at(cut, in.len);
	start(NULL);
	both(HYBRIDGE_WS_TEXT, false, big, 65535);
	both(HYBRIDGE_WS_CONTINUATION, true, big, 65536);
	for (size_t cut = 65530; cut <= 65570; cut++)
		run_cut_at(cut, in.len);
}

static void payload_is_counted_without_headers(void **state)
{
	struct transform transform;
	uint64_t payload = 0;

	(void)state;
	both(HYBRIDGE_WS_BINARY, true, "12345", 5);
	send_only(HYBRIDGE_WS_PING, true, "xyz");
	both(HYBRIDGE_WS_BINARY, true, "678", 3);
	transform_init(&transform);
	feed(&transform, in.data, in.len, &payload);
	assert_int_equal(payload, 8);
}

static void mid_frame_is_told_while_a_frame_is_forwarded_in_part(void **state)
{
	struct transform transform;
	uint64_t payload = 0;

	(void)state;
	both(HYBRIDGE_WS_BINARY, true, "12345678", 8);
	transform_init(&transform);
	/* The header alone is not forwarded: nothing is open yet. */
	feed(&transform, in.data, 6, &payload);
	assert_false(transform.mid_frame);
	feed(&transform, in.data + 6, 1, &payload);
	assert_true(transform.mid_frame);
	feed(&transform, in.data + 7, 7, &payload);
	assert_false(transform.mid_frame);
}

static void
broken_frames_are_errors_and_what_came_before_is_forwarded(void **state)
{
	static const struct {
		const char *what;
		uint8_t bytes[8];
		size_t len;
	} cases[] = {
		{"reserved bit", {0xc2, 0x81, 1, 2, 3, 4, 5}, 7},
		{"no mask", {0x82, 0x01, 'a'}, 3},
		{"reserved opcode", {0x83, 0x80, 1, 2, 3, 4}, 6},
		{"continuation of nothing", {0x80, 0x81, 1, 2, 3, 4, 5}, 7},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i].what);
		start(NULL);
		both(HYBRIDGE_WS_BINARY, true, "ok", 2);
		add(&in, cases[i].bytes, cases[i].len);
		strcpy(want_events, "error;");
		assert_with_every_cut();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			frames_keep_opcode_fin_and_payload_wherever_they_are_cut,
			start),
		cmocka_unit_test_setup(
			control_frames_are_told_and_not_forwarded, start),
		cmocka_unit_test_setup(
			empty_frames_are_left_out_but_messages_end, start),
		cmocka_unit_test_setup(large_and_small_frames_mix, start),
		cmocka_unit_test_setup(payload_is_counted_without_headers,
				       start),
		cmocka_unit_test_setup(
			mid_frame_is_told_while_a_frame_is_forwarded_in_part,
			start),
		cmocka_unit_test_setup(
			broken_frames_are_errors_and_what_came_before_is_forwarded,
			start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
