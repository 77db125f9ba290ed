/*
 * h2_fixture.h - an HTTP/2 client and server of ours on one pair of sockets,
 * plain or TLS, and streams between them.
 */
#ifndef HYBRIDGE_TESTS_H2_FIXTURE_H
#define HYBRIDGE_TESTS_H2_FIXTURE_H

#include "tls_fixture.h"

#include <hybridge/h2.h>

#define PAIR_STREAMS 600

/**
 * struct pair - Both sessions
 * @opened:  Streams that came to the server and were not taken by the test yet
 * @answer:  Status that each is answered with at once; 0: the test does it
 */
struct pair {
	struct fixture *fx;
	struct hybridge_h2 *client;
	struct hybridge_h2 *server;
	struct hybridge_conn *conns[2]; /* below the client, the server */
	bool is_ready;
	struct hybridge_conn *opened[PAIR_STREAMS];
	size_t num_opened;
	size_t requests;
	int answer;
	const char *reason;
	char seen[4096]; /* the last request, as HTTP/1.1 would have it */
	unsigned int client_overs;
	unsigned int server_overs;
	struct hybridge_error client_err;
	struct hybridge_error server_err;
};

static inline void pair_client_ready(void *owner)
{
	struct pair *pair = owner;

	pair->is_ready = true;
}

static inline void pair_client_over(void *owner,
				    const struct hybridge_error *err)
{
	struct pair *pair = owner;

	pair->client_overs++;
	pair->client_err = *err;
	pair->client = NULL;
}

static inline void pair_server_over(void *owner,
				    const struct hybridge_error *err)
{
	struct pair *pair = owner;

	pair->server_overs++;
	pair->server_err = *err;
	pair->server = NULL;
}

static inline void pair_answer(struct pair *pair, struct hybridge_conn *stream,
			       int status)
{
	const struct hybridge_h2_answer answer = {
		.status = status,
		.reason = pair->reason,
	};

	assert_int_equal(hybridge_h2_answer(stream, &answer), 0);
}

static inline void pair_request(void *owner, struct hybridge_conn *stream,
				const struct hybridge_http_head *head)
{
	struct pair *pair = owner;
	size_t at;

	at = (size_t)snprintf(pair->seen, sizeof(pair->seen), "%.*s %.*s\n",
			      (int)head->method.len, head->method.text,
			      (int)head->target.len, head->target.text);
	for (size_t i = 0; i < head->num_headers && at < 4096; i++)
		at += (size_t)snprintf(pair->seen + at, sizeof(pair->seen) - at,
				       "%.*s: %.*s\n",
				       (int)head->headers[i].name.len,
				       head->headers[i].name.text,
				       (int)head->headers[i].value.len,
				       head->headers[i].value.text);
	pair->requests++;
	assert_true(pair->num_opened < PAIR_STREAMS);
	pair->opened[pair->num_opened++] = stream;
	if (pair->answer)
		pair_answer(pair, stream, pair->answer);
}

static const struct hybridge_h2_ops pair_client_ops = {
	.ready = pair_client_ready,
	.over = pair_client_over,
};

static const struct hybridge_h2_ops pair_server_ops = {
	.request = pair_request,
	.over = pair_server_over,
};

/* TLS on one end; the handshake goes on while the loop is served. */
struct shaking {
	struct hybridge_conn *conn;
	bool is_done;
};

static inline void shaking_ready(void *owner, struct hybridge_conn *conn)
{
	struct shaking *shaking = owner;
	struct hybridge_error err = {0};
	int ret;

	if (shaking->is_done)
		return;
	ret = hybridge_conn_handshake(conn, "far end", &err);
	assert_string_equal(err.what, "");
	shaking->is_done = ret == 1;
}

static inline void pair_secure(struct world *world,
			       struct hybridge_conn *conns[2])
{
	struct shaking ends[2] = {{.conn = conns[0]}, {.conn = conns[1]}};
	SSL *ssls[2] = {client_ssl(world), server_ssl(world)};

	assert_int_equal(hybridge_tls_offer_h2(ssls[0]), 0);
	hybridge_tls_accept_h2(world->server);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(hybridge_conn_start_tls(conns[i], ssls[i]), 0);
		hybridge_conn_set_owner(conns[i], shaking_ready, &ends[i]);
	}
	FIXTURE_UNTIL(&world->fx, ends[0].is_done && ends[1].is_done);
	assert_true(hybridge_conn_speaks_h2(conns[0]));
	assert_true(hybridge_conn_speaks_h2(conns[1]));
}

static inline void pair_ignore(void *owner, struct hybridge_conn *conn)
{
	(void)owner;
	(void)conn;
}

/** pair_args - How pair_open_with() makes it */
struct pair_args {
	struct world *tls; /* NULL: plain */
	int buffer;        /* of the sockets, 0: the system's */
	uint32_t streams_max;
	uint32_t ping_ms;   /* the client's */
	const int *sockets; /* whose two ends; NULL: a new pair's */
};

