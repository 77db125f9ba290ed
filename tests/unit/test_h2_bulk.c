/*
 * test_h2_bulk.c - much at once over HTTP/2: in whole frames, as few calls as possible, and
 * never so that one stream's bytes spoil another's.
 */
#include "h2_raw.h"

#include <sys/uio.h>

#include "../../common/conn_inside.h"

#define FRAME   ((size_t)65527) /* most that a frame of ours holds */
#define BURST   8
#define STREAMS 4
#define EACH    ((size_t)4 << 20)

/* A stream's known bytes, and how far they have come. */
struct known {
	struct hybridge_conn *conn;
	size_t sent;
	size_t got;
	size_t takes;
	size_t whole; /* takes of just @frame bytes */
	size_t frame;
	int most; /* batches of one take */
	unsigned int *dice;
};

static unsigned int roll(unsigned int *dice)
{
	*dice = *dice * 1103515245u + 12345u;
	return *dice >> 16;
}

static void fill_known(uint8_t *buf, size_t from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = fixture_byte(from + i);
}

/* Whoever has taken bytes may do to them, and to those before, what it likes. */
static void use_known(struct known *known, uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != fixture_byte(known->got + i))
			fail_msg("byte %zu is wrong", known->got + i);
	memset(buf - HYBRIDGE_CONN_HEAD, 0xee, HYBRIDGE_CONN_HEAD + len);
	known->got += len;
	known->takes++;
	known->whole += len == known->frame;
}

static int take_known(struct known *known)
{
	struct iovec *bufs;
	int num = hybridge_conn_take_some(known->conn, &bufs);

	for (int i = 0; i < num; i++)
		use_known(known, bufs[i].iov_base, bufs[i].iov_len);
	known->most = num > known->most ? num : known->most;
	return num;
}

static void take_all(void *owner, struct hybridge_conn *conn)
{
	(void)conn;
	while (take_known(owner) > 0)
		;
}

static void take_one_by_one(void *owner, struct hybridge_conn *conn)
{
	struct known *known = owner;
	uint8_t *buf;
	ssize_t n;

	while ((n = hybridge_conn_take(conn, &buf)) > 0)
		use_known(known, buf, (size_t)n);
}

static void write_known(struct known *known, size_t len)
{
	uint8_t *buf = malloc(HYBRIDGE_CONN_HEAD + len);

	assert_non_null(buf);
	fill_known(buf + HYBRIDGE_CONN_HEAD, known->sent, len);
	assert_int_equal(hybridge_conn_write_over(
				 known->conn, buf + HYBRIDGE_CONN_HEAD, len),
			 0);
	hybridge_conn_flush(known->conn);
	known->sent += len;
	free(buf);
}

/* As a pump does it: as long as nothing is pending, frame after frame. */
static void keep_full(void *owner, struct hybridge_conn *conn)
{
	struct known *known = owner;

	for (int i = 0; i < BURST && known->sent < EACH &&
			hybridge_conn_pending(conn) == 0;
	     i++)
		write_known(known, known->frame);
	if (known->sent < EACH && hybridge_conn_pending(conn) == 0)
		hybridge_conn_again(conn);
}

static void join(struct known *from, struct known *to,
		 struct hybridge_conn *ends[2], hybridge_conn_fn *taker)
{
	*from = (struct known){.conn = ends[0], .frame = FRAME};
	*to = (struct known){.conn = ends[1], .frame = FRAME};
	hybridge_conn_set_owner(ends[1], taker, to);
	hybridge_conn_set_owner(ends[0], keep_full, from);
}

static void what_came_together_is_taken_together(void **state)
{
	struct world *world = *state;
	struct hybridge_conn *ends[2];
	struct known from, to;
	struct pair pair;

	pair_open(world, &pair, true);
	pair_stream(&pair, ends);
	join(&from, &to, ends, take_all);
	FIXTURE_UNTIL(pair.fx, from.sent >= EACH && to.got == from.sent);
	assert_true(to.most > 1);
	hybridge_conn_close(ends[0], HYBRIDGE_CONN_RESET);
	hybridge_conn_close(ends[1], HYBRIDGE_CONN_RESET);
	pair_close(&pair);
}

/**
 * struct stutter - Hands bytes on in bursts, and of each burst a little first
 * @outer: For the two sessions
 * @inner: @outer's other ends
 */
struct stutter {
	struct hybridge_loop *loop;
	int outer[2];
	int inner[2];
	struct queue burst;
	unsigned int ticks;
	size_t bursts; /* that were torn */
	struct hybridge_timer tick;
};

static void pass_on(struct queue *burst, int from, int to, size_t most)
{
	static uint8_t buf[EACH];
	ssize_t n = read(from, buf, sizeof(buf));

	if (n > 0)
		assert_int_equal(queue_add(burst, buf, (size_t)n), 0);
	if (queue_len(burst) < most)
		most = queue_len(burst);
	n = write(to, burst->buf + burst->at, most);
	if (n > 0)
		queue_drop(burst, (size_t)n);
}

