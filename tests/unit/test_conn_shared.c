/*
 * test_conn_shared.c - ends of a connection whose socket others have, too: a child that the program
 * forked amid connect(2) keeps a copy of what it handed to the sender.
 */
#include "engine_fixture.h"

/* A connection as a pump has it, its peer, and the child's copy. */
struct shared {
	struct end end;
	int peer;
	int copy;
};

static void shared_open(struct fixture *fx, struct shared *shared)
{
	int fds[2];

	fixture_tcp_pair(fds, 0);
	shared->peer = fds[0];
	shared->copy = dup(fds[1]);
	assert_true(shared->copy >= 0);
	end_open(fx, &shared->end, fds[1]);
	hybridge_conn_arm_reset(shared->end.conn);
	fixture_step(fx, 1);
}

static void shared_close(struct shared *shared)
{
	close(shared->peer);
	close(shared->copy);
}

static void a_reset_reaches_the_peer(void **state)
{
	for (int unread = 0; unread <= 1; unread++) {
		struct shared shared;
		char c;

		shared_open(*state, &shared);
		shared.end.limit = 0;
		fixture_send(*state, shared.peer, "unread", unread ? 6 : 0);
		end_close(&shared.end, HYBRIDGE_CONN_RESET);
		assert_int_equal(fixture_recv(*state, shared.peer, &c, 1), -1);
		assert_int_equal(errno, ECONNRESET);
		shared_close(&shared);
	}
}

static void an_end_reaches_a_peer_that_ended_first(void **state)
{
	struct shared shared;
	char got[4];

	shared_open(*state, &shared);
	assert_int_equal(shutdown(shared.peer, SHUT_WR), 0);
	FIXTURE_UNTIL((struct fixture *)*state, shared.end.eof);
	assert_int_equal(hybridge_conn_write(shared.end.conn, "last", 4), 0);
	end_close(&shared.end, HYBRIDGE_CONN_ORDERLY);
	fixture_recv_all(*state, shared.peer, got, sizeof(got));
	assert_int_equal(fixture_recv(*state, shared.peer, got, 1), 0);
	shared_close(&shared);
}

static void an_end_reaches_a_peer_that_ends_last(void **state)
{
	struct shared shared;
	char got[4];

	shared_open(*state, &shared);
	assert_int_equal(hybridge_conn_write(shared.end.conn, "last", 4), 0);
	end_close(&shared.end, HYBRIDGE_CONN_ORDERLY);
	fixture_recv_all(*state, shared.peer, got, sizeof(got));
	assert_int_equal(fixture_recv(*state, shared.peer, got, 1), 0);
	shared_close(&shared);
}

static void a_unix_socket_just_closes(void **state)
{
	struct end end;
	int fds[2];
	char c;

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	end_open(*state, &end, fds[1]);
	end_close(&end, HYBRIDGE_CONN_RESET);
	assert_int_equal(fixture_recv(*state, fds[0], &c, 1), 0);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(a_reset_reaches_the_peer),
		WITH_LOOP(an_end_reaches_a_peer_that_ended_first),
		WITH_LOOP(an_end_reaches_a_peer_that_ends_last),
		WITH_LOOP(a_unix_socket_just_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
