/*
 * test_h2_path.c - HTTP/2 over a long path: windows follow its round trip, and who reads.
 */
#include "h2_fixture.h"

#include <linux/inet_diag.h>
#include <netinet/tcp.h>
#include <sys/syscall.h>

#include <utlist.h>

#include "../../common/h2_inside.h"

#define LAG_US       15000 /* each way */
#define SMALL_WINDOW ((size_t)256 * 1024)
#define LEAST_WINDOW \
	((size_t)2 * (64 * 1024 - 9) - 1) /* a frame, but no second one */
#define BULK_WINDOW ((size_t)1024 * 1024)
#define BATCH       ((size_t)64 * 1024)

/* A kernel that lets nobody have BBR who does not have it: tcp_allowed_congestion_control. */
static bool bbr_is_denied;

/* NOLINTNEXTLINE(readability-inconsistent-*): glibc's names are reserved */
int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	if (bbr_is_denied && level == IPPROTO_TCP && name == TCP_CONGESTION &&
	    len == 3 && memcmp(value, "bbr", 3) == 0) {
		errno = EPERM;
		return -1;
	}
	return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

/* What has come out of one end, and is on its way to the other. */
struct piece {
	struct piece *prev, *next;
	int64_t due_us;
	size_t at, len;
	uint8_t bytes[BATCH];
};

/**
 * struct lag - Hands every byte on LAG_US later
 * @outer: For the two sessions
 * @inner: @outer's other ends
 * @ways:  Pieces that came from @inner[i]
 * @rate:  Of these, bytes that pass in a millisecond; 0: any number
 * @ran_us: When they did last
 */
struct lag {
	struct hybridge_loop *loop;
	int outer[2];
	int inner[2];
	struct piece *ways[2];
	size_t rate;
	int64_t ran_us;
	struct hybridge_timer tick;
};

static void lag_collect(struct lag *lag, size_t from)
{
	for (;;) {
		struct piece *piece = calloc(1, sizeof(*piece));
		ssize_t n;

		assert_non_null(piece);
		n = read(lag->inner[from], piece->bytes, sizeof(piece->bytes));
		if (n <= 0) {
			free(piece);
			return;
		}
		piece->len = (size_t)n;
		piece->due_us = hybridge_loop_now_us(lag->loop) + LAG_US;
		DL_APPEND(lag->ways[from], piece);
	}
}

static void lag_deliver(struct lag *lag, size_t from)
{
	int64_t now_us = hybridge_loop_now_us(lag->loop);
	struct piece *piece, *next;
	int64_t ms = (now_us - lag->ran_us) / 1000;
	size_t left = lag->rate > 0 ? lag->rate * (size_t)ms : SIZE_MAX;

	DL_FOREACH_SAFE (lag->ways[from], piece, next) {
		size_t len = piece->len - piece->at;
		ssize_t n;

		if (piece->due_us > now_us)
			return;
		n = write(lag->inner[1 - from], piece->bytes + piece->at,
			  len < left ? len : left);
		if (n > 0) {
			piece->at += (size_t)n;
			left -= (size_t)n;
		}
		if (piece->at < piece->len)
			return;
		DL_DELETE(lag->ways[from], piece);
		free(piece);
	}
}

static void lag_tick(struct hybridge_timer *timer)
{
	struct lag *lag = hybridge_container(timer, struct lag, tick);

	for (size_t i = 0; i < 2; i++) {
		lag_collect(lag, i);
		lag_deliver(lag, i);
	}
	lag->ran_us = hybridge_loop_now_us(lag->loop);
	assert_int_equal(hybridge_timer_set(lag->loop, timer, 1), 0);
}

static void lag_open(struct lag *lag, struct hybridge_loop *loop)
{
	*lag = (struct lag){
		.loop = loop,
		.ran_us = hybridge_loop_now_us(loop),
		.tick.fire = lag_tick,
	};
	for (size_t i = 0; i < 2; i++) {
		int fds[2];

		fixture_tcp_pair(fds, 0);
		lag->outer[i] = fds[0];
		lag->inner[i] = fds[1];
	}
	assert_int_equal(hybridge_timer_set(loop, &lag->tick, 1), 0);
}

