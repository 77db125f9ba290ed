/*
 * test_channel.c - messages over a WebSocket, from either side, and how that ends.
 */
#include "engine_fixture.h"

#include <sys/ioctl.h>

#include <hybridge/channel.h>
#include <hybridge/ws.h>

#define LONG_MS 600000u

/* A channel, what it said, and the far end of its connection. */
struct talk {
	struct fixture *fx;
	struct hybridge_channel *channel;
	struct hybridge_conn *conn; /* the channel's */
	int far;
	struct hybridge_ws_reader reader; /* the far end's */
	bool far_masks;
	char said[4000]; /* "T:text;" or "B:...;" for each message */
	size_t said_len;
	unsigned int ends;
	uint16_t code;
	char reason[200];
	bool free_on_message;
	int fd;
	int busy_fd;     /* another channel's: what it has not read ... */
	int busy_unread; /* ... when our message comes */
	bool echo;
};

static int unread_bytes(int fd)
{
	int bytes = -1;

	assert_int_equal(ioctl(fd, FIONREAD, &bytes), 0);
	return bytes;
}

static void talk_message(void *owner, bool text, const char *data, size_t len)
{
	struct talk *talk = owner;
	int n = snprintf(talk->said + talk->said_len,
			 sizeof(talk->said) - talk->said_len, "%c:%.*s;",
			 text ? 'T' : 'B', (int)len, data);

	assert_true(n > 0);
	talk->said_len += (size_t)n;
	assert_true(talk->said_len < sizeof(talk->said));
	if (talk->busy_fd > 0)
		talk->busy_unread = unread_bytes(talk->busy_fd);
	if (talk->echo)
		assert_int_equal(
			hybridge_channel_send(talk->channel, data, len), 0);
	if (talk->free_on_message) {
		hybridge_channel_free(talk->channel);
		talk->channel = NULL;
	}
}

static void talk_end(void *owner, uint16_t code, const char *reason)
{
	struct talk *talk = owner;

	talk->ends++;
	talk->code = code;
	snprintf(talk->reason, sizeof(talk->reason), "%s", reason);
	talk->channel = NULL;
}

static const struct hybridge_channel_ops ops = {talk_message, talk_end};

static void ignore(void *owner, struct hybridge_conn *conn)
{
	(void)owner;
	(void)conn;
}

static void talk_open(struct fixture *fx, struct talk *talk,
		      const struct hybridge_channel_args *args, int buffer)
{
	int fds[2];

	*talk = (struct talk){.fx = fx, .far_masks = !args->is_client};
	hybridge_ws_reader_init(&talk->reader, args->is_client);
	fixture_tcp_pair(fds, buffer);
	talk->fd = fds[0];
	talk->far = fds[1];
	talk->conn = hybridge_conn_new(fx->loop, fds[0], ignore, NULL);
	assert_non_null(talk->conn);
	talk->channel =
		hybridge_channel_new(fx->loop, talk->conn, args, &ops, talk);
	assert_non_null(talk->channel);
}

static const struct hybridge_channel_args client = {
	.is_client = true,
	.message_max = 1000,
	.ping_ms = LONG_MS,
};

static const struct hybridge_channel_args server = {
	.message_max = 1000,
	.ping_ms = LONG_MS,
};

static void talk_close(struct talk *talk)
{
	hybridge_channel_free(talk->channel);
	close(talk->far);
	fixture_step(talk->fx, 2);
}

static void far_sends(struct talk *talk, uint8_t opcode, bool fin,
		      const char *data, size_t len)
{
	uint8_t frame[HYBRIDGE_WS_HEADER_MAX + 2000];
	const uint8_t key[4] = {1, 2, 3, 4};
	size_t size = hybridge_ws_header(frame, opcode, fin, len,
					 talk->far_masks ? key : NULL);

	assert_true(len <= 2000);
	if (len > 0)
		memcpy(frame + size, data, len);
	if (talk->far_masks)
		hybridge_ws_mask(frame + size, len, key, 0);
	fixture_send(talk->fx, talk->far, frame, size + len);
}

