/*
 * logs_follow.c - shows the lines that come to a log.
 *
 * What is watched are the files' folders: a file may be there only later, or be moved away.  While one
 * is not where it belongs we look every now and then, as its folder may be gone as well, and another in its
 * place: no event says so for as long as we have a file of it open.
 */
#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "logs_show.h"

#define EVENTS   (IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVE | IN_ONLYDIR)
#define AGAIN_MS 250

enum { OUTPUT, FOLDERS, JOURNAL, NUM_POLLED };

struct follow {
	struct logs *logs;
	FILE *to;
	int inotify;
};

static void show(const struct follow *follow, struct logs_source *source)
{
	const char *line;

	while ((line = source->next(source)) != NULL) {
		source->seen++;
		if (logs_line_wanted(line, &follow->logs->filter,
				     &source->time_ms))
			logs_line_print(line, follow->to);
	}
}

/* Whether an event will tell of whatever becomes of the file. */
static bool watch(const struct follow *follow, const struct logs_file *file)
{
	char *path = strdup(file->path);
	bool is_watched = path && inotify_add_watch(follow->inotify,
						    dirname(path), EVENTS) >= 0;

	free(path);
	return is_watched && access(file->path, F_OK) == 0;
}

/* Whether all of them are watched. */
static bool show_files(const struct follow *follow)
{
	bool are_watched = true;

	for (size_t i = 0; i < follow->logs->num_files; i++) {
		struct logs_file *file = follow->logs->files[i];

		/* Before a look at the file: what comes behind it is an event. */
		are_watched = watch(follow, file) && are_watched;
		do
			show(follow, &file->source);
		while (logs_file_again(file));
	}
	return are_watched;
}

/* What has happened is seen by a look at the files. */
static void drop_events(const struct follow *follow)
{
	char buf[4096];

	while (read(follow->inotify, buf, sizeof(buf)) > 0)
		;
}

static void show_journal(const struct follow *follow)
{
	struct logs_journal *journal = follow->logs->journal;

	show(follow, &journal->source);
	if (!journal->reader.is_over)
		return;
	logs_journal_end(journal);
	fputs("hybridge: warning: journalctl has ended; only files are "
	      "followed from here on\n",
	      stderr);
}

/* Until nobody reads what is shown. */
static void serve(const struct follow *follow)
{
	struct pollfd polled[NUM_POLLED] = {
		[OUTPUT] = {.fd = fileno(follow->to)},
		[FOLDERS] = {.fd = follow->inotify, .events = POLLIN},
		[JOURNAL] = {.events = POLLIN},
	};

	for (;;) {
		bool are_watched = show_files(follow);

		if (fflush(follow->to) != 0)
			return; /* main.c says so */
		polled[JOURNAL].fd = follow->logs->journal->reader.fd;
		if (poll(polled, NUM_POLLED, are_watched ? -1 : AGAIN_MS) < 0)
			continue;
		if (polled[OUTPUT].revents)
			return;
		if (polled[FOLDERS].revents)
			drop_events(follow);
		if (polled[JOURNAL].revents)
			show_journal(follow);
	}
}

int logs_follow(struct logs *logs, FILE *to, struct hybridge_error *err)
{
	struct follow follow = {.logs = logs, .to = to};

	follow.inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (follow.inotify < 0) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM,
			      "cannot wait for changes of files: %s",
			      strerror(errno));
		return -1;
	}
	serve(&follow);
	close(follow.inotify);
	return 0;
}
