/*
 * test_process.c - descriptors are counted right in both ways, and written as scrapers read them.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../common/process.h"

#define MORE 300 /* than the kernel's table has slots at first */

/* By the folder, which is one of them while it is read. */
static long listed_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	long count = -1;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

static void descriptors_are_counted_with_gaps_between_them(void **state)
{
	int fds[MORE];

	(void)state;
	for (int i = 0; i < MORE; i++) {
		fds[i] = dup(STDOUT_FILENO);
		assert_true(fds[i] >= 0);
	}
	assert_int_equal(process_open_fds(), listed_fds());
	assert_int_equal(process_probe_fds(), listed_fds());
	for (int i = 0; i < MORE; i += 2)
		close(fds[i]);
	assert_int_equal(process_open_fds(), listed_fds());
	assert_int_equal(process_probe_fds(), listed_fds());
	for (int i = 1; i < MORE; i += 2)
		close(fds[i]);
}

static void a_process_without_a_descriptor_left_can_be_counted(void **state)
{
	long before = listed_fds();
	struct rlimit limit, few;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = (rlim_t)before;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(process_open_fds(), before);
	assert_int_equal(process_probe_fds(), before);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static double value_of(const char *text, const char *name)
{
	char wanted[100];
	const char *at;

	snprintf(wanted, sizeof(wanted), "\n%s ", name);
	at = strstr(text, wanted);
	if (!at)
		fail_msg("no %s in: %s", name, text);
	return at ? strtod(at + strlen(wanted), NULL) : -1;
}

static void what_is_written_is_true(void **state)
{
	struct rlimit limit;
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	(void)state;
	assert_non_null(to);
	process_write(1700000000, to);
	fclose(to);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(value_of(text, "process_max_fds") ==
		    (double)limit.rlim_cur);
	assert_true(value_of(text, "process_open_fds") == (double)listed_fds());
	assert_true(value_of(text, "process_start_time_seconds") == 1700000000);
	assert_true(value_of(text, "process_cpu_seconds_total") >= 0);
	assert_non_null(
		strstr(text, "\n# TYPE process_cpu_seconds_total counter\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			descriptors_are_counted_with_gaps_between_them),
		cmocka_unit_test(
			a_process_without_a_descriptor_left_can_be_counted),
		cmocka_unit_test(what_is_written_is_true),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
