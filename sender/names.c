/*
 * names.c - a bounded table of names by address, oldest out first.
 */
#include "names.h"

#include <stdlib.h>
#include <string.h>

#include <hybridge/table.h>

struct name {
	uint32_t address;
	bool is_shared;
	UT_hash_handle hh;
	char text[];
};

/* NOLINTBEGIN(readability-function-size): uthash's macros are long. */

static struct name *find(const struct names *names, uint32_t address)
{
	struct name *name = NULL;

	HASH_FIND(hh, names->by_address, &address, sizeof(address), name);
	return name;
}

static void drop(struct names *names, struct name *name)
{
	HASH_DEL(names->by_address, name);
	free(name);
}

int names_remember(struct names *names, uint32_t address, const char *text)
{
	size_t size = strlen(text) + 1;
	struct name *old = find(names, address);
	struct name *name;

	if (old && old->is_shared)
		return 0;
	name = malloc(sizeof(*name) + size);
	if (!name)
		return -1;
	name->address = address;
	name->is_shared = false;
	memcpy(name->text, text, size);
	if (old)
		drop(names, old);
	/* The table keeps the order of insertion: its head is the oldest. */
	else if (names_count(names) >= NAMES_MAX)
		drop(names, names->by_address);
	HASH_ADD(hh, names->by_address, address, sizeof(address), name);
	if (!name->hh.tbl) {
		free(name);
		return -1;
	}
	return 0;
}

/* NOLINTEND(readability-function-size) */

void names_share(struct names *names, uint32_t address)
{
	struct name *name = find(names, address);

	if (name)
		name->is_shared = true;
}

const char *names_find(const struct names *names, uint32_t address)
{
	const struct name *name = find(names, address);

	return name && !name->is_shared ? name->text : NULL;
}

bool names_is_shared(const struct names *names, uint32_t address)
{
	const struct name *name = find(names, address);

	return name && name->is_shared;
}

void names_each(const struct names *names,
		void (*show)(void *owner, uint32_t address, const char *name),
		void *owner)
{
	const struct name *name;

	for (name = names->by_address; name; name = name->hh.next)
		show(owner, name->address, name->is_shared ? NULL : name->text);
}

unsigned int names_count(const struct names *names)
{
	return HASH_COUNT(names->by_address);
}

void names_free(struct names *names)
{
	while (names->by_address)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): deleting moves the head */
		drop(names, names->by_address);
}
