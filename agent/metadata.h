/*
 * metadata.h - the target that a hybrid connection's user metadata names, as App Service keeps it:
 * the text [{"key":"endpoint","value":"host:port"}].
 */
#ifndef AGENT_METADATA_H
#define AGENT_METADATA_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/config.h>
#include <hybridge/description.h>
#include <hybridge/error.h>

/**
 * metadata_endpoint() - Find the endpoint in the user metadata
 * @host: Lower case; owned by the caller on success, untouched on failure
 * @err:  What is wrong
 *
 * Return: 0, or -1
 */
HYBRIDGE_MUSTUSE int
metadata_endpoint(const struct hybridge_description *description, char **host,
		  uint16_t *port, struct hybridge_error *err);

/**
 * metadata_allows() - Whether the configuration lets the agent dial this endpoint
 * Whoever may write the metadata would else choose what the agent reaches.
 */
bool metadata_allows(const struct hybridge_connection *connection,
		     const char *host, uint16_t port);

#endif
