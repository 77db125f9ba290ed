/*
 * test_conn_move.c - connections that go on in another loop, with every byte that was
 * under way.
 */
#include "engine_flow.h"
#include "tls_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>

#include "../../common/conn_inside.h"

#define BULK ((size_t)256 * 1024)

/* A move within one thread, from a task as the contract wants it. */
struct move {
	struct hybridge_task task;
	struct hybridge_conn *conn;
	struct hybridge_loop *to;
	bool is_done;
};

static void run_move(struct hybridge_task *task)
{
	struct move *move = hybridge_container(task, struct move, task);

	hybridge_conn_leave(move->conn);
	assert_int_equal(hybridge_conn_enter(move->conn, move->to), 0);
	move->is_done = true;
}

static void move_to(struct fixture *from, const struct fixture *to,
		    struct hybridge_conn *conn)
{
	struct move move = {.task.run = run_move, .conn = conn, .to = to->loop};

	hybridge_loop_defer(from->loop, &move.task);
	FIXTURE_UNTIL(from, move.is_done);
}

static void open_there(struct fixture *there)
{
	struct hybridge_error err = {0};

	*there = (struct fixture){.step.fire = fixture_step_over};
	there->loop = hybridge_loop_new_bare(&err);
	assert_non_null(there->loop);
}

static uint8_t *known_bytes(size_t len)
{
	uint8_t *bytes = malloc(len);

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = fixture_byte(i);
	return bytes;
}

static void a_plain_one_takes_along_what_waits_on_either_side(void **state)
{
	struct fixture *here = *state;
	struct fixture there;
	uint8_t *bytes = known_bytes(BULK);
	struct end end;
	int fds[2];

	open_there(&there);
	fixture_tcp_pair(fds, 4096);
	end_open(here, &end, fds[0]);
	end.limit = 0;
	/* Out: more than the kernel takes.  In: given back, and still in the kernel. */
	assert_int_equal(hybridge_conn_write(end.conn, bytes, BULK), 0);
	assert_true(hybridge_conn_pending(end.conn) > 0);
	assert_int_equal(hybridge_conn_unread(end.conn, bytes, 100), 0);
	assert_int_equal(send(fds[1], bytes + 100, 900, 0), 900);
	fixture_step(here, 5);
	move_to(here, &there, end.conn);
	end.limit = SIZE_MAX;
	FIXTURE_UNTIL(&there, end.len == 1000);
	assert_memory_equal(end.got, bytes, 1000);
	fixture_expect(&there, fds[1], bytes, BULK);
	/* And the end is seen where it is now. */
	assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
	FIXTURE_UNTIL(&there, end.eof);
	end_close(&end, HYBRIDGE_CONN_ORDERLY);
	close(fds[1]);
	hybridge_loop_free(there.loop);
	free(bytes);
}

static void expect_far(struct fixture *fx, SSL *far, const uint8_t *want,
		       size_t len)
{
	uint8_t *got = malloc(len);

	assert_non_null(got);
	for (size_t have = 0; have < len;) {
		int n = tls_far_recv(fx, far, got + have, len - have);

		assert_true(n > 0);
		have += (size_t)n;
	}
	assert_memory_equal(got, want, len);
	free(got);
}

/* Bytes that the kernel has for it: a peer's keeps a record until those before it arrived. */
static int waiting(struct hybridge_conn *conn)
{
	int len = 0;

	assert_int_equal(ioctl(hybridge_conn_fd(conn), FIONREAD, &len), 0);
	return len;
}

static void
one_with_tls_takes_along_the_records_in_the_loops_buffers(void **state)
{
	struct world *world = *state;
	struct scratch *scratch = loop_scratch(world->fx.loop);
	struct fixture there;
	struct session session;
	uint8_t *bytes = known_bytes(3000);
	uint8_t got[3000];

	open_there(&there);
	open_session(world, &session, TLS1_3_VERSION);
	for (size_t i = 0; i < 3000; i += 1000)
		tls_far_send(&world->fx, session.far, bytes + i, 1000);
	FIXTURE_UNTIL(&world->fx, waiting(session.end.conn) > 3000);
	FIXTURE_UNTIL(&world->fx,
		      hybridge_conn_read(session.end.conn, got, 10) == 10);
	/* Two records are unread, one is half read, one is not yet sent. */
	assert_ptr_equal(scratch->in_owner, session.end.conn);
	assert_true(scratch->in_at < scratch->in_end);
	assert_int_equal(hybridge_conn_write(session.end.conn, bytes, 3000), 0);
	assert_ptr_equal(scratch->out_owner, session.end.conn);
	move_to(&world->fx, &there, session.end.conn);
	assert_null(scratch->in_owner);
	assert_null(scratch->out_owner);
	session.end.limit = SIZE_MAX;
	FIXTURE_UNTIL(&there, session.end.len == 2990);
	assert_memory_equal(session.end.got, bytes + 10, 2990);
	expect_far(&there, session.far, bytes, 3000);
	close_session(&session);
	hybridge_loop_free(there.loop);
	free(bytes);
}

