/*
 * metadata.h - the target that a hybrid connection's user metadata names, as App Service keeps it.
 *
 * Source: Azure Relay's management GET as Microsoft's manager makes it,
 * /PATH?api-version=2016-07, whose Atom entry holds a HybridConnectionDescription with
 * UserMetadata, the text [{"key":"endpoint","value":"host:port"}].
 */
#ifndef AGENT_METADATA_H
#define AGENT_METADATA_H

#include <stdint.h>

#include <openssl/ssl.h>

#include <hybridge/config.h>
#include <hybridge/envfile.h>
#include <hybridge/error.h>
#include <hybridge/loop.h>

struct metadata;

/**
 * metadata_fn - It is here, or not to be had; called once, from the loop
 * @host: The owner's now (free()), or NULL on failure
 * @err:  On failure: what and why
 */
typedef void metadata_fn(void *owner, char *host, uint16_t port,
			 const struct hybridge_error *err);

/**
 * struct metadata_args - Whom to ask, and how; needs to live only during the call
 * @connection: The hybrid connection
 * @config:     For the proxy
 * @tls:        NULL for plain TCP; must outlive the fetch
 * @token:      Has the Listen right
 */
struct metadata_args {
	const struct hybridge_connection *connection;
	const struct hybridge_config *config;
	SSL_CTX *tls;
	const char *token;
};

/**
 * metadata_fetch() - Ask the relay for the endpoint; it has 20 s for it
 * Return: Handle, valid until @done was called or metadata_cancel(); NULL when out of memory
 *         (then @done is not called)
 */
HYBRIDGE_MUSTUSE struct metadata *
metadata_fetch(struct hybridge_loop *loop, const struct metadata_args *args,
	       metadata_fn *done, void *owner);

/** metadata_cancel() - Give up; @done will not be called.  NULL is fine */
void metadata_cancel(struct metadata *metadata);

/**
 * metadata_parse() - Find the endpoint in an Atom entry
 * @xml:  As received
 * @host: Lower case; owned by the caller on success, untouched on failure
 * @err:  What is wrong
 *
 * Return: 0, or -1
 */
HYBRIDGE_MUSTUSE int metadata_parse(struct hybridge_span xml, char **host,
				    uint16_t *port, struct hybridge_error *err);

/**
 * metadata_allows() - Whether the configuration lets the agent dial this endpoint
 * Whoever may write the metadata would else choose what the agent reaches.
 */
bool metadata_allows(const struct hybridge_connection *connection,
		     const char *host, uint16_t port);

#endif
