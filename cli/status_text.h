/*
 * status_text.h - the sender's state for people.
 */
#ifndef CLI_STATUS_TEXT_H
#define CLI_STATUS_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

/**
 * status_text() - Print it: trouble first, then what was used last
 * @root: What the sender answered
 * @only: Name of the one connection to show, or NULL for all
 * @to:   Where to print
 *
 * Return: Whether any of the connections shown is failing
 */
bool status_text(const json_t *root, const char *only, FILE *to);

/** status_bytes() - "1.2 GiB" */
void status_bytes(long long bytes, char *out, size_t size);

/** status_ago() - "2 hours ago", "now", or "never" for a negative number */
void status_ago(long long seconds, char *out, size_t size);

#endif
