/* talk.h - one request to the sender over its unix socket. */
#ifndef SHIM_TALK_H
#define SHIM_TALK_H

#include <hybridge/local.h>

#include "config.h"

#define SHIM_TALK_MS   1000 /* longest wait for the sender to take a request */
#define SHIM_ANSWER_MS 100  /* longest wait for an answer */

enum shim_start {
	SHIM_START_NEVER, /* without a sender the request is dropped */
	SHIM_START_SENDER,
};

/**
 * shim_message() - Begin a message
 * @kind: enum hybridge_local_kind
 * @host: At most 255 bytes; may be empty
 * @addr: May be NULL
 * @port: Host order
 */
struct hybridge_local_msg shim_message(enum hybridge_local_kind kind,
				       struct hybridge_span host,
				       const struct hybridge_ip *addr,
				       uint16_t port);

/**
 * shim_talk() - Connect to the sender and send one message
 * @config:  The configuration
 * @msg:     The message; with a file_len, the configuration's env_file follows it
 * @fds:     Descriptors that go with it, or NULL
 * @num_fds: At most HYBRIDGE_LOCAL_MAX_FDS
 * @start:   What to do when no sender listens
 *
 * Waits at most SHIM_TALK_MS.  The sender must be run by this user or root.
 *
 * Return: 0, or the negative errno
 */
int shim_talk(const struct shim_config *config,
	      const struct hybridge_local_msg *msg, const int *fds,
	      size_t num_fds, enum shim_start start);

/**
 * shim_ask() - Send one message and wait for its answer, at most SHIM_ANSWER_MS
 * @msg: The question; replaced by the answer
 *
 * Never starts a sender.
 *
 * Return: 0, or the negative errno
 */
int shim_ask(const struct shim_config *config, struct hybridge_local_msg *msg);

/**
 * shim_talk_connect() - Connect to the sender's socket
 * Return: Descriptor of the connection, or the negative errno
 */
int shim_talk_connect(const struct shim_config *config);

#endif
