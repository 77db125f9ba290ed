/*
 * logs.c - hybridge logs: the log lines of this machine's daemons, together and by their time.
 *
 * A daemon logs to standard error, wherever that leads: hybridge dev gives each a file in its folder,
 * the library gives a sender one beside its socket, systemd takes what units say into the journal.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <hybridge/config.h>
#include <hybridge/daemon.h>

#include "ask.h"
#include "command.h"
#include "dev.h"
#include "logs_show.h"

#define LINES_USUAL 100
#define LINES_MAX   1000000

enum { OPTION_SINCE = UCHAR_MAX + 1, OPTION_STREAM };

/* What was typed. */
struct typed {
	const char *file;
	const char *name;
	char *stream;
	const char *since;
	uint32_t since_ms;
	size_t lines;
	bool has_lines;
	bool follows;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int add_file(struct logs *logs, char *path, struct hybridge_error *err)
{
	struct logs_file *file = logs_file_open(path);

	if (file) {
		logs->files[logs->num_files++] = file;
		return 0;
	}
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

/* Of the sender that the library started: sender/socket.c. */
static int add_senders(struct logs *logs, const struct hybridge_config *config,
		       struct hybridge_error *err)
{
	char socket[ASK_SOCKET_MAX];
	char *path = NULL;

	if (ask_socket(config, socket, err) != 0)
		return -1;
	if (asprintf(&path, "%s.log", socket) < 0)
		path = NULL;
	return add_file(logs, path, err);
}

/* Of hybridge dev's three where @file is its own. */
static int add_files(struct logs *logs, const char *file,
		     const struct hybridge_config *config,
		     struct hybridge_error *err)
{
	char *dev = file ? dev_folder(file) : NULL;
	int ret = 0;

	if (!dev)
		return add_senders(logs, config, err);
	for (size_t i = 0; ret == 0 && i < DEV_DAEMONS; i++)
		ret = add_file(logs, dev_log(dev, dev_daemons[i]), err);
	free(dev);
	return ret;
}

/* Where the relay alone is, no file names the connection: it is called as the relay calls it. */
static int choose(struct logs *logs, const struct typed *typed,
		  const struct hybridge_config *config,
		  struct hybridge_error *err)
{
	const struct hybridge_connection *connection = NULL;

	logs->filter = (struct logs_filter){
		.name = typed->name,
		.entity = typed->name,
		.stream = typed->stream,
		.since_ms = typed->since ? now_ms() - typed->since_ms
					 : LOGS_NO_TIME,
	};
	if (!typed->name || config->num_connections == 0)
		return 0;
	connection = hybridge_config_find(config, typed->name);
	if (connection) {
		logs->filter.entity = connection->relay.entity;
		return 0;
	}
	hybridge_fail(err, HYBRIDGE_EUSAGE, "there is no connection '%s'",
		      typed->name);
	return -1;
}

/* Adds to the list of places that were looked at. */
static void note(char *places, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void note(char *places, size_t size, const char *fmt, ...)
{
	size_t len = strlen(places);
	va_list args;

	va_start(args, fmt);
	vsnprintf(places + len, size - len, fmt, args);
	va_end(args);
}

static size_t seen(const struct logs *logs)
{
	size_t sum = logs->journal->source.seen;

	for (size_t i = 0; i < logs->num_files; i++)
		sum += logs->files[i]->source.seen;
	return sum;
}

/* "PATH: 12 lines, the journal: no journalctl" */
static void list_places(const struct logs *logs, char *out, size_t size)
{
	const struct logs_journal *journal = logs->journal;

	out[0] = '\0';
	for (size_t i = 0; i < logs->num_files; i++) {
		const struct logs_file *file = logs->files[i];

		if (file->error)
			note(out, size, "%s: %s, ", file->path,
			     strerror(file->error));
		else
			note(out, size, "%s: lines %zu, ", file->path,
			     file->source.seen);
	}
	if (!journal->tool)
		note(out, size, "the journal: no journalctl");
	else if (journal->status != 0)
		note(out, size, "the journal: journalctl failed with %d",
		     journal->status);
	else
		note(out, size, "the journal of our units: lines %zu",
		     journal->source.seen);
}

static void explain_nothing(const struct logs *logs, const struct typed *typed,
			    struct hybridge_error *err)
{
	char places[300];

	list_places(logs, places, sizeof(places));
	hybridge_fail(err, HYBRIDGE_EUNREACH, "%s (%s)",
		      seen(logs) > 0 ? "no line is about that"
				     : "no line was found",
		      places);
	if (seen(logs) > 0)
		hybridge_hint(err,
			      "without NAME, --since and --stream all of them "
			      "are shown");
	else if (typed->file && logs->num_files == DEV_DAEMONS)
		hybridge_hint(err, "hybridge dev -v shows them on its own "
				   "terminal");
	else
		hybridge_hint(
			err,
			"that file comes with a sender that a program has "
			"started; one started by hand logs where it was; "
			"%s",
			geteuid() == 0 ? "-f names the programs' env file"
				       : "only root and the group "
					 "systemd-journal see what units log");
}

/* What keeps part of it from being shown. */
static void warn(const struct logs *logs)
{
	for (size_t i = 0; i < logs->num_files; i++) {
		const struct logs_file *file = logs->files[i];

		if (file->error && file->error != ENOENT)
			fprintf(stderr,
				"hybridge: warning: cannot use %s: %s\n",
				file->path,
				file->error == EPERM ? "another user's, or no "
						       "plain file"
						     : strerror(file->error));
	}
}

static size_t limit_of(const struct typed *typed)
{
	if (typed->has_lines)
		return typed->lines;
	return typed->since ? SIZE_MAX : LINES_USUAL;
}

static int show(struct logs *logs, const struct typed *typed,
		struct hybridge_error *err)
{
	size_t limit = limit_of(typed);
	int64_t started_ms = now_ms();
	size_t shown = 0;
	/* journalctl knows nothing of our fields: with a filter, all of its lines may count. */
	bool is_filtered = typed->name || typed->stream;

	for (size_t i = 0; i < logs->num_files; i++)
		logs->files[i]->is_whole = !typed->follows;
	if (limit > 0 &&
	    logs_journal_read(logs->journal, logs->filter.since_ms,
			      is_filtered || limit == SIZE_MAX ? 0 : limit,
			      err) != 0)
		return -1;
	if (logs_show_last(logs, limit, stdout, &shown, err) != 0)
		return -1;
	warn(logs);
	if (shown == 0 && limit > 0) {
		explain_nothing(logs, typed, err);
		if (!typed->follows)
			return -1;
		hybridge_error_print(stderr, err);
		*err = (struct hybridge_error){0};
	}
	if (!typed->follows)
		return 0;
	if (logs_journal_follow(logs->journal, started_ms, err) != 0)
		return -1;
	return logs_follow(logs, stdout, err);
}

static int run(const struct typed *typed)
{
	struct hybridge_error err = {0};
	struct hybridge_config config;
	struct logs logs = {.journal = logs_journal_open()};
	int status = 0;

	if (!logs.journal)
		hybridge_fail(&err, HYBRIDGE_ESYSTEM, "out of memory");
	if (err.code != HYBRIDGE_OK ||
	    hybridge_config_load(typed->file, environ, HYBRIDGE_ROLE_CLI,
				 &config, &err) != 0) {
		logs_journal_close(logs.journal);
		return command_fail(&err);
	}
	if (choose(&logs, typed, &config, &err) != 0 ||
	    add_files(&logs, typed->file, &config, &err) != 0 ||
	    show(&logs, typed, &err) != 0)
		status = command_fail(&err);
	for (size_t i = 0; i < logs.num_files; i++)
		logs_file_close(logs.files[i]);
	logs_journal_close(logs.journal);
	hybridge_config_free(&config);
	return status;
}

static int parse_lines(const char *text, struct typed *typed)
{
	char *end;
	unsigned long lines = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || lines > LINES_MAX)
		return -1;
	typed->lines = lines;
	typed->has_lines = true;
	return 0;
}

/* A TrackingId has "_G1" behind what all daemons write. */
static int parse_stream(const char *text, struct typed *typed)
{
	free(typed->stream);
	typed->stream = strndup(text, strcspn(text, "_"));
	return typed->stream && *typed->stream ? 0 : -1;
}

/* Returns -1: go on; else the exit status. */
static int parse_option(int option, struct typed *typed)
{
	switch (option) {
	case 'h':
		return command_help("logs");
	case 'f':
		typed->file = optarg;
		break;
	case 'F':
		typed->follows = true;
		break;
	case 'n':
		if (parse_lines(optarg, typed) != 0)
			return command_usage("logs", "-n wants a number of "
						     "lines, 1000000 at most");
		break;
	case OPTION_SINCE:
		typed->since = optarg;
		if (hybridge_parse_duration(optarg, &typed->since_ms) != 0)
			return command_usage("logs", "--since wants a time "
						     "like 30s, 5m or 2h");
		break;
	default:
		if (parse_stream(optarg, typed) != 0)
			return command_usage("logs",
					     "--stream wants an id, or its "
					     "beginning: session= of a line");
		break;
	}
	return -1;
}

static int parse(int argc, char **argv, struct typed *typed)
{
	static const struct option options[] = {
		{"follow", no_argument, NULL, 'F'},
		{"since", required_argument, NULL, OPTION_SINCE},
		{"stream", required_argument, NULL, OPTION_STREAM},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int at, option;

	opterr = 0;
	while (at = optind,
	       (option = getopt_long(argc, argv, ":hf:Fn:", options, NULL)) !=
		       -1) {
		int status;

		/* As tail(1) and others have it. */
		if (option == ':' && optopt == 'f')
			return command_usage("logs", "-f names an env file; -F "
						     "follows the log");
		if (option == ':' || option == '?')
			return command_option("logs", options, argv + at,
					      option == ':');
		status = parse_option(option, typed);
		if (status >= 0)
			return status;
	}
	if (argc - optind > 1)
		return command_usage("logs", "one NAME at most");
	typed->name = argv[optind];
	return -1;
}

int logs_main(int argc, char **argv)
{
	struct typed typed = {.file = hybridge_daemon_config()};
	char *dev = NULL;
	int status = parse(argc, argv, &typed);

	if (status < 0) {
		if (!typed.file)
			typed.file = dev = dev_env_running();
		status = run(&typed);
	}
	free(typed.stream);
	free(dev);
	return status;
}
