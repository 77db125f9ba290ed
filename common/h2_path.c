/*
 * h2_path.c - what a session knows of the network below it, and asks of the kernel.
 *
 * Theory of operation.  A PING with a time stamp comes back after a round trip, or later: the
 * first has often waited for the peer's handshake, and others wait behind bulk and for busy
 * processes, so the shortest counts; but not for ever, for a path may become longer.  While
 * there is bulk it is asked for again and again.  Where nobody is between, the kernel knows
 * it without that waiting: on a busy machine a peer next door would seem far away.
 *
 * A keystroke waits behind what the kernel has not sent, so that is kept short: but not
 * shorter than a long path needs.  The kernel says that a socket is writable when a third of
 * its buffer is free, and what is in flight, or waits for a lost packet, fills that
 * buffer too; with nothing unsent the connection would then stand still.
 *
 * BBR has a model of the path, and keeps it while nothing is sent.  What a few losses near the
 * end of a transfer made of that model would hold the next one back for seconds: after a
 * pause it begins anew, as a new connection would.
 *
 * Others have lowered the threshold of their slow start with each loss, and do not raise it for a
 * pause either (RFC 5681 3.1): beyond it they gain a packet or so a round trip.  A
 * connection that lost packets on a long path is worn: the next transfer on it may
 * take ten times as long as on a new one.  Its owner opens one, for what comes after.  Only who
 * sends can know; a server says so to its client, by a PING that is no question.
 */
#include "h2_inside.h"

#include <linux/tcp.h> /* libc's tcp_info has no tcpi_min_rtt */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MEASURE_AGAIN_US 100000
#define SHORTEST_US      30000000 /* so long a round trip counts as the shortest */
#define LOW              ((int64_t)H2_COMMIT) /* bytes unsent, in the kernel */
#define LOW_MAX          ((int64_t)1 << 20)
#define LOW_PER_US       20 /* what 160 Mbit/s carry */
#define FAR_US           5000
#define BULK             ((size_t)16 * 1024)
#define PAUSE_US         1000000
#define OTHER_CONGESTION "reno"
#define LOOK_US          1000000    /* between two looks whether it is worn */
#define NO_THRESHOLD     0x7fffffff /* TCP_INFINITE_SSTHRESH of the kernel */

static void keep_low(struct hybridge_h2 *session)
{
	int64_t want = session->round_trip_us * LOW_PER_US;
	int low = (int)(want < LOW ? LOW : want > LOW_MAX ? LOW_MAX : want);

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

/* What the kernel does not know is 0, and all of it where this is no TCP. */
static struct tcp_info kernel_info(const struct hybridge_h2 *session)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(hybridge_conn_fd(session->conn), IPPROTO_TCP, TCP_INFO,
		       &info, &len) != 0)
		info = (struct tcp_info){0};
	return info;
}

/* The shortest of some minutes, in microseconds; INT64_MAX: it does not know. */
static int64_t kernel_round_trip_us(const struct hybridge_h2 *session)
{
	int64_t us = session->args.is_proxied
			     ? 0
			     : kernel_info(session).tcpi_min_rtt;

	return us > 0 ? us : INT64_MAX;
}

void h2_path_answered(struct hybridge_h2 *session, const uint8_t stamp[8])
{
	int64_t now_us = hybridge_loop_now_us(session->loop);
	bool is_old = now_us - session->shortest_us > SHORTEST_US;
	int64_t kernel_us = kernel_round_trip_us(session);
	int64_t sent_us, took_us;

	memcpy(&sent_us, stamp, sizeof(sent_us));
	/* A peer may answer what nobody asked. */
	if (sent_us <= 0 || sent_us > session->measured_us)
		return;
	took_us = now_us - sent_us;
	if (took_us > kernel_us)
		took_us = kernel_us;
	if (took_us < 0 || (session->round_trip_us > 0 && !is_old &&
			    took_us >= session->round_trip_us))
		return;
	session->round_trip_us = took_us > 0 ? took_us : 1;
	session->shortest_us = now_us;
	keep_low(session);
}

static int set_congestion(int fd, const char *name)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name,
			  (socklen_t)strlen(name));
}

/* A process without rights may leave one that the system does not allow, and not come back. */
static bool may_return_to(const char *name)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool may;

	if (fd < 0)
		return false;
	may = set_congestion(fd, OTHER_CONGESTION) == 0 &&
	      set_congestion(fd, name) == 0;
	close(fd);
	return may;
}

/* To itself it cannot be changed, but by way of another, which every kernel has. */
static void begin_anew(int fd)
{
	char name[16] = ""; /* TCP_CA_NAME_MAX of the kernel */
	socklen_t len = sizeof(name) - 1;

	if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len) == 0 &&
	    strncmp(name, "bbr", 3) == 0 && may_return_to(name) &&
	    set_congestion(fd, OTHER_CONGESTION) == 0)
		set_congestion(fd, name);
}

static bool has_lost(const struct hybridge_h2 *session)
{
	struct tcp_info info = kernel_info(session);

	return info.tcpi_total_retrans > 0 && info.tcpi_snd_ssthresh > 0 &&
	       info.tcpi_snd_ssthresh < NO_THRESHOLD;
}

void h2_path_look(struct hybridge_h2 *session)
{
	if (!session->conn || session->is_worn ||
	    session->bulk_us <= session->looked_us ||
	    session->round_trip_us < FAR_US)
		return;
	session->looked_us = hybridge_loop_now_us(session->loop);
	if (!has_lost(session))
		return;
	/* What cannot be said stays as fast as it is. */
	if (session->args.is_server)
		(void)nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE,
					  (const uint8_t *)H2_WORN);
	h2_path_worn(session);
}

void h2_path_worn(struct hybridge_h2 *session)
{
	if (session->is_worn)
		return;
	session->is_worn = true;
	if (session->ops && session->ops->worn)
		session->ops->worn(session->owner);
}

void h2_path_sent(struct hybridge_h2 *session, size_t len)
{
	int64_t now_us = hybridge_loop_now_us(session->loop);

	if (len < BULK)
		return;
	if (now_us - session->sent_since_us >= H2_PRESSED_US) {
		session->sent_since_us = now_us;
		session->sent = 0;
	}
	session->sent += len;
	if (session->sent >= H2_WINDOW / 2)
		session->pressed_us = now_us;
	if (session->bulk_us > 0 && now_us - session->bulk_us > PAUSE_US &&
	    session->round_trip_us >= FAR_US)
		begin_anew(hybridge_conn_fd(session->conn));
	session->bulk_us = now_us;
	if (now_us - session->looked_us > LOOK_US)
		h2_path_look(session);
}
