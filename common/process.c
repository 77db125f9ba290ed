/*
 * process.c - CPU time and descriptors of this process, for a scraper.
 *
 * To read the folder /proc/self/fd costs microseconds for each descriptor, and all
 * streams would wait for that.  The kernel says their number at once, or poll() which are none.
 */
#include "process.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define PROBES 256 /* by one call */

static unsigned long max_fds(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

/* Slots of the kernel's table: no descriptor is higher.  Return: 0 when unknown */
static unsigned long table_size(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	unsigned long size = 0;
	char line[256];

	if (!status)
		return errno == EMFILE ? max_fds() : 0;
	while (size == 0 && fgets(line, sizeof(line), status))
		if (strncmp(line, "FDSize:", 7) == 0)
			size = strtoul(line + 7, NULL, 10);
	fclose(status);
	return size;
}

/* How many of @num descriptors from @first on are open.  Return: -1 on failure */
static long probe(unsigned long first, unsigned long num)
{
	struct pollfd fds[PROBES];
	long count = 0;

	for (unsigned long i = 0; i < num; i++)
		fds[i] = (struct pollfd){.fd = (int)(first + i)};
	if (poll(fds, num, 0) < 0)
		return -1;
	for (unsigned long i = 0; i < num; i++)
		count += !(fds[i].revents & POLLNVAL);
	return count;
}

long process_probe_fds(void)
{
	unsigned long size = table_size();
	/* poll() takes no more than there may be descriptors. */
	unsigned long most = max_fds();
	long sum = 0;

	if (size == 0 || most == 0)
		return -1;
	if (most > PROBES)
		most = PROBES;
	for (unsigned long at = 0; at < size; at += most) {
		long count = probe(at, size - at < most ? size - at : most);

		if (count < 0)
			return -1;
		sum += count;
	}
	return sum;
}

long process_open_fds(void)
{
	struct stat folder;

	if (stat("/proc/self/fd", &folder) == 0 && folder.st_size > 0)
		return folder.st_size;
	return process_probe_fds();
}

static void write_head(FILE *to, const char *name, const char *type,
		       const char *help)
{
	fprintf(to, "# HELP process_%s %s\n# TYPE process_%s %s\n", name, help,
		name, type);
}

void process_write(time_t started, FILE *to)
{
	struct timespec used = {0};
	long open_fds = process_open_fds();

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	write_head(to, "cpu_seconds_total", "counter",
		   "CPU time, of all threads.");
	fprintf(to, "process_cpu_seconds_total %.3f\n",
		(double)used.tv_sec + (double)used.tv_nsec / 1e9);
	write_head(to, "open_fds", "gauge", "Descriptors that are open.");
	if (open_fds >= 0)
		fprintf(to, "process_open_fds %ld\n", open_fds);
	write_head(to, "max_fds", "gauge",
		   "Descriptors that may be open: LimitNOFILE= or ulimit -n.");
	fprintf(to, "process_max_fds %lu\n", max_fds());
	write_head(to, "start_time_seconds", "gauge",
		   "When it was started, in seconds since 1970.");
	fprintf(to, "process_start_time_seconds %lld\n", (long long)started);
}
