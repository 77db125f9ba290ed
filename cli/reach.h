/*
 * reach.h - the steps from this machine to a service, one at a time, each of which waits
 * for its end: what the daemons do, for who wants to know how far it goes.
 */
#ifndef CLI_REACH_H
#define CLI_REACH_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include <hybridge/config.h>
#include <hybridge/conn.h>
#include <hybridge/description.h>
#include <hybridge/endpoint.h>
#include <hybridge/error.h>
#include <hybridge/loop.h>
#include <hybridge/stream_ask.h>

struct arguments;

/**
 * struct reach - What the steps need; start with reach_open()
 * @limit_ms: What a step may take at most; reach_open() has it at none, and the daemons' time-outs hold
 * @took_ms:  How long the last step took
 */
struct reach {
	const struct hybridge_config *config;
	struct hybridge_loop *loop;
	SSL_CTX *tls;
	struct hybridge_task wake;
	uint32_t limit_ms;
	int64_t took_ms;
};

/**
 * reach_open() - Get ready
 * @config: Must outlive it
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int reach_open(struct reach *reach,
				const struct hybridge_config *config,
				struct hybridge_error *err);

/** reach_now_ms() - CLOCK_MONOTONIC in milliseconds */
int64_t reach_now_ms(void);

/**
 * reach_run() - Load the configuration that a command line means, get ready, and go
 * @check: Whether the command line fits it; -1 with @err set: it does not
 * @go:    What there is to do
 *
 * Return: @go's exit status, or that of a failure that was printed
 */
HYBRIDGE_MUSTUSE int
reach_run(const struct arguments *arguments,
	  int (*check)(const struct hybridge_config *config,
		       const struct arguments *arguments,
		       struct hybridge_error *err),
	  int (*go)(struct reach *reach, const struct arguments *arguments));

/** reach_wake() - The loop's clock has stood still since the last step: have it go on, before a timer is set */
void reach_wake(struct reach *reach);

/** reach_close() - Release what it owns */
void reach_close(struct reach *reach);

/**
 * reach_lookup() - Addresses of a name
 * @text: Filled with them, separated by blanks; cut to @size
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int reach_lookup(struct reach *reach, const char *host,
				  char *text, size_t size,
				  struct hybridge_error *err);

/**
 * reach_relay() - Dial a relay
 * @with_tls: Do the TLS handshake too, where the relay has one
 *
 * Return: The connection, the caller's; or NULL with @err set
 */
HYBRIDGE_MUSTUSE struct hybridge_conn *
reach_relay(struct reach *reach, const struct hybridge_connstr *relay,
	    bool with_tls, struct hybridge_error *err);

/** reach_is_proxied() - Whether that goes by way of the proxy */
bool reach_is_proxied(const struct reach *reach,
		      const struct hybridge_connstr *relay);

/** reach_target() - Dial a service, as the agent does: reach_relay() */
HYBRIDGE_MUSTUSE struct hybridge_conn *reach_target(struct reach *reach,
						    const char *host,
						    uint16_t port,
						    struct hybridge_error *err);

/**
 * reach_token() - Get a connection's token
 * Return: 0 and @out owned by the caller (hybridge_endpoint_token_free()), or -1
 */
HYBRIDGE_MUSTUSE int reach_token(struct reach *reach,
				 const struct hybridge_connection *connection,
				 struct hybridge_endpoint_token *out,
				 struct hybridge_error *err);

/**
 * reach_ask() - Ask for a stream, as programs that use the connection would
 * @index:  Of the connection in the configuration
 * @conn:   To the relay; owned by the call
 * @token:  Or NULL
 * @answer: Filled in
 *
 * Return: The stream, the caller's (stream.h); NULL: there is none, and @answer says why
 */
HYBRIDGE_MUSTUSE struct hybridge_conn *
reach_ask(struct reach *reach, size_t index, struct hybridge_conn *conn,
	  const char *token, struct hybridge_stream_answer *answer);

/** reach_echo() - reach_ask() for a stream to the agent itself (echo.h); another listener does not
 * know that, and connects to its service */
HYBRIDGE_MUSTUSE struct hybridge_conn *
reach_echo(struct reach *reach, size_t index, struct hybridge_conn *conn,
	   const char *token, struct hybridge_stream_answer *answer);

/** reach_explain() - Why there was no stream: cause and remedy */
void reach_explain(const struct hybridge_connection *connection,
		   const struct hybridge_stream_answer *answer,
		   struct hybridge_error *err);

/**
 * reach_describe() - Have the relay describe a hybrid connection (description.h)
 * @status: Set on failure: HTTP status, or 0
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int reach_describe(struct reach *reach,
				    const struct hybridge_connstr *relay,
				    const char *token,
				    struct hybridge_description *out,
				    int *status, struct hybridge_error *err);

#endif
