/*
 * logs_journal.c - what the units of hybridge have written to the journal of systemd.
 *
 * journalctl(1) reads it: the journal's form is systemd's own affair.  Lines are chosen by unit, which
 * systemd itself notes, and not by identifier, which any program may choose.  So systemd's own words
 * about a unit, that it was killed for example, are there as well.
 */
#include "logs_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "find.h"
#include "logs_line.h"

#define ARGS_MAX 24
#define OURS     "hybridge-"

struct args {
	const char *argv[ARGS_MAX];
	size_t num;
	char since[32];
	char lines[32];
};

static const char *const every_time[] = {
	"journalctl",
	"--quiet",
	"--no-pager",
	"--all",
	"--output=json",
	"--output-fields=MESSAGE,PRIORITY,SYSLOG_IDENTIFIER",
	"--unit=hybridge-sender@*.service",
	"--unit=hybridge-agent.service",
	"--unit=hybridge-relay.service",
};

static void add(struct args *args, const char *arg)
{
	args->argv[args->num++] = arg;
}

static void begin(struct args *args, int64_t since_ms)
{
	*args = (struct args){0};
	for (size_t i = 0; i < sizeof(every_time) / sizeof(*every_time); i++)
		add(args, every_time[i]);
	if (since_ms == LOGS_NO_TIME)
		return;
	snprintf(args->since, sizeof(args->since), "--since=@%jd.%03d",
		 (intmax_t)(since_ms / 1000), (int)(since_ms % 1000));
	add(args, args->since);
}

static const char *level_name(const char *priority)
{
	if (!priority || !*priority)
		return "info";
	return *priority <= '3'   ? "error"
	       : *priority == '4' ? "warning"
	       : *priority == '7' ? "debug"
				  : "info";
}

/* As the journal has it: text, or bytes where they are no plain text.  Owned by the caller. */
static char *message_of(const json_t *value)
{
	size_t len = json_array_size(value);
	char *text;

	if (json_is_string(value))
		return strdup(json_string_value(value));
	text = calloc(len + 1, 1);
	for (size_t i = 0; text && i < len; i++) {
		text[i] = (char)json_integer_value(json_array_get(value, i));
		if (!text[i])
			text[i] = '?';
	}
	return text;
}

static void put_quoted(FILE *to, const char *text, size_t len)
{
	putc('"', to);
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\')
			putc('\\', to);
		putc(text[i], to);
	}
	putc('"', to);
}

/* "session opened  conn=db": our own daemons put two blanks before the fields. */
static void put_message(FILE *to, const char *prog, const char *message)
{
	const char *fields = strncmp(prog, OURS, strlen(OURS)) == 0
				     ? strstr(message, "  ")
				     : NULL;
	size_t len = fields ? (size_t)(fields - message) : strlen(message);

	fputs(" msg=", to);
	put_quoted(to, message, len);
	if (fields)
		fputs(fields + 1, to);
}

