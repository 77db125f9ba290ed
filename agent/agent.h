/*
 * agent.h - what the parts of hybridge-agent share.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include <hybridge/config.h>
#include <hybridge/daemon.h>
#include <hybridge/error.h>
#include <hybridge/loop.h>

struct control;
struct reserve;
struct sessions;
struct stream;

/**
 * struct agent - The one agent of a process
 * @config:   What holds for all connections; each connection is with its control channel
 * @tls:      Replaced at a reload: who dials keeps a reference, agent_tls()
 * @sessions: HTTP/2, of relays that speak it
 * @reserve:  Descriptors to refuse with
 * @controls: One control channel a connection, and retired ones whose streams go on
 * @streams:  All streams
 * @options:  Who wants to know when we are ready
 * @was_ready: They were told
 * @stopping: Leave when the last stream has ended
 */
struct agent {
	struct hybridge_loop *loop;
	struct hybridge_config config;
	SSL_CTX *tls;
	struct sessions *sessions;
	struct reserve *reserve;
	struct control *controls;
	struct stream *streams;
	struct hybridge_daemon_options *options;
	bool was_ready;
	bool stopping;
	struct hybridge_timer patience;
};

/**
 * agent_new() - Make an agent and begin to listen
 * @config:  Taken over: emptied on success, untouched on failure
 * @options: Must outlive the agent
 *
 * Return: The agent, or NULL with @err set
 */
HYBRIDGE_MUSTUSE struct agent *
agent_new(struct hybridge_loop *loop, struct hybridge_config *config,
	  struct hybridge_daemon_options *options, struct hybridge_error *err);

/** agent_tls() - A reference of the caller's own (SSL_CTX_free()) */
SSL_CTX *agent_tls(const struct agent *agent);

/**
 * agent_channel_changed() - A control channel came up, failed or ended: ready?  over?
 *
 * Ready is an agent when each of its channels has been up or has failed, and one is up.  A service
 * manager also hears how many are up, and what is wrong with one that is not (STATUS=).
 */
void agent_channel_changed(struct agent *agent);

/** agent_changed() - A stream ended: over? */
void agent_changed(struct agent *agent);

/**
 * agent_reload() - Use another configuration
 * @config: Taken over: emptied on success, untouched on failure
 *
 * Connections that are the same stay as they are; of one that has only another target, new
 * streams go there; those that are gone stop listening, and their streams go on.
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int agent_reload(struct agent *agent,
				  struct hybridge_config *config,
				  struct hybridge_error *err);

/**
 * agent_stop() - Stop listening, let streams end for 10 s, then reset them; then the loop is
 * stopped
 */
void agent_stop(struct agent *agent);

/** agent_free() - Release; the loop must not run any more.  NULL is fine */
void agent_free(struct agent *agent);

#endif
