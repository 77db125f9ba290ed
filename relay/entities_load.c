/*
 * entities_load.c - reads the folder with one env file per hybrid connection.
 */
#include "entities.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <hybridge/text.h>
#include <hybridge/utf8.h>

#define NAME_MAX_LEN 256  /* of a rule's name and of a key, as in Azure */
#define METADATA_MAX 1024 /* as in Azure */

enum entity_key {
	KEY_ENTITY,
	KEY_OPEN_SENDERS,
	KEY_USER_METADATA,
	KEY_RULE_NAME,
	KEY_RULE_RIGHTS,
	KEY_RULE_KEY,
	KEY_RULE_KEY2,
	NUM_KEYS,
};

const struct hybridge_key entity_keys[] = {
	[KEY_ENTITY] = {"HYBRIDGE_RELAY_ENTITY", "PATH",
			"Path of the hybrid connection; absent: the file holds "
			"the namespace's rules, which hold for all.",
			false},
	[KEY_OPEN_SENDERS] = {"HYBRIDGE_RELAY_OPEN_SENDERS", "yes|no",
			      "Whether senders need no token; listeners always "
			      "need one.",
			      false},
	[KEY_USER_METADATA] =
		{"HYBRIDGE_RELAY_USER_METADATA", "TEXT",
		 "What listeners are told when they ask; App "
		 "Service's managers look for their target there.",
		 false},
	[KEY_RULE_NAME] = {"HYBRIDGE_RULE_*_NAME", "NAME",
			   "Name of a rule, SharedAccessKeyName in connection "
			   "strings.",
			   false},
	[KEY_RULE_RIGHTS] = {"HYBRIDGE_RULE_*_RIGHTS", "'listen send manage'",
			     "What the rule allows: one or more of the words.",
			     false},
	[KEY_RULE_KEY] = {"HYBRIDGE_RULE_*_KEY", "TEXT",
			  "Key of the rule, SharedAccessKey in connection "
			  "strings.",
			  true},
	[KEY_RULE_KEY2] = {"HYBRIDGE_RULE_*_KEY2", "TEXT",
			   "Second key, valid as well, so that keys can be "
			   "changed one after the other.",
			   true},
	[NUM_KEYS] = {NULL, NULL, NULL, false},
};

static const struct hybridge_settings_table table = {
	.keys = entity_keys,
	.hint = "a file here has HYBRIDGE_RELAY_ENTITY, "
		"HYBRIDGE_RELAY_OPEN_SENDERS, HYBRIDGE_RELAY_USER_METADATA "
		"and, for each rule X, "
		"HYBRIDGE_RULE_X_NAME, _RIGHTS, _KEY and perhaps _KEY2",
};

static int fail_memory(struct hybridge_error *err)
{
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

static int read_rights(const struct hybridge_settings *settings,
		       const struct hybridge_setting *item,
		       unsigned int *rights, struct hybridge_error *err)
{
	static const struct {
		const char *word;
		enum entity_right right;
	} words[] = {{"listen", ENTITY_LISTEN},
		     {"send", ENTITY_SEND},
		     {"manage", ENTITY_MANAGE}};

	for (const char *p = item->value; *p;) {
		size_t len = strcspn(p, " \t,");
		unsigned int right = 0;

		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strlen(words[i].word) == len &&
			    strncasecmp(p, words[i].word, len) == 0)
				right = words[i].right;
		if (len > 0 && right == 0) {
			hybridge_settings_fail(settings, item, err,
					       ": '%.*s' is no right",
					       len < 60 ? (int)len : 60, p);
			hybridge_hint(err, "one or more of listen, send, "
					   "manage, separated by blanks");
			return -1;
		}
		*rights |= right;
		p += len + (p[len] ? 1 : 0);
	}
	if (*rights & ENTITY_MANAGE)
		*rights |= ENTITY_LISTEN | ENTITY_SEND;
	return 0;
}

/* A rule's member; missing and overlong ones are errors. */
static const struct hybridge_setting *
need_member(const struct hybridge_settings *settings,
	    const struct hybridge_setting *rule, enum entity_key key,
	    struct hybridge_error *err)
{
	const struct hybridge_setting *item =
		hybridge_settings_get(settings, key, rule->star);

	if (!item) {
		hybridge_settings_fail(settings, rule, err,
				       ": the rule lacks HYBRIDGE_RULE_%s%s",
				       rule->star,
				       strchr(entity_keys[key].name, '*') + 1);
		hybridge_hint(err, "a rule needs _NAME, _RIGHTS and _KEY");
		return NULL;
	}
	if (strlen(item->value) > NAME_MAX_LEN) {
		hybridge_settings_fail(settings, item, err,
				       " is longer than %d characters",
				       NAME_MAX_LEN);
		return NULL;
	}
	return item;
}

static const struct entity_rule *find_rule(const struct entity *entity,
					   const char *name)
{
	for (size_t i = 0; i < entity->num_rules; i++)
		if (strcasecmp(entity->rules[i].name, name) == 0)
			return &entity->rules[i];
	return NULL;
}

static int add_rule(const struct hybridge_settings *settings,
		    const struct hybridge_setting *any, struct entity *entity,
		    struct hybridge_error *err)
{
	static _Atomic uint64_t count;
	const struct hybridge_setting *name =
		need_member(settings, any, KEY_RULE_NAME, err);
	const struct hybridge_setting *rights =
		name ? need_member(settings, any, KEY_RULE_RIGHTS, err) : NULL;
	const struct hybridge_setting *key =
		rights ? need_member(settings, any, KEY_RULE_KEY, err) : NULL;
	const struct hybridge_setting *key2 =
		hybridge_settings_get(settings, KEY_RULE_KEY2, any->star);
	struct entity_rule *rule;

