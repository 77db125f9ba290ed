/*
 * engine_flow.h - two connections of the engine that send each other a known
 * stream, in chunks and with pauses that a seed decides.
 */
#ifndef HYBRIDGE_TESTS_ENGINE_FLOW_H
#define HYBRIDGE_TESTS_ENGINE_FLOW_H

#include "engine_fixture.h"

#define FLOW_CHUNK 50000

/**
 * struct flow - One end
 * @total: Bytes to send, then end; the same number is awaited
 * @pulse: Calls itself again now and then, as an owner does that stopped early
 */
struct flow {
	struct hybridge_conn *conn;
	uint32_t seed;
	uint64_t total;
	uint64_t out;
	uint64_t in;
	bool shaking;
	bool eof;
	int error;
	struct hybridge_error err;
};

/* Many small ones, some of up to @most bytes. */
static inline size_t flow_size(struct flow *flow, size_t most)
{
	size_t of = fixture_random(&flow->seed) % 3 ? 300 : most;

	return 1 + fixture_random(&flow->seed) % of;
}

static inline void flow_write(struct flow *flow)
{
	static _Thread_local uint8_t buf[FLOW_CHUNK];
	int budget = 1 + (int)(fixture_random(&flow->seed) % 6);

	while (flow->out < flow->total &&
	       hybridge_conn_pending(flow->conn) == 0) {
		size_t len = flow_size(flow, sizeof(buf));

		if (budget-- == 0) {
			hybridge_conn_again(flow->conn);
			return;
		}
		if (len > flow->total - flow->out)
			len = (size_t)(flow->total - flow->out);
		for (size_t i = 0; i < len; i++)
			buf[i] = fixture_byte(flow->out + i);
		if (hybridge_conn_write(flow->conn, buf, len) != 0) {
			flow->error = errno;
			return;
		}
		flow->out += len;
		if (fixture_random(&flow->seed) % 4 == 0)
			(void)hybridge_conn_flush(flow->conn);
	}
	if (flow->out == flow->total && hybridge_conn_end(flow->conn) != 0)
		flow->error = errno;
}

static inline void flow_read(struct flow *flow)
{
	static _Thread_local uint8_t buf[FLOW_CHUNK];
	int budget = 1 + (int)(fixture_random(&flow->seed) % 6);

	while (!flow->eof) {
		ssize_t n;

		if (budget-- == 0) {
			hybridge_conn_again(flow->conn);
			return;
		}
		n = hybridge_conn_read(flow->conn, buf,
				       flow_size(flow, sizeof(buf)));
		if (n < 0) {
			if (errno != EAGAIN)
				flow->error = errno;
			return;
		}
		if (n == 0)
			flow->eof = true;
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != fixture_byte(flow->in + (uint64_t)i))
				fail_msg("byte %llu differs",
					 (unsigned long long)flow->in +
						 (unsigned long long)i);
		flow->in += (uint64_t)n;
	}
}

static inline void flow_ready(void *owner, struct hybridge_conn *conn)
{
	struct flow *flow = owner;

	if (flow->error)
		return;
	if (flow->shaking) {
		int ret = hybridge_conn_handshake(conn, "far end", &flow->err);

		if (ret < 0)
			flow->error = EPROTO;
		if (ret <= 0)
			return;
		flow->shaking = false;
	}
	if (fixture_random(&flow->seed) % 2) {
		flow_write(flow);
		if (!flow->error)
			flow_read(flow);
	} else {
		flow_read(flow);
		if (!flow->error)
			flow_write(flow);
	}
}

/** flow_open() - One end on @fd; with @ssl, TLS */
static inline void flow_open(struct fixture *fx, struct flow *flow, int fd,
			     uint32_t seed, SSL *ssl)
{
	flow->seed = seed;
	flow->shaking = ssl != NULL;
	flow->conn = hybridge_conn_new(fx->loop, fd, flow_ready, flow);
	assert_non_null(flow->conn);
	if (ssl)
		assert_int_equal(hybridge_conn_start_tls(flow->conn, ssl), 0);
}

/** flow_over() - Whether it has sent and got everything, or failed */
static inline bool flow_over(const struct flow *flow)
{
	return flow->error || (flow->eof && hybridge_conn_ended(flow->conn));
}

/** flow_check() - All went well: close it */
static inline void flow_check(struct flow *flow)
{
	assert_string_equal(flow->err.what, "");
	assert_int_equal(flow->error, 0);
	assert_int_equal(flow->in, flow->total);
	assert_int_equal(flow->out, flow->total);
	hybridge_conn_close(flow->conn, HYBRIDGE_CONN_ORDERLY);
}

#endif
