/*
 * test_pool.c - sessions to a relay: opened when it is known to speak HTTP/2, spread,
 * forgotten.
 */
#include "h2_fixture.h"

#include <hybridge/pool.h>

#include <sys/epoll.h>

#include "../../common/h2_inside.h"

#define SESSIONS  8
#define TURNS_MAX 10000

/* A relay that speaks HTTP/2 as soon as it is dialled. */
struct relay {
	struct fixture *fx;
	struct hybridge_source listener;
	uint16_t port;
	struct hybridge_h2 *sessions[SESSIONS];
	size_t accepted;
	struct hybridge_conn *streams[2000];
	size_t num_streams;
};

struct seat {
	struct relay *relay;
	size_t index;
};

static struct seat seats[SESSIONS];

static void relay_request(void *owner, struct hybridge_conn *stream,
			  const struct hybridge_http_head *head)
{
	const struct hybridge_h2_answer answer = {.status = 200};
	struct seat *seat = owner;

	(void)head;
	seat->relay->streams[seat->relay->num_streams++] = stream;
	assert_int_equal(hybridge_h2_answer(stream, &answer), 0);
}

static void relay_over(void *owner, const struct hybridge_error *err)
{
	struct seat *seat = owner;

	(void)err;
	seat->relay->sessions[seat->index] = NULL;
}

static void relay_accept(struct hybridge_source *source, uint32_t events)
{
	static const struct hybridge_h2_ops ops = {.request = relay_request,
						   .over = relay_over};
	static const struct hybridge_h2_args args = {
		.is_server = true, .streams_max = 600, .ping_ms = 600000};
	struct relay *relay =
		hybridge_container(source, struct relay, listener);
	int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct hybridge_conn *conn;
	size_t at = relay->accepted++;

	(void)events;
	assert_true(fd >= 0 && at < SESSIONS);
	conn = hybridge_conn_new(relay->fx->loop, fd, pair_ignore, NULL);
	assert_non_null(conn);
	seats[at] = (struct seat){relay, at};
	relay->sessions[at] =
		hybridge_h2_new(relay->fx->loop, conn, &args, &ops, &seats[at]);
	assert_non_null(relay->sessions[at]);
}

static void relay_open(struct fixture *fx, struct relay *relay)
{
	memset(relay, 0, sizeof(*relay));
	relay->fx = fx;
	relay->listener.fd = fixture_listen(&relay->port);
	relay->listener.ready = relay_accept;
	assert_int_equal(hybridge_loop_watch_level(fx->loop, &relay->listener),
			 0);
}

static void relay_close(struct relay *relay)
{
	hybridge_loop_unwatch(relay->fx->loop, &relay->listener);
	close(relay->listener.fd);
	for (size_t i = 0; i < SESSIONS; i++)
		hybridge_h2_drop(relay->sessions[i]);
	for (size_t i = 0; i < relay->num_streams; i++)
		hybridge_conn_close(relay->streams[i], HYBRIDGE_CONN_RESET);
	fixture_step(relay->fx, 1);
}

static struct hybridge_pool *make_pool(struct fixture *fx, uint16_t port,
				       SSL_CTX *tls)
{
	const struct hybridge_dial_args where = {
		.host = "127.0.0.1",
		.port = port,
		.tls = tls,
		.timeout_ms = 10000,
	};
	struct hybridge_pool *pool =
		hybridge_pool_new(fx->loop, &where, 600000);

	assert_non_null(pool);
	return pool;
}

static struct hybridge_h2 *take_when_ready(struct fixture *fx,
					   struct hybridge_pool *pool)
{
	struct hybridge_h2 *session = NULL;

	FIXTURE_UNTIL(fx, (session = hybridge_pool_take(pool)) != NULL);
	return session;
}

static void no_session_is_dialled_before_the_relay_is_known(void **state)
{
	static struct relay relay;
	struct fixture *fx = *state;
	struct hybridge_pool *pool;

	relay_open(fx, &relay);
	pool = make_pool(fx, relay.port, NULL);
	assert_null(hybridge_pool_take(pool));
	fixture_step(fx, 20);
	assert_int_equal(relay.accepted, 0);
	hybridge_pool_learn(pool);
	hybridge_pool_learn(pool);
	assert_null(hybridge_pool_take(pool)); /* not there yet */
	assert_non_null(take_when_ready(fx, pool));
	assert_int_equal(hybridge_pool_sessions(pool), 1);
	assert_int_equal(relay.accepted, 1);
	hybridge_pool_free(pool);
	relay_close(&relay);
}

static struct hybridge_conn *open_stream(struct fixture *fx,
					 struct hybridge_pool *pool)
{
	struct asked asked = {0};

	asked.upgrade =
		hybridge_upgrade_over(fx->loop, take_when_ready(fx, pool),
				      &pair_upgrade, asked_done, &asked);
	assert_non_null(asked.upgrade);
	FIXTURE_UNTIL(fx, asked.answers);
	assert_int_equal(asked.result.status, 101);
	assert_true(asked.result.speaks_h2);
	return asked.conn;
}

