/*
 * edge - a non-blocking connect() on a socket that is in an edge-triggered
 * epoll set already, as nginx does it.
 *
 * edge ADDRESS PORT HOLD_MS [TRIES]
 *
 * Prints the best of the times that connect() took (in microseconds), whether
 * there was an event within HOLD_MS, then the events that came, and SO_ERROR.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Returns the time that connect() took, or -1. */
static double start(int *fd, int *ep, const struct sockaddr_in *to)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
	double before;
	int ret;

	*fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	*ep = epoll_create1(0);
	epoll_ctl(*ep, EPOLL_CTL_ADD, *fd, &ev);
	epoll_wait(*ep, &ev, 1, 0); /* the event of a socket that is closed */
	before = now_us();
	ret = connect(*fd, (const struct sockaddr *)to, sizeof(*to));
	if (ret == 0 || errno != EINPROGRESS)
		return -1;
	return now_us() - before;
}

static int number(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct epoll_event ev;
	int fd = -1, ep = -1, events, err = -1;
	int tries = argc > 4 ? number(argv[4]) : 1;
	socklen_t len = sizeof(err);
	double best = 1e9;

	if (argc < 4)
		return 64;
	inet_pton(AF_INET, argv[1], &to.sin_addr);
	to.sin_port = htons((unsigned short)number(argv[2]));
	for (int i = 0; i < tries; i++) {
		double took = start(&fd, &ep, &to);

		if (took < 0)
			return 1;
		best = took < best ? took : best;
		if (i + 1 < tries) {
			close(ep);
			close(fd);
		}
	}
	events = epoll_wait(ep, &ev, 1, number(argv[3]));
	printf("%.0f %s\n", best, events ? "early" : "quiet");
	fflush(stdout);
	events = epoll_wait(ep, &ev, 1, 5000);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	printf("%s%s%s%s %d\n", events && ev.events & EPOLLIN ? "in " : "",
	       events && ev.events & EPOLLOUT ? "out " : "",
	       events && ev.events & EPOLLERR ? "err " : "",
	       events && ev.events & EPOLLHUP ? "hup" : "", err);
	return 0;
}
