/*
 * channel.h - a WebSocket for messages: the control channel, either side.
 *
 * Collects text and binary messages up to a bound, answers pings, sends its own
 * and notices a peer that has gone silent.
 */
#ifndef HYBRIDGE_CHANNEL_H
#define HYBRIDGE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hybridge/conn.h>
#include <hybridge/error.h>
#include <hybridge/loop.h>

struct hybridge_channel;

/**
 * struct hybridge_channel_ops - Calls to the owner, all from the loop
 * @message: A whole message; @text says which kind: then it is valid UTF-8.  May close the channel
 * @end:     Called once: the channel is over and will be freed at the end of
 *           this turn.  @code is that of the first Close, the peer's or ours,
 *           HYBRIDGE_WS_ABNORMAL when the connection broke or went silent before
 *           one; @reason, printable, goes with it.  Not called
 *           when the owner itself called hybridge_channel_free()
 */
struct hybridge_channel_ops {
	void (*message)(void *owner, bool text, const char *data, size_t len);
	void (*end)(void *owner, uint16_t code, const char *reason);
};

/**
 * struct hybridge_channel_args - How it behaves
 * @is_client:   We mask, the peer must not; else the other way round
 * @message_max: Longer messages end the channel with 1009
 * @ping_ms:     Ping after this long without a byte from the peer; it is dead when it
 *               has been silent three times as long
 */
struct hybridge_channel_args {
	bool is_client;
	size_t message_max;
	uint32_t ping_ms;
};

/**
 * hybridge_channel_new() - Talk messages on an upgraded connection
 * @conn: Owned by the channel from here on, even on failure
 *
 * Return: The channel; NULL when out of memory
 */
HYBRIDGE_MUSTUSE struct hybridge_channel *
hybridge_channel_new(struct hybridge_loop *loop, struct hybridge_conn *conn,
		     const struct hybridge_channel_args *args,
		     const struct hybridge_channel_ops *ops, void *owner);

/**
 * hybridge_channel_send() - Send one text message
 * A peer that does not read while 4 MiB are waiting is ended with HYBRIDGE_WS_POLICY.
 *
 * Return: 0, or -1: the channel is ending (@ops->end comes from the loop)
 */
int hybridge_channel_send(struct hybridge_channel *channel, const char *text,
			  size_t len);

/**
 * hybridge_channel_close() - Send Close and wait for the peer's, 5 s at most;
 * then @ops->end is called
 * @reason: ASCII, at most 123 bytes are sent
 */
void hybridge_channel_close(struct hybridge_channel *channel, uint16_t code,
			    const char *reason);

/** hybridge_channel_free() - Drop it now, no callback.  NULL is fine */
void hybridge_channel_free(struct hybridge_channel *channel);

#endif