	if (!key)
		return -1;
	if (find_rule(entity, name->value)) {
		hybridge_settings_fail(settings, name, err,
				       ": there is a rule '%.60s' already",
				       name->value);
		return -1;
	}
	if (entity->num_rules == ENTITY_RULES_MAX) {
		hybridge_settings_fail(settings, any, err,
				       ": more than %d rules",
				       ENTITY_RULES_MAX);
		return -1;
	}
	rule = &entity->rules[entity->num_rules++];
	rule->number = ++count;
	rule->name = strdup(name->value);
	rule->key = strdup(key->value);
	rule->key2 = key2 ? strdup(key2->value) : NULL;
	if (!rule->name || !rule->key || (key2 && !rule->key2))
		return fail_memory(err);
	return read_rights(settings, rights, &rule->rights, err);
}

/* A rule is there when any of its keys is; its first one stands for it. */
static int read_rules(const struct hybridge_settings *settings,
		      struct entity *entity, struct hybridge_error *err)
{
	entity->rules = calloc(ENTITY_RULES_MAX, sizeof(*entity->rules));
	if (!entity->rules)
		return fail_memory(err);
	for (size_t i = 0; i < settings->len; i++) {
		const struct hybridge_setting *item = &settings->items[i];
		bool first = item->star[0] != '\0';

		for (size_t j = 0; j < i && first; j++)
			first = strcmp(settings->items[j].star, item->star) !=
				0;
		if (first && add_rule(settings, item, entity, err) < 0)
			return -1;
	}
	return 0;
}

static int read_open(const struct hybridge_settings *settings,
		     struct entity *entity, struct hybridge_error *err)
{
	const struct hybridge_setting *item =
		hybridge_settings_get(settings, KEY_OPEN_SENDERS, "");

	if (!item)
		return 0;
	if (strcasecmp(item->value, "yes") != 0 &&
	    strcasecmp(item->value, "no") != 0) {
		hybridge_settings_fail(settings, item, err,
				       ": '%.60s' is not yes or no",
				       item->value);
		return -1;
	}
	entity->open_senders = strcasecmp(item->value, "yes") == 0;
	if (entity->open_senders && entity->path[0] == '\0') {
		hybridge_settings_fail(settings, item, err,
				       " belongs to one hybrid connection");
		hybridge_hint(err, "put it beside a HYBRIDGE_RELAY_ENTITY");
		return -1;
	}
	return 0;
}

static int read_metadata(const struct hybridge_settings *settings,
			 struct entity *entity, struct hybridge_error *err)
{
	const struct hybridge_setting *item =
		hybridge_settings_get(settings, KEY_USER_METADATA, "");

	if (!item)
		return 0;
	if (entity->path[0] == '\0') {
		hybridge_settings_fail(settings, item, err,
				       " belongs to one hybrid connection");
		hybridge_hint(err, "put it beside a HYBRIDGE_RELAY_ENTITY");
		return -1;
	}
	if (strlen(item->value) > METADATA_MAX ||
	    !hybridge_utf8_is_text(item->value, strlen(item->value))) {
		hybridge_settings_fail(settings, item, err,
				       ": no text in UTF-8 of at most %d bytes",
				       METADATA_MAX);
		hybridge_hint(err, "for example "
				   "'[{\"key\":\"endpoint\",\"value\":"
				   "\"db.corp:5432\"}]'");
		return -1;
	}
	entity->metadata = strdup(item->value);
	return entity->metadata ? 0 : fail_memory(err);
}

static int load_file(const char *path, bool allow_open,
		     struct entities *entities, struct hybridge_error *err)
{
	struct hybridge_settings settings = {0};
	const struct hybridge_setting *item;
	struct entity *entity = NULL;
	int ret = -1;

	if (hybridge_settings_read(path, NULL, &table, allow_open, &settings,
				   err) < 0)
		return -1;
	entity = calloc(1, sizeof(*entity));
	if (!entity) {
		fail_memory(err);
		goto out;
	}
	item = hybridge_settings_get(&settings, KEY_ENTITY, "");
	entity->path = strdup(item ? item->value : "");
	entity->file = strdup(path);
	if (!entity->path || !entity->file) {
		fail_memory(err);
		goto out;
	}
	if (read_open(&settings, entity, err) < 0 ||
	    read_metadata(&settings, entity, err) < 0 ||
	    read_rules(&settings, entity, err) < 0 ||
	    entities_add(entities, entity, err) < 0)
		goto out;
	entity = NULL; /* owned by the set */
	ret = 0;
out:
	entity_free(entity);
	hybridge_settings_free(&settings);
	return ret;
}

static int is_env_file(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 4 &&
	       strcmp(entry->d_name + len - 4, ".env") == 0;
}

int entities_load(const char *dir, bool allow_open, struct entities *out,
		  struct hybridge_error *err)
{
	struct entities entities = {0};
	struct dirent **names = NULL;
	int num = scandir(dir, &names, is_env_file, alphasort);
	int ret = -1;

	if (num < 0) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "cannot read the folder '%s': %s", dir,
			      strerror(errno));
		hybridge_hint(err, "HYBRIDGE_RELAY_DIR must name a folder that "
				   "the relay can read");
		return -1;
	}
	for (int i = 0; i < num; i++) {
		char *path = NULL;
		int loaded = -1;

		if (asprintf(&path, "%s/%s", dir, names[i]->d_name) < 0) {
			fail_memory(err);
			goto out;
		}
		loaded = load_file(path, allow_open, &entities, err);
		free(path);
		if (loaded < 0)
			goto out;
	}
	*out = entities;
	entities = (struct entities){0}; /* handed to the caller */
	ret = 0;
out:
	for (int i = 0; i < num; i++)
		free(names[i]);
	free(names);
	entities_free(&entities);
	return ret;
}