static void stutter_tick(struct hybridge_timer *timer)
{
	struct stutter *stutter =
		hybridge_container(timer, struct stutter, tick);
	struct queue back = {0};
	bool is_begin = stutter->ticks++ % 2 == 0;

	pass_on(&stutter->burst, stutter->inner[0], stutter->inner[1],
		is_begin ? 40000 : SIZE_MAX);
	stutter->bursts += queue_len(&stutter->burst) > 0;
	pass_on(&back, stutter->inner[1], stutter->inner[0], SIZE_MAX);
	assert_int_equal(queue_len(&back), 0);
	queue_free(&back);
	assert_int_equal(hybridge_timer_set(stutter->loop, timer, 2), 0);
}

static void stutter_open(struct stutter *stutter, struct hybridge_loop *loop)
{
	*stutter = (struct stutter){.loop = loop, .tick.fire = stutter_tick};
	for (size_t i = 0; i < 2; i++) {
		int fds[2];

		fixture_tcp_pair(fds, 4 << 20);
		stutter->outer[i] = fds[0];
		stutter->inner[i] = fds[1];
	}
	assert_int_equal(hybridge_timer_set(loop, &stutter->tick, 1), 0);
}

static void stutter_close(struct stutter *stutter)
{
	hybridge_timer_clear(stutter->loop, &stutter->tick);
	queue_free(&stutter->burst);
	close(stutter->inner[0]);
	close(stutter->inner[1]);
}

static void a_frame_stays_in_one_piece(void **state)
{
	struct world *world = *state;
	struct stutter stutter;
	const struct pair_args args = {.tls = world,
				       .sockets = stutter.outer,
				       .streams_max = 1,
				       .ping_ms = 600000};
	struct hybridge_conn *ends[2];
	struct known from, to;
	struct pair pair;

	stutter_open(&stutter, world->fx.loop);
	pair_open_with(&world->fx, &pair, &args);
	pair_stream(&pair, ends);
	join(&from, &to, ends, take_one_by_one);
	FIXTURE_UNTIL(pair.fx, from.sent >= EACH && to.got == from.sent);
	/* But those that were torn on their way; where a read ends anywhere, every fourth is torn. */
	assert_true(to.whole + stutter.bursts >= from.sent / FRAME * 9 / 10);
	hybridge_conn_close(ends[0], HYBRIDGE_CONN_RESET);
	hybridge_conn_close(ends[1], HYBRIDGE_CONN_RESET);
	pair_close(&pair);
	stutter_close(&stutter);
}

/* Leaves it, reads little of it, or takes one batch, or several. */
static void do_anything(void *owner, struct hybridge_conn *conn)
{
	uint8_t little[HYBRIDGE_CONN_HEAD + 3000];
	struct known *known = owner;
	uint8_t *buf;
	ssize_t n = -1;

	switch (roll(known->dice) % 4) {
	case 0:
		break;
	case 1:
		n = hybridge_conn_read(conn, little + HYBRIDGE_CONN_HEAD,
				       1 + roll(known->dice) % 3000);
		if (n > 0)
			use_known(known, little + HYBRIDGE_CONN_HEAD,
				  (size_t)n);
		break;
	case 2:
		n = hybridge_conn_take(conn, &buf);
		if (n > 0)
			use_known(known, buf, (size_t)n);
		break;
	default:
		(void)take_known(known);
		break;
	}
	hybridge_conn_again(conn);
}

static bool all_came(const struct known *from, const struct known *to)
{
	for (size_t i = 0; i < STREAMS; i++)
		if (from[i].sent < EACH || to[i].got < from[i].sent)
			return false;
	return true;
}

static void mix(struct world *world, bool tls)
{
	struct known from[STREAMS], to[STREAMS];
	struct hybridge_conn *ends[STREAMS][2];
	unsigned int dice = 1;
	struct pair pair;

	pair_open(world, &pair, tls);
	for (size_t i = 0; i < STREAMS; i++) {
		pair_stream(&pair, ends[i]);
		join(&from[i], &to[i], ends[i], do_anything);
		hybridge_conn_set_owner(ends[i][0], pair_ignore, NULL);
		to[i].dice = &dice;
	}
	while (!all_came(from, to)) {
		struct known *known = &from[roll(&dice) % STREAMS];
		size_t len = 1 + roll(&dice) % (roll(&dice) % 2 ? 200 : 60000);

		if (known->sent < EACH &&
		    hybridge_conn_pending(known->conn) == 0)
			write_known(known, len);
		if (roll(&dice) % 4 == 0)
			fixture_step(pair.fx, 0);
	}
	for (size_t i = 0; i < STREAMS; i++) {
		hybridge_conn_close(ends[i][0], HYBRIDGE_CONN_RESET);
		hybridge_conn_close(ends[i][1], HYBRIDGE_CONN_RESET);
	}
	pair_close(&pair);
}

