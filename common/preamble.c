/*
 * preamble.c - azbridge's preamble, either part, on an upgraded connection.
 *
 * Theory of operation.  Payload is collected until the other end's part is complete.  What
 * is left of the frame that it came in is given back to the connection as a frame of its own,
 * so that whoever reads on starts, as ever, between two frames.
 */
#include <hybridge/preamble.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hybridge/text.h>
#include <hybridge/ws.h>

#define VERSION     1
#define FIXED       4 /* bytes before the name */
#define REPLY       3
#define STREAM      0
#define DATAGRAM    1
#define NO_DATAGRAM 0xff

struct hybridge_preamble {
	struct hybridge_loop *loop;
	struct hybridge_conn *conn; /* NULL: over */
	hybridge_preamble_fn *done;
	void *owner;
	bool answers;
	bool any_name;
	char name[HYBRIDGE_PREAMBLE_NAME_MAX + 1];
	struct hybridge_ws_reader reader;
	uint8_t got[FIXED + HYBRIDGE_PREAMBLE_NAME_MAX];
	size_t len;
	struct hybridge_timer deadline;
	struct hybridge_task reap;
};

static void run_reap(struct hybridge_task *task)
{
	free(hybridge_container(task, struct hybridge_preamble, reap));
}

static void leave(struct hybridge_preamble *preamble)
{
	preamble->conn = NULL;
	hybridge_timer_clear(preamble->loop, &preamble->deadline);
	hybridge_loop_defer(preamble->loop, &preamble->reap);
}

static int send_control(struct hybridge_preamble *preamble, uint8_t opcode,
			const void *data, size_t len)
{
	uint8_t frame[HYBRIDGE_WS_HEADER_MAX + HYBRIDGE_WS_CONTROL_MAX];
	size_t size = hybridge_ws_control_frame(frame, opcode, data, len, true);

	return hybridge_conn_write(preamble->conn, frame, size);
}

static int send_message(struct hybridge_preamble *preamble, const void *data,
			size_t len)
{
	uint8_t frame[HYBRIDGE_WS_HEADER_MAX + HYBRIDGE_PREAMBLE_NAME_MAX];
	uint8_t key[4];
	size_t header_len;

	hybridge_ws_random_key(key);
	header_len =
		hybridge_ws_header(frame, HYBRIDGE_WS_BINARY, true, len, key);
	memcpy(frame + header_len, data, len);
	hybridge_ws_mask(frame + header_len, len, key, 0);
	return hybridge_conn_write(preamble->conn, frame, header_len + len);
}

/* Says Close, so that nobody takes it for a loss. */
static void fail(struct hybridge_preamble *preamble, int os_errno,
		 const char *what, const char *hint)
{
	static const uint8_t normal[2] = {HYBRIDGE_WS_NORMAL >> 8,
					  HYBRIDGE_WS_NORMAL & 0xff};
	struct hybridge_conn *conn = preamble->conn;
	struct hybridge_error err = {0};

	if (!conn)
		return;
	(void)send_control(preamble, HYBRIDGE_WS_CLOSE, normal, sizeof(normal));
	leave(preamble);
	hybridge_conn_close(conn, HYBRIDGE_CONN_ORDERLY);
	hybridge_fail(&err,
		      os_errno == ETIMEDOUT ? HYBRIDGE_ETIMEOUT
					    : HYBRIDGE_EREFUSED,
		      "azbridge preamble: %s", what);
	hybridge_hint(&err, "%s", hint);
	preamble->done(preamble->owner, NULL, os_errno, &err);
}

static void succeed(struct hybridge_preamble *preamble)
{
	struct hybridge_conn *conn = preamble->conn;

	leave(preamble);
	preamble->done(preamble->owner, conn, 0, NULL);
}

/* Does it know all that it will be told? */
static size_t wanted(const struct hybridge_preamble *preamble)
{
	if (!preamble->answers)
		return REPLY;
	if (preamble->len < FIXED)
		return FIXED;
	return FIXED + (size_t)preamble->got[FIXED - 1];
}

/* The listener's part. */

static bool is_known_name(const struct hybridge_preamble *preamble)
{
	const char *name = (const char *)preamble->got + FIXED;
	size_t len = preamble->len - FIXED;
	size_t digits = 0;

	while (digits < len && name[digits] >= '0' && name[digits] <= '9')
		digits++;
	if (digits == len && (len > 0 || preamble->any_name))
		return true;
	return !preamble->any_name && strlen(preamble->name) == len &&
	       memcmp(preamble->name, name, len) == 0;
}

