/*
 * relay_fixture.h - a folder of env files, and entities made by hand, for the
 * tests of the relay.
 */
#ifndef RELAY_FIXTURE_H
#define RELAY_FIXTURE_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../relay/entities.h"

static char folder[64]; /* a fresh one for each test */

static inline int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/hybridge-test-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	(void)state;
	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	return rmdir(folder);
}

/* Path of a file in the folder; valid until the next call. */
static inline const char *in_folder(const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static inline void put_file(const char *name, const char *text, mode_t mode)
{
	FILE *file = fopen(in_folder(name), "w");

	assert_non_null(file);
	assert_int_equal(fputs(text, file) >= 0, 1);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(in_folder(name), mode), 0);
}

static inline struct hybridge_span span_of(const char *text)
{
	return (struct hybridge_span){text, strlen(text)};
}

/* Adds an entity ("" is the namespace) with one rule, or none. */
static inline void add_entity(struct entities *entities, const char *path,
			      const char *rule, const char *key,
			      unsigned int rights)
{
	struct entity *entity = calloc(1, sizeof(*entity));
	struct hybridge_error err = {0};

	assert_non_null(entity);
	entity->path = strdup(path);
	entity->file = strdup("test");
	if (rule) {
		entity->rules = calloc(1, sizeof(*entity->rules));
		assert_non_null(entity->rules);
		entity->num_rules = 1;
		entity->rules[0].name = strdup(rule);
		entity->rules[0].key = strdup(key);
		entity->rules[0].rights = rights;
	}
	assert_int_equal(entities_add(entities, entity, &err), 0);
}

#endif