static void streams_beyond_many_go_to_another_session(void **state)
{
	static struct hybridge_conn *streams[1100];
	static struct relay relay;
	struct fixture *fx = *state;
	struct hybridge_pool *pool;

	relay_open(fx, &relay);
	pool = make_pool(fx, relay.port, NULL);
	hybridge_pool_learn(pool);
	for (size_t i = 0; i < 1100; i++)
		streams[i] = open_stream(fx, pool);
	assert_int_equal(hybridge_pool_sessions(pool), 3);
	for (size_t i = 0; i < 1100; i++)
		hybridge_conn_close(streams[i], HYBRIDGE_CONN_RESET);
	hybridge_pool_free(pool);
	relay_close(&relay);
}

/* A pool of one session, @first, with one stream. */
static struct hybridge_pool *pool_with_stream(struct fixture *fx,
					      struct relay *relay,
					      struct hybridge_h2 **first,
					      struct hybridge_conn **stream)
{
	struct hybridge_pool *pool;

	relay_open(fx, relay);
	pool = make_pool(fx, relay->port, NULL);
	hybridge_pool_learn(pool);
	*first = take_when_ready(fx, pool);
	*stream = open_stream(fx, pool);
	hybridge_conn_set_owner(*stream, pair_ignore, NULL);
	return pool;
}

static void a_stream_beside_bulk_gets_another_session(void **state)
{
	static uint8_t data[65536];
	static struct relay relay;
	struct hybridge_h2 *first, *second = NULL;
	struct fixture *fx = *state;
	struct hybridge_pool *pool;
	struct hybridge_conn *bulk;

	pool = pool_with_stream(fx, &relay, &first, &bulk);
	/* The relay sends, and we read: the client knows that it carries bulk. */
	while (!hybridge_h2_pressed(first)) {
		if (hybridge_conn_pending(relay.streams[0]) == 0)
			assert_int_equal(hybridge_conn_write(relay.streams[0],
							     data,
							     sizeof(data)),
					 0);
		fixture_step(fx, 0);
		while (hybridge_conn_read(bulk, data, sizeof(data)) > 0)
			;
	}
	FIXTURE_UNTIL(fx, (second = hybridge_pool_take(pool)) != first);
	assert_non_null(second);
	assert_int_equal(hybridge_pool_sessions(pool), 2);
	hybridge_conn_close(bulk, HYBRIDGE_CONN_RESET);
	hybridge_pool_free(pool);
	relay_close(&relay);
}

static void a_stream_beside_bulk_of_our_own_gets_another_session(void **state)
{
	static uint8_t data[65536];
	static struct relay relay;
	struct hybridge_h2 *first, *second = NULL;
	struct fixture *fx = *state;
	struct hybridge_pool *pool;
	struct hybridge_conn *bulk;
	int turns = 0;

	pool = pool_with_stream(fx, &relay, &first, &bulk);
	/* A few bytes now and then are none. */
	for (int i = 0; i < 20; i++) {
		assert_int_equal(hybridge_conn_write(bulk, data, 10), 0);
		fixture_step(fx, 1);
	}
	assert_false(hybridge_h2_pressed(first));
	while (!hybridge_h2_pressed(first)) {
		assert_true(turns++ < TURNS_MAX);
		if (hybridge_conn_pending(bulk) == 0)
			assert_int_equal(
				hybridge_conn_write(bulk, data, sizeof(data)),
				0);
		fixture_step(fx, 0);
		while (hybridge_conn_read(relay.streams[0], data,
					  sizeof(data)) > 0)
			;
	}
	FIXTURE_UNTIL(fx, (second = hybridge_pool_take(pool)) != first);
	assert_non_null(second);
	hybridge_conn_close(bulk, HYBRIDGE_CONN_RESET);
	hybridge_pool_free(pool);
	relay_close(&relay);
}

/* The relay's side of a session has lost packets. */
static void say_worn(struct hybridge_h2 *session)
{
	session->round_trip_us = 50000;
	assert_int_equal(nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE,
					     (const uint8_t *)H2_WORN),
			 0);
	h2_send(session);
}

static void a_worn_session_is_replaced(void **state)
{
	static struct relay relay;
	struct hybridge_h2 *first, *second = NULL;
	struct fixture *fx = *state;
	struct hybridge_pool *pool;
	struct hybridge_conn *old, *stream;

	pool = pool_with_stream(fx, &relay, &first, &old);
	say_worn(relay.sessions[0]);
	/* Nobody need ask for one. */
	FIXTURE_UNTIL(fx, hybridge_pool_sessions(pool) == 2);
	FIXTURE_UNTIL(fx, (second = hybridge_pool_take(pool)) != first);
	assert_non_null(second);
	/* Also when it has more streams; and those of the worn one go on. */
	stream = open_stream(fx, pool);
	hybridge_conn_set_owner(stream, pair_ignore, NULL);
	assert_ptr_equal(hybridge_pool_take(pool), second);
	assert_non_null(relay.sessions[0]);
	/* When they have ended it is closed. */
	hybridge_conn_close(old, HYBRIDGE_CONN_RESET);
	assert_ptr_equal(hybridge_pool_take(pool), second);
	FIXTURE_UNTIL(fx, !relay.sessions[0]);
	assert_int_equal(relay.accepted, 2);
	hybridge_conn_close(stream, HYBRIDGE_CONN_RESET);
	hybridge_pool_free(pool);
	relay_close(&relay);
}

