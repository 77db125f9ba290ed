/*
 * load_bulk.c - the load client's bulk transfer: streams that send, or receive, for a while.
 *
 * Upward the time ends when the sink has counted the last byte, so that what waits in the
 * tunnel's buffers is not taken for delivered.
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "sockets.h"

#define CHUNK          ((size_t)256 * 1024)
#define CALLS_PER_TURN 4 /* then other streams have their turn */
#define EVENTS         64

struct stream {
	int fd;
	bool ready; /* to be sent to, or received from */
	bool over;
	uint64_t bytes;
};

static char buf[CHUNK];
static bool upward;

static void move(struct stream *stream)
{
	for (int i = 0; i < CALLS_PER_TURN; i++) {
		ssize_t n = upward ? send(stream->fd, buf, sizeof(buf),
					  MSG_NOSIGNAL)
				   : recv(stream->fd, buf, sizeof(buf), 0);

		if (n < 0 && errno == EAGAIN) {
			stream->ready = false;
			return;
		}
		if (n <= 0)
			bench_die("transfer");
		stream->bytes += (uint64_t)n;
	}
}

/* What the sink has counted; ends the stream. */
static void settle(struct stream *stream)
{
	uint64_t counted = 0;
	size_t have = 0;

	if (fcntl(stream->fd, F_SETFL, 0) != 0)
		bench_die("fcntl");
	while (have < sizeof(counted)) {
		ssize_t n = recv(stream->fd, (char *)&counted + have,
				 sizeof(counted) - have, 0);

		if (n <= 0)
			bench_die("count");
		have += (size_t)n;
	}
	if (counted != stream->bytes) {
		fprintf(stderr, "load: sent %ju bytes, %ju arrived\n",
			(uintmax_t)stream->bytes, (uintmax_t)counted);
		exit(1);
	}
}

static void run_until(struct stream *streams, size_t count, double end_us)
{
	struct epoll_event events[EVENTS];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	uint32_t wanted = upward ? EPOLLOUT : EPOLLIN;

	for (size_t i = 0; i < count; i++)
		bench_watch(epoll, streams[i].fd, &streams[i]);
	while (bench_now_us() < end_us) {
		bool any = false;

		for (size_t i = 0; i < count; i++) {
			if (streams[i].ready)
				move(&streams[i]);
			any = any || streams[i].ready;
		}
		int n = epoll_wait(epoll, events, EVENTS, any ? 0 : 100);

		for (int i = 0; i < n; i++) {
			struct stream *stream = events[i].data.ptr;

			if (events[i].events & wanted)
				stream->ready = true;
		}
	}
	close(epoll);
}

int load_bulk(const struct load_target *target, char **argv)
{
	size_t count = strtoul(argv[2], NULL, 10);
	struct stream *streams = calloc(count, sizeof(*streams));
	uint64_t bytes = 0, least = UINT64_MAX, most = 0;
	double start_us;

	upward = strcmp(argv[0], "up") == 0;
	if (!streams)
		bench_die("calloc");
	for (size_t i = 0; i < count; i++)
		streams[i].fd = load_connect(target, upward ? 'S' : 'G');
	for (size_t i = 0; i < count; i++)
		if (fcntl(streams[i].fd, F_SETFL, O_NONBLOCK) != 0)
			bench_die("fcntl");
	start_us = bench_now_us();
	run_until(streams, count, start_us + strtod(argv[1], NULL) * 1e6);
	for (size_t i = 0; i < count && upward; i++)
		if (shutdown(streams[i].fd, SHUT_WR) != 0)
			bench_die("shutdown");
	for (size_t i = 0; i < count; i++) {
		if (upward)
			settle(&streams[i]);
		bytes += streams[i].bytes;
		least = streams[i].bytes < least ? streams[i].bytes : least;
		most = streams[i].bytes > most ? streams[i].bytes : most;
	}
	printf("{\"seconds\":%.6f,\"bytes\":%ju,\"least\":%ju,\"most\":%ju}\n",
	       (bench_now_us() - start_us) / 1e6, (uintmax_t)bytes,
	       (uintmax_t)least, (uintmax_t)most);
	free(streams);
	return 0;
}