/* Reads the far end's next frame; false at the end of the connection. */
static bool far_frame(struct talk *talk, struct hybridge_ws_piece *out,
		      uint8_t *buf, size_t size)
{
	struct hybridge_ws_piece piece;
	size_t have = 0;

	for (;;) {
		uint8_t byte;
		uint8_t *at = &byte;
		size_t len = 1;
		enum hybridge_ws_event event;

		if (fixture_recv(talk->fx, talk->far, &byte, 1) <= 0)
			return false;
		event = hybridge_ws_next(&talk->reader, &at, &len, &piece);
		assert_int_not_equal(event, HYBRIDGE_WS_ERROR);
		if (event == HYBRIDGE_WS_MORE)
			continue;
		assert_true(have + piece.len <= size);
		if (piece.len > 0)
			memcpy(buf + have, piece.data, piece.len);
		have += piece.len;
		if (!piece.ends)
			continue;
		*out = piece;
		out->data = buf;
		out->len = have;
		return true;
	}
}

static void far_expects(struct talk *talk, uint8_t opcode, const char *data,
			size_t len)
{
	uint8_t buf[2000];
	struct hybridge_ws_piece got = {0};

	assert_true(far_frame(talk, &got, buf, sizeof(buf)));
	assert_int_equal(got.opcode, opcode);
	assert_int_equal(got.len, len);
	if (len > 0)
		assert_memory_equal(buf, data, len);
}

static void messages_come_whole_in_either_role(void **state)
{
	const struct hybridge_channel_args *const roles[] = {&client, &server};

	for (size_t i = 0; i < 2; i++) {
		struct talk talk;

		print_message("case: %s\n", i ? "server" : "client");
		talk_open(*state, &talk, roles[i], 0);
		far_sends(&talk, HYBRIDGE_WS_TEXT, true, "{}", 2);
		far_sends(&talk, HYBRIDGE_WS_TEXT, false, "ab", 2);
		far_sends(&talk, HYBRIDGE_WS_PING, true, "p", 1);
		far_sends(&talk, HYBRIDGE_WS_CONTINUATION, false, "", 0);
		far_sends(&talk, HYBRIDGE_WS_CONTINUATION, true, "cd", 2);
		far_sends(&talk, HYBRIDGE_WS_BINARY, true, "bin", 3);
		far_sends(&talk, HYBRIDGE_WS_TEXT, true, "", 0);
		far_expects(&talk, HYBRIDGE_WS_PONG, "p", 1);
		FIXTURE_UNTIL(talk.fx, talk.said_len >= 20);
		assert_string_equal(talk.said, "T:{};T:abcd;B:bin;T:;");
		assert_int_equal(
			hybridge_channel_send(talk.channel, "hello", 5), 0);
		assert_int_equal(hybridge_channel_send(talk.channel, "", 0), 0);
		far_expects(&talk, HYBRIDGE_WS_TEXT, "hello", 5);
		far_expects(&talk, HYBRIDGE_WS_TEXT, "", 0);
		talk_close(&talk);
		assert_int_equal(talk.ends, 0);
	}
}

static void a_message_may_be_as_long_as_agreed_and_no_longer(void **state)
{
	static char text[1001];

	memset(text, 'm', sizeof(text));
	for (size_t len = 999; len <= 1001; len++)
		for (int cut = 0; cut <= 1; cut++) {
			struct talk talk;

			print_message("case: %zu bytes, fragments %d\n", len,
				      cut);
			talk_open(*state, &talk, &server, 0);
			if (cut) {
				far_sends(&talk, HYBRIDGE_WS_TEXT, false, text,
					  500);
				far_sends(&talk, HYBRIDGE_WS_CONTINUATION, true,
					  text, len - 500);
			} else {
				far_sends(&talk, HYBRIDGE_WS_TEXT, true, text,
					  len);
			}
			if (len <= 1000) {
				FIXTURE_UNTIL(talk.fx,
					      talk.said_len == len + 3);
			} else {
				far_expects(&talk, HYBRIDGE_WS_CLOSE,
					    "\x03\xf1message too long", 18);
				far_sends(&talk, HYBRIDGE_WS_CLOSE, true,
					  "\x03\xf1", 2);
				FIXTURE_UNTIL(talk.fx, talk.ends);
				assert_int_equal(talk.code,
						 HYBRIDGE_WS_TOO_BIG);
				assert_int_equal(talk.said_len, 0);
			}
			talk_close(&talk);
		}
}

