/*
 * bus.c - who listens for X, and "please accept", within one process.
 */
#include "bus.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <utlist.h>

#include <hybridge/table.h>

struct bus_topic {
	char *entity; /* hash key, owned */
	struct bus_member *members;
	size_t num_members;
	UT_hash_handle hh;
};

struct bus {
	struct bus_topic *topics;
	bus_left_fn *left;
	void *owner;
	uint64_t last_id;
	uint64_t last_invite;
};

struct bus *bus_new(bus_left_fn *left, void *owner)
{
	struct bus *bus = calloc(1, sizeof(*bus));

	if (bus) {
		bus->left = left;
		bus->owner = owner;
	}
	return bus;
}

static void topic_free(struct bus_topic *topic)
{
	free(topic->entity);
	free(topic);
}

void bus_free(struct bus *bus)
{
	struct bus_topic *topic = bus ? bus->topics : NULL;

	/* Clears the table, and leaves the topics linked to each other. */
	if (topic)
		HASH_CLEAR(hh, bus->topics);
	while (topic) {
		struct bus_topic *next = topic->hh.next;

		topic_free(topic);
		topic = next;
	}
	free(bus);
}

static struct bus_topic *find_topic(const struct bus *bus, const char *entity)
{
	struct bus_topic *topic;

	HASH_FIND_STR(bus->topics, entity, topic);
	return topic;
}

static struct bus_topic *make_topic(struct bus *bus, const char *entity)
{
	struct bus_topic *topic = calloc(1, sizeof(*topic));

	if (!topic)
		return NULL;
	topic->entity = strdup(entity);
	if (!topic->entity) {
		free(topic);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, bus->topics, topic->entity, strlen(topic->entity),
			topic);
	if (topic->hh.tbl)
		return topic;
	free(topic->entity);
	free(topic);
	return NULL;
}

int bus_join(struct bus *bus, const char *entity, struct bus_member *member)
{
	struct bus_topic *topic = find_topic(bus, entity);

	if (!topic)
		topic = make_topic(bus, entity);
	if (!topic)
		return -1;
	member->id = ++bus->last_id;
	member->topic = topic;
	DL_APPEND(topic->members, member);
	topic->num_members++;
	return 0;
}

void bus_leave(struct bus *bus, struct bus_member *member)
{
	struct bus_topic *topic = member->topic;

	if (!topic)
		return;
	DL_DELETE(topic->members, member);
	member->topic = NULL;
	if (--topic->num_members == 0) {
		HASH_DEL(bus->topics, topic);
		topic_free(topic);
	}
	bus->left(bus->owner, member->id);
}

size_t bus_count(const struct bus *bus, const char *entity)
{
	const struct bus_topic *topic = find_topic(bus, entity);

	return topic ? topic->num_members : 0;
}

static bool was_asked(uint64_t id, const uint64_t *asked, size_t num_asked)
{
	for (size_t i = 0; i < num_asked; i++)
		if (asked[i] == id)
			return true;
	return false;
}

static bool is_listed(const char *list, const char *guid)
{
	size_t guid_len = strlen(guid);

	for (const char *p = list; *p;) {
		size_t len;

		p += strspn(p, ", \t");
		len = strcspn(p, ", \t");
		if (len == guid_len && strncasecmp(p, guid, len) == 0)
			return true;
		p += len;
	}
	return false;
}

static bool is_wanted(const struct bus_member *member,
		      const struct bus_invite *invite)
{
	if (invite->allowed && !is_listed(invite->allowed, member->guid))
		return false;
	return !invite->disallowed ||
	       !is_listed(invite->disallowed, member->guid);
}

/* Each of the first n is chosen with the probability 1/n. */
static struct bus_member *choose(const struct bus_topic *topic, uint64_t number,
				 const uint64_t *asked, size_t num_asked,
				 const struct bus_invite *invite)
{
	struct bus_member *chosen = NULL;
	struct bus_member *member;
	uint32_t candidates = 0;

	DL_FOREACH (topic->members, member) {
		if (member->failed != number &&
		    !was_asked(member->id, asked, num_asked) &&
		    is_wanted(member, invite) &&
		    arc4random_uniform(++candidates) == 0)
			chosen = member;
	}
	return chosen;
}

uint64_t bus_invite(struct bus *bus, const char *entity, const uint64_t *asked,
		    size_t num_asked, const struct bus_invite *invite)
{
	const struct bus_topic *topic = find_topic(bus, entity);
	uint64_t number = ++bus->last_invite;
	struct bus_member *chosen;

	if (!topic)
		return 0;
	/* One that is ending cannot be asked; that says nothing of the others. */
	while ((chosen = choose(topic, number, asked, num_asked, invite))) {
		if (chosen->accept(chosen, invite) == 0)
			return chosen->id;
		chosen->failed = number;
	}
	return 0;
}
