/*
 * tls_fixture.h - an authority, a server's and a client's settings, and sessions
 * between our client and OpenSSL's own server.
 */
#ifndef HYBRIDGE_TESTS_TLS_FIXTURE_H
#define HYBRIDGE_TESTS_TLS_FIXTURE_H

#include "engine_fixture.h"

/* What every test here starts from. */
struct world {
	struct fixture fx;
	struct pki pki;
	SSL_CTX *server;
	SSL_CTX *client;
};

static inline int world_setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct fixture *fx;

	assert_non_null(world);
	fixture_setup((void **)&fx);
	world->fx = *fx;
	free(fx);
	pki_open(&world->pki);
	world->server = pki_server(&world->pki, "DNS:relay.example");
	world->client = pki_client(&world->pki);
	*state = world;
	return 0;
}

static inline int world_teardown(void **state)
{
	struct world *world = *state;

	hybridge_loop_free(world->fx.loop);
	SSL_CTX_free(world->server);
	SSL_CTX_free(world->client);
	pki_close(&world->pki);
	free(world);
	return 0;
}

static inline SSL *client_ssl(const struct world *world)
{
	struct hybridge_error err = {0};
	SSL *ssl = hybridge_tls_client(world->client, "relay.example", &err);

	assert_non_null(ssl);
	return ssl;
}

static inline SSL *server_ssl(const struct world *world)
{
	SSL *ssl = SSL_new(world->server);

	assert_non_null(ssl);
	SSL_set_accept_state(ssl);
	return ssl;
}

/* Our client's end of a finished handshake with a far end of OpenSSL's own. */
struct session {
	struct end end;
	SSL *far;
	int far_fd;
};

static inline void finish_handshake(struct fixture *fx, struct session *session)
{
	struct hybridge_error err = {0};
	int ours = 0, theirs = 0;

	while (ours != 1 || theirs != 1) {
		if (ours != 1)
			ours = hybridge_conn_handshake(session->end.conn,
						       "relay.example", &err);
		assert_string_equal(err.what, "");
		if (theirs != 1)
			theirs = SSL_do_handshake(session->far);
		fixture_step(fx, 1);
	}
}

static inline void open_session(struct world *world, struct session *session,
				int min)
{
	int fds[2];

	fixture_tcp_pair(fds, 4096);
	end_open(&world->fx, &session->end, fds[0]);
	session->end.limit = 0;
	session->far_fd = fds[1];
	session->far = tls_far_open(world->server, fds[1], true);
	SSL_set_max_proto_version(session->far, min);
	assert_int_equal(
		hybridge_conn_start_tls(session->end.conn, client_ssl(world)),
		0);
	finish_handshake(&world->fx, session);
}

static inline void start_reading(struct session *session)
{
	session->end.limit = SIZE_MAX;
	hybridge_conn_again(session->end.conn);
}

static inline void close_session(struct session *session)
{
	end_close(&session->end, HYBRIDGE_CONN_RESET);
	SSL_free(session->far);
	close(session->far_fd);
}

#define WITH_WORLD(test) \
	cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

#endif
