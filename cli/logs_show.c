/*
 * logs_show.c - shows the last lines of several sources, by their time.
 */
#include "logs_show.h"

#include <stdlib.h>
#include <string.h>

/* The last ones, in a ring. */
struct last {
	char **lines;
	size_t limit;
	size_t count;
};

static void advance(struct logs_source *source,
		    const struct logs_filter *filter)
{
	while ((source->line = source->next(source)) != NULL) {
		source->seen++;
		if (logs_line_wanted(source->line, filter, &source->time_ms))
			return;
	}
}

static struct logs_source *earliest(struct logs_source *const *sources,
				    size_t num)
{
	struct logs_source *first = NULL;

	for (size_t i = 0; i < num; i++)
		if (sources[i]->line &&
		    (!first || sources[i]->time_ms < first->time_ms))
			first = sources[i];
	return first;
}

static int keep(struct last *last, const char *line)
{
	char *copy;

	if (last->limit == 0)
		return 0;
	copy = strdup(line);
	if (!copy)
		return -1;
	free(last->lines[last->count % last->limit]);
	last->lines[last->count % last->limit] = copy;
	last->count++;
	return 0;
}

/* Prints them and releases them. */
static size_t print_last(struct last *last, FILE *to)
{
	size_t num = last->count < last->limit ? last->count : last->limit;

	for (size_t i = last->count - num; i < last->count; i++) {
		char *line = last->lines[i % last->limit];

		logs_line_print(line, to);
		free(line);
	}
	free(last->lines);
	return num;
}

int logs_show_last(struct logs *logs, size_t limit, FILE *to, size_t *shown,
		   struct hybridge_error *err)
{
	struct logs_source *sources[LOGS_FILES_MAX + 1];
	struct last last = {.limit = limit};
	struct logs_source *source;
	size_t num = 0;
	int ret = 0;

	*shown = 0;
	if (limit != SIZE_MAX)
		last.lines = calloc(limit + 1, sizeof(*last.lines));
	else
		last.limit = 0;
	for (size_t i = 0; i < logs->num_files; i++)
		sources[num++] = &logs->files[i]->source;
	sources[num++] = &logs->journal->source;
	for (size_t i = 0; i < num; i++)
		advance(sources[i], &logs->filter);
	while (ret == 0 && (source = earliest(sources, num)) != NULL) {
		if (limit == SIZE_MAX) {
			logs_line_print(source->line, to);
			++*shown;
		} else {
			ret = last.lines ? keep(&last, source->line) : -1;
		}
		advance(source, &logs->filter);
	}
	*shown += print_last(&last, to);
	logs_journal_end(logs->journal);
	if (ret != 0)
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return ret;
}
