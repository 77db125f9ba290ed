/*
 * test_relay_workers.c - a relay with workers: where sessions go, and what is in the
 * middle of going there.
 */
#include "fake_clock.h"
#include "h2_fixture.h"
#include "relay_fixture.h"

#include <hybridge/loop.h>

#include "../../relay/bus.h"
#include "../../relay/guest.h"
#include "../../relay/relay.h"
#include "../../relay/request.h"
#include "../../relay/stream.h"
#include "../../relay/worker.h"

#define CONNECT  "/$hc/db?sb-hc-action=connect"
#define STRANGER "/$hc/db?sb-hc-action=accept&sb-hc-rv=0123"
#define WORKERS  2

static const struct caller someone = {.ip = {.family = 4}, .port = 1};

/* A relay in the main loop, and a listener on its bus that notes what it is asked. */
struct place {
	struct fixture fx;
	struct relay *relay;
	struct bus_member member;
	char asked[400]; /* the last address */
	unsigned int times;
};

static int note_invite(struct bus_member *member,
		       const struct bus_invite *invite)
{
	struct place *place = hybridge_container(member, struct place, member);

	snprintf(place->asked, sizeof(place->asked), "%s", invite->target);
	place->times++;
	return 0;
}

static int open_place(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	struct hybridge_error err = {0};
	struct relay_config config = {
		.max_streams = 1000,
		.ping_ms = 600000,
		.http2 = true,
		.workers = WORKERS,
	};

	assert_non_null(place);
	make_folder(state);
	put_file("db.env",
		 "HYBRIDGE_RELAY_ENTITY=db\nHYBRIDGE_RELAY_OPEN_SENDERS=yes\n"
		 "HYBRIDGE_RULE_X_NAME=x\nHYBRIDGE_RULE_X_RIGHTS=listen\n"
		 "HYBRIDGE_RULE_X_KEY="
		 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n",
		 0600);
	config.dir = strdup(folder);
	config.hosts = calloc(1, sizeof(*config.hosts));
	place->fx.step.fire = fixture_step_over;
	place->fx.loop = hybridge_loop_new(&err);
	assert_non_null(place->fx.loop);
	place->relay = relay_new(place->fx.loop, &config, &err);
	assert_string_equal(err.what, "");
	place->member.accept = note_invite;
	place->member.guid = "";
	assert_int_equal(bus_join(place->relay->bus, "db", &place->member), 0);
	*state = place;
	return 0;
}

static void close_relay(struct place *place)
{
	bus_leave(place->relay->bus, &place->member);
	relay_close_all(place->relay);
	assert_int_equal(place->relay->num_away, 0);
	assert_null(place->relay->streams);
	assert_null(place->relay->held);
	assert_null(place->relay->guests);
}

static int close_place(void **state)
{
	struct place *place = *state;

	if (!place->relay->closing)
		close_relay(place);
	hybridge_loop_free(place->fx.loop);
	relay_free(place->relay);
	free(place);
	remove_folder(state);
	return 0;
}

#define IN_PLACE(test) \
	cmocka_unit_test_setup_teardown(test, open_place, close_place)

/* A caller with an HTTP/2 session. */
struct visitor {
	struct hybridge_h2 *session;
	bool is_ready;
	unsigned int overs;
	enum hybridge_code code; /* of its end */
};

static void visitor_ready(void *owner)
{
	struct visitor *visitor = owner;

	visitor->is_ready = true;
}

static void visitor_over(void *owner, const struct hybridge_error *err)
{
	struct visitor *visitor = owner;

	visitor->session = NULL;
	visitor->code = err->code;
	visitor->overs++;
}

/* The visitor's own end. */
static void set_out(struct place *place, struct visitor *visitor, int fd)
{
	static const struct hybridge_h2_ops ops = {.ready = visitor_ready,
						   .over = visitor_over};
	static const struct hybridge_h2_args args = {.ping_ms = 600000};
	struct hybridge_conn *conn =
		hybridge_conn_new(place->fx.loop, fd, pair_ignore, NULL);

	*visitor = (struct visitor){0};
	visitor->session =
		hybridge_h2_new(place->fx.loop, conn, &args, &ops, visitor);
	assert_non_null(visitor->session);
}

static void start_visit(struct place *place, struct visitor *visitor)
{
	struct hybridge_conn *conn;
	int fds[2];

	fixture_tcp_pair(fds, 0);
	conn = hybridge_conn_new(place->fx.loop, fds[1], pair_ignore, NULL);
	assert_non_null(guest_start(place->relay, conn, &someone, NULL, NULL));
	set_out(place, visitor, fds[0]);
}

static void visit(struct place *place, struct visitor *visitor)
{
	start_visit(place, visitor);
	FIXTURE_UNTIL(&place->fx, visitor->is_ready);
}

