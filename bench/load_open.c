/*
 * load_open.c - the load client's streams by the thousand: opened, one byte echoed, closed or held.
 */
#include "load.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "sockets.h"

#define EVENTS      512
#define PATIENCE_MS 20000 /* without any stream getting on */

struct stream {
	int fd;
	bool asked; /* connected; the byte is on its way */
	bool over;
	double start_us;
};

static struct {
	const struct load_target *target;
	int epoll;
	bool hold;
	struct stream *streams;
	double *us;
	size_t begun, opened, failed;
	char why[128]; /* the first of them failed */
} self;

/* @call: What failed, with this errno (0: it was an end); NULL: the byte came back. */
static void end(struct stream *stream, const char *call, int error)
{
	stream->over = true;
	if (!call)
		self.us[self.opened++] = bench_now_us() - stream->start_us;
	else if (self.failed++ == 0)
		snprintf(self.why, sizeof(self.why), "%s: %s", call,
			 error ? strerror(error) : "end of stream");
	if (call || !self.hold)
		close(stream->fd);
}

static void begin(void)
{
	struct stream *stream = &self.streams[self.begun++];

	stream->start_us = bench_now_us();
	stream->fd = socket(self.target->addr.ss_family,
			    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (stream->fd < 0)
		bench_die("socket");
	bench_tune(stream->fd);
	if (connect(stream->fd, (const struct sockaddr *)&self.target->addr,
		    self.target->len) != 0 &&
	    errno != EINPROGRESS) {
		end(stream, "connect", errno);
		return;
	}
	bench_watch(self.epoll, stream->fd, stream);
}

static void go_on(struct stream *stream, uint32_t events)
{
	char byte;

	if (stream->over)
		return;
	if (!stream->asked && (events & EPOLLOUT)) {
		stream->asked = true;
		if (send(stream->fd, "Ex", 2, MSG_NOSIGNAL) != 2) {
			end(stream, "send", errno);
			return;
		}
	}
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
		ssize_t n = recv(stream->fd, &byte, 1, 0);

		if (n >= 0 || errno != EAGAIN)
			end(stream, n == 1 ? NULL : "recv", n < 0 ? errno : 0);
	}
}

static void run(size_t count, size_t in_flight, double end_us)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		double now_us = bench_now_us();
		int n;

		while (self.begun < count && now_us < end_us &&
		       self.begun - self.opened - self.failed < in_flight)
			begin();
		if (self.begun == self.opened + self.failed)
			return;
		n = epoll_wait(self.epoll, events, EVENTS, PATIENCE_MS);
		if (n <= 0) {
			snprintf(self.why, sizeof(self.why),
				 "no answer in %d s", PATIENCE_MS / 1000);
			self.failed = self.begun - self.opened;
			return;
		}
		for (int i = 0; i < n; i++)
			go_on(events[i].data.ptr, events[i].events);
	}
}

int load_open(const struct load_target *target, char **argv)
{
	size_t count = strtoul(argv[0], NULL, 10);
	double start_us, seconds;

	self.target = target;
	self.hold = argv[3] && strcmp(argv[3], "hold") == 0;
	self.epoll = epoll_create1(EPOLL_CLOEXEC);
	self.streams = calloc(count, sizeof(*self.streams));
	self.us = calloc(count, sizeof(*self.us));
	if (!self.streams || !self.us)
		bench_die("calloc");
	start_us = bench_now_us();
	run(count, strtoul(argv[1], NULL, 10),
	    start_us + strtod(argv[2], NULL) * 1e6);
	seconds = (bench_now_us() - start_us) / 1e6;
	load_sort(self.us, self.opened);
	printf("{\"opened\":%zu,\"failed\":%zu,\"seconds\":%.6f,"
	       "\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"why\":\"%s\"}\n",
	       self.opened, self.failed, seconds,
	       load_percentile(self.us, self.opened, 50),
	       load_percentile(self.us, self.opened, 90),
	       load_percentile(self.us, self.opened, 99), self.why);
	fflush(stdout);
	while (self.hold && getchar() != EOF)
		;
	return 0;
}
