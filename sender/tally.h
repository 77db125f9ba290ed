/*
 * tally.h - what happened on a connection, through all plans that had one of its name.
 */
#ifndef SENDER_TALLY_H
#define SENDER_TALLY_H

#include <stdint.h>

#include <hybridge/error.h>

struct sender;

/**
 * struct tally - The numbers of one connection
 * @name:         Of the connection; owned
 * @open, @total, @failed: Streams open now, opened ever, requests refused
 * @bytes_in, @bytes_out: Of streams that have ended; in: to the program
 * @last_used_us: 0: never
 * @last_error:   Code HYBRIDGE_OK unless the last request failed
 * @error_since_us, @error_count: Since when, and how often in a row
 */
struct tally {
	char *name;
	uint64_t open;
	uint64_t total;
	uint64_t failed;
	uint64_t bytes_in;
	uint64_t bytes_out;
	int64_t last_used_us;
	struct hybridge_error last_error;
	int64_t error_since_us;
	uint64_t error_count;
	struct tally *prev;
	struct tally *next;
};

/**
 * tally_of() - The one of that name, which lives as long as the sender
 * Return: NULL when out of memory
 */
struct tally *tally_of(struct sender *sender, const char *name);

/** tallies_free() - Release all of a sender's */
void tallies_free(struct sender *sender);

#endif