static void one_with_tls_takes_along_what_was_kept_for_it(void **state)
{
	struct world *world = *state;
	struct fixture there;
	struct session sessions[2];
	uint8_t *bytes = known_bytes(BULK);
	struct hybridge_conn *conn;
	uint8_t got[3000];

	open_there(&there);
	for (size_t i = 0; i < 2; i++) {
		open_session(world, &sessions[i], TLS1_3_VERSION);
		for (size_t at = 0; at < 3000; at += 1000)
			tls_far_send(&world->fx, sessions[i].far, bytes + at,
				     1000);
		FIXTURE_UNTIL(&world->fx, waiting(sessions[i].end.conn) > 3000);
	}
	conn = sessions[0].end.conn;
	/* The second one needs the buffer that the first one's records are in. */
	for (size_t i = 0; i < 2; i++)
		FIXTURE_UNTIL(&world->fx,
			      hybridge_conn_read(sessions[i].end.conn, got,
						 100) == 100);
	assert_true(queue_len(&conn->stash) > 0);
	assert_int_equal(hybridge_conn_unread(conn, got, 100), 0);
	assert_int_equal(hybridge_conn_write(conn, bytes, BULK), 0);
	assert_true(hybridge_conn_pending(conn) > 0);
	move_to(&world->fx, &there, conn);
	sessions[0].end.limit = SIZE_MAX;
	FIXTURE_UNTIL(&there, sessions[0].end.len == 3000);
	assert_memory_equal(sessions[0].end.got, bytes, 3000);
	expect_far(&there, sessions[0].far, bytes, BULK);
	close_session(&sessions[0]);
	close_session(&sessions[1]);
	hybridge_loop_free(there.loop);
	free(bytes);
}

static void a_reset_that_comes_meanwhile_is_seen_there(void **state)
{
	struct fixture *here = *state;
	struct fixture there;
	struct end end;
	int fds[2];

	open_there(&there);
	fixture_tcp_pair(fds, 0);
	end_open(here, &end, fds[0]);
	fixture_step(here, 1);
	hybridge_conn_leave(end.conn);
	fixture_reset(fds[1]);
	assert_int_equal(hybridge_conn_enter(end.conn, there.loop), 0);
	FIXTURE_UNTIL(&there, end.error != 0);
	assert_int_equal(end.error, ECONNRESET);
	assert_true(hybridge_conn_broken(end.conn));
	end_close(&end, HYBRIDGE_CONN_RESET);
	hybridge_loop_free(there.loop);
}

/* A flow that goes to and fro between two threads until it is over. */
struct shuttle {
	struct flow flow;
	struct hybridge_loop *loops[2];
	size_t at;
	unsigned int hops;
	struct hybridge_timer leave;
	struct hybridge_task arrive;
	atomic_bool is_home;
};

static void on_leave(struct hybridge_timer *timer)
{
	struct shuttle *shuttle =
		hybridge_container(timer, struct shuttle, leave);

	if (flow_over(&shuttle->flow) && shuttle->at == 0) {
		shuttle->is_home = true;
		return;
	}
	hybridge_conn_leave(shuttle->flow.conn);
	shuttle->at = 1 - shuttle->at;
	shuttle->hops++;
	hybridge_loop_post(shuttle->loops[shuttle->at], &shuttle->arrive);
}

static void on_arrival(struct hybridge_task *task)
{
	struct shuttle *shuttle =
		hybridge_container(task, struct shuttle, arrive);
	struct hybridge_loop *loop = shuttle->loops[shuttle->at];

	assert_int_equal(hybridge_conn_enter(shuttle->flow.conn, loop), 0);
	assert_int_equal(hybridge_timer_set(loop, &shuttle->leave, 1), 0);
}

static void *run_loop(void *loop)
{
	hybridge_loop_run(loop);
	return NULL;
}

struct stopper {
	struct hybridge_task task;
	struct hybridge_loop *loop;
};

static void run_stop(struct hybridge_task *task)
{
	hybridge_loop_stop(
		hybridge_container(task, struct stopper, task)->loop);
}

static void commute(struct world *world, struct hybridge_loop *there,
		    int buffer, bool tls)
{
	struct shuttle shuttle = {
		.loops = {world->fx.loop, there},
		.leave.fire = on_leave,
		.arrive.run = on_arrival,
	};
	struct flow peer = {0};
	int fds[2];

	fixture_tcp_pair(fds, buffer);
	shuttle.flow.total = peer.total = 2u << 20;
	flow_open(&world->fx, &shuttle.flow, fds[0], 1,
		  tls ? client_ssl(world) : NULL);
	flow_open(&world->fx, &peer, fds[1], 2, tls ? server_ssl(world) : NULL);
	assert_int_equal(hybridge_timer_set(world->fx.loop, &shuttle.leave, 1),
			 0);
	FIXTURE_UNTIL(&world->fx, shuttle.is_home && flow_over(&peer));
	assert_true(shuttle.hops >= 2);
	flow_check(&shuttle.flow);
	flow_check(&peer);
}

static void a_stream_that_commutes_between_threads_loses_nothing(void **state)
{
	static const int buffers[] = {1, 4096, 0};
	struct world *world = *state;
	struct stopper stopper;
	struct fixture there;
	pthread_t thread;

	open_there(&there);
	stopper = (struct stopper){{.run = run_stop}, there.loop};
	assert_int_equal(pthread_create(&thread, NULL, run_loop, there.loop),
			 0);
	for (size_t i = 0; i < 6; i++) {
		print_message("case: buffers of %d, %s\n", buffers[i / 2],
			      i % 2 ? "TLS" : "plain");
		commute(world, there.loop, buffers[i / 2], i % 2);
	}
	hybridge_loop_post(there.loop, &stopper.task);
	pthread_join(thread, NULL);
	hybridge_loop_free(there.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(a_plain_one_takes_along_what_waits_on_either_side),
		WITH_WORLD(
			one_with_tls_takes_along_the_records_in_the_loops_buffers),
		WITH_WORLD(one_with_tls_takes_along_what_was_kept_for_it),
		WITH_LOOP(a_reset_that_comes_meanwhile_is_seen_there),
		WITH_WORLD(
			a_stream_that_commutes_between_threads_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