static void answer(struct hybridge_preamble *preamble)
{
	static const uint8_t yes[REPLY] = {VERSION, 0, STREAM};
	static const uint8_t bad_version[REPLY] = {0, 0, 0};
	static const uint8_t no_datagram[REPLY] = {0, 0, NO_DATAGRAM};
	const uint8_t *got = preamble->got;
	char name[HYBRIDGE_PREAMBLE_NAME_MAX + 1];
	char what[120];

	if (got[0] != VERSION || got[1] != 0 || got[2] > DATAGRAM) {
		(void)send_message(preamble, bad_version, REPLY);
		fail(preamble, EPROTO, "the sender's is of no known version",
		     "does the sender speak azbridge's protocol?  else leave "
		     "HYBRIDGE_*_MODE out");
	} else if (got[2] == DATAGRAM) {
		(void)send_message(preamble, no_datagram, REPLY);
		fail(preamble, EPROTO, "the sender wants datagrams",
		     "only TCP is carried");
	} else if (!is_known_name(preamble)) {
		hybridge_text_printable(
			name, sizeof(name),
			(struct hybridge_span){(const char *)got + FIXED,
					       preamble->len - FIXED});
		snprintf(what, sizeof(what),
			 "the sender asked for the port '%.60s'", name);
		fail(preamble, ECONNREFUSED, what,
		     "set HYBRIDGE_*_PORT_NAME to it, or ask for a number");
	} else if (send_message(preamble, yes, REPLY) != 0) {
		fail(preamble, ECONNRESET, "the connection broke", "");
	} else {
		succeed(preamble);
	}
}

/* The sender's part. */

static void judge(struct hybridge_preamble *preamble)
{
	const uint8_t *got = preamble->got;

	if (got[0] == VERSION && got[1] == 0 && got[2] == STREAM)
		succeed(preamble);
	else if (got[0] == 0 && got[1] == 0)
		fail(preamble, ECONNREFUSED,
		     got[2] == DATAGRAM ? "the target takes datagrams only"
					: "the listener knows another version",
		     "look at azbridge's own log on the far side");
	else
		fail(preamble, ECONNREFUSED,
		     "the listener's answer is none: it does not speak it",
		     "leave HYBRIDGE_*_MODE out for this connection");
}

/* Puts back what follows: the rest of a frame (@extra bytes are here), and other frames. */
static int give_back(struct hybridge_preamble *preamble, const uint8_t *from,
		     size_t extra, size_t len,
		     const struct hybridge_ws_piece *piece)
{
	uint64_t left = extra + (piece->ends ? 0 : preamble->reader.left);
	uint8_t header[HYBRIDGE_WS_HEADER_MAX];
	size_t size;

	if (hybridge_conn_unread(preamble->conn, from, len) != 0)
		return -1;
	if (left == 0 && piece->fin)
		return 0;
	size = hybridge_ws_header(header, HYBRIDGE_WS_BINARY, piece->fin, left,
				  NULL);
	return hybridge_conn_unread(preamble->conn, header, size);
}

/* Takes payload; true when the other end's part is complete. */
static bool take(struct hybridge_preamble *preamble,
		 struct hybridge_ws_piece *piece)
{
	while (piece->len > 0 && preamble->len < wanted(preamble)) {
		preamble->got[preamble->len++] = *piece->data++;
		piece->len--;
	}
	return preamble->len >= wanted(preamble);
}

static void on_control(struct hybridge_preamble *preamble,
		       const struct hybridge_ws_piece *piece)
{
	char what[120];

	if (piece->opcode == HYBRIDGE_WS_PING)
		(void)send_control(preamble, HYBRIDGE_WS_PONG, piece->data,
				   piece->len);
	if (piece->opcode != HYBRIDGE_WS_CLOSE)
		return;
	snprintf(what, sizeof(what),
		 preamble->answers ? "the sender left without one"
				   : "the listener does not know the port "
				     "'%.60s'",
		 preamble->name);
	fail(preamble, ECONNREFUSED, what,
	     preamble->answers ? ""
			       : "set HYBRIDGE_*_PORT_NAME to a name that the "
				 "far side forwards");
}