static void ask(struct place *place, struct visitor *visitor,
		struct asked *asked, const char *target)
{
	struct hybridge_upgrade_args args = pair_upgrade;

	args.target = target;
	args.headers = NULL;
	*asked = (struct asked){0};
	asked->upgrade = hybridge_upgrade_over(place->fx.loop, visitor->session,
					       &args, asked_done, asked);
	assert_non_null(asked->upgrade);
}

static int answer_to(struct place *place, struct visitor *visitor,
		     struct asked *asked, const char *target)
{
	ask(place, visitor, asked, target);
	FIXTURE_UNTIL(&place->fx, asked->answers);
	return asked->result.status;
}

/* A sender that waits; its address is in place->asked. */
static void hold(struct place *place, struct visitor *visitor,
		 struct asked *asked)
{
	unsigned int before = place->times;

	ask(place, visitor, asked, CONNECT);
	FIXTURE_UNTIL(&place->fx, place->times > before);
}

static void read_all(struct place *place, struct hybridge_conn *conn, char *buf,
		     size_t len)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = hybridge_conn_read(conn, buf + have, len - have);

		if (n < 0 && errno == EAGAIN)
			fixture_step(&place->fx, 1);
		else
			assert_true(n > 0);
		have += n > 0 ? (size_t)n : 0;
	}
}

/* A frame that the key 0 does not change, there and without mask here. */
static void pass_a_frame(struct place *place, struct hybridge_conn *from,
			 struct hybridge_conn *to)
{
	char got[7];

	assert_int_equal(hybridge_conn_write(from, "\x82\x85\0\0\0\0hello", 11),
			 0);
	read_all(place, to, got, sizeof(got));
	assert_memory_equal(got, "\x82\x05hello", sizeof(got));
}

static void drop(struct visitor *visitor, struct asked *asked)
{
	hybridge_upgrade_cancel(asked->upgrade);
	hybridge_conn_close(asked->conn, HYBRIDGE_CONN_RESET);
	hybridge_h2_drop(visitor->session);
}

static bool is_unloaded(const struct place *place)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	bool is;

	workers_write(place->relay->workers, to);
	fclose(to);
	is = strstr(text, "load{worker=\"1\"} 0\n") &&
	     strstr(text, "load{worker=\"2\"} 0\n");
	free(text);
	return is;
}

static void both_ends_of_a_stream_meet_on_one_worker(void **state)
{
	struct place *place = *state;
	struct visitor sender, listener;
	struct asked connect, accept;

	visit(place, &sender);
	visit(place, &listener);
	hold(place, &sender, &connect);
	assert_non_null(strstr(place->asked, "sb-hc-worker="));
	assert_int_equal(answer_to(place, &listener, &accept, place->asked),
			 101);
	FIXTURE_UNTIL(&place->fx, connect.answers);
	assert_int_equal(connect.result.status, 101);
	for (size_t i = 0; i < 50; i++) {
		pass_a_frame(place, connect.conn, accept.conn);
		pass_a_frame(place, accept.conn, connect.conn);
	}
	drop(&sender, &connect);
	FIXTURE_UNTIL(&place->fx, hybridge_conn_broken(accept.conn));
	FIXTURE_UNTIL(&place->fx, !place->relay->streams);
	drop(&listener, &accept);
	FIXTURE_UNTIL(&place->fx, !place->relay->guests);
	assert_true(is_unloaded(place));
}

/* How a listener's session came to be where no worker has the sender. */
static void misplace(struct place *place, struct visitor *listener,
		     struct asked *first, bool elsewhere)
{
	visit(place, listener);
	if (elsewhere)
		hold(place, listener, first); /* to the other worker */
	else
		assert_int_equal(answer_to(place, listener, first, STRANGER),
				 403);
}

static void
a_session_that_is_in_the_wrong_place_makes_room_for_another(void **state)
{
	struct place *place = *state;

	for (size_t i = 0; i < 2; i++) {
		struct visitor sender, wrong, right;
		struct asked connect, first, refused, accept;
		char address[sizeof(place->asked)];

		print_message("case: %s\n", i ? "another worker" : "settled");
		visit(place, &sender);
		hold(place, &sender, &connect);
		memcpy(address, place->asked, sizeof(address));
		misplace(place, &wrong, &first, i == 1);
		assert_int_equal(answer_to(place, &wrong, &refused, address),
				 421);
		FIXTURE_UNTIL(&place->fx,
			      !wrong.session ||
				      hybridge_h2_room(wrong.session) == 0);
		/* The address is as good as before. */
		visit(place, &right);
		assert_int_equal(answer_to(place, &right, &accept, address),
				 101);
		FIXTURE_UNTIL(&place->fx, connect.answers);
		pass_a_frame(place, accept.conn, connect.conn);
		drop(&wrong, &first);
		drop(&sender, &connect);
		drop(&right, &accept);
		FIXTURE_UNTIL(&place->fx,
			      !place->relay->guests && !place->relay->streams);
		assert_true(is_unloaded(place));
	}
}