static void streams_that_come_together_spoil_nothing(void **state)
{
	mix(*state, false);
	mix(*state, true);
}

/*
 * As when there was no memory for what came before: nothing of what comes behind it may be read,
 * as if nothing was missing.
 */
static void nothing_is_read_behind_what_was_lost(void **state)
{
	struct world *world = *state;
	struct known from = {0}, to = {0};
	struct hybridge_conn *ends[2];
	struct pair pair;
	uint8_t *buf;

	pair_open(world, &pair, true);
	pair_stream(&pair, ends);
	from.conn = ends[0];
	to.conn = ends[1];
	write_known(&from, 100);
	fixture_step(pair.fx, 1);
	ends[1]->in_error = ENOMEM;
	hybridge_conn_set_owner(ends[1], take_all, &to);
	write_known(&from, 40000);
	write_known(&from, 100);
	fixture_step(pair.fx, 20);
	assert_int_equal(to.got, 100);
	assert_int_equal(hybridge_conn_take(ends[1], &buf), -1);
	assert_int_equal(errno, ENOMEM);
	hybridge_conn_close(ends[0], HYBRIDGE_CONN_RESET);
	hybridge_conn_close(ends[1], HYBRIDGE_CONN_RESET);
	pair_close(&pair);
}

/* A peer whose windows the test opens. */

#define DATA          0
#define SETTINGS      4
#define WINDOW_UPDATE 8
#define WINDOW        ((uint32_t)4 * 65536)