static void use_frames(struct hybridge_preamble *preamble, uint8_t *buf,
		       size_t len)
{
	struct hybridge_ws_piece piece;

	while (preamble->conn) {
		switch (hybridge_ws_next(&preamble->reader, &buf, &len,
					 &piece)) {
		case HYBRIDGE_WS_MORE:
			return;
		case HYBRIDGE_WS_ERROR:
			fail(preamble, EPROTO, piece.why, "");
			return;
		case HYBRIDGE_WS_CONTROL:
			on_control(preamble, &piece);
			break;
		case HYBRIDGE_WS_DATA:
			if (!take(preamble, &piece))
				break;
			/* The piece lies in front of what was not looked at yet. */
			if (give_back(preamble, piece.data, piece.len,
				      piece.len + len, &piece) != 0)
				fail(preamble, ENOMEM, "out of memory", "");
			else if (preamble->answers)
				answer(preamble);
			else
				judge(preamble);
			return;
		}
	}
}

static void on_ready(void *owner, struct hybridge_conn *conn)
{
	struct hybridge_preamble *preamble = owner;
	uint8_t buf[4096];

	while (preamble->conn) {
		ssize_t n = hybridge_conn_read(conn, buf, sizeof(buf));

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			fail(preamble, ECONNRESET,
			     "the connection broke before it was complete", "");
		else
			use_frames(preamble, buf, (size_t)n);
	}
}

static void on_deadline(struct hybridge_timer *timer)
{
	struct hybridge_preamble *preamble =
		hybridge_container(timer, struct hybridge_preamble, deadline);

	fail(preamble, ETIMEDOUT, "the other end said nothing in time",
	     "does it speak azbridge's protocol?  else leave HYBRIDGE_*_MODE "
	     "out");
}

static struct hybridge_preamble *start(struct hybridge_loop *loop,
				       struct hybridge_conn *conn,
				       const char *name, uint32_t timeout_ms)
{
	struct hybridge_preamble *preamble = calloc(1, sizeof(*preamble));

	if (preamble) {
		preamble->deadline.fire = on_deadline;
		if (hybridge_timer_set(loop, &preamble->deadline, timeout_ms) !=
		    0) {
			free(preamble);
			preamble = NULL;
		}
	}
	if (!preamble) {
		hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
		return NULL;
	}
	preamble->loop = loop;
	preamble->conn = conn;
	preamble->reap.run = run_reap;
	preamble->any_name = name == NULL;
	snprintf(preamble->name, sizeof(preamble->name), "%s",
		 name ? name : "");
	hybridge_ws_reader_init(&preamble->reader, false);
	hybridge_conn_set_owner(conn, on_ready, preamble);
	return preamble;
}

struct hybridge_preamble *
hybridge_preamble_answer(struct hybridge_loop *loop, struct hybridge_conn *conn,
			 const char *name, uint32_t timeout_ms,
			 hybridge_preamble_fn *done, void *owner)
{
	struct hybridge_preamble *preamble =
		start(loop, conn, name, timeout_ms);

	if (preamble) {
		preamble->answers = true;
		preamble->done = done;
		preamble->owner = owner;
	}
	return preamble;
}

struct hybridge_preamble *
hybridge_preamble_ask(struct hybridge_loop *loop, struct hybridge_conn *conn,
		      const char *name, uint32_t timeout_ms,
		      hybridge_preamble_fn *done, void *owner)
{
	struct hybridge_preamble *preamble =
		start(loop, conn, name, timeout_ms);
	uint8_t head[FIXED] = {VERSION, 0, STREAM, 0};

	if (!preamble)
		return NULL;
	preamble->done = done;
	preamble->owner = owner;
	head[FIXED - 1] = (uint8_t)strlen(preamble->name);
	/*
	 * Two messages, as azbridge sends them.  No name is no second one: .NET would take an
	 * empty message for the end.  If this fails, so does the first read.
	 */
	if (send_message(preamble, head, sizeof(head)) == 0 &&
	    preamble->name[0])
		(void)!send_message(preamble, preamble->name,
				    strlen(preamble->name));
	return preamble;
}

void hybridge_preamble_cancel(struct hybridge_preamble *preamble)
{
	struct hybridge_conn *conn;

	if (!preamble || !preamble->conn)
		return;
	conn = preamble->conn;
	leave(preamble);
	hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
}