static void a_control_channel_is_told_to_come_by_itself(void **state)
{
	struct place *place = *state;
	struct visitor visitor;
	struct asked connect, listen;

	visit(place, &visitor);
	hold(place, &visitor, &connect);
	/* The token is looked at later: what is asked for cannot be had here. */
	assert_int_equal(answer_to(place, &visitor, &listen,
				   "/$hc/db?sb-hc-action=listen"),
			 421);
	drop(&visitor, &connect);
}

/* Callers by HTTP/1.1, as bare sockets. */

/* What the door would have to drop. */
static struct request *unserved;

/* cppcheck-suppress constParameter ; a callback of request_start() */
static void on_left(struct request *request, void *owner)
{
	struct request **kept = owner;

	if (request == *kept)
		*kept = NULL;
}

static int call_plainly(struct place *place, const char *target)
{
	char text[800];
	int fds[2];
	int len = snprintf(text, sizeof(text),
			   "GET %s HTTP/1.1\r\nHost: localhost\r\n"
			   "Connection: Upgrade\r\nUpgrade: websocket\r\n"
			   "Sec-WebSocket-Version: 13\r\n"
			   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
			   "\r\n",
			   target);

	fixture_tcp_pair(fds, 0);
	unserved = request_start(place->relay, fds[1], &someone.ip, 1, on_left,
				 &unserved);
	assert_non_null(unserved);
	assert_int_equal(send(fds[0], text, (size_t)len, 0), len);
	return fds[0];
}

static int hold_plainly(struct place *place)
{
	unsigned int before = place->times;
	int fd = call_plainly(place, CONNECT);

	FIXTURE_UNTIL(&place->fx, place->times > before);
	return fd;
}

/* Reads to the end: whether a stream was opened, and that it was no orderly end then. */
static bool was_opened_and_reset(struct place *place, int fd)
{
	char head[2000] = "";
	size_t have = 0;
	ssize_t n;

	while ((n = fixture_recv(&place->fx, fd, head + have,
				 sizeof(head) - 1 - have)) > 0)
		have += (size_t)n;
	if (strncmp(head, "HTTP/1.1 101 ", 13) != 0)
		return false;
	assert_int_equal(n, -1);
	assert_int_equal(errno, ECONNRESET);
	return true;
}

static void a_sender_that_leaves_while_its_stream_moves_is_a_reset(void **state)
{
	struct place *place = *state;
	unsigned int opened = 0;

	for (unsigned int i = 0; i < 100; i++) {
		int sender = hold_plainly(place);
		int listener;

		/* Before, in the same turn as, and after the listener's request. */
		if (i % 3 == 0)
			fixture_reset(sender);
		listener = call_plainly(place, place->asked);
		if (i % 3 == 1)
			fixture_reset(sender);
		if (i % 3 == 2) {
			FIXTURE_UNTIL(&place->fx, place->relay->streams);
			fixture_reset(sender);
		}
		opened += was_opened_and_reset(place, listener);
		close(listener);
		FIXTURE_UNTIL(&place->fx,
			      !place->relay->streams && !place->relay->held);
	}
	assert_true(opened >= 33);
	assert_true(is_unloaded(place));
}

/* The service was reached, but its answer has no way here: no success, and no silence. */
static void a_listener_that_breaks_while_it_accepts_is_a_502(void **state)
{
	struct place *place = *state;
	int sender = hold_plainly(place);
	int listener = call_plainly(place, place->asked);
	char head[2000] = "";

	fixture_reset(listener);
	assert_true(fixture_recv(&place->fx, sender, head, sizeof(head) - 1) >
		    0);
	assert_memory_equal(head, "HTTP/1.1 502 ", 13);
	assert_non_null(strstr(head, "broke while it accepted"));
	FIXTURE_UNTIL(&place->fx, !place->relay->held);
	assert_null(place->relay->streams);
	close(sender);
}

static void a_stream_that_is_stopped_while_it_moves_is_a_reset(void **state)
{
	struct place *place = *state;

	for (unsigned int i = 0; i < 20; i++) {
		int sender = hold_plainly(place);
		int listener = call_plainly(place, place->asked);

		FIXTURE_UNTIL(&place->fx, place->relay->streams);
		streams_stop(place->relay, false);
		streams_stop(place->relay, false);
		assert_true(was_opened_and_reset(place, listener));
		assert_true(was_opened_and_reset(place, sender));
		FIXTURE_UNTIL(&place->fx, !place->relay->streams);
		close(sender);
		close(listener);
	}
}

