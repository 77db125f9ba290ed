/*
 * h2_path.c - what a session knows of the network below it, and asks of the kernel.
 *
 * Theory of operation.  A PING with a time stamp comes back after a round trip, or later: the
 * first has often waited for the peer's handshake, and others wait behind bulk, so the
 * shortest counts; but not for ever, for a path may become longer.  While there is bulk it
 * is asked for again and again.
 */
#include "h2_inside.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define MEASURE_AGAIN_US 100000
#define SHORTEST_US      30000000 /* so long a round trip counts as the shortest */
#define LOW              ((int)H2_COMMIT) /* bytes unsent, in the kernel */

static void keep_low(struct hybridge_h2 *session)
{
	int low = LOW;

	/* Fails on a unix socket, whose buffer is small. */
	setsockopt(hybridge_conn_fd(session->conn), IPPROTO_TCP,
		   TCP_NOTSENT_LOWAT, &low, sizeof(low));
}

void h2_path_open(struct hybridge_h2 *session)
{
	keep_low(session);
	h2_path_measure(session);
}

void h2_path_measure(struct hybridge_h2 *session)
{
	int64_t now_us = hybridge_loop_now_us(session->loop);
	uint8_t stamp[8];

	if (session->measured_us > 0 &&
	    now_us - session->measured_us < MEASURE_AGAIN_US)
		return;
	session->measured_us = now_us;
	memcpy(stamp, &now_us, sizeof(stamp));
	/* Without it the round trip stays what it was. */
	(void)nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE, stamp);
}

void h2_path_answered(struct hybridge_h2 *session, const uint8_t stamp[8])
{
	int64_t now_us = hybridge_loop_now_us(session->loop);
	bool is_old = now_us - session->shortest_us > SHORTEST_US;
	int64_t sent_us, took_us;

	memcpy(&sent_us, stamp, sizeof(sent_us));
	took_us = now_us - sent_us;
	if (sent_us <= 0 || took_us < 0 ||
	    (session->round_trip_us > 0 && !is_old &&
	     took_us >= session->round_trip_us))
		return;
	session->round_trip_us = took_us > 0 ? took_us : 1;
	session->shortest_us = now_us;
}
