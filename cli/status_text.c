/*
 * status_text.c - the sender's state for people.
 */
#include "status_text.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 1024

void status_bytes(long long bytes, char *out, size_t size)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double amount = (double)bytes;
	size_t unit = 0;

	while (amount >= 1024 && unit + 1 < sizeof(units) / sizeof(*units)) {
		amount /= 1024;
		unit++;
	}
	snprintf(out, size, unit == 0 ? "%.0f %s" : "%.1f %s", amount,
		 units[unit]);
}

void status_ago(long long seconds, char *out, size_t size)
{
	static const struct {
		long long seconds;
		const char *name;
	} units[] = {
		{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};

	if (seconds < 0) {
		snprintf(out, size, "never");
		return;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		long long n = seconds / units[i].seconds;

		if (n > 0) {
			snprintf(out, size, "%lld %s%s ago", n, units[i].name,
				 n == 1 ? "" : "s");
			return;
		}
	}
	snprintf(out, size, "now");
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

static long long number_of(const json_t *object, const char *key)
{
	const json_t *number = json_object_get(object, key);

	return json_is_integer(number) ? json_integer_value(number) : -1;
}

static bool is_failing(const json_t *connection)
{
	return strcmp(text_of(connection, "state"), "failing") == 0;
}

/* Trouble first, then most recently used; never used comes last. */
static int by_urgency(const void *a, const void *b)
{
	const json_t *const *x = a, *const *y = b;
	long long used_x = number_of(*x, "last_used_s");
	long long used_y = number_of(*y, "last_used_s");

	if (is_failing(*x) != is_failing(*y))
		return is_failing(*x) ? -1 : 1;
	if ((used_x < 0) != (used_y < 0))
		return used_x < 0 ? 1 : -1;
	return (used_x > used_y) - (used_x < used_y);
}

static void join_hosts(const json_t *connection, char *out, size_t size)
{
	const json_t *hosts = json_object_get(connection, "hosts");
	size_t len = 0, i;
	const json_t *host;

	out[0] = '\0';
	json_array_foreach(hosts, i, host)
	{
		int n = snprintf(out + len, size - len, "%s%s", i ? " " : "",
				 json_string_value(host));

		if (n < 0 || (size_t)n >= size - len)
			return;
		len += (size_t)n;
	}
}

static void print_row(const json_t *connection, FILE *to)
{
	char hosts[256], in[32], out[32], used[48];

	join_hosts(connection, hosts, sizeof(hosts));
	status_bytes(number_of(connection, "bytes_in"), in, sizeof(in));
	status_bytes(number_of(connection, "bytes_out"), out, sizeof(out));
	status_ago(number_of(connection, "last_used_s"), used, sizeof(used));
	fprintf(to, "%-10s %-28s %-8s %5lld %7lld %7lld %11s %11s   %s\n",
		text_of(connection, "name"), hosts,
		text_of(connection, "state"), number_of(connection, "open"),
		number_of(connection, "total"), number_of(connection, "failed"),
		in, out, used);
}

static void print_trouble(const json_t *connection, const char *config,
			  FILE *to)
{
	const json_t *error = json_object_get(connection, "last_error");
	const char *hint = text_of(error, "hint");
	char since[48];

	status_ago(number_of(error, "since_s"), since, sizeof(since));
	fprintf(to, "\n! %s  %s (%lld times, first %s)\n",
		text_of(connection, "name"), text_of(error, "text"),
		number_of(error, "count"), since);
	if (hint[0] && strcmp(hint, "-") != 0)
		fprintf(to, "  -> %s\n", hint);
	fprintf(to, "  each step: hybridge doctor%s%s %s\n",
		*config ? " -f " : "", config, text_of(connection, "name"));
}

bool status_text(const json_t *root, const char *only, FILE *to)
{
	const json_t *sender = json_object_get(root, "sender");
	const json_t *rows[ROWS_MAX] = {NULL};
	const json_t *connection;
	size_t len = 0, i;
	bool failing = false;
	long long early = number_of(sender, "early");
	const char *config =
		json_string_value(json_object_get(sender, "config"));
	char since[48];

	status_ago(number_of(sender, "since_s"), since, sizeof(since));
	fprintf(to, "sender   running, pid %lld, started %s\n",
		number_of(sender, "pid"), since);
	fprintf(to, "config   %s\n\n", text_of(sender, "config"));
	json_array_foreach(
		json_object_get(root, "connections"), i,
		connection) if (len < ROWS_MAX &&
				(!only || strcmp(only, text_of(connection,
							       "name")) == 0))
		rows[len++] = connection;
	qsort(rows, len, sizeof(const json_t *), by_urgency);
	fprintf(to, "%-10s %-28s %-8s %5s %7s %7s %11s %11s   %s\n", "NAME",
		"HOSTS", "STATE", "OPEN", "TOTAL", "FAILED", "RECEIVED", "SENT",
		"LAST USED");
	for (i = 0; i < len; i++)
		print_row(rows[i], to);
	for (i = 0; i < len && is_failing(rows[i]); i++) {
		print_trouble(rows[i], config ? config : "", to);
		failing = true;
	}
	if (early > 0)
		fprintf(to,
			"\n%lld connects could not be held: the programs were "
			"connected before the target had answered.\n",
			early);
	return failing;
}
