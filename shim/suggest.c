/*
 * suggest.c - a look-up that failed although its neighbours are mapped is told
 * to the sender's log: servers hand out the names of other servers (replica
 * sets, brokers, referrals), which nobody has thought of mapping.
 */
#include <string.h>

#include "debug.h"
#include "names.h"
#include "talk.h"

/* What follows the first dot, without one at the end; empty when there is none. */
static struct hybridge_span domain_of(struct hybridge_span name)
{
	const char *dot =
		name.len > 0 ? memchr(name.text, '.', name.len) : NULL;
	struct hybridge_span domain = {name.text, 0};

	if (!dot)
		return domain;
	domain.text = dot + 1;
	domain.len = name.len - (size_t)(domain.text - name.text);
	return domain;
}

static bool is_neighbour(const struct shim_config *config,
			 struct hybridge_span name)
{
	struct hybridge_span domain = domain_of(name);

	if (domain.len < 2) /* nothing, or the dot of the root */
		return false;
	for (size_t i = 0; i < config->map.len; i++) {
		const struct hybridge_map_entry *entry =
			&config->map.entries[i];

		if (entry->kind == HYBRIDGE_MAP_NAME &&
		    hybridge_name_equal(domain_of(entry->host), domain))
			return true;
	}
	return false;
}

void shim_suggest(const char *name)
{
	const struct shim_config *config = shim_config();
	struct hybridge_local_msg msg;
	struct hybridge_span text;
	struct hybridge_ip ip;

	if (config->map.len == 0 || !name)
		return;
	text = shim_span(name);
	if (text.len >= SHIM_HOST_SIZE || hybridge_ip_parse(text, &ip) ||
	    !is_neighbour(config, text))
		return;
	msg = shim_message(HYBRIDGE_LOCAL_UNKNOWN, text, NULL, 0);
	shim_talk(config, &msg, NULL, 0, SHIM_START_NEVER);
	shim_debug(config, "unknown name in a domain that has mapped ones",
		   text, 0);
}
