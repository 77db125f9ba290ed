/*
 * test_pump_load.c - streams under load: every byte, nothing that grows, and no
 * stream that is stuck for ever.
 */
#include "pump_fixture.h"

#include <openssl/evp.h>

/* With all headers, of TCP and four TLS records too, a frame is one packet. */
#define FRAME_MAX (65535 - 40 - 32 - 4 * 22 - 9 - 8)

/* Sends until nothing more is taken for a while; how much went in. */
static size_t fill(struct stream *stream, int fd, bool frames)
{
	static uint8_t buf[60000];
	size_t total = 0;

	if (frames) {
		/* One endless frame. */
		uint8_t header[HYBRIDGE_WS_HEADER_MAX];
		size_t size = hybridge_ws_header(header, HYBRIDGE_WS_BINARY,
						 true, 1u << 30, NULL);

		fixture_send(stream->fx, fd, header, size);
	}
	for (int idle = 0; idle < 30;) {
		ssize_t n = send(fd, buf, sizeof(buf), MSG_NOSIGNAL);

		idle = n > 0 ? 0 : idle + 1;
		total += n > 0 ? (size_t)n : 0;
		fixture_step(stream->fx, 1);
	}
	return total;
}

static void a_peer_that_does_not_read_stops_the_program(void **state)
{
	struct stream stream;

	stream_open(*state, &stream, 200, 8192);
	/* Nothing grows: socket buffers, and one batch. */
	assert_in_range(fill(&stream, stream.app, false), 1000, 400000);
	/* It cannot be asked either, so it is not dead. */
	fixture_step(stream.fx, 800);
	assert_int_equal(stream.ends, 0);
	stream_close(&stream);
}

static void a_program_that_does_not_read_stops_the_peer(void **state)
{
	struct stream stream;

	stream_open(*state, &stream, 200, 8192);
	assert_in_range(fill(&stream, stream.peer, true), 1000, 600000);
	fixture_step(stream.fx, 800);
	assert_int_equal(stream.ends, 0);
	stream_close(&stream);
}