static void lag_close(struct lag *lag)
{
	hybridge_timer_clear(lag->loop, &lag->tick);
	for (size_t i = 0; i < 2; i++) {
		struct piece *piece, *next;

		DL_FOREACH_SAFE (lag->ways[i], piece, next) {
			DL_DELETE(lag->ways[i], piece);
			free(piece);
		}
		close(lag->inner[i]);
	}
}

/**
 * struct flow - One stream, written to for as long as it takes it
 * @limit:  The reader stops there
 * @step:   It reads so much, and the rest at the next tick
 * @seed:   Of sizes that it writes, large ones and small ones; 0: BATCH
 */
struct flow {
	struct hybridge_loop *loop;
	struct hybridge_conn *ends[2];
	size_t sent, received, limit, step;
	uint32_t seed;
	struct hybridge_turn turn;
	struct hybridge_timer again;
};

/* Frames end a little further each time, and so everywhere in a window. */
static size_t flow_size(struct flow *flow)
{
	if (flow->seed == 0)
		return BATCH;
	flow->seed = flow->seed * 1664525 + 1013904223;
	return (flow->seed & 0x10000) ? BATCH : 1 + (flow->seed >> 20) % 16;
}

static void flow_write(void *owner, struct hybridge_conn *conn)
{
	static const uint8_t bytes[BATCH];
	struct flow *flow = owner;

	while (hybridge_conn_pending(conn) == 0) {
		size_t len = flow_size(flow);

		assert_int_equal(hybridge_conn_write(conn, bytes, len), 0);
		assert_int_equal(hybridge_conn_flush(conn), 0);
		flow->sent += len;
	}
}

static void flow_read(void *owner, struct hybridge_conn *conn)
{
	static uint8_t bytes[BATCH];
	struct flow *flow = owner;
	size_t most = flow->step;

	while (most > 0 && flow->received < flow->limit) {
		ssize_t n = hybridge_conn_read(
			conn, bytes, most < sizeof(bytes) ? most : BATCH);

		if (n < 0)
			return;
		hybridge_turn_served(flow->loop, &flow->turn, (size_t)n);
		flow->received += (size_t)n;
		most -= (size_t)n;
	}
	assert_int_equal(hybridge_timer_set(flow->loop, &flow->again, 1), 0);
}

static void flow_again(struct hybridge_timer *timer)
{
	struct flow *flow = hybridge_container(timer, struct flow, again);

	hybridge_conn_again(flow->ends[1]);
}

static void flow_open(struct flow *flow, struct pair *pair, size_t step)
{
	*flow = (struct flow){
		.loop = pair->fx->loop,
		.step = step,
		.limit = SIZE_MAX,
		.again.fire = flow_again,
	};
	pair_stream(pair, flow->ends);
	hybridge_conn_set_owner(flow->ends[0], flow_write, flow);
	hybridge_conn_set_owner(flow->ends[1], flow_read, flow);
}

static void flow_close(struct flow *flow)
{
	hybridge_timer_clear(flow->loop, &flow->again);
	for (size_t i = 0; i < 2; i++)
		hybridge_conn_close(flow->ends[i], HYBRIDGE_CONN_RESET);
}

/* How much more is taken after the reader has stopped: what is on its way, and the window. */
static size_t flow_room(struct flow *flow, struct fixture *fx)
{
	size_t before;

	flow->limit = flow->received;
	do {
		before = flow->sent;
		fixture_step(fx, 10 * LAG_US / 1000);
	} while (flow->sent != before);
	return flow->sent - flow->received;
}

static void pair_open_lagging(struct world *world, struct lag *lag,
			      struct pair *pair)
{
	const struct pair_args args = {
		.streams_max = 1000,
		.ping_ms = 600000,
		.sockets = lag->outer,
	};

	lag_open(lag, world->fx.loop);
	pair_open_with(&world->fx, pair, &args);
}