static void put_u32(uint8_t *out, uint32_t value)
{
	for (size_t i = 0; i < 4; i++)
		out[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void widen(struct raw *raw, uint32_t id, uint32_t by)
{
	uint8_t payload[4];

	put_u32(payload, by);
	raw_frame(raw, WINDOW_UPDATE, 0, id, payload, sizeof(payload));
}

/* Opens stream 1, with such a window; the connection's is no limit. */
static struct hybridge_conn *open_with_window(struct world *world,
					      struct raw *raw, uint32_t window)
{
	uint8_t settings[12] = {0, 4, 0, 0, 0, 0, 0, 5};

	put_u32(settings + 2, window);
	put_u32(settings + 8, FRAME);
	raw_open(world, raw);
	raw_frame(raw, SETTINGS, 0, 0, settings, sizeof(settings));
	widen(raw, 0, 1u << 30);
	raw_ask(raw, 1);
	FIXTURE_UNTIL(raw->pair.fx, raw->pair.num_opened == 1);
	FIXTURE_UNTIL(raw->pair.fx, raw_has(raw, 1, 1));
	return raw->pair.opened[0];
}

/* Bytes of DATA that have come; frames that were neither full nor the last. */
struct seen {
	uint8_t *got;
	size_t len;
	size_t at;
	size_t data;
	size_t full;
	size_t cut;
};

static void see(struct raw *raw, struct seen *seen, size_t all)
{
	ssize_t n =
		recv(raw->fd, seen->got + seen->len, 2 * EACH - seen->len, 0);

	seen->len += n > 0 ? (size_t)n : 0;
	while (seen->at + 9 <= seen->len) {
		const uint8_t *head = seen->got + seen->at;
		size_t len =
			(size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];

		if (seen->at + 9 + len > seen->len)
			return;
		seen->at += 9 + len;
		if (head[3] != DATA)
			continue;
		seen->data += len;
		seen->full += len == FRAME;
		seen->cut += len != FRAME && seen->data != all;
	}
}

static void a_frame_is_not_cut_where_a_window_ends(void **state)
{
	const size_t all = 600000;
	struct seen seen = {.got = malloc(2 * EACH)};
	struct known known = {0};
	struct raw raw;

	assert_non_null(seen.got);
	known.conn = open_with_window(*state, &raw, WINDOW);
	seen.len = raw.len;
	memcpy(seen.got, raw.got, raw.len);
	write_known(&known, all);
	FIXTURE_UNTIL(raw.pair.fx,
		      (see(&raw, &seen, all), seen.data == 4 * FRAME));
	/* Of the window 36 bytes are left, then 40,036: less than a frame. */
	widen(&raw, 1, 40000);
	raw_frame(&raw, 6, 0, 0, "a ping..", 8);
	FIXTURE_UNTIL(raw.pair.fx, (see(&raw, &seen, all),
				    memmem(seen.got, seen.len, "a ping..", 8)));
	assert_int_equal(seen.data, 4 * FRAME);
	widen(&raw, 1, 40000);
	FIXTURE_UNTIL(raw.pair.fx,
		      (see(&raw, &seen, all), seen.data == 5 * FRAME));
	widen(&raw, 1, 1u << 20);
	FIXTURE_UNTIL(raw.pair.fx, (see(&raw, &seen, all), seen.data == all));
	assert_int_equal(seen.full, all / FRAME);
	assert_int_equal(seen.cut, 0);
	free(seen.got);
	raw_close(&raw);
}

static void swallow(const struct raw *raw)
{
	static uint8_t sink[65536];

	while (recv(raw->fd, sink, sizeof(sink), 0) > 0)
		;
}

static void keep_full_and_count(void *owner, struct hybridge_conn *conn)
{
	struct known *known = owner;

	known->takes++;
	while (known->sent < 2 * EACH && hybridge_conn_pending(conn) == 0)
		write_known(known, FRAME);
}

static void bulk_stays_where_it_comes_from(void **state)
{
	struct known known = {0};
	size_t calls, sent;
	struct raw raw;

	known.conn = open_with_window(*state, &raw, 1u << 30);
	hybridge_conn_set_owner(known.conn, keep_full_and_count, &known);
	/* Nobody reads: the kernel is full, and then the stream takes nothing more. */
	FIXTURE_UNTIL(raw.pair.fx, hybridge_conn_pending(known.conn) > 0);
	fixture_step(raw.pair.fx, 20);
	sent = known.sent;
	calls = known.takes;
	assert_true(sent < EACH);
	assert_int_equal(hybridge_conn_pending(known.conn), 1);
	/* As soon as somebody does, it goes on. */
	FIXTURE_UNTIL(raw.pair.fx,
		      (swallow(&raw), known.sent > sent + EACH / 4));
	assert_true(known.takes > calls);
	raw_close(&raw);
}

/* Turns: what is small, then what sends, and then the stream @known. */
struct turns {
	struct known known;
	struct hybridge_loop *loop;
	struct hybridge_task small;
	struct hybridge_task sends;
	bool has_sent;
	size_t calls;
	size_t early;
};

static void begin_turn(struct hybridge_task *task)
{
	struct turns *turns = hybridge_container(task, struct turns, small);

	turns->has_sent = false;
	hybridge_loop_defer(turns->loop, task);
}

static void send_in_turn(struct hybridge_task *task)
{
	struct turns *turns = hybridge_container(task, struct turns, sends);

	turns->has_sent = true;
	hybridge_loop_defer_last(turns->loop, task);
}

static void keep_full_in_turn(void *owner, struct hybridge_conn *conn)
{
	struct turns *turns = owner;

	turns->calls++;
	turns->early += !turns->has_sent;
	keep_full_and_count(&turns->known, conn);
}

static void expect_behind_others(struct world *world, uint32_t window)
{
	struct turns turns = {
		.small.run = begin_turn,
		.sends.run = send_in_turn,
	};
	struct raw raw;
	size_t sent;

	turns.known.conn = open_with_window(world, &raw, window);
	turns.loop = raw.pair.fx->loop;
	hybridge_conn_set_owner(turns.known.conn, keep_full_in_turn, &turns);
	FIXTURE_UNTIL(raw.pair.fx, hybridge_conn_pending(turns.known.conn) > 0);
	fixture_step(raw.pair.fx, 20);
	hybridge_loop_defer(turns.loop, &turns.small);
	hybridge_loop_defer_last(turns.loop, &turns.sends);
	turns.calls = 0;
	turns.early = 0;
	sent = turns.known.sent;
	if (window == WINDOW)
		widen(&raw, 1, 1u << 20);
	FIXTURE_UNTIL(raw.pair.fx,
		      (swallow(&raw), turns.known.sent > sent + EACH / 8));
	hybridge_loop_cancel(turns.loop, &turns.small);
	hybridge_loop_cancel(turns.loop, &turns.sends);
	raw_close(&raw);
	assert_true(turns.calls > 0);
	assert_int_equal(turns.early, 0);
}

static void bulk_whose_window_opens_comes_behind_others(void **state)
{
	expect_behind_others(*state, WINDOW);
}

static void bulk_that_the_kernel_has_room_for_comes_behind_others(void **state)
{
	expect_behind_others(*state, 1u << 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(what_came_together_is_taken_together),
		WITH_WORLD(a_frame_stays_in_one_piece),
		WITH_WORLD(streams_that_come_together_spoil_nothing),
		WITH_WORLD(nothing_is_read_behind_what_was_lost),
		WITH_WORLD(a_frame_is_not_cut_where_a_window_ends),
		WITH_WORLD(bulk_stays_where_it_comes_from),
		WITH_WORLD(bulk_whose_window_opens_comes_behind_others),
		WITH_WORLD(
			bulk_that_the_kernel_has_room_for_comes_behind_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
