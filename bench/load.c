/*
 * load.c - the service and the client of the measurements.
 *
 *	load serve				echo, sink and source on one port; prints the port
 *	load bulk HOST PORT up|down MIB STREAMS	prints seconds
 *	load ping HOST PORT COUNT		prints p50 and p99 in microseconds
 *	load open HOST PORT COUNT IN_FLIGHT	connect to first echoed byte: prints p50, p99 and seconds in all
 *
 * The first byte that a client sends chooses: 'E' echo, 'S' sink (answers one
 * byte at the end), 'G' generate for as long as the client reads.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK ((size_t)256 * 1024)
#define MIB   ((size_t)1024 * 1024)

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void send_all(int fd, const char *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

		if (n <= 0)
			die("send");
		buf += n;
		len -= (size_t)n;
	}
}

/* The service: one thread a connection, which is not what is measured. */

static void echo(int fd, char *buf)
{
	ssize_t n;

	while ((n = recv(fd, buf, CHUNK, 0)) > 0)
		if (send(fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
			break;
}

static void *serve_one(void *arg)
{
	int fd = *(int *)arg;
	char *buf = calloc(1, CHUNK);
	char mode = 0;

	free(arg);
	if (!buf)
		die("malloc");
	if (recv(fd, &mode, 1, 0) != 1)
		mode = 0;
	if (mode == 'E')
		echo(fd, buf);
	if (mode == 'S') {
		while (recv(fd, buf, CHUNK, 0) > 0)
			;
		(void)!send(fd, buf, 1, MSG_NOSIGNAL);
	}
	if (mode == 'G')
		while (send(fd, buf, CHUNK, MSG_NOSIGNAL) > 0)
			;
	close(fd);
	free(buf);
	return NULL;
}

static _Noreturn void serve(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (listener < 0 || bind(listener, (struct sockaddr *)&at, len) != 0 ||
	    listen(listener, 4096) != 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) != 0)
		die("listen");
	printf("%u\n", ntohs(at.sin_port));
	fflush(stdout);
	for (;;) {
		int *fd = malloc(sizeof(*fd));
		pthread_t thread;

		if (!fd)
			die("malloc");
		*fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (*fd < 0)
			die("accept");
		setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (pthread_create(&thread, NULL, serve_one, fd) != 0)
			die("pthread_create");
		pthread_detach(thread);
	}
}

/* The client. */

static const char *host, *port;

static int open_stream(char mode)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list;
	int on = 1, fd;

	if (getaddrinfo(host, port, &hints, &list) != 0)
		die(host);
	fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, list->ai_addr, list->ai_addrlen) != 0)
		die("connect");
	freeaddrinfo(list);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	send_all(fd, &mode, 1);
	return fd;
}

static bool upward;
static size_t bytes_each;

static void *bulk_one(void *arg)
{
	int fd = open_stream(upward ? 'S' : 'G');
	char *buf = calloc(1, CHUNK);
	size_t left = bytes_each;

	(void)arg;
	if (!buf)
		die("malloc");
	while (left > 0) {
		size_t len = left < CHUNK ? left : CHUNK;
		ssize_t n = (ssize_t)len;

		if (upward)
			send_all(fd, buf, len);
		else
			n = recv(fd, buf, len, 0);
		if (n <= 0)
			die("recv");
		left -= (size_t)n;
	}
	/* Upward it counts when the last byte has arrived over there. */
	if (upward && (shutdown(fd, SHUT_WR) != 0 || recv(fd, buf, 1, 0) != 1))
		die("last byte");
	close(fd);
	free(buf);
	return NULL;
}

static int bulk(char **argv)
{
	int streams = atoi(argv[2]); // NOLINT(cert-err34-c): our own script
	pthread_t *threads = calloc((size_t)streams, sizeof(*threads));
	double start = now_us();

	upward = strcmp(argv[0], "up") == 0;
	bytes_each = strtoul(argv[1], NULL, 10) * MIB / (size_t)streams;
	for (int i = 0; threads && i < streams; i++)
		if (pthread_create(&threads[i], NULL, bulk_one, NULL) != 0)
			die("pthread_create");
	for (int i = 0; threads && i < streams; i++)
		pthread_join(threads[i], NULL);
	printf("%.6f\n", (now_us() - start) / 1e6);
	free(threads);
	return 0;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void print_percentiles(double *us, size_t count)
{
	qsort(us, count, sizeof(*us), by_value);
	printf("%.1f %.1f", us[count / 2], us[count * 99 / 100]);
}

static void echo_byte(int fd)
{
	char byte = 'x';

	send_all(fd, &byte, 1);
	if (recv(fd, &byte, 1, 0) != 1)
		die("echo");
}

static int ping(char **argv)
{
	size_t count = strtoul(argv[0], NULL, 10);
	double *us = calloc(count, sizeof(*us));
	int fd = open_stream('E');

	if (!us)
		die("malloc");
	for (size_t i = 0; i < count; i++) {
		double start = now_us();

		echo_byte(fd);
		us[i] = now_us() - start;
	}
	close(fd);
	print_percentiles(us, count);
	putchar('\n');
	free(us);
	return 0;
}

static double *open_us;
static size_t open_count, open_next;

static void *open_some(void *arg)
{
	(void)arg;
	for (;;) {
		size_t i = __atomic_fetch_add(&open_next, 1, __ATOMIC_RELAXED);
		double start = now_us();

		if (i >= open_count)
			return NULL;
		int fd = open_stream('E');

		echo_byte(fd);
		open_us[i] = now_us() - start;
		close(fd);
	}
}

static int open_many(char **argv)
{
	size_t in_flight = strtoul(argv[1], NULL, 10);
	pthread_t *threads = calloc(in_flight, sizeof(*threads));
	double start;

	open_count = strtoul(argv[0], NULL, 10);
	open_us = calloc(open_count, sizeof(*open_us));
	if (!threads || !open_us)
		die("malloc");
	start = now_us();
	for (size_t i = 0; i < in_flight; i++)
		if (pthread_create(&threads[i], NULL, open_some, NULL) != 0)
			die("pthread_create");
	for (size_t i = 0; i < in_flight; i++)
		pthread_join(threads[i], NULL);
	print_percentiles(open_us, open_count);
	printf(" %.6f\n", (now_us() - start) / 1e6);
	free(threads);
	free(open_us);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 2 && strcmp(argv[1], "serve") == 0)
		serve();
	if (argc > 4) {
		host = argv[2];
		port = argv[3];
	}
	if (argc == 7 && strcmp(argv[1], "bulk") == 0)
		return bulk(argv + 4);
	if (argc == 5 && strcmp(argv[1], "ping") == 0)
		return ping(argv + 4);
	if (argc == 6 && strcmp(argv[1], "open") == 0)
		return open_many(argv + 4);
	fprintf(stderr,
		"usage: load serve | bulk HOST PORT up|down MIB STREAMS | "
		"ping HOST PORT COUNT | open HOST PORT COUNT IN_FLIGHT\n");
	return 64;
}