static void a_window_grows_where_a_round_trip_is_long(void **state)
{
	struct world *world = *state;
	struct flow flow, next;
	struct pair pair;
	struct lag lag = {0};

	pair_open_lagging(world, &lag, &pair);
	flow_open(&flow, &pair, SIZE_MAX);
	FIXTURE_UNTIL(&world->fx, flow.received >= 64 * SMALL_WINDOW);
	assert_true(flow_room(&flow, &world->fx) >= 4 * SMALL_WINDOW);
	flow_close(&flow);
	/* The next one need not find out in as many steps: two windows are enough. */
	flow_open(&next, &pair, SIZE_MAX);
	FIXTURE_UNTIL(&world->fx, next.received >= 2 * SMALL_WINDOW);
	assert_true(flow_room(&next, &world->fx) >= 4 * SMALL_WINDOW);
	flow_close(&next);
	pair_close(&pair);
	lag_close(&lag);
}

/* So that what waits behind a lost packet does not stop the sender. */
static void a_window_is_several_times_what_the_path_holds(void **state)
{
	struct world *world = *state;
	struct flow flow;
	struct pair pair;
	struct lag lag = {0};

	pair_open_lagging(world, &lag, &pair);
	lag.rate = 16384;
	flow_open(&flow, &pair, SIZE_MAX);
	FIXTURE_UNTIL(&world->fx, flow.received >= 64 * SMALL_WINDOW);
	assert_true(flow_room(&flow, &world->fx) >= 12 * SMALL_WINDOW);
	flow_close(&flow);
	pair_close(&pair);
	lag_close(&lag);
}

static void
a_window_stays_where_its_reader_is_slower_than_the_path(void **state)
{
	struct world *world = *state;
	struct flow flow;
	struct pair pair;
	struct lag lag = {0};

	pair_open_lagging(world, &lag, &pair);
	/* In a round trip a quarter of a window. */
	flow_open(&flow, &pair, 2048);
	FIXTURE_UNTIL(&world->fx, flow.received >= 8 * SMALL_WINDOW);
	assert_true(flow_room(&flow, &world->fx) <= SMALL_WINDOW + 3 * BATCH);
	flow_close(&flow);
	pair_close(&pair);
	lag_close(&lag);
}

/* What was on its way when its window shrank is used up first. */
static void use_up(struct flow *flow, struct fixture *fx)
{
	size_t end = flow->received + H2_WINDOW_ALONE;

	FIXTURE_UNTIL(fx, flow->received >= end);
}

/* The reader stops: so much may wait for it, however long our own process takes to answer. */
static void expect_room(struct flow *flow, struct fixture *fx, size_t most)
{
	flow->limit = flow->received;
	FIXTURE_UNTIL(fx, hybridge_conn_pending(flow->ends[0]) > 0);
	fixture_step(fx, 20);
	assert_true(flow->sent - flow->received <= most + 3 * BATCH);
}

/* Then eight streams have equal shares. */
static void a_window_stays_where_the_peer_is_near(void **state)
{
	struct world *world = *state;
	struct flow flow, other;
	struct pair pair;

	pair_open(world, &pair, false);
	flow_open(&flow, &pair, SIZE_MAX);
	flow_open(&other, &pair, SIZE_MAX);
	FIXTURE_UNTIL(&world->fx, flow.received >= 64 * SMALL_WINDOW);
	expect_room(&flow, &world->fx, BULK_WINDOW);
	flow_close(&flow);
	flow_close(&other);
	pair_close(&pair);
}

static int32_t window_of(const struct flow *flow)
{
	return h2_stream_view(flow->ends[1])->window;
}

static void expect_alone(struct world *world, const struct flow *flow)
{
	FIXTURE_UNTIL(&world->fx, window_of(flow) > (int32_t)BULK_WINDOW);
}

