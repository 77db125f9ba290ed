/*
 * metadata.c - from a hybrid connection's user metadata to the endpoint that they name.
 */
#include "metadata.h"

#include <string.h>
#include <strings.h>

#include <jansson.h>

#include <hybridge/text.h>

/* The value of {"key":"endpoint","value":...}, or NULL. */
static const char *find_endpoint(const json_t *list)
{
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
	{
		const char *key =
			json_string_value(json_object_get(item, "key"));

		if (key && strcasecmp(key, "endpoint") == 0)
			return json_string_value(
				json_object_get(item, "value"));
	}
	return NULL;
}

int metadata_endpoint(const struct hybridge_description *description,
		      char **host, uint16_t *port, struct hybridge_error *err)
{
	json_t *list = json_loads(description->user_metadata, 0, NULL);
	const char *value = description->is_cut ? NULL : find_endpoint(list);
	struct hybridge_error cause = {0};
	char *out = NULL;
	int ret = -1;

	if (!value) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "the user metadata names no endpoint");
		hybridge_hint(
			err,
			"set HYBRIDGE_*_TARGET, or give the hybrid "
			"connection the metadata "
			"[{\"key\":\"endpoint\",\"value\":\"host:port\"}]");
	} else if (hybridge_parse_host_port(value, &out, port, &cause) != 0) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "the endpoint in the user metadata: %s",
			      cause.what);
	} else {
		hybridge_text_lower(out);
		*host = out;
		ret = 0;
	}
	json_decref(list);
	return ret;
}

bool metadata_allows(const struct hybridge_connection *connection,
		     const char *host, uint16_t port)
{
	struct hybridge_span name = {host, strlen(host)};
	struct hybridge_ip ip;

	if (hybridge_map_find_name(&connection->allow, name, port, NULL))
		return true;
	return hybridge_ip_parse(name, &ip) &&
	       hybridge_map_find_ip(&connection->allow, &ip, port, NULL);
}
