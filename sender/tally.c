/*
 * tally.c - keeps the numbers of each connection.
 */
#include "tally.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "sender.h"

struct tally *tally_of(struct sender *sender, const char *name)
{
	struct tally *tally;

	DL_FOREACH (sender->tallies, tally)
		if (strcmp(tally->name, name) == 0)
			return tally;
	tally = calloc(1, sizeof(*tally));
	if (!tally)
		return NULL;
	tally->name = strdup(name);
	if (!tally->name) {
		free(tally);
		return NULL;
	}
	DL_APPEND(sender->tallies, tally);
	return tally;
}

void tallies_free(struct sender *sender)
{
	struct tally *tally, *next;

	DL_FOREACH_SAFE (sender->tallies, tally, next) {
		DL_DELETE(sender->tallies, tally);
		free(tally->name);
		free(tally);
	}
}
