/*
 * fuzz_preamble.c - azbridge's preamble, either part: whatever way its bytes are cut into frames,
 * the answer is the same, and what follows it is still there.
 */
#include "fuzz.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hybridge/preamble.h>
#include <hybridge/ws.h>

#define PATIENCE_MS 60000
#define PAYLOAD_MAX 4096
#define CUTS_MAX    16
#define WIRE_MAX    (PAYLOAD_MAX + (CUTS_MAX + 2) * HYBRIDGE_WS_HEADER_MAX)

/* The socket's other end is written and shut before the loop runs: nothing is waited for. */
struct bed {
	struct hybridge_loop *loop;
	unsigned int calls;
	bool is_ours; /* what is sent: binary messages alone */
	bool passed;
	uint8_t rest[PAYLOAD_MAX]; /* of the payload, behind the preamble */
	size_t rest_len;
};

static void read_rest(struct bed *bed, struct hybridge_conn *conn)
{
	struct hybridge_ws_reader reader;
	struct hybridge_ws_piece piece;
	uint8_t buf[WIRE_MAX];
	uint8_t *at = buf;
	size_t len = 0;
	ssize_t n;

	while ((n = hybridge_conn_read(conn, buf + len, sizeof(buf) - len)) > 0)
		len += (size_t)n;
	MUST(n == 0);
	hybridge_ws_reader_init(&reader, false);
	for (;;) {
		enum hybridge_ws_event event =
			hybridge_ws_next(&reader, &at, &len, &piece);

		MUST(!bed->is_ours || event == HYBRIDGE_WS_MORE ||
		     event == HYBRIDGE_WS_DATA);
		if (event == HYBRIDGE_WS_MORE || event == HYBRIDGE_WS_ERROR)
			return;
		if (event == HYBRIDGE_WS_CONTROL)
			continue;
		MUST(piece.len <= sizeof(bed->rest) - bed->rest_len);
		if (piece.len > 0)
			memcpy(bed->rest + bed->rest_len, piece.data,
			       piece.len);
		bed->rest_len += piece.len;
	}
}

static void on_done(void *owner, struct hybridge_conn *conn, int os_errno,
		    const struct hybridge_error *err)
{
	struct bed *bed = owner;

	bed->calls++;
	bed->passed = conn != NULL;
	if (conn) {
		MUST(os_errno == 0 && !err);
		read_rest(bed, conn);
		hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
	} else {
		MUST(os_errno != 0 && err && err->what[0]);
	}
	hybridge_loop_stop(bed->loop);
}

/* Sends all and ends; then waits for the verdict. */
static void run(struct bed *bed, bool answers, const char *name,
		const uint8_t *wire, size_t len)
{
	struct hybridge_preamble *preamble;
	struct hybridge_conn *conn;
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
			pair) == 0);
	MUST(write(pair[1], wire, len) == (ssize_t)len);
	MUST(shutdown(pair[1], SHUT_WR) == 0);
	conn = hybridge_conn_new(bed->loop, pair[0], NULL, NULL);
	MUST(conn);
	preamble = (answers ? hybridge_preamble_answer : hybridge_preamble_ask)(
		bed->loop, conn, name, PATIENCE_MS, on_done, bed);
	MUST(preamble);
	hybridge_loop_run(bed->loop);
	MUST(bed->calls == 1);
	close(pair[1]);
}

/* The payload as frames: a byte for each, its FIN and length; 0: all that is left, 127: none. */
static size_t make_frames(struct fuzz_input *in, const uint8_t *payload,
			  size_t len, uint8_t *wire)
{
	size_t size = 0;
	uint8_t opcode = HYBRIDGE_WS_BINARY;

	do {
		uint8_t cut = fuzz_byte(in);
		size_t piece = cut & 0x7f;
		bool fin = cut & 0x80;

		if (piece == 0 || (piece > len && piece != 0x7f))
			piece = len;
		else if (piece == 0x7f)
			piece = 0;
		size += hybridge_ws_header(wire + size, opcode,
					   fin || piece == len, piece, NULL);
		if (piece > 0)
			memcpy(wire + size, payload, piece);
		size += piece;
		payload += piece;
		len -= piece;
		opcode = fin ? HYBRIDGE_WS_BINARY : HYBRIDGE_WS_CONTINUATION;
	} while (len > 0);
	return size;
}

/* The length of a preamble that must be taken, or 0. */
static size_t good_preamble(bool answers, const char *name,
			    const uint8_t *payload, size_t len)
{
	size_t name_len;
	size_t digits = 0;

	if (len < 3 || payload[0] != 1 || payload[1] != 0 || payload[2] != 0)
		return 0;
	if (!answers)
		return 3;
	if (len < 4 || len < 4u + payload[3])
		return 0;
	name_len = payload[3];
	while (digits < name_len && payload[4 + digits] >= '0' &&
	       payload[4 + digits] <= '9')
		digits++;
	if (name && strlen(name) == name_len &&
	    memcmp(name, payload + 4, name_len) == 0)
		return 4 + name_len;
	if (digits == name_len && (!name || name_len > 0))
		return 4 + name_len;
	return 0;
}

static void check_payload(struct bed *bed, struct fuzz_input in, bool answers,
			  const char *name)
{
	static uint8_t wire[WIRE_MAX];
	struct fuzz_input cuts = {in.data,
				  in.size < CUTS_MAX ? in.size : CUTS_MAX};
	const uint8_t *payload = in.data + cuts.size;
	size_t len = in.size - cuts.size;
	size_t expected;

	if (len > PAYLOAD_MAX)
		len = PAYLOAD_MAX;
	bed->is_ours = true;
	run(bed, answers, name, wire, make_frames(&cuts, payload, len, wire));
	expected = good_preamble(answers, name, payload, len);
	MUST(bed->passed == (expected > 0));
	if (!bed->passed)
		return;
	MUST(bed->rest_len == len - expected);
	MUST(bed->rest_len == 0 ||
	     memcmp(bed->rest, payload + expected, bed->rest_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hybridge_loop *loop;
	static const char *const names[] = {NULL, "db", "5432", "a name"};
	struct fuzz_input in = {data, size};
	uint8_t choice = fuzz_byte(&in);
	bool answers = choice & 1;
	const char *name = names[choice >> 1 & 3];
	struct hybridge_error err = {0};
	struct bed bed = {0};

	if (!loop)
		loop = hybridge_loop_new(&err);
	MUST(loop);
	bed.loop = loop;
	if (!answers && !name)
		name = "80";
	if (choice & 8)
		check_payload(&bed, in, answers, name);
	else
		run(&bed, answers, name, in.data,
		    in.size < PAYLOAD_MAX ? in.size : PAYLOAD_MAX);
	return 0;
}
