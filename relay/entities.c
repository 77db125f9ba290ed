/*
 * entities.c - the table of hybrid connections, and look-ups by path.
 */
#include "entities.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hybridge/text.h>
#include <hybridge/url.h>

static const char path_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "abcdefghijklmnopqrstuvwxyz"
				 "0123456789-_./";

/* What is wrong with a path, or NULL. */
static const char *check_path(const char *path)
{
	size_t len = strlen(path);

	if (len > ENTITY_PATH_MAX)
		return "it is longer than 260 characters";
	if (strspn(path, path_chars) != len)
		return "only letters, digits and - _ . / may stand in it";
	if (path[0] == '/' || (len > 0 && path[len - 1] == '/') ||
	    strstr(path, "//"))
		return "it has an empty segment";
	return NULL;
}

int entities_add(struct entities *entities, struct entity *entity,
		 struct hybridge_error *err)
{
	const char *why = check_path(entity->path);
	struct entity *old = entities->ns;

	if (why) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "%s: path '%.100s' is no good: %s", entity->file,
			      entity->path, why);
		hybridge_hint(err, "for example HYBRIDGE_RELAY_ENTITY=erp/db");
		return -1;
	}
	entity->folded = strdup(entity->path);
	if (!entity->folded) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return -1;
	}
	hybridge_text_lower(entity->folded);
	if (entity->folded[0] != '\0')
		HASH_FIND_STR(entities->table, entity->folded, old);
	if (old) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "%s: '%s' is already defined in %s", entity->file,
			      entity->path[0] ? entity->path : "the namespace",
			      old->file);
		hybridge_hint(err, "give each hybrid connection one file; "
				   "case makes no difference");
		return -1;
	}
	if (entity->folded[0] == '\0') {
		entities->ns = entity;
		return 0;
	}
	HASH_ADD_KEYPTR(hh, entities->table, entity->folded,
			strlen(entity->folded), entity);
	if (entity->hh.tbl)
		return 0;
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

void entity_free(struct entity *entity)
{
	if (!entity)
		return;
	for (size_t i = 0; i < entity->num_rules; i++) {
		free(entity->rules[i].name);
		hybridge_text_free_secret(entity->rules[i].key);
		hybridge_text_free_secret(entity->rules[i].key2);
	}
	free(entity->rules);
	free(entity->path);
	free(entity->folded);
	free(entity->file);
	free(entity->metadata);
	free(entity);
}

void entities_free(struct entities *entities)
{
	struct entity *entity = entities->table;

	/* Clears the table, and leaves the entities linked to each other. */
	HASH_CLEAR(hh, entities->table);
	while (entity) {
		struct entity *next = entity->hh.next;

		entity_free(entity);
		entity = next;
	}
	entity_free(entities->ns);
	*entities = (struct entities){0};
}

char *entity_path_decode(struct hybridge_span path)
{
	char *out = malloc(path.len + 1);
	size_t len = 0;

	if (!out)
		return NULL;
	while (path.len > 0) {
		struct hybridge_span segment = hybridge_text_cut_segment(&path);
		size_t at = len > 0 ? len + 1 : 0;
		ssize_t n;

		if (segment.len == 0)
			continue;
		n = hybridge_url_decode_into(segment, false, out + at);
		if (n < 0 || memchr(out + at, '/', (size_t)n))
			break;
		if (at > 0)
			out[at - 1] = '/';
		len = at + (size_t)n;
	}
	out[len] = '\0';
	return out;
}

const struct entity *entities_find(const struct entities *entities,
				   struct hybridge_span path)
{
	struct entity *entity = NULL;
	char *text = entity_path_decode(path);
	size_t len = text ? strlen(text) : 0;

	errno = text ? ENOENT : ENOMEM;
	if (text)
		hybridge_text_lower(text);
	while (len > 0) {
		HASH_FIND(hh, entities->table, text, len, entity);
		if (entity)
			break;
		do {
			len--;
		} while (len > 0 && text[len] != '/');
	}
	free(text);
	return entity;
}

const struct entity *entities_get(const struct entities *entities,
				  const char *path)
{
	struct entity *entity = NULL;
	char folded[ENTITY_PATH_MAX + 1];

	/* Want of memory must not look like an entity that has gone. */
	if (snprintf(folded, sizeof(folded), "%s", path) >= (int)sizeof(folded))
		return NULL;
	hybridge_text_lower(folded);
	HASH_FIND_STR(entities->table, folded, entity);
	return entity;
}
