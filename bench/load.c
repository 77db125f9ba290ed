/*
 * load.c - the client of the measurements; load.h says what each prints.
 *
 *	load bulk HOST PORT up|down SECONDS STREAMS
 *	load ping HOST PORT SECONDS [COUNT]
 *	load open HOST PORT COUNT IN_FLIGHT SECONDS [hold]
 */
#include "load.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sockets.h"

#define PINGS_MAX ((size_t)1000000)

int load_connect(const struct load_target *target, char mode)
{
	int fd = socket(target->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&target->addr,
			      target->len) != 0)
		bench_die("connect");
	bench_tune(fd);
	if (send(fd, &mode, 1, MSG_NOSIGNAL) != 1)
		bench_die("send");
	return fd;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void load_sort(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), by_value);
}

double load_percentile(const double *sorted, size_t count, unsigned int percent)
{
	return count ? sorted[count * percent / 100] : 0;
}

int load_ping(const struct load_target *target, char **argv)
{
	double end_us = bench_now_us() + strtod(argv[0], NULL) * 1e6;
	double *us = malloc(PINGS_MAX * sizeof(*us));
	int fd = load_connect(target, 'E');
	double start_us = bench_now_us();
	size_t most = argv[1] ? strtoul(argv[1], NULL, 10) : PINGS_MAX;
	size_t count = 0;

	if (!us)
		bench_die("malloc");
	while (count < most && count < PINGS_MAX &&
	       (count == 0 || start_us < end_us)) {
		char byte = 'x';
		double back_us;

		if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 ||
		    recv(fd, &byte, 1, 0) != 1)
			bench_die("echo");
		back_us = bench_now_us();
		us[count++] = back_us - start_us;
		start_us = back_us;
	}
	close(fd);
	load_sort(us, count);
	printf("{\"count\":%zu,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f}\n",
	       count, load_percentile(us, count, 50),
	       load_percentile(us, count, 90), load_percentile(us, count, 99));
	free(us);
	return 0;
}

static struct load_target find(const char *host, const char *port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct load_target target = {0};
	struct addrinfo *list;
	int error = getaddrinfo(host, port, &hints, &list);

	if (error != 0) {
		fprintf(stderr, "load: %s: %s\n", host, gai_strerror(error));
		exit(1);
	}
	memcpy(&target.addr, list->ai_addr, list->ai_addrlen);
	target.len = list->ai_addrlen;
	freeaddrinfo(list);
	return target;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int least, most;
		int (*run)(const struct load_target *target, char **argv);
	} commands[] = {
		{"bulk", 3, 3, load_bulk},
		{"ping", 1, 2, load_ping},
		{"open", 3, 4, load_open},
	};

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		struct load_target target;

		if (argc < 4 + commands[i].least ||
		    argc > 4 + commands[i].most ||
		    strcmp(argv[1], commands[i].name) != 0)
			continue;
		target = find(argv[2], argv[3]);
		return commands[i].run(&target, argv + 4);
	}
	fputs("usage: load bulk HOST PORT up|down SECONDS STREAMS\n"
	      "       load ping HOST PORT SECONDS [COUNT]\n"
	      "       load open HOST PORT COUNT IN_FLIGHT SECONDS [hold]\n",
	      stderr);
	return 64;
}
