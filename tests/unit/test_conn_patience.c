/*
 * test_conn_patience.c - how slow a peer may be behind an orderly close.
 */
#include "engine_fixture.h"

#include "fake_clock.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

/* The kernel wants a third of the one empty before it takes more; of room in the other, which is
 * smaller, the peer tells often. */
#define SENT_BUFFER (1 << 20)
#define GOT_BUFFER  (128 << 10)
#define SLICE       8192
#define PATIENCE_S  6 /* a little more than is given without progress */
#define ROUNDS      4

/* A connection that the kernel takes no more of, and which is closed in good order then. */
static size_t close_full(struct fixture *fx, int fds[2])
{
	static uint8_t bytes[64 * 1024];
	const int sent = SENT_BUFFER, got = GOT_BUFFER;
	struct end end;
	size_t len = 0;

	fixture_tcp_pair(fds, 0);
	setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &got, sizeof(got));
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &sent, sizeof(sent));
	end_open(fx, &end, fds[1]);
	end.limit = 0;
	do {
		assert_int_equal(
			hybridge_conn_write(end.conn, bytes, sizeof(bytes)), 0);
		len += sizeof(bytes);
		fixture_step(fx, 1);
	} while (hybridge_conn_pending(end.conn) == 0);
	end_close(&end, HYBRIDGE_CONN_ORDERLY);
	fixture_step(fx, 1);
	return len;
}

/* So long after the @round before. */
static void time_passes(struct fixture *fx, int round)
{
	ahead_s += (time_t)PATIENCE_S * round;
	for (int turn = 0; turn < 3; turn++)
		take_turn(fx->loop);
	ahead_s -= (time_t)PATIENCE_S * round;
}

/* What the kernel holds for the peer. */
static int held(int fd)
{
	int len = 0;

	assert_int_equal(ioctl(fd, SIOCOUTQ, &len), 0);
	return len;
}

/* As little as the kernel tells the other end of; how much that was. */
static size_t read_a_little(struct fixture *fx, const int fds[2])
{
	static uint8_t buf[SLICE];
	int before = held(fds[1]);
	size_t got = 0;

	while (held(fds[1]) >= before) {
		got += (size_t)fixture_recv(fx, fds[0], buf, sizeof(buf));
		fixture_step(fx, 1);
	}
	return got;
}

static void whoever_reads_a_little_now_and_then_gets_all(void **state)
{
	static uint8_t buf[SLICE];
	size_t len, got = 0;
	int fds[2];
	ssize_t n;

	len = close_full(*state, fds);
	for (int round = 1; round <= ROUNDS; round++) {
		got += read_a_little(*state, fds);
		time_passes(*state, round);
	}
	while ((n = fixture_recv(*state, fds[0], buf, sizeof(buf))) > 0)
		got += (size_t)n;
	assert_int_equal(n, 0);
	assert_int_equal(got, len);
	close(fds[0]);
}

static void whoever_reads_nothing_is_reset(void **state)
{
	static uint8_t buf[SLICE];
	ssize_t n;
	int fds[2];

	(void)close_full(*state, fds);
	for (int round = 1; round <= 2; round++)
		time_passes(*state, round);
	while ((n = fixture_recv(*state, fds[0], buf, sizeof(buf))) > 0)
		;
	assert_int_equal(n, -1);
	assert_int_equal(errno, ECONNRESET);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(whoever_reads_a_little_now_and_then_gets_all),
		WITH_LOOP(whoever_reads_nothing_is_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
