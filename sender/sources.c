/*
 * sources.c - the files that a sender's configuration was read from: have they changed?
 */
#include "sources.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <hybridge/file.h>

/* @seen is zeroed while there is no such file. */
struct source {
	char *path;
	struct stat seen;
};

struct sources {
	size_t num;
	struct source list[];
};

static struct stat look(const char *path)
{
	struct stat now = {0};

	if (stat(path, &now) != 0)
		now = (struct stat){0};
	return now;
}

/* Returns -1 when out of memory. */
static int add(struct sources *sources, const char *path)
{
	struct source *source = &sources->list[sources->num];

	if (!path)
		return 0;
	source->path = strdup(path);
	if (!source->path)
		return -1;
	source->seen = look(path);
	sources->num++;
	return 0;
}

struct sources *sources_new(const struct hybridge_config *config)
{
	size_t most = config->num_connections + 2;
	struct sources *sources =
		calloc(1, sizeof(*sources) + most * sizeof(sources->list[0]));
	int ret;

	if (!sources)
		return NULL;
	ret = add(sources, config->path);
	if (ret == 0)
		ret = add(sources, config->ca_file);
	for (size_t i = 0; ret == 0 && i < config->num_connections; i++)
		ret = add(sources, config->connections[i].string_file);
	if (ret == 0)
		return sources;
	sources_free(sources);
	return NULL;
}

bool sources_changed(struct sources *sources)
{
	bool changed = false;

	for (size_t i = 0; i < sources->num; i++) {
		struct source *source = &sources->list[i];
		struct stat now = look(source->path);

		changed = changed || !hybridge_file_same(&now, &source->seen);
		source->seen = now;
	}
	return changed;
}

void sources_free(struct sources *sources)
{
	if (!sources)
		return;
	for (size_t i = 0; i < sources->num; i++)
		free(sources->list[i].path);
	free(sources);
}
