/*
 * test_h2_worn.c - a session whose connection has lost packets on a long path says so, once.
 */
#include "h2_fixture.h"

#include <linux/tcp.h>
#include <sys/syscall.h>

#include "../../common/h2_inside.h"

#define FAR_US       50000
#define NEAR_US      500
#define NO_THRESHOLD 0x7fffffff
#define BULK         ((size_t)1 << 20)
#define BATCH        ((size_t)64 * 1024)

/* What the kernel says of one socket. */
static struct {
	int fd;
	uint32_t retransmitted;
	uint32_t threshold;
} kernel;

/* NOLINTNEXTLINE(readability-inconsistent-*): glibc's names are reserved */
int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int ret = (int)syscall(SYS_getsockopt, fd, level, name, value, len);

	if (ret == 0 && level == IPPROTO_TCP && name == TCP_INFO &&
	    *len >= sizeof(struct tcp_info)) {
		struct tcp_info *info = value;
		bool is_it = fd == kernel.fd;

		info->tcpi_total_retrans = is_it ? kernel.retransmitted : 0;
		info->tcpi_snd_ssthresh =
			is_it ? kernel.threshold : NO_THRESHOLD;
	}
	return ret;
}

/**
 * struct course - A stream, and which of its ends sends bulk
 * @worn: How often the client's owner was told
 */
struct course {
	struct world *world;
	struct pair pair;
	struct hybridge_conn *ends[2]; /* the client's, the server's */
	unsigned int worn;
};

static void count_worn(void *owner)
{
	struct course *course = hybridge_container(owner, struct course, pair);

	course->worn++;
}

static void set_round_trip(struct course *course, int64_t us)
{
	struct hybridge_h2 *ends[] = {course->pair.client, course->pair.server};

	for (size_t i = 0; i < 2; i++) {
		ends[i]->round_trip_us = us;
		ends[i]->measured_us = INT64_MAX / 2;
	}
}

static void course_open(struct world *world, struct course *course,
			int64_t round_trip_us)
{
	static struct hybridge_h2_ops ops;

	*course = (struct course){.world = world};
	kernel.fd = -1;
	pair_open(world, &course->pair, false);
	ops = *course->pair.client->ops;
	ops.worn = count_worn;
	course->pair.client->ops = &ops;
	pair_stream(&course->pair, course->ends);
	set_round_trip(course, round_trip_us);
}

static void course_close(struct course *course)
{
	for (size_t i = 0; i < 2; i++)
		hybridge_conn_close(course->ends[i], HYBRIDGE_CONN_RESET);
	fixture_step(&course->world->fx, 20);
	pair_close(&course->pair);
}

/* The sending side has lost packets, and goes slowly since. */
static void losses(struct course *course, size_t sender)
{
	kernel.fd = hybridge_conn_fd(course->pair.conns[sender]);
	kernel.retransmitted = 20;
	kernel.threshold = 12;
}

static void send_some(struct course *course, size_t sender, size_t total,
		      size_t piece)
{
	static uint8_t bytes[BATCH];
	struct hybridge_conn *from = course->ends[sender];
	struct hybridge_conn *to = course->ends[1 - sender];
	size_t sent = 0, received = 0;

	while (received < total) {
		ssize_t n;

		while (sent < total && hybridge_conn_pending(from) == 0) {
			assert_int_equal(
				hybridge_conn_write(from, bytes, piece), 0);
			assert_int_equal(hybridge_conn_flush(from), 0);
			sent += piece;
		}
		fixture_step(&course->world->fx, 0);
		while ((n = hybridge_conn_read(to, bytes, sizeof(bytes))) > 0)
			received += (size_t)n;
	}
}

static void a_client_that_has_lost_packets_is_worn(void **state)
{
	struct course course;

	course_open(*state, &course, FAR_US);
	losses(&course, 0);
	send_some(&course, 0, BULK, BATCH);
	FIXTURE_UNTIL(&course.world->fx, course.worn > 0);
	assert_true(hybridge_h2_worn(course.pair.client));
	course.pair.client->looked_us = 0;
	send_some(&course, 0, BULK, BATCH);
	assert_int_equal(course.worn, 1);
	course_close(&course);
}

static void a_client_is_told_that_its_server_has_lost_packets(void **state)
{
	struct course course;

	course_open(*state, &course, FAR_US);
	losses(&course, 1);
	send_some(&course, 1, BULK, BATCH);
	FIXTURE_UNTIL(&course.world->fx, course.worn > 0);
	assert_true(hybridge_h2_worn(course.pair.client));
	/* What comes back is taken for no round trip. */
	fixture_step(&course.world->fx, 20);
	assert_int_equal(course.pair.server->round_trip_us, FAR_US);
	course_close(&course);
}

/* Losses at its end are seen when it ends. */
static void a_transfer_that_has_ended_is_looked_at(void **state)
{
	struct course course;

	course_open(*state, &course, FAR_US);
	send_some(&course, 0, BULK, BATCH);
	losses(&course, 0);
	assert_int_equal(course.worn, 0);
	for (size_t i = 0; i < 2; i++)
		hybridge_conn_close(course.ends[i], HYBRIDGE_CONN_RESET);
	FIXTURE_UNTIL(&course.world->fx, course.worn > 0);
	fixture_step(&course.world->fx, 20);
	pair_close(&course.pair);
}

static void expect_fresh(struct course *course)
{
	send_some(course, 0, BULK, BATCH);
	fixture_step(&course->world->fx, 20);
	course_close(course);
	assert_int_equal(course->worn, 0);
}

static void no_client_is_worn_whose_server_is_near(void **state)
{
	struct course course;

	course_open(*state, &course, NEAR_US);
	losses(&course, 0);
	expect_fresh(&course);
}

static void no_client_is_worn_that_lost_what_was_no_bulk(void **state)
{
	struct course course;

	course_open(*state, &course, FAR_US);
	losses(&course, 0);
	for (int i = 0; i < 100; i++)
		send_some(&course, 0, 16, 16);
	course_close(&course);
	assert_int_equal(course.worn, 0);
}

/* BBR does not slow down for one. */
static void no_client_is_worn_without_a_threshold(void **state)
{
	struct course course;

	course_open(*state, &course, FAR_US);
	losses(&course, 0);
	kernel.threshold = NO_THRESHOLD;
	expect_fresh(&course);
}

/* It has found its rate without a loss. */
static void no_client_is_worn_without_losses(void **state)
{
	struct course course;

	course_open(*state, &course, FAR_US);
	losses(&course, 0);
	kernel.retransmitted = 0;
	expect_fresh(&course);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(a_client_that_has_lost_packets_is_worn),
		WITH_WORLD(a_client_is_told_that_its_server_has_lost_packets),
		WITH_WORLD(a_transfer_that_has_ended_is_looked_at),
		WITH_WORLD(no_client_is_worn_whose_server_is_near),
		WITH_WORLD(no_client_is_worn_that_lost_what_was_no_bulk),
		WITH_WORLD(no_client_is_worn_without_a_threshold),
		WITH_WORLD(no_client_is_worn_without_losses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