static void pongs_to_a_peer_that_does_not_read_are_bounded(void **state)
{
	static uint8_t pings[127 * 500];
	struct stream stream;
	size_t sent = 0;

	for (size_t i = 0; i < sizeof(pings); i += 127) {
		pings[i] = 0x89;
		pings[i + 1] = 125;
	}
	stream_open(*state, &stream, LONG_MS, 8192);
	while (sent < 4u << 20) {
		ssize_t n = send(stream.peer, pings + sent % 127,
				 sizeof(pings) - sent % 127, MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		fixture_step(stream.fx, 0);
	}
	assert_int_equal(stream.ends, 0);
	assert_in_range(hybridge_conn_pending(stream.ws), 1000, 300000);
	stream_close(&stream);
}

static void a_program_that_dies_while_all_is_stuck_is_noticed(void **state)
{
	for (int both = 0; both <= 1; both++) {
		struct stream stream;

		print_message("case: %s\n", both ? "both ways" : "one way");
		stream_open(*state, &stream, LONG_MS, 8192);
		if (both)
			fill(&stream, stream.peer, true);
		fill(&stream, stream.app, false);
		fixture_reset(stream.app);
		stream.app = -1;
		assert_end(&stream, HYBRIDGE_END_TCP_RESET, 0);
		assert_int_equal(peer_sees(&stream), ECONNRESET);
		stream_close(&stream);
	}
}

static void a_peer_that_dies_while_all_is_stuck_is_noticed(void **state)
{
	for (int closed = 0; closed <= 1; closed++) {
		struct stream stream;

		print_message("case: %s Close\n", closed ? "after" : "without");
		stream_open(*state, &stream, LONG_MS, 8192);
		fill(&stream, stream.app, false);
		if (closed)
			peer_closes(&stream, HYBRIDGE_WS_NORMAL);
		fixture_step(stream.fx, 5);
		fixture_reset(stream.peer);
		stream.peer = -1;
		assert_end(&stream, HYBRIDGE_END_WS_LOST, 0);
		stream_close(&stream);
	}
}

/* As if the cable were cut: its kernel drops whatever comes, and acknowledges nothing. */
static void vanish(int fd)
{
	int ttl = 255; /* what comes has 64 */

	assert_int_equal(
		setsockopt(fd, IPPROTO_IP, IP_MINTTL, &ttl, sizeof(ttl)), 0);
}

static void a_peer_that_vanishes_while_bytes_wait_is_noticed(void **state)
{
	static uint8_t data[400000];

	for (int full = 0; full <= 1; full++) {
		struct stream stream;

		print_message("case: %s\n", full ? "its window is closed"
						 : "bytes are on their way");
		stream_open(*state, &stream, 50, 8192);
		if (full)
			fill(&stream, stream.app, false);
		vanish(stream.peer);
		if (!full)
			(void)!send(stream.app, data, sizeof(data),
				    MSG_NOSIGNAL);
		assert_end(&stream, HYBRIDGE_END_WS_SILENT, 0);
		assert_int_equal(app_sees(&stream), ECONNRESET);
		stream_close(&stream);
	}
}

static void a_peer_that_vanishes_after_its_close_is_noticed(void **state)
{
	struct stream stream;

	stream_open(*state, &stream, 50, 0);
	peer_closes(&stream, HYBRIDGE_WS_NORMAL);
	fixture_expect(stream.fx, stream.app, "", 0);
	vanish(stream.peer);
	fixture_send(stream.fx, stream.app, "lost", 4);
	assert_end(&stream, HYBRIDGE_END_WS_SILENT, 0);
	stream_close(&stream);
}

static void an_end_waits_for_what_is_stuck(void **state)
{
	struct stream stream;
	uint8_t header[HYBRIDGE_WS_HEADER_MAX];
	static uint8_t data[500000];
	size_t size = hybridge_ws_header(header, HYBRIDGE_WS_BINARY, true,
					 sizeof(data), NULL);
	size_t sent = 0, got = 0;
	static uint8_t buf[sizeof(data)];
	char c;

	/* More than fits, then Close and FIN: all of it still arrives. */
	stream_open_with(*state, &stream, LONG_MS, 4096, 0);
	shutdown(stream.app, SHUT_WR);
	peer_expects(&stream, HYBRIDGE_WS_CLOSE, "\x03\xe8", 2);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = fixture_byte(i);
	fixture_send(stream.fx, stream.peer, header, size);
	while (got < sizeof(data)) {
		ssize_t n;

		if (sent < sizeof(data)) {
			n = send(stream.peer, data + sent, sizeof(data) - sent,
				 MSG_NOSIGNAL);
			sent += n > 0 ? (size_t)n : 0;
			if (sent == sizeof(data)) {
				peer_closes(&stream, HYBRIDGE_WS_NORMAL);
				shutdown(stream.peer, SHUT_WR);
			}
		}
		fixture_step(stream.fx, 1);
		n = recv(stream.app, buf + got,
			 sizeof(buf) - got < 3000 ? sizeof(buf) - got : 3000,
			 0);
		assert_true(n != 0);
		/* Not over before the kernel has the rest. */
		if (sizeof(data) - got > 40000)
			assert_int_equal(stream.ends, 0);
		got += n > 0 ? (size_t)n : 0;
	}
	assert_memory_equal(buf, data, sizeof(data));
	assert_int_equal(fixture_recv(stream.fx, stream.app, &c, 1), 0);
	assert_end(&stream, HYBRIDGE_END_ORDERLY, 0);
	stream_close(&stream);
}

/* One direction of a long transfer, hashed on both ends. */
struct transfer {
	uint64_t sent;
	uint64_t got;
	EVP_MD_CTX *in;
	EVP_MD_CTX *out;
};

static void transfer_open(struct transfer *transfer)
{
	*transfer = (struct transfer){.in = EVP_MD_CTX_new(),
				      .out = EVP_MD_CTX_new()};
	assert_int_equal(EVP_DigestInit_ex(transfer->in, EVP_sha256(), NULL),
			 1);
	assert_int_equal(EVP_DigestInit_ex(transfer->out, EVP_sha256(), NULL),
			 1);
}

static void transfer_check(struct transfer *transfer, uint64_t total)
{
	uint8_t in[EVP_MAX_MD_SIZE], out[EVP_MAX_MD_SIZE];
	unsigned int len;

	assert_int_equal(transfer->got, total);
	assert_int_equal(EVP_DigestFinal_ex(transfer->in, in, &len), 1);
	assert_int_equal(EVP_DigestFinal_ex(transfer->out, out, &len), 1);
	assert_memory_equal(in, out, len);
	EVP_MD_CTX_free(transfer->in);
	EVP_MD_CTX_free(transfer->out);
}

/* Sends a part of the random stream @bulk; false when nothing was taken. */
static bool transfer_send(struct transfer *transfer, int fd,
			  const uint8_t *bulk, size_t most, uint32_t *seed)
{
	size_t len = 1 + fixture_random(seed) % most;
	ssize_t n;

	bulk += fixture_random(seed) % 5000;
	n = send(fd, bulk, len, MSG_NOSIGNAL);
	if (n <= 0)
		return false;
	EVP_DigestUpdate(transfer->in, bulk, (size_t)n);
	transfer->sent += (uint64_t)n;
	return true;
}

/* Reads frames as they come; false when there was nothing. */
static bool peer_collects(struct stream *stream, struct transfer *transfer)
{
	static uint8_t buf[100000];
	struct hybridge_ws_piece piece;
	uint8_t *at = buf;
	ssize_t n = recv(stream->peer, buf, sizeof(buf), 0);
	size_t len = n > 0 ? (size_t)n : 0;

	while (len > 0 && hybridge_ws_next(&stream->reader, &at, &len,
					   &piece) == HYBRIDGE_WS_DATA) {
		assert_in_range(piece.frame_len, 1, FRAME_MAX);
		EVP_DigestUpdate(transfer->out, piece.data, piece.len);
		transfer->got += piece.len;
	}
	assert_int_equal(len, 0);
	return n > 0;
}

static void a_long_transfer_both_ways_is_the_same_on_both_ends(void **state)
{
	static const uint64_t total = 64u << 20;
	static uint8_t bulk[200000], buf[100000];
	struct transfer up, down;
	struct stream stream;
	uint8_t header[HYBRIDGE_WS_HEADER_MAX];
	uint32_t seed = 5;

	for (size_t i = 0; i < sizeof(bulk); i++)
		bulk[i] = (uint8_t)fixture_random(&seed);
	stream_open(*state, &stream, LONG_MS, 0);
	transfer_open(&up);
	transfer_open(&down);
	fixture_send(stream.fx, stream.peer, header,
		     hybridge_ws_header(header, HYBRIDGE_WS_BINARY, true, total,
					NULL));
	while (up.got < total || down.got < total) {
		bool busy = false;
		ssize_t n;

		if (up.sent < total)
			busy |= transfer_send(
				&up, stream.app, bulk,
				total - up.sent < 150000
					? (size_t)(total - up.sent)
					: 150000,
				&seed);
		if (down.sent < total)
			busy |= transfer_send(
				&down, stream.peer, bulk,
				total - down.sent < 150000
					? (size_t)(total - down.sent)
					: 150000,
				&seed);
		busy |= peer_collects(&stream, &up);
		n = recv(stream.app, buf, sizeof(buf), 0);
		if (n > 0) {
			EVP_DigestUpdate(down.out, buf, (size_t)n);
			down.got += (uint64_t)n;
			busy = true;
		}
		fixture_step(stream.fx, busy ? 0 : 1);
	}
	transfer_check(&up, total);
	transfer_check(&down, total);
	assert_int_equal(hybridge_pump_stats(stream.pump).to_ws, total);
	assert_int_equal(hybridge_pump_stats(stream.pump).from_ws, total);
	stream_close(&stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(a_peer_that_does_not_read_stops_the_program),
		WITH_LOOP(a_program_that_does_not_read_stops_the_peer),
		WITH_LOOP(pongs_to_a_peer_that_does_not_read_are_bounded),
		WITH_LOOP(a_program_that_dies_while_all_is_stuck_is_noticed),
		WITH_LOOP(a_peer_that_dies_while_all_is_stuck_is_noticed),
		WITH_LOOP(a_peer_that_vanishes_while_bytes_wait_is_noticed),
		WITH_LOOP(a_peer_that_vanishes_after_its_close_is_noticed),
		WITH_LOOP(an_end_waits_for_what_is_stuck),
		WITH_LOOP(a_long_transfer_both_ways_is_the_same_on_both_ends),
		OVER_H2(a_peer_that_does_not_read_stops_the_program),
		OVER_H2(a_program_that_does_not_read_stops_the_peer),
		OVER_H2(a_program_that_dies_while_all_is_stuck_is_noticed),
		OVER_H2(a_peer_that_dies_while_all_is_stuck_is_noticed),
		OVER_H2(an_end_waits_for_what_is_stuck),
		OVER_H2(a_long_transfer_both_ways_is_the_same_on_both_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
