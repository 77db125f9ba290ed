/*
 * edge - a non-blocking connect() on a socket that is in an edge-triggered
 * epoll set already, as nginx does it.
 *
 * edge ADDRESS PORT HOLD_MS [TRIES]
 *
 * Prints the best of the times that connect() took (in microseconds, without
 * the time that it stood in the queue for a CPU), whether there was an event within
 * HOLD_MS, and the events that the socket had before; then the events that came,
 * and SO_ERROR.
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

/* How long this process has been ready to run while others ran; 0 if unknown. */
static double queued_us(void)
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
	return (double)strtoull(rest, NULL, 10) / 1e3;
}

static void print_events(const struct epoll_event *ev, int count)
{
	static const struct {
		unsigned int event;
		const char *name;
	} names[] = {{EPOLLIN, "in"},
		     {EPOLLOUT, "out"},
		     {EPOLLERR, "err"},
		     {EPOLLHUP, "hup"}};

	for (size_t i = 0; count > 0 && i < 4; i++)
		if (ev->events & names[i].event)
			printf(" %s", names[i].name);
}

/* Returns the time that connect() took, or -1; @ev has the events before it. */
static double start(int *fd, int *ep, const struct sockaddr_in *to,
		    struct epoll_event *ev)
{
	double before, queued;
	int ret;

	*ev = (struct epoll_event){.events = EPOLLIN | EPOLLOUT | EPOLLET};

	*fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	*ep = epoll_create1(0);
	epoll_ctl(*ep, EPOLL_CTL_ADD, *fd, ev);
	epoll_wait(*ep, ev, 1, 0);
	queued = queued_us();
	before = now_us();
	ret = connect(*fd, (const struct sockaddr *)to, sizeof(*to));
	if (ret == 0 || errno != EINPROGRESS)
		return -1;
	before = now_us() - before;
	queued = queued_us() - queued;
	return before > queued ? before - queued : 0;
}

static int number(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct epoll_event ev, before = {.events = 0};
	int fd = -1, ep = -1, events, err = -1;
	int tries = argc > 4 ? number(argv[4]) : 1;
	socklen_t len = sizeof(err);
	double best = 1e9;

	if (argc < 4)
		return 64;
	inet_pton(AF_INET, argv[1], &to.sin_addr);
	to.sin_port = htons((unsigned short)number(argv[2]));
	for (int i = 0; i < tries; i++) {
		double took = start(&fd, &ep, &to, &before);

		if (took < 0)
			return 1;
		best = took < best ? took : best;
		if (i + 1 < tries) {
			close(ep);
			close(fd);
		}
	}
	events = epoll_wait(ep, &ev, 1, number(argv[3]));
	printf("%.0f %s", best, events ? "early" : "quiet");
	print_events(&before, 1);
	puts("");
	fflush(stdout);
	events = epoll_wait(ep, &ev, 1, 5000);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	printf("%d", err);
	print_events(&ev, events);
	puts("");
	return 0;
}