/* Nobody waits behind it; but a second one would. */
static void a_stream_alone_has_more_until_there_is_another(void **state)
{
	struct world *world = *state;
	struct flow flow, other;
	struct pair pair;

	pair_open(world, &pair, false);
	flow_open(&flow, &pair, SIZE_MAX);
	expect_alone(world, &flow);
	flow_open(&other, &pair, SIZE_MAX);
	FIXTURE_UNTIL(&world->fx, window_of(&flow) == (int32_t)BULK_WINDOW);
	use_up(&flow, &world->fx);
	expect_room(&flow, &world->fx, BULK_WINDOW);
	flow_close(&other);
	flow_close(&flow);
	pair_close(&pair);
}

/* Another session is served by the same processes. */
static void bulk_of_two_sessions_has_what_makes_it_cheap(void **state)
{
	struct world *world = *state;
	struct flow flow, other;
	struct pair pair, next;

	pair_open(world, &pair, false);
	pair_open(world, &next, false);
	flow_open(&flow, &pair, SIZE_MAX);
	expect_alone(world, &flow);
	flow_open(&other, &next, SIZE_MAX);
	FIXTURE_UNTIL(&world->fx,
		      window_of(&flow) == (int32_t)BULK_WINDOW &&
			      window_of(&other) == (int32_t)BULK_WINDOW);
	flow_close(&other);
	expect_alone(world, &flow);
	flow_close(&flow);
	pair_close(&pair);
	pair_close(&next);
}

/* It is not measured any more. */
static void set_round_trip(struct pair *pair, int64_t us)
{
	struct hybridge_h2 *ends[] = {pair->client, pair->server};

	for (size_t i = 0; i < 2; i++) {
		ends[i]->round_trip_us = us;
		ends[i]->measured_us = INT64_MAX / 2;
	}
}

/* @flow alone, then beside a stream that little comes for, then alone again. */
static void expect_while_awaited(struct world *world, int64_t round_trip_us,
				 size_t window)
{
	struct flow flow, other;
	struct pair pair, next;

	pair_open(world, &pair, false);
	pair_open(world, &next, false);
	flow_open(&flow, &pair, SIZE_MAX);
	expect_alone(world, &flow);
	set_round_trip(&pair, round_trip_us);
	flow_open(&other, &next, 1);
	FIXTURE_UNTIL(&world->fx, window_of(&flow) == (int32_t)window);
	use_up(&flow, &world->fx);
	expect_room(&flow, &world->fx, window);
	flow_close(&other);
	flow.limit = SIZE_MAX;
	hybridge_conn_again(flow.ends[1]);
	expect_alone(world, &flow);
	flow_close(&flow);
	pair_close(&pair);
	pair_close(&next);
}

static void bulk_has_little_on_its_way_while_somebody_waits(void **state)
{
	expect_while_awaited(*state, 500, SMALL_WINDOW);
}

static void
bulk_has_a_frame_on_its_way_where_the_peer_is_next_door(void **state)
{
	expect_while_awaited(*state, 50, LEAST_WINDOW);
}

/* Who waits to send a whole frame must get room for one, wherever frames and windows end. */
static void no_stream_stands_still_with_room_for_a_frame(void **state)
{
	struct world *world = *state;
	struct flow flow, other;
	struct pair pair, next;

	pair_open(world, &pair, false);
	pair_open(world, &next, false);
	set_round_trip(&pair, 50);
	for (uint32_t seed = 1; seed <= 20; seed++) {
		flow_open(&flow, &pair, SIZE_MAX);
		flow.seed = seed;
		flow_open(&other, &next, 1);
		FIXTURE_UNTIL(&world->fx,
			      window_of(&flow) == (int32_t)LEAST_WINDOW);
		FIXTURE_UNTIL(&world->fx, flow.received >= 64 * LEAST_WINDOW);
		assert_int_equal(window_of(&flow), LEAST_WINDOW);
		flow_close(&other);
		flow_close(&flow);
	}
	pair_close(&pair);
	pair_close(&next);
}

