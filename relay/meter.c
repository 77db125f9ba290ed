/*
 * meter.c - counts, and writes the counts for a scraper.
 */
#include "meter.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct meter *meter_get(struct meters *meters, const char *entity)
{
	struct meter *meter;

	HASH_FIND_STR(meters->table, entity, meter);
	if (meter)
		return meter;
	meter = calloc(1, sizeof(*meter));
	if (!meter)
		return NULL;
	meter->entity = strdup(entity);
	if (!meter->entity) {
		free(meter);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, meters->table, meter->entity, strlen(meter->entity),
			meter);
	if (meter->hh.tbl)
		return meter;
	free(meter->entity);
	free(meter);
	return NULL;
}

static void head(FILE *to, const char *name, const char *type, const char *help)
{
	fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* An entity's path has no character that would need escaping. */
static void sample(FILE *to, const char *name, const struct meter *meter,
		   const char *more, uint64_t value)
{
	fprintf(to, "%s{hc=\"%s\"%s} %" PRIu64 "\n", name, meter->entity, more,
		value);
}

static void write_bytes(const struct meters *meters, FILE *to)
{
	static const char name[] = "hybridge_relay_bytes_total";

	head(to, name, "counter", "Payload carried, by where it came from.");
	for (const struct meter *m = meters->table; m; m = m->hh.next) {
		sample(to, name, m, ",from=\"sender\"",
		       m->bytes[0] + m->flowing[0]);
		sample(to, name, m, ",from=\"listener\"",
		       m->bytes[1] + m->flowing[1]);
	}
}

static void write_ended(const struct meters *meters, FILE *to)
{
	static const char name[] = "hybridge_relay_streams_ended_total";
	char label[64];

	head(to, name, "counter", "Streams that have ended, by how.");
	for (const struct meter *m = meters->table; m; m = m->hh.next) {
		for (size_t i = 0; i < SPLICE_END_NUM; i++) {
			snprintf(label, sizeof(label), ",end=\"%s\"",
				 splice_end_name((enum splice_end)i));
			sample(to, name, m, label, m->ended[i]);
		}
	}
}

static void write_auth(const struct meters *meters, FILE *to)
{
	static const char name[] = "hybridge_relay_auth_failures_total";

	head(to, name, "counter", "Callers turned away, by reason.");
	for (size_t i = AUTH_OK + 1; i < AUTH_NUM; i++)
		fprintf(to, "%s{reason=\"%s\"} %" PRIu64 "\n", name,
			auth_reason_name((enum auth_reason)i),
			meters->auth_failures[i]);
}

void meters_write(const struct meters *meters, FILE *to)
{
	static const struct {
		const char *name;
		const char *type;
		const char *help;
		size_t offset;
	} plain[] = {
		{"hybridge_relay_listeners", "gauge",
		 "Listeners that are connected.",
		 offsetof(struct meter, listeners)},
		{"hybridge_relay_waiting_senders", "gauge",
		 "Senders that wait for a listener to accept.",
		 offsetof(struct meter, held)},
		{"hybridge_relay_streams", "gauge", "Streams that are open.",
		 offsetof(struct meter, streams)},
		{"hybridge_relay_refused_total", "counter",
		 "Senders that got no stream.",
		 offsetof(struct meter, refused)},
	};

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		bool is_gauge = strcmp(plain[i].type, "gauge") == 0;

		head(to, plain[i].name, plain[i].type, plain[i].help);
		for (const struct meter *m = meters->table; m; m = m->hh.next) {
			uint64_t value;

			memcpy(&value, (const char *)m + plain[i].offset,
			       sizeof(value));
			if (is_gauge && value == 0 && !m->is_defined)
				continue;
			sample(to, plain[i].name, m, "", value);
		}
	}
	write_bytes(meters, to);
	write_ended(meters, to);
	write_auth(meters, to);
}

void meters_free(struct meters *meters)
{
	struct meter *meter = meters->table;

	/* Clears the table, and leaves the meters linked to each other. */
	HASH_CLEAR(hh, meters->table);
	while (meter) {
		struct meter *next = meter->hh.next;

		free(meter->entity);
		free(meter);
		meter = next;
	}
}