static char *compose(const json_t *root, const char *message)
{
	const char *at = json_string_value(
		json_object_get(root, "__REALTIME_TIMESTAMP"));
	const char *prog =
		json_string_value(json_object_get(root, "SYSLOG_IDENTIFIER"));
	char stamp[40];
	char *text = NULL;
	size_t size = 0;
	FILE *to;

	/* Of a daemon that was told to write logfmt or JSON: has it all. */
	if (*message == '{' || strncmp(message, "ts=", 3) == 0)
		return strdup(message);
	to = open_memstream(&text, &size);
	if (!to)
		return NULL;
	logs_line_time(at ? strtoll(at, NULL, 10) / 1000 : 0, stamp,
		       sizeof(stamp));
	prog = prog ? prog : "-";
	fprintf(to, "ts=%s level=%s prog=", stamp,
		level_name(
			json_string_value(json_object_get(root, "PRIORITY"))));
	if (prog[strcspn(prog, " \"=")])
		put_quoted(to, prog, strlen(prog));
	else
		fputs(prog, to);
	put_message(to, prog, message);
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

/* Keeps the line, and where it was. */
static void read_entry(struct logs_journal *journal, const char *line)
{
	json_t *root = json_loads(line, 0, NULL);
	const char *cursor =
		json_string_value(json_object_get(root, "__CURSOR"));
	char *message = message_of(json_object_get(root, "MESSAGE"));
	char *copy = cursor ? strdup(cursor) : NULL;

	free(journal->text);
	journal->text = message && *message ? compose(root, message) : NULL;
	if (copy) {
		free(journal->cursor);
		journal->cursor = copy;
	}
	free(message);
	json_decref(root);
}

static const char *next_line(struct logs_source *source)
{
	struct logs_journal *journal = (struct logs_journal *)source;
	const char *line;

	while ((line = logs_reader_next(&journal->reader)) != NULL) {
		read_entry(journal, line);
		if (journal->text)
			return journal->text;
	}
	return NULL;
}

struct logs_journal *logs_journal_open(void)
{
	struct logs_journal *journal = calloc(1, sizeof(*journal));

	if (!journal)
		return NULL;
	journal->source.next = next_line;
	journal->source.time_ms = LOGS_NO_TIME;
	journal->reader.fd = -1;
	journal->tool = find_program("journalctl");
	return journal;
}

/* In the child: becomes journalctl, or ends with 127. */
static _Noreturn void become(const struct logs_journal *journal,
			     const struct args *args, pid_t parent, int out)
{
	char *argv[ARGS_MAX] = {NULL};

	for (size_t i = 0; i < args->num; i++)
		argv[i] = strdup(args->argv[i]);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	/* Colours would be in its JSON. */
	setenv("SYSTEMD_COLORS", "0", 1);
	if (getppid() == parent && dup2(out, STDOUT_FILENO) >= 0)
		execv(journal->tool, argv);
	_exit(127);
}

static int start(struct logs_journal *journal, const struct args *args,
		 struct hybridge_error *err)
{
	pid_t parent = getpid();
	int fds[2];

	if (!journal->tool)
		return 0;
	if (pipe2(fds, O_CLOEXEC) != 0) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "cannot make a pipe: %s",
			      strerror(errno));
		return -1;
	}
	journal->pid = fork();
	if (journal->pid == 0)
		become(journal, args, parent, fds[1]);
	if (journal->pid < 0)
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "cannot start %s: %s",
			      journal->tool, strerror(errno));
	close(fds[1]);
	logs_reader_reset(&journal->reader, fds[0]);
	return journal->pid > 0 ? 0 : -1;
}

int logs_journal_read(struct logs_journal *journal, int64_t since_ms,
		      size_t limit, struct hybridge_error *err)
{
	struct args args;

	begin(&args, since_ms);
	if (limit > 0) {
		snprintf(args.lines, sizeof(args.lines), "--lines=%zu", limit);
		add(&args, args.lines);
	}
	return start(journal, &args, err);
}

int logs_journal_follow(struct logs_journal *journal, int64_t since_ms,
			struct hybridge_error *err)
{
	char *after = NULL;
	struct args args;
	int ret;

	begin(&args, journal->cursor ? LOGS_NO_TIME : since_ms);
	add(&args, "--follow");
	add(&args, "--no-tail");
	if (journal->cursor &&
	    asprintf(&after, "--after-cursor=%s", journal->cursor) < 0)
		after = NULL;
	if (after)
		add(&args, after);
	ret = start(journal, &args, err);
	/* What it says at once must not keep us from the files. */
	if (journal->reader.fd >= 0)
		fcntl(journal->reader.fd, F_SETFL, O_NONBLOCK);
	free(after);
	return ret;
}

void logs_journal_end(struct logs_journal *journal)
{
	bool has_closed = journal->reader.is_over;
	int status = 0;

	logs_reader_reset(&journal->reader, -1);
	if (journal->pid <= 0)
		return;
	if (!has_closed)
		kill(journal->pid, SIGTERM);
	if (waitpid(journal->pid, &status, 0) == journal->pid)
		journal->status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	journal->pid = 0;
}

void logs_journal_close(struct logs_journal *journal)
{
	if (!journal)
		return;
	logs_journal_end(journal);
	free(journal->tool);
	free(journal->cursor);
	free(journal->text);
	free(journal);
}