static void a_stream_alone_has_no_more_where_the_reader_is_slow(void **state)
{
	struct world *world = *state;
	struct flow flow;
	struct pair pair;
	size_t slow;

	pair_open(world, &pair, false);
	flow_open(&flow, &pair, SIZE_MAX);
	FIXTURE_UNTIL(&world->fx, window_of(&flow) == (int32_t)BULK_WINDOW);
	/* In a millisecond; it takes a second, which is long enough to be alone. */
	flow.step = 20480;
	slow = flow.received + 20 * BULK_WINDOW;
	FIXTURE_UNTIL(&world->fx, flow.received > slow);
	/* Less on a machine that is busy: there "little comes" means that somebody waits. */
	assert_true(window_of(&flow) <= (int32_t)BULK_WINDOW);
	flow_close(&flow);
	pair_close(&pair);
}

/* What BBR has found out about the path, in bytes a second. */
static uint64_t bbr_bandwidth(int fd)
{
	union tcp_cc_info info = {0};
	socklen_t len = sizeof(info);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_CC_INFO, &info, &len),
			 0);
	return (uint64_t)info.bbr.bbr_bw_hi << 32 | info.bbr.bbr_bw_lo;
}

/* A transfer under BBR, which has found out something. */
struct course {
	struct flow flow;
	struct pair pair;
	struct lag lag;
	int fd;
};

static void course_close(struct course *course)
{
	pair_close(&course->pair);
	lag_close(&course->lag);
}

static void course_open(struct world *world, struct course *course)
{
	pair_open_lagging(world, &course->lag, &course->pair);
	course->fd = course->lag.outer[0];
	if (setsockopt(course->fd, IPPROTO_TCP, TCP_CONGESTION, "bbr", 3) !=
	    0) {
		print_message(
			"left out: this kernel does not let us have bbr\n");
		course_close(course);
		skip();
	}
	flow_open(&course->flow, &course->pair, SIZE_MAX);
	FIXTURE_UNTIL(&world->fx, course->flow.received >= 8 * SMALL_WINDOW);
	assert_true(bbr_bandwidth(course->fd) > 0);
	h2_path_sent(course->pair.client, BATCH);
	assert_true(bbr_bandwidth(course->fd) > 0);
}

static void course_go_on_after_a_pause(struct course *course)
{
	course->pair.client->bulk_us -= 2000000;
	h2_path_sent(course->pair.client, BATCH);
}

static void bbr_begins_anew_after_a_pause(void **state)
{
	struct course course = {0};

	course_open(*state, &course);
	course_go_on_after_a_pause(&course);
	assert_int_equal(bbr_bandwidth(course.fd), 0);
	flow_close(&course.flow);
	course_close(&course);
}

/* To be without it from then on would cost more than what it has found out. */
static void bbr_is_kept_where_it_could_not_be_had_again(void **state)
{
	struct course course = {0};

	course_open(*state, &course);
	bbr_is_denied = true;
	course_go_on_after_a_pause(&course);
	bbr_is_denied = false;
	assert_true(bbr_bandwidth(course.fd) > 0);
	flow_close(&course.flow);
	course_close(&course);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(a_window_grows_where_a_round_trip_is_long),
		WITH_WORLD(a_window_is_several_times_what_the_path_holds),
		WITH_WORLD(
			a_window_stays_where_its_reader_is_slower_than_the_path),
		WITH_WORLD(a_window_stays_where_the_peer_is_near),
		WITH_WORLD(a_stream_alone_has_more_until_there_is_another),
		WITH_WORLD(bulk_of_two_sessions_has_what_makes_it_cheap),
		WITH_WORLD(bulk_has_little_on_its_way_while_somebody_waits),
		WITH_WORLD(
			bulk_has_a_frame_on_its_way_where_the_peer_is_next_door),
		WITH_WORLD(no_stream_stands_still_with_room_for_a_frame),
		WITH_WORLD(a_stream_alone_has_no_more_where_the_reader_is_slow),
		WITH_WORLD(bbr_begins_anew_after_a_pause),
		WITH_WORLD(bbr_is_kept_where_it_could_not_be_had_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