static inline void pair_open_with(struct fixture *fx, struct pair *pair,
				  const struct pair_args *args)
{
	/* Who has the other ends of given sockets hands bytes on. */
	const struct hybridge_h2_args server = {
		.is_server = true,
		.is_proxied = args->sockets != NULL,
		.streams_max = args->streams_max,
		.ping_ms = 600000,
	};
	const struct hybridge_h2_args client = {
		.ping_ms = args->ping_ms,
		.is_proxied = args->sockets != NULL,
	};
	int fds[2];

	*pair = (struct pair){.fx = fx, .answer = 200};
	if (args->sockets)
		memcpy(fds, args->sockets, sizeof(fds));
	else
		fixture_tcp_pair(fds, args->buffer);
	for (size_t i = 0; i < 2; i++) {
		pair->conns[i] =
			hybridge_conn_new(fx->loop, fds[i], pair_ignore, NULL);
		assert_non_null(pair->conns[i]);
	}
	if (args->tls)
		pair_secure(args->tls, pair->conns);
	pair->client = hybridge_h2_new(fx->loop, pair->conns[0], &client,
				       &pair_client_ops, pair);
	pair->server = hybridge_h2_new(fx->loop, pair->conns[1], &server,
				       &pair_server_ops, pair);
	assert_non_null(pair->client);
	assert_non_null(pair->server);
	FIXTURE_UNTIL(pair->fx, pair->is_ready);
}

/** pair_open() - Two sessions that know each other's settings */
static inline void pair_open(struct world *world, struct pair *pair, bool tls)
{
	const struct pair_args args = {
		.tls = tls ? world : NULL,
		.streams_max = 1000,
		.ping_ms = 600000,
	};

	pair_open_with(&world->fx, pair, &args);
}

static inline void pair_close(struct pair *pair)
{
	hybridge_h2_drop(pair->client);
	hybridge_h2_drop(pair->server);
	fixture_step(pair->fx, 1);
}

/* A request and what came of it. */
struct asked {
	struct hybridge_upgrade *upgrade;
	struct hybridge_conn *conn;
	struct hybridge_upgrade_result result;
	unsigned int answers;
};

static inline void asked_done(void *owner, struct hybridge_conn *conn,
			      const struct hybridge_upgrade_result *result)
{
	struct asked *asked = owner;

	asked->answers++;
	asked->conn = conn;
	asked->result = *result;
	asked->upgrade = NULL;
	if (conn)
		hybridge_conn_set_owner(conn, pair_ignore, NULL);
}

static const struct hybridge_upgrade_args pair_upgrade = {
	.host = "relay.example:8443",
	.target = "/$hc/orders?sb-hc-action=connect",
	.headers = "ServiceBusAuthorization: SharedAccessSignature sr=x\r\n",
	.protocol = NULL,
	.timeout_ms = 30000,
};

static inline void pair_ask(struct pair *pair, struct asked *asked)
{
	*asked = (struct asked){0};
	asked->upgrade = hybridge_upgrade_over(
		pair->fx->loop, pair->client, &pair_upgrade, asked_done, asked);
}

/** pair_stream() - One stream, open: ends[0] is the client's, ends[1] the server's */
static inline void pair_stream(struct pair *pair, struct hybridge_conn *ends[2])
{
	struct asked asked;

	pair_ask(pair, &asked);
	assert_non_null(asked.upgrade);
	FIXTURE_UNTIL(pair->fx, asked.answers);
	assert_string_equal(asked.result.err.what, "");
	assert_int_equal(asked.result.status, 101);
	ends[0] = asked.conn;
	ends[1] = pair->opened[--pair->num_opened];
}

/**
 * struct bridge - Joins a plain connection and a stream, so that a test can hold the far
 * end of a stream as a socket: bytes, end and reset of either go to the other
 */
struct bridge {
	struct hybridge_conn *ends[2];
};

static inline void bridge_drop(struct bridge *bridge)
{
	for (size_t i = 0; i < 2; i++) {
		hybridge_conn_close(bridge->ends[i], HYBRIDGE_CONN_RESET);
		bridge->ends[i] = NULL;
	}
}

/* False when there is nothing more to carry now. */
static inline bool bridge_carry(struct bridge *bridge, size_t from)
{
	struct hybridge_conn *to = bridge->ends[1 - from];
	static uint8_t buf[65536];
	ssize_t n;

	if (!to || hybridge_conn_pending(to) > 0)
		return false;
	n = hybridge_conn_read(bridge->ends[from], buf, sizeof(buf));
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n == 0 && hybridge_conn_end(to) == 0)
		return false;
	if (n > 0 && hybridge_conn_write(to, buf, (size_t)n) == 0)
		return true;
	bridge_drop(bridge);
	return false;
}

static inline void bridge_ready(void *owner, struct hybridge_conn *conn)
{
	struct bridge *bridge = owner;

	(void)conn;
	for (size_t i = 0; i < 2; i++)
		while (bridge_carry(bridge, i))
			;
	/* What is held back does not read, and what has ended reads no reset. */
	for (size_t i = 0; i < 2 && bridge->ends[0]; i++)
		if (hybridge_conn_broken(bridge->ends[i]) &&
		    (hybridge_conn_pending(bridge->ends[i]) > 0 ||
		     !hybridge_conn_ended(bridge->ends[i])))
			bridge_drop(bridge);
}

static inline void bridge_join(struct bridge *bridge, struct hybridge_conn *a,
			       struct hybridge_conn *b)
{
	*bridge = (struct bridge){{a, b}};
	hybridge_conn_set_owner(a, bridge_ready, bridge);
	hybridge_conn_set_owner(b, bridge_ready, bridge);
}

#endif
