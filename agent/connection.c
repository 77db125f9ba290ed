/*
 * connection.c - a connection's configuration that outlives a reload.
 */
#include "connection.h"

#include <stdlib.h>
#include <string.h>

static int copy(char **out, const char *text)
{
	*out = text ? strdup(text) : NULL;
	return text && !*out ? -1 : 0;
}

int connection_copy(struct hybridge_connection *out,
		    const struct hybridge_connection *from)
{
	int ret = 0;

	*out = (struct hybridge_connection){
		.target_port = from->target_port,
		.relay.port = from->relay.port,
		.relay.has_port = from->relay.has_port,
		.relay.plaintext = from->relay.plaintext,
	};
	ret |= copy(&out->name, from->name);
	ret |= copy(&out->target_host, from->target_host);
	ret |= copy(&out->relay.host, from->relay.host);
	ret |= copy(&out->relay.entity, from->relay.entity);
	ret |= copy(&out->relay.key_name, from->relay.key_name);
	ret |= copy(&out->relay.key, from->relay.key);
	ret |= copy(&out->relay.signature, from->relay.signature);
	return ret;
}

static bool equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool connection_equal(const struct hybridge_connection *a,
		      const struct hybridge_connection *b)
{
	return a->target_port == b->target_port &&
	       a->relay.port == b->relay.port &&
	       a->relay.plaintext == b->relay.plaintext &&
	       equal(a->name, b->name) &&
	       equal(a->target_host, b->target_host) &&
	       equal(a->relay.host, b->relay.host) &&
	       equal(a->relay.entity, b->relay.entity) &&
	       equal(a->relay.key_name, b->relay.key_name) &&
	       equal(a->relay.key, b->relay.key) &&
	       equal(a->relay.signature, b->relay.signature);
}

void connection_free(struct hybridge_connection *connection)
{
	free(connection->name);
	free(connection->target_host);
	hybridge_connstr_free(&connection->relay);
	*connection = (struct hybridge_connection){0};
}
