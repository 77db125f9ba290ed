/*
 * service.c - the service behind the measured tunnels: echo, sink and source on one port.
 *
 *	service [ADDRESS]	listens there, or on 127.0.0.1, and prints the port
 *
 * The first byte that a client sends chooses: 'E' echo; 'S' sink, which answers the
 * number of bytes, in 8 bytes of the machine's order, at the client's end; 'G' source,
 * for as long as the client reads.  One thread, edge-triggered, one buffer for all.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sockets.h"

#define CHUNK          ((size_t)256 * 1024)
#define READS_PER_TURN 8 /* then other streams have their turn */
#define EVENTS         512

struct stream {
	int fd;
	char mode; /* 0 until it is known */
	uint64_t received;
	struct stream *next; /* in the list of those that did not see EAGAIN */
	bool listed;
};

static char buf[CHUNK];
static struct stream *unfinished;

static void again(struct stream *stream)
{
	if (stream->listed)
		return;
	stream->listed = true;
	stream->next = unfinished;
	unfinished = stream;
}

/* What recv() or send() said means that the stream has to wait for an event. */
static bool must_wait(ssize_t n)
{
	return n < 0 && errno == EAGAIN;
}

/* Echoes; the echo of more than the kernel takes is not what is measured: it ends. */
static bool echo(int fd, const char *from, size_t len)
{
	return send(fd, from, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* False when the stream is over. */
static bool take(struct stream *stream, const char *from, size_t len)
{
	if (stream->mode == 0) {
		stream->mode = from[0];
		from++;
		len--;
		if (stream->mode != 'E' && stream->mode != 'S' &&
		    stream->mode != 'G')
			return false;
	}
	stream->received += len;
	return stream->mode != 'E' || len == 0 || echo(stream->fd, from, len);
}

static bool receive(struct stream *stream)
{
	for (int i = 0; i < READS_PER_TURN; i++) {
		/* A source hears one byte, and then only of the end. */
		ssize_t n = recv(stream->fd, buf, sizeof(buf), 0);

		if (must_wait(n))
			return true;
		if (n == 0 && stream->mode == 'S')
			(void)!send(stream->fd, &stream->received,
				    sizeof(stream->received), MSG_NOSIGNAL);
		if (n <= 0 || !take(stream, buf, (size_t)n))
			return false;
		/* Short, so empty: but for an end that came meanwhile, which has its own event. */
		if ((size_t)n < sizeof(buf) && stream->mode == 'E')
			return true;
		if (stream->mode == 'G')
			return true;
	}
	again(stream);
	return true;
}

static bool generate(struct stream *stream)
{
	for (int i = 0; i < READS_PER_TURN; i++) {
		ssize_t n = send(stream->fd, buf, sizeof(buf), MSG_NOSIGNAL);

		if (must_wait(n))
			return true;
		if (n < 0)
			return false;
	}
	again(stream);
	return true;
}

static void go_on(struct stream *stream, uint32_t events)
{
	bool open = (events & (EPOLLERR | EPOLLHUP)) == 0;

	if (open && (events & (EPOLLIN | EPOLLRDHUP)))
		open = receive(stream);
	if (open && stream->mode == 'E' && (events & EPOLLRDHUP))
		open = receive(stream);
	if (open && stream->mode == 'G')
		open = generate(stream);
	if (open)
		return;
	/* Nobody frees what is still listed: it is looked at once more, and fails again. */
	if (stream->listed)
		return;
	close(stream->fd);
	free(stream);
}

static void accept_all(int epoll, int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct stream *stream;

		if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED))
			return;
		if (fd < 0)
			bench_die("accept");
		stream = calloc(1, sizeof(*stream));
		if (!stream)
			bench_die("calloc");
		stream->fd = fd;
		bench_tune(fd);
		bench_watch(epoll, fd, stream);
	}
}

static void run_unfinished(void)
{
	struct stream *stream = unfinished;

	unfinished = NULL;
	while (stream) {
		struct stream *next = stream->next;

		stream->listed = false;
		go_on(stream, EPOLLIN);
		stream = next;
	}
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	int listener = bench_listen(argc > 1 ? argv[1] : "127.0.0.1");
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	signal(SIGPIPE, SIG_IGN);
	bench_watch(epoll, listener, NULL);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, unfinished ? 0 : -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				go_on(events[i].data.ptr, events[i].events);
			else
				accept_all(epoll, listener);
		}
		run_unfinished();
	}
}
