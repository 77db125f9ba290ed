/*
 * connecting - connect once, and tell what the program saw and when.
 *
 *	connecting blocking|epoll HOST PORT
 *
 * "blocking" calls connect() on an ordinary socket.  "epoll" does what nginx
 * does: a non-blocking socket that is in an edge-triggered epoll set before
 * connect() is called.  Where a connection comes about, a line is sent and
 * expected back.
 *
 * One line of JSON: connect's errno and duration, how much of that was spent
 * waiting for a CPU, the first event and when it came, SO_ERROR, the peer's
 * address, and whether the echo was right.  Times are microseconds since
 * connect() was called.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_MS 60000

/* What happened; -1 in a time means never. */
struct outcome {
	int connect_errno;
	int64_t connect_us;
	int64_t queued_us;
	int64_t event_us;
	uint32_t events;
	int so_error;
	bool echo;
	char peer[64];
};

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* How long this process has been ready to run while others ran; 0 if unknown. */
static int64_t queued_us(void)
{
	char line[128] = "";
	char *rest = line;
	FILE *file = fopen("/proc/self/schedstat", "re");

	if (!file)
		return 0;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	strtoull(line, &rest, 10); /* the time it ran */
	return (int64_t)(strtoull(rest, NULL, 10) / 1000);
}

static void timed_connect(int fd, const struct addrinfo *at,
			  struct outcome *out, int64_t *start)
{
	int64_t queued_before_us = queued_us();

	*start = now_us();
	int ret = connect(fd, at->ai_addr, at->ai_addrlen);
	int err = ret ? errno : 0;

	out->connect_us = now_us() - *start;
	out->queued_us = queued_us() - queued_before_us;
	out->connect_errno = err;
}

static bool connect_epoll(int fd, const struct addrinfo *at,
			  struct outcome *out)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP |
					   EPOLLET};
	socklen_t len = sizeof(out->so_error);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int64_t start;

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev))
		return false;
	/* A socket that was never connected reports a hang-up: not ours. */
	if (epoll_wait(epoll, &ev, 1, 0) < 0)
		return false;
	timed_connect(fd, at, out, &start);
	if (out->connect_errno && out->connect_errno != EINPROGRESS)
		return false;
	if (epoll_wait(epoll, &ev, 1, DEADLINE_MS) == 1) {
		out->event_us = now_us() - start;
		out->events = ev.events;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &out->so_error, &len))
			out->so_error = errno;
	}
	close(epoll);
	return out->so_error == 0;
}

static bool wait_for(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, DEADLINE_MS) == 1;
}

static bool echoes(int fd)
{
	static const char line[] = "a line for the far side\n";
	char back[sizeof(line)];
	size_t got = 0;

	if (send(fd, line, sizeof(line), MSG_NOSIGNAL) != sizeof(line))
		return false;
	while (got < sizeof(back) && wait_for(fd, POLLIN)) {
		ssize_t n = recv(fd, back + got, sizeof(back) - got, 0);

		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return memcmp(line, back, sizeof(line)) == 0;
}

static void name_peer(int fd, struct outcome *out)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	char host[48];
	char port[8];

	if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
	    getnameinfo((struct sockaddr *)&peer, len, host, sizeof(host), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		snprintf(out->peer, sizeof(out->peer), "%s:%s", host, port);
}

static const char *name_of(int err)
{
	const char *name = strerrorname_np(err);

	return err == 0 || !name ? "" : name;
}

static void print(const struct outcome *out)
{
	printf("{\"errno\": \"%s\", \"us\": %lld, \"queued_us\": %lld, "
	       "\"event_us\": %lld, "
	       "\"events\": \"%s%s%s%s%s\", \"so_error\": \"%s\", "
	       "\"peer\": \"%s\", \"echo\": %s}\n",
	       name_of(out->connect_errno), (long long)out->connect_us,
	       (long long)out->queued_us, (long long)out->event_us,
	       out->events & EPOLLIN ? "IN " : "",
	       out->events & EPOLLOUT ? "OUT " : "",
	       out->events & EPOLLERR ? "ERR " : "",
	       out->events & EPOLLHUP ? "HUP " : "",
	       out->events & EPOLLRDHUP ? "RDHUP " : "", name_of(out->so_error),
	       out->peer, out->echo ? "true" : "false");
}

int main(int argc, char **argv)
{
	struct outcome out = {.connect_us = -1, .event_us = -1};
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *at = NULL;
	bool connected = false;

	if (argc != 4)
		return 64;
	int err = getaddrinfo(argv[2], argv[3], &hints, &at);
	if (err) {
		printf("{\"errno\": \"%s\"}\n", gai_strerror(err));
		return 0;
	}
	bool epoll = strcmp(argv[1], "epoll") == 0;
	int fd = socket(at->ai_family,
			SOCK_STREAM | (epoll ? SOCK_NONBLOCK : 0), 0);
	if (epoll) {
		connected = connect_epoll(fd, at, &out);
	} else {
		int64_t start;

		timed_connect(fd, at, &out, &start);
		connected = out.connect_errno == 0;
	}
	if (connected) {
		name_peer(fd, &out);
		out.echo = echoes(fd);
	}
	print(&out);
	close(fd);
	freeaddrinfo(at);
	return 0;
}