static void a_worn_session_without_streams_is_closed(void **state)
{
	static struct relay relay;
	struct hybridge_h2 *first, *second = NULL;
	struct fixture *fx = *state;
	struct hybridge_pool *pool;

	relay_open(fx, &relay);
	pool = make_pool(fx, relay.port, NULL);
	hybridge_pool_learn(pool);
	first = take_when_ready(fx, pool);
	say_worn(relay.sessions[0]);
	FIXTURE_UNTIL(fx, (second = hybridge_pool_take(pool)) != first);
	assert_non_null(second);
	FIXTURE_UNTIL(fx, !relay.sessions[0]);
	assert_int_equal(hybridge_pool_sessions(pool), 1);
	assert_int_equal(relay.accepted, 2);
	hybridge_pool_free(pool);
	relay_close(&relay);
}

static void a_lost_relay_is_forgotten(void **state)
{
	static struct relay relay;
	struct fixture *fx = *state;
	struct hybridge_pool *pool;

	relay_open(fx, &relay);
	pool = make_pool(fx, relay.port, NULL);
	hybridge_pool_learn(pool);
	take_when_ready(fx, pool);
	hybridge_h2_drop(relay.sessions[0]);
	relay.sessions[0] = NULL;
	FIXTURE_UNTIL(fx, hybridge_pool_sessions(pool) == 0);
	assert_null(hybridge_pool_take(pool));
	fixture_step(fx, 20);
	assert_int_equal(relay.accepted, 1);
	/* It says so again: it may be dialled again. */
	hybridge_pool_learn(pool);
	take_when_ready(fx, pool);
	hybridge_pool_free(pool);
	relay_close(&relay);
}

static void a_server_that_does_not_choose_h2_is_forgotten(void **state)
{
	struct world *world = *state;
	struct hybridge_pool *pool;
	uint16_t port;
	int listener = fixture_listen(&port);
	SSL *far;
	int fd;

	/* Its certificate is not for this address either; what counts is no session. */
	pool = make_pool(&world->fx, port, world->client);
	hybridge_pool_learn(pool);
	fixture_nonblocking(listener);
	FIXTURE_UNTIL(&world->fx,
		      (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	far = tls_far_open(world->server, fd, true);
	(void)tls_far_handshake(&world->fx, far);
	fixture_step(&world->fx, 20);
	assert_int_equal(hybridge_pool_sessions(pool), 0);
	assert_null(hybridge_pool_take(pool));
	SSL_free(far);
	close(fd);
	close(listener);
	hybridge_pool_free(pool);
}

static void a_closed_pool_lets_its_streams_go_on(void **state)
{
	static struct relay relay;
	struct fixture *fx = *state;
	struct hybridge_pool *pool;
	struct hybridge_conn *stream;
	char byte;

	relay_open(fx, &relay);
	pool = make_pool(fx, relay.port, NULL);
	hybridge_pool_learn(pool);
	stream = open_stream(fx, pool);
	hybridge_pool_close(pool);
	assert_null(hybridge_pool_take(pool));
	assert_int_equal(hybridge_conn_write(relay.streams[0], "x", 1), 0);
	FIXTURE_UNTIL(fx, hybridge_conn_read(stream, &byte, 1) == 1);
	hybridge_conn_close(stream, HYBRIDGE_CONN_ORDERLY);
	hybridge_conn_close(relay.streams[0], HYBRIDGE_CONN_ORDERLY);
	relay.num_streams = 0;
	FIXTURE_UNTIL(fx, hybridge_pool_sessions(pool) == 0);
	hybridge_pool_free(pool);
	relay_close(&relay);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(no_session_is_dialled_before_the_relay_is_known),
		WITH_LOOP(streams_beyond_many_go_to_another_session),
		WITH_LOOP(a_stream_beside_bulk_gets_another_session),
		WITH_LOOP(a_stream_beside_bulk_of_our_own_gets_another_session),
		WITH_LOOP(a_worn_session_is_replaced),
		WITH_LOOP(a_worn_session_without_streams_is_closed),
		WITH_LOOP(a_lost_relay_is_forgotten),
		WITH_WORLD(a_server_that_does_not_choose_h2_is_forgotten),
		WITH_LOOP(a_closed_pool_lets_its_streams_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
