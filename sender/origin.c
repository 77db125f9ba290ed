/*
 * origin.c - whether a program and its sender mean the same service by a name.
 */
#include "origin.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include <hybridge/file.h>

#include "route.h"
#include "sender.h"

#define KEPT_US 1000000

/*
 * The file that was read last: a program may connect a thousand times a second.  What it
 * names in turn (a connection string's file) may change without it, so not for long.
 */
struct origin {
	char *file;
	struct stat as_read;
	int64_t read_us;
	bool is_complete;
	struct hybridge_config config;
};

/* Whether there is something to read there; a FIFO, say, would have us wait. */
static bool is_another_file(const char *file, const char *own,
			    struct stat *theirs)
{
	struct stat ours;

	if (own && strcmp(file, own) == 0)
		return false;
	if (stat(file, theirs) != 0 || !S_ISREG(theirs->st_mode))
		return false;
	return !own || stat(own, &ours) != 0 || theirs->st_dev != ours.st_dev ||
	       theirs->st_ino != ours.st_ino;
}

void origin_free(struct origin *origin)
{
	if (!origin)
		return;
	hybridge_config_free(&origin->config);
	free(origin->file);
	free(origin);
}

/* What the file says; NULL when it decides nothing. */
static const struct hybridge_config *
read_other(struct sender *sender, const char *file, const struct stat *now)
{
	int64_t now_us = hybridge_loop_now_us(sender->loop);
	struct hybridge_error ignored = {0};
	struct origin *origin = sender->origin;

	if (!origin || strcmp(origin->file, file) != 0 ||
	    !hybridge_file_same(&origin->as_read, now) ||
	    now_us - origin->read_us > KEPT_US) {
		origin_free(origin);
		sender->origin = origin = calloc(1, sizeof(*origin));
		if (!origin)
			return NULL;
		origin->file = strdup(file);
		if (!origin->file) {
			origin_free(origin);
			sender->origin = NULL;
			return NULL;
		}
		origin->as_read = *now;
		origin->read_us = now_us;
		origin->is_complete =
			hybridge_config_load(file, NULL, HYBRIDGE_ROLE_SENDER,
					     &origin->config, &ignored) == 0;
	}
	return origin->is_complete ? &origin->config : NULL;
}

static bool same_service(const struct hybridge_connstr *a,
			 const struct hybridge_connstr *b)
{
	return strcasecmp(a->host, b->host) == 0 && a->port == b->port &&
	       strcasecmp(a->entity, b->entity) == 0;
}

void origin_check(struct sender *sender, const struct hybridge_local_msg *msg,
		  const char *file, size_t index, struct hybridge_error *err)
{
	const struct hybridge_config *own = &sender->plan->config;
	const struct hybridge_connstr *ours = &own->connections[index].relay;
	const struct hybridge_connstr *theirs;
	const struct hybridge_config *other;
	struct stat now;
	char host[256];
	size_t at = 0;

	if (file[0] == '\0' || !is_another_file(file, own->path, &now))
		return;
	other = read_other(sender, file, &now);
	if (!other ||
	    route_find(other, &sender->names, msg, host, &at) != ROUTE_FOUND)
		return;
	theirs = &other->connections[at].relay;
	if (same_service(ours, theirs))
		return;
	hybridge_fail(err, HYBRIDGE_EDENIED,
		      "%s means %s on %s, but this sender has %s on %s from %s",
		      file, theirs->entity, theirs->host, ours->entity,
		      ours->host, own->path ? own->path : "its environment");
	hybridge_hint(err, "give each of the two files a HYBRIDGE_SOCKET of "
			   "its own");
}
