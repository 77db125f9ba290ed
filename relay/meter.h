/*
 * meter.h - what is counted, for each hybrid connection and for the relay.
 *
 * A meter lives as long as the relay, whatever a reload does to its entity: so
 * streams and listeners may keep a pointer to it.
 */
#ifndef HYBRIDGE_RELAY_METER_H
#define HYBRIDGE_RELAY_METER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <hybridge/error.h>
#include <hybridge/table.h>

#include "auth.h"
#include "splice.h"

/**
 * struct meter - One hybrid connection
 * @entity:    Its folded path; owned
 * @is_defined: There is such a hybrid connection now: its gauges are shown though they be 0
 * @listeners: Control channels now
 * @held:      Senders that wait for a listener now
 * @streams:   Joined streams now
 * @ended:     Streams that have ended, by reason
 * @refused:   Senders that got no stream: no listener, refused, too late
 * @bytes:     Payload that streams have carried until they ended: [0] from senders, [1] from
 *             listeners
 * @flowing:   The same of streams that are open: streams_count()
 */
struct meter {
	char *entity;
	bool is_defined;
	uint64_t listeners;
	uint64_t held;
	uint64_t streams;
	uint64_t ended[SPLICE_END_NUM];
	uint64_t refused;
	uint64_t bytes[2];
	uint64_t flowing[2];
	UT_hash_handle hh;
};

/** struct meters - All of them; start with {0} */
struct meters {
	struct meter *table;
	uint64_t auth_failures[AUTH_NUM];
};

/**
 * meter_get() - The meter of an entity, made when there is none
 * Return: The meter, or NULL when out of memory
 */
HYBRIDGE_MUSTUSE struct meter *meter_get(struct meters *meters,
					 const char *entity);

/** meters_write() - In Prometheus' text format 0.0.4 */
void meters_write(const struct meters *meters, FILE *to);

/** meters_free() - Release everything */
void meters_free(struct meters *meters);

#endif
