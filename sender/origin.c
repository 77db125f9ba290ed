/*
 * origin.c - whether a program and its sender mean the same service by a name.
 */
#include "origin.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "route.h"
#include "sender.h"

/* Whether there is something to read there; a FIFO, say, would have us wait. */
static bool is_another_file(const char *file, const char *own)
{
	struct stat theirs, ours;

	if (own && strcmp(file, own) == 0)
		return false;
	if (stat(file, &theirs) != 0 || !S_ISREG(theirs.st_mode))
		return false;
	return !own || stat(own, &ours) != 0 || theirs.st_dev != ours.st_dev ||
	       theirs.st_ino != ours.st_ino;
}

static bool same_service(const struct hybridge_connstr *a,
			 const struct hybridge_connstr *b)
{
	return strcasecmp(a->host, b->host) == 0 && a->port == b->port &&
	       strcasecmp(a->entity, b->entity) == 0;
}

void origin_check(const struct sender *sender,
		  const struct hybridge_local_msg *msg, const char *file,
		  size_t index, struct hybridge_error *err)
{
	const struct hybridge_config *own = &sender->config;
	const struct hybridge_connstr *ours = &own->connections[index].relay;
	const struct hybridge_connstr *theirs;
	struct hybridge_config other = {0};
	struct hybridge_error ignored = {0};
	char host[256];
	size_t at = 0;

	if (file[0] == '\0' || !is_another_file(file, own->path) ||
	    hybridge_config_load(file, NULL, HYBRIDGE_ROLE_SENDER, &other,
				 &ignored) != 0)
		return;
	if (route_find(&other, &sender->names, msg, host, &at) != ROUTE_FOUND)
		goto out;
	theirs = &other.connections[at].relay;
	if (same_service(ours, theirs))
		goto out;
	hybridge_fail(err, HYBRIDGE_EDENIED,
		      "%s means %s on %s, but this sender has %s on %s from %s",
		      file, theirs->entity, theirs->host, ours->entity,
		      ours->host, own->path ? own->path : "its environment");
	hybridge_hint(err, "give each of the two files a HYBRIDGE_SOCKET of "
			   "its own");
out:
	hybridge_config_free(&other);
}