/* A sender that finds its spare session closed must not think that the relay is ill. */
static void a_session_that_nobody_uses_is_shown_out(void **state)
{
	struct place *place = *state;
	struct visitor visitor;
	int fds[2];

	fixture_tcp_pair(fds, 0);
	unserved = request_start(place->relay, fds[1], &someone.ip, 1, on_left,
				 &unserved);
	assert_non_null(unserved);
	set_out(place, &visitor, fds[0]);
	FIXTURE_UNTIL(&place->fx, visitor.is_ready);
	ahead_s += 61;
	while (visitor.overs == 0)
		take_turn(place->fx.loop);
	ahead_s -= 61;
	assert_int_equal(visitor.code, HYBRIDGE_OK);
	FIXTURE_UNTIL(&place->fx, !unserved && !place->relay->guests);
}

/* Half a head is no request that is being answered: it must not keep a stranger's place. */
static void a_session_with_half_a_head_is_shown_out(void **state)
{
	static const uint8_t said[] = HYBRIDGE_H2_PREFACE
		"SM\r\n\r\n"
		"\0\0\0\4\0\0\0\0\0"      /* SETTINGS */
		"\0\0\1\1\0\0\0\0\1\x82"; /* HEADERS without END_HEADERS: GET */
	static const uint8_t heard[] = "\0\0\0\4\1\0\0\0\0"; /* SETTINGS, ACK */
	struct place *place = *state;
	uint8_t answer[1000];
	ssize_t len = 0;
	int fds[2];

	fixture_tcp_pair(fds, 0);
	unserved = request_start(place->relay, fds[1], &someone.ip, 1, on_left,
				 &unserved);
	assert_non_null(unserved);
	assert_int_equal(send(fds[0], said, sizeof(said) - 1, 0),
			 sizeof(said) - 1);
	while (!memmem(answer, (size_t)len, heard, sizeof(heard) - 1)) {
		ssize_t n = fixture_recv(&place->fx, fds[0], answer + len,
					 sizeof(answer) - (size_t)len);

		assert_true(n > 0);
		len += n;
	}
	ahead_s += 61;
	for (int i = 0; i < 1000 && place->relay->guests; i++)
		take_turn(place->fx.loop);
	ahead_s -= 61;
	assert_null(place->relay->guests);
	assert_null(unserved);
	close(fds[0]);
}

/* Sessions, senders that wait and streams, in whatever state they are after @ms. */
static void close_amid(struct place *place, uint32_t ms)
{
	struct visitor visitors[4];
	struct asked asked[4];
	int plain[2];

	for (size_t i = 0; i < 4; i++)
		start_visit(place, &visitors[i]);
	plain[0] = hold_plainly(place);
	FIXTURE_UNTIL(&place->fx, visitors[0].is_ready);
	for (size_t i = 0; i < 4; i++) {
		FIXTURE_UNTIL(&place->fx, visitors[i].is_ready);
		ask(place, &visitors[i], &asked[i],
		    i % 2 ? place->asked : CONNECT);
	}
	plain[1] = call_plainly(place, CONNECT);
	if (ms > 0)
		fixture_step(&place->fx, ms);
	if (unserved)
		request_drop(unserved);
	close_relay(place);
	for (size_t i = 0; i < 4; i++) {
		if (!asked[i].answers)
			hybridge_upgrade_cancel(asked[i].upgrade);
		hybridge_conn_close(asked[i].conn, HYBRIDGE_CONN_RESET);
		hybridge_h2_drop(visitors[i].session);
	}
	close(plain[0]);
	close(plain[1]);
}

static void a_relay_that_is_closed_takes_everything_back(void **state)
{
	(void)state;
	for (uint32_t ms = 0; ms < 12; ms++) {
		void *place;

		open_place(&place);
		close_amid(place, ms / 2);
		close_place(&place);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_PLACE(both_ends_of_a_stream_meet_on_one_worker),
		IN_PLACE(
			a_session_that_is_in_the_wrong_place_makes_room_for_another),
		IN_PLACE(a_control_channel_is_told_to_come_by_itself),
		IN_PLACE(
			a_sender_that_leaves_while_its_stream_moves_is_a_reset),
		IN_PLACE(a_listener_that_breaks_while_it_accepts_is_a_502),
		IN_PLACE(a_stream_that_is_stopped_while_it_moves_is_a_reset),
		IN_PLACE(a_session_that_nobody_uses_is_shown_out),
		IN_PLACE(a_session_with_half_a_head_is_shown_out),
		cmocka_unit_test(a_relay_that_is_closed_takes_everything_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
