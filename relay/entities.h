/*
 * entities.h - the hybrid connections that exist, and the rules that open them.
 *
 * A set is built whole, then never changed: a reload builds another one.
 */
#ifndef HYBRIDGE_RELAY_ENTITIES_H
#define HYBRIDGE_RELAY_ENTITIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hybridge/config.h>
#include <hybridge/envfile.h>
#include <hybridge/error.h>
#include <hybridge/table.h>

#define ENTITY_PATH_MAX  260 /* as Azure Relay allows */
#define ENTITY_RULES_MAX 12  /* likewise, for each level */

/** enum entity_right - Bits of what a rule allows */
enum entity_right {
	ENTITY_LISTEN = 1,
	ENTITY_SEND = 2,
	ENTITY_MANAGE = 4, /* includes the other two */
};

/**
 * struct entity_rule - A shared access rule; strings are owned
 * @number: Never the same for two in a process; 0: none
 * @key, @key2: Both are valid, so that keys can be changed; secret; @key2 may be NULL
 */
struct entity_rule {
	uint64_t number;
	char *name;
	unsigned int rights;
	char *key;
	char *key2;
};

/**
 * struct entity - A hybrid connection, or the namespace (path "")
 * @path:         As configured; owned
 * @folded:       In lower case, the hash key; owned
 * @open_senders: Senders need no token
 * @metadata:     What listeners are told about it, free text; owned, may be NULL
 * @file:         Where it was read from, for messages; owned
 */
struct entity {
	char *path;
	char *folded;
	char *file;
	bool open_senders;
	char *metadata;
	struct entity_rule *rules;
	size_t num_rules;
	UT_hash_handle hh;
};

/** struct entities - All of them; start with {0} */
struct entities {
	struct entity *table; /* by @folded */
	struct entity *ns;    /* namespace, also in no table; may be NULL */
};

/** entity_keys - Every key of an entity's file, ends with a NULL name */
extern const struct hybridge_key entity_keys[];

/**
 * entities_load() - Read every *.env file of a folder, in the order of their names
 * @allow_open: Whether files with keys may be open to others
 * @out: Filled in on success, untouched on failure
 *
 * Return: 0 and @out owned by the caller (entities_free()), or -1 with @err set
 */
HYBRIDGE_MUSTUSE int entities_load(const char *dir, bool allow_open,
				   struct entities *out,
				   struct hybridge_error *err);

/**
 * entities_add() - Take an entity over
 * @entity: Path set, the rest at will; owned by the set on success
 *
 * Return: 0, or -1 with @err set: the path is bad, or taken
 */
HYBRIDGE_MUSTUSE int entities_add(struct entities *entities,
				  struct entity *entity,
				  struct hybridge_error *err);

/** entity_free() - Wipe the keys and release; NULL is fine */
void entity_free(struct entity *entity);

/** entities_free() - Release everything; zeroes @entities */
void entities_free(struct entities *entities);

/**
 * entities_find() - The entity that a request's path belongs to
 * @path: What followed "/$hc/", percent-encoded
 *
 * The longest whole-segment prefix wins; case and empty segments do not matter; a segment
 * with an encoded '/' belongs to no entity.
 *
 * Return: The entity, or NULL with errno ENOENT or ENOMEM
 */
const struct entity *entities_find(const struct entities *entities,
				   struct hybridge_span path);

/** entities_get() - The entity of exactly this path, in any case, or NULL */
const struct entity *entities_get(const struct entities *entities,
				  const char *path);

/**
 * entity_path_decode() - A request's path as tokens name it
 * @path: What followed "/$hc/", percent-encoded
 *
 * Each segment is decoded, empty ones are dropped; segments that cannot be
 * decoded, or hide a '/', end the path.
 *
 * Return: Owned by the caller, no slash at either end; NULL when out of memory
 */
HYBRIDGE_MUSTUSE char *entity_path_decode(struct hybridge_span path);

#endif
