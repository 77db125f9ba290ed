/*
 * fuzz_h2.c - an HTTP/2 server session under a client's bytes: nothing is freed twice or
 * read beyond its end, memory is bounded, and what the owner is told is well formed.
 *
 * The input goes to the session behind the preface, cut at places that it decides, over a
 * socket pair; the owner answers, writes, ends or resets each stream as the input says.
 */
#include "fuzz.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hybridge/h2.h>

#define STREAMS 64

struct owner {
	struct hybridge_loop *loop;
	struct hybridge_timer stop;
	struct fuzz_input in; /* decides what we do */
	struct hybridge_conn *streams[STREAMS];
	bool is_over;
};

static void use_stream(void *data, struct hybridge_conn *stream)
{
	struct owner *owner = data;
	uint8_t buf[512];
	uint8_t what = fuzz_byte(&owner->in);
	ssize_t n = hybridge_conn_read(stream, buf, 1 + what);

	MUST(n <= 1 + what);
	if (n > 0 && (what & 1))
		(void)!hybridge_conn_write(stream, buf, (size_t)n);
	if ((what & 0x1c) == 0x04)
		(void)hybridge_conn_end(stream);
	if (n > 0 && (what & 0x40))
		hybridge_conn_again(stream);
	if ((what & 0xe0) != 0x20)
		return;
	for (size_t i = 0; i < STREAMS; i++)
		if (owner->streams[i] == stream)
			owner->streams[i] = NULL;
	hybridge_conn_close(stream, what & 2 ? HYBRIDGE_CONN_RESET
					     : HYBRIDGE_CONN_ORDERLY);
}

static void on_request(void *data, struct hybridge_conn *stream,
		       const struct hybridge_http_head *head)
{
	struct owner *owner = data;
	const struct hybridge_h2_answer answer = {
		.status = fuzz_byte(&owner->in) & 1 ? 200 : 404,
		.reason = "because\n",
		.headers = "X-Test: 1\r\nbroken\r\n",
	};
	size_t i = 0;

	MUST(head->method.len > 0);
	MUST(head->num_headers <= HYBRIDGE_HTTP_HEADERS_MAX);
	for (size_t h = 0; h < head->num_headers; h++) {
		const struct hybridge_http_header *header = &head->headers[h];

		MUST(header->name.len > 0 && header->name.text[0] != ':');
		MUST(!memchr(header->value.text, '\n', header->value.len));
	}
	while (i < STREAMS && owner->streams[i])
		i++;
	if (i == STREAMS) {
		hybridge_conn_close(stream, HYBRIDGE_CONN_RESET);
		return;
	}
	owner->streams[i] = stream;
	hybridge_conn_set_owner(stream, use_stream, owner);
	if (fuzz_byte(&owner->in) & 7)
		(void)!hybridge_h2_answer(stream, &answer);
}

static void on_over(void *data, const struct hybridge_error *err)
{
	struct owner *owner = data;

	(void)err;
	owner->is_over = true;
}

static void on_stop(struct hybridge_timer *timer)
{
	hybridge_loop_stop(hybridge_container(timer, struct owner, stop)->loop);
}

static void serve(struct owner *owner)
{
	MUST(hybridge_timer_set(owner->loop, &owner->stop, 0) == 0);
	hybridge_loop_run(owner->loop);
}

static void nobody(void *data, struct hybridge_conn *conn)
{
	(void)data;
	(void)conn;
}

static void feed(struct owner *owner, int fd, struct fuzz_input in)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
				      "\0\0\0\4\0\0\0\0";
	static char sink[65536];

	MUST(send(fd, preface, sizeof(preface), MSG_NOSIGNAL) ==
	     (ssize_t)sizeof(preface));
	while (in.size > 0 && !owner->is_over) {
		size_t len = 1 + (size_t)fuzz_byte(&in) * 4;

		len = len < in.size ? len : in.size;
		if (len > 0 && send(fd, in.data, len, MSG_NOSIGNAL) < 0)
			return;
		in.data += len;
		in.size -= len;
		serve(owner);
		while (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
			;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hybridge_h2_ops ops = {.request = on_request,
						   .over = on_over};
	static const struct hybridge_h2_args args = {
		.is_server = true, .streams_max = 32, .ping_ms = 600000};
	static struct owner owner;
	struct hybridge_error err = {0};
	struct hybridge_conn *conn;
	struct hybridge_h2 *session;
	size_t half = size < 64 ? size / 2 : 32;
	int fds[2];

	if (!owner.loop)
		owner.loop = hybridge_loop_new(&err);
	MUST(owner.loop);
	owner = (struct owner){
		.loop = owner.loop, .stop.fire = on_stop, .in = {data, half}};
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	conn = hybridge_conn_new(owner.loop, fds[1], nobody, NULL);
	MUST(conn);
	session = hybridge_h2_new(owner.loop, conn, &args, &ops, &owner);
	MUST(session);
	feed(&owner, fds[0], (struct fuzz_input){data + half, size - half});
	if (!owner.is_over)
		hybridge_h2_drop(session);
	for (size_t i = 0; i < STREAMS; i++)
		hybridge_conn_close(owner.streams[i], HYBRIDGE_CONN_RESET);
	close(fds[0]);
	serve(&owner);
	return 0;
}
