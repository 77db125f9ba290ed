/*
 * pump.h - carries one stream between a TCP connection and a WebSocket, both
 * ways: in the sender the program's, in the agent the target's.
 *
 * Bytes are sacred.  An orderly end (FIN) of one direction travels as Close
 * 1000 in that direction only, the other goes on.  Anything else ends both
 * sides at once: the TCP side by a reset (SO_LINGER {1,0} is set from the
 * start, so even the death of this process resets), the WebSocket by dropping
 * the connection without a Close.  A truncated stream never looks complete.
 */
#ifndef HYBRIDGE_PUMP_H
#define HYBRIDGE_PUMP_H

#include <stdint.h>

#include <hybridge/conn.h>
#include <hybridge/error.h>
#include <hybridge/loop.h>

struct hybridge_pump;

/**
 * enum hybridge_end - How a stream ended
 */
enum hybridge_end {
	HYBRIDGE_END_ORDERLY, /* both directions ended with FIN and Close 1000 */
	HYBRIDGE_END_TCP_RESET, /* the local TCP side was reset */
	HYBRIDGE_END_WS_LOST, /* the WebSocket's connection broke without a Close */
	HYBRIDGE_END_WS_CLOSED,   /* Close with a code other than 1000 */
	HYBRIDGE_END_WS_PROTOCOL, /* the peer broke the protocol */
	HYBRIDGE_END_WS_SILENT,   /* two pings stayed unanswered */
	HYBRIDGE_END_STOPPED,     /* hybridge_pump_stop() */
	HYBRIDGE_END_NUM,
};

/** hybridge_end_name() - "orderly", "tcp_reset" ... for logs and metrics */
const char *hybridge_end_name(enum hybridge_end end);

/** struct hybridge_pump_stats - What went through */
struct hybridge_pump_stats {
	uint64_t to_ws;   /* payload bytes, TCP to WebSocket */
	uint64_t from_ws; /* payload bytes, WebSocket to TCP */
};

/**
 * hybridge_pump_fn - The stream has ended; both connections are closed
 * Called once, from the loop; the pump is freed by itself at the end of the turn.
 * @close_code: Code of the Close that ended it, or 0
 */
typedef void hybridge_pump_fn(void *owner, enum hybridge_end end,
			      uint16_t close_code,
			      const struct hybridge_pump_stats *stats);

/**
 * hybridge_pump_start() - Carry a stream
 * @tcp:  Connected plain connection; owned by the pump from here on
 * @ws:   Upgraded connection, we are the WebSocket client; owned likewise
 * @ping_ms: Ping the peer after this long without a byte from it (30,000 in
 *           production); it is dead when it has been silent three times as long.
 *           From the first Close on, TCP keep-alive of that pace takes its place
 *
 * Return: The pump, until @done was called; NULL when out of memory: then both
 *         connections are closed and @done is not called
 */
HYBRIDGE_MUSTUSE struct hybridge_pump *
hybridge_pump_start(struct hybridge_loop *loop, struct hybridge_conn *tcp,
		    struct hybridge_conn *ws, uint32_t ping_ms,
		    hybridge_pump_fn *done, void *owner);

/** hybridge_pump_stats() - What went through so far */
struct hybridge_pump_stats
hybridge_pump_stats(const struct hybridge_pump *pump);

/** hybridge_pump_stop() - Reset both sides; @done is called with HYBRIDGE_END_STOPPED from the loop */
void hybridge_pump_stop(struct hybridge_pump *pump);

#endif