static void an_answer_may_be_sent_from_inside_the_callback(void **state)
{
	struct talk talk;

	talk_open(*state, &talk, &client, 0);
	talk.echo = true;
	for (int i = 0; i < 100; i++)
		far_sends(&talk, HYBRIDGE_WS_TEXT, true, "again", 5);
	for (int i = 0; i < 100; i++)
		far_expects(&talk, HYBRIDGE_WS_TEXT, "again", 5);
	talk_close(&talk);
}

static void a_channel_may_be_freed_from_inside_the_callback(void **state)
{
	struct talk talk;
	char c;

	talk_open(*state, &talk, &client, 0);
	talk.free_on_message = true;
	far_sends(&talk, HYBRIDGE_WS_TEXT, true, "one", 3);
	far_sends(&talk, HYBRIDGE_WS_TEXT, true, "two", 3);
	FIXTURE_UNTIL(talk.fx, talk.said_len > 0);
	fixture_step(talk.fx, 5);
	assert_string_equal(talk.said, "T:one;");
	assert_int_equal(talk.ends, 0); /* the owner knows */
	assert_int_equal(fixture_recv(talk.fx, talk.far, &c, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	talk_close(&talk);
}

static void the_peer_closes_and_is_answered(void **state)
{
	static const struct {
		const char *close;
		size_t len;
		const char *answer;
		size_t answer_len;
		uint16_t code;
		const char *reason;
	} cases[] = {
		{"\x03\xe8", 2, "\x03\xe8", 2, 1000, ""},
		{"\x03\xe9going \x01 away", 14, "\x03\xe9", 2, 1001,
		 "going ? away"},
		{"", 0, "", 0, HYBRIDGE_WS_NO_CODE, ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct talk talk;
		char c;

		print_message("case: %u\n", cases[i].code);
		talk_open(*state, &talk, &client, 0);
		far_sends(&talk, HYBRIDGE_WS_TEXT, true, "last", 4);
		far_sends(&talk, HYBRIDGE_WS_CLOSE, true, cases[i].close,
			  cases[i].len);
		far_expects(&talk, HYBRIDGE_WS_CLOSE, cases[i].answer,
			    cases[i].answer_len);
		assert_int_equal(fixture_recv(talk.fx, talk.far, &c, 1), 0);
		assert_int_equal(talk.ends, 1);
		assert_int_equal(talk.code, cases[i].code);
		assert_string_equal(talk.reason, cases[i].reason);
		assert_string_equal(talk.said, "T:last;");
		talk_close(&talk);
	}
}

static void we_close_and_wait_for_the_answer(void **state)
{
	struct talk talk;

	talk_open(*state, &talk, &client, 0);
	hybridge_channel_close(talk.channel, HYBRIDGE_WS_GOING_AWAY, "bye");
	hybridge_channel_close(talk.channel, HYBRIDGE_WS_NORMAL, "once only");
	assert_int_equal(hybridge_channel_send(talk.channel, "x", 1), -1);
	far_expects(&talk, HYBRIDGE_WS_CLOSE,
		    "\x03\xe9"
		    "bye",
		    5);
	/* What was under way is no longer delivered. */
	far_sends(&talk, HYBRIDGE_WS_TEXT, true, "late", 4);
	fixture_step(talk.fx, 5);
	assert_int_equal(talk.ends, 0);
	far_sends(&talk, HYBRIDGE_WS_CLOSE, true, "\x03\xe9", 2);
	FIXTURE_UNTIL(talk.fx, talk.ends);
	assert_int_equal(talk.code, HYBRIDGE_WS_GOING_AWAY);
	assert_int_equal(talk.said_len, 0);
	talk_close(&talk);
}

static void a_close_that_nobody_answers_ends_all_the_same(void **state)
{
	struct talk talk;
	time_t begun = time(NULL);

	talk_open(*state, &talk, &client, 0);
	hybridge_channel_close(talk.channel, HYBRIDGE_WS_NORMAL, "why");
	FIXTURE_UNTIL(talk.fx, talk.ends);
	assert_in_range(time(NULL) - begun, 4, 10);
	assert_int_equal(talk.code, HYBRIDGE_WS_ABNORMAL);
	assert_string_equal(talk.reason, "Close was not answered: why");
	talk_close(&talk);
}

static void a_long_reason_is_cut(void **state)
{
	char reason[301], want[125];
	struct talk talk;

	memset(reason, 'r', 300);
	reason[300] = '\0';
	memset(want, 'r', sizeof(want));
	want[0] = 0x03;
	want[1] = (char)0xe8;
	talk_open(*state, &talk, &server, 0);
	hybridge_channel_close(talk.channel, HYBRIDGE_WS_NORMAL, reason);
	far_expects(&talk, HYBRIDGE_WS_CLOSE, want, sizeof(want));
	talk_close(&talk);
}

static void text_that_is_not_utf8_is_closed_with_1007(void **state)
{
	struct talk talk;

	talk_open(*state, &talk, &server, 0);
	/* Binary may be anything; a frame may end inside a character. */
	far_sends(&talk, HYBRIDGE_WS_BINARY, true, "\xff", 1);
	far_sends(&talk, HYBRIDGE_WS_TEXT, false, "\xc3", 1);
	far_sends(&talk, HYBRIDGE_WS_CONTINUATION, true, "\xa4", 1);
	far_sends(&talk, HYBRIDGE_WS_TEXT, true, "a\xc3", 2);
	far_expects(&talk, HYBRIDGE_WS_CLOSE,
		    "\x03\xef"
		    "text that is not UTF-8",
		    24);
	assert_string_equal(talk.said, "B:\xff;T:\xc3\xa4;");
	/* Its answer is no news: the end is told in our words. */
	far_sends(&talk, HYBRIDGE_WS_CLOSE, true, "\x03\xef", 2);
	FIXTURE_UNTIL(talk.fx, talk.ends);
	assert_int_equal(talk.code, HYBRIDGE_WS_BAD_DATA);
	assert_string_equal(talk.reason, "text that is not UTF-8");
	talk_close(&talk);
}

static void a_broken_protocol_is_closed_with_1002(void **state)
{
	struct talk talk;
	char c;

	talk_open(*state, &talk, &server, 0);
	fixture_send(talk.fx, talk.far, "\x81\x02hi", 4); /* no mask */
	far_expects(&talk, HYBRIDGE_WS_CLOSE,
		    "\x03\xea"
		    "frame from a client without mask",
		    34);
	assert_int_equal(fixture_recv(talk.fx, talk.far, &c, 1), 0);
	assert_int_equal(talk.ends, 1);
	assert_int_equal(talk.code, HYBRIDGE_WS_ABNORMAL);
	assert_string_equal(talk.reason, "frame from a client without mask");
	talk_close(&talk);
}

static void a_connection_that_breaks_is_an_abnormal_end(void **state)
{
	static const char *const reasons[] = {"closed without a Close",
					      "Connection reset by peer"};

	for (size_t i = 0; i < 2; i++) {
		struct talk talk;

		print_message("case: %s\n", reasons[i]);
		talk_open(*state, &talk, &client, 0);
		far_sends(&talk, HYBRIDGE_WS_TEXT, false, "half", 4);
		fixture_step(talk.fx, 2);
		if (i == 0)
			shutdown(talk.far, SHUT_WR);
		else
			fixture_reset(dup(talk.far));
		if (i == 1)
			fixture_reset(talk.far);
		FIXTURE_UNTIL(talk.fx, talk.ends);
		assert_int_equal(talk.code, HYBRIDGE_WS_ABNORMAL);
		assert_string_equal(talk.reason, reasons[i]);
		if (i == 1)
			talk.far = dup(0); /* closed already */
		talk_close(&talk);
	}
}

static void a_silent_peer_is_pinged_and_then_dead(void **state)
{
	struct hybridge_channel_args args = client;
	struct talk talk;

	args.ping_ms = 20;
	talk_open(*state, &talk, &args, 0);
	for (int i = 0; i < 5; i++) {
		far_expects(&talk, HYBRIDGE_WS_PING, "", 0);
		far_sends(&talk, HYBRIDGE_WS_PONG, true, "", 0);
	}
	assert_int_equal(talk.ends, 0);
	FIXTURE_UNTIL(talk.fx, talk.ends);
	assert_int_equal(talk.code, HYBRIDGE_WS_ABNORMAL);
	assert_string_equal(talk.reason, "silent, pings were not answered");
	talk_close(&talk);
}

static void a_peer_that_does_not_read_is_given_up(void **state)
{
	static char text[100000];
	struct talk talk;
	int sent = 0;

	talk_open(*state, &talk, &client, 8192);
	fixture_step(talk.fx, 2);
	while (hybridge_channel_send(talk.channel, text, sizeof(text)) == 0)
		sent++;
	/* 4 MiB, the socket's buffers, and the last message. */
	assert_in_range(sent, 41, 50);
	assert_int_equal(talk.ends, 0); /* told from the loop */
	FIXTURE_UNTIL(talk.fx, talk.ends);
	assert_int_equal(talk.code, HYBRIDGE_WS_POLICY);
	assert_string_equal(talk.reason, "the peer does not read");
	talk_close(&talk);
}

static void pongs_to_a_peer_that_does_not_read_are_bounded(void **state)
{
	static uint8_t pings[127 * 4000];
	struct talk talk;
	size_t sent = 0;

	for (size_t i = 0; i < sizeof(pings); i += 127) {
		pings[i] = 0x89;
		pings[i + 1] = 125;
	}
	talk_open(*state, &talk, &client, 8192);
	while (sent < 16u << 20) {
		ssize_t n = send(talk.far, pings + sent % 127,
				 sizeof(pings) - sent % 127, MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		fixture_step(talk.fx, 0);
	}
	assert_int_equal(talk.ends, 0);
	assert_in_range(hybridge_conn_pending(talk.conn), 1000, 200000);
	talk_close(&talk);
}

static void a_peer_that_floods_leaves_others_their_turn(void **state)
{
	static uint8_t pongs[6 * 30000];
	struct talk talk, other;

	for (size_t i = 0; i < sizeof(pongs); i += 6) {
		pongs[i] = 0x8a;
		pongs[i + 1] = 4;
	}
	talk_open(*state, &talk, &client, 0);
	talk_open(*state, &other, &client, 0);
	fixture_step(talk.fx, 2);
	/* Both become ready before the loop looks, the flooded one first. */
	assert_int_equal(send(talk.far, pongs, sizeof(pongs), MSG_NOSIGNAL),
			 sizeof(pongs));
	other.busy_fd = talk.fd;
	far_sends(&other, HYBRIDGE_WS_TEXT, true, "me too", 6);
	FIXTURE_UNTIL(talk.fx, other.said_len > 0);
	assert_true(other.busy_unread > 0);
	FIXTURE_UNTIL(talk.fx, unread_bytes(talk.fd) == 0);
	assert_int_equal(talk.ends, 0);
	talk_close(&talk);
	talk_close(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(messages_come_whole_in_either_role),
		WITH_LOOP(a_message_may_be_as_long_as_agreed_and_no_longer),
		WITH_LOOP(an_answer_may_be_sent_from_inside_the_callback),
		WITH_LOOP(a_channel_may_be_freed_from_inside_the_callback),
		WITH_LOOP(the_peer_closes_and_is_answered),
		WITH_LOOP(we_close_and_wait_for_the_answer),
		WITH_LOOP(a_close_that_nobody_answers_ends_all_the_same),
		WITH_LOOP(a_long_reason_is_cut),
		WITH_LOOP(text_that_is_not_utf8_is_closed_with_1007),
		WITH_LOOP(a_broken_protocol_is_closed_with_1002),
		WITH_LOOP(a_connection_that_breaks_is_an_abnormal_end),
		WITH_LOOP(a_silent_peer_is_pinged_and_then_dead),
		WITH_LOOP(a_peer_that_does_not_read_is_given_up),
		WITH_LOOP(pongs_to_a_peer_that_does_not_read_are_bounded),
		WITH_LOOP(a_peer_that_floods_leaves_others_their_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
