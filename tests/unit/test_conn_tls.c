/*
 * test_conn_tls.c - TLS connections: many in one loop, handshakes that must
 * fail, and ends that must not pass for one another.
 */
#include "engine_flow.h"

#define PAIRS 6

/* What every test here starts from. */
struct world {
	struct fixture fx;
	struct pki pki;
	SSL_CTX *server;
	SSL_CTX *client;
};

static int world_setup(void **state)
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

static int world_teardown(void **state)
{
	struct world *world = *state;

	hybridge_loop_free(world->fx.loop);
	SSL_CTX_free(world->server);
	SSL_CTX_free(world->client);
	pki_close(&world->pki);
	free(world);
	return 0;
}

static SSL *client_ssl(const struct world *world)
{
	struct hybridge_error err = {0};
	SSL *ssl = hybridge_tls_client(world->client, "relay.example", &err);

	assert_non_null(ssl);
	return ssl;
}

static SSL *server_ssl(const struct world *world)
{
	SSL *ssl = SSL_new(world->server);

	assert_non_null(ssl);
	SSL_set_accept_state(ssl);
	return ssl;
}

static void many_streams_cross_in_one_loop(void **state)
{
	static const int buffers[] = {1, 4096, 0};
	struct world *world = *state;

	for (uint32_t round = 0; round < 3; round++) {
		struct flow flows[2 * PAIRS] = {0};
		bool over = false;

		print_message("case: buffers of %d\n", buffers[round]);
		for (uint32_t i = 0; i < PAIRS; i++) {
			struct flow *two = &flows[2 * i];
			bool tls = i != 0; /* one plain pair among them */
			int fds[2];

			fixture_tcp_pair(fds, buffers[round]);
			two[0].total = two[1].total = 1u << 20;
			flow_open(&world->fx, &two[0], fds[0], 10 * round + i,
				  tls ? client_ssl(world) : NULL);
			flow_open(&world->fx, &two[1], fds[1],
				  1000 + 10 * round + i,
				  tls ? server_ssl(world) : NULL);
		}
		while (!over) {
			fixture_step(&world->fx, 5);
			over = true;
			for (size_t i = 0; i < 2 * PAIRS; i++)
				over = over && flow_over(&flows[i]);
		}
		for (size_t i = 0; i < 2 * PAIRS; i++)
			flow_check(&flows[i]);
	}
}

/* Our client's end of a finished handshake with a far end of OpenSSL's own. */
struct session {
	struct end end;
	SSL *far;
	int far_fd;
};

static void finish_handshake(struct fixture *fx, struct session *session)
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

static void open_session(struct world *world, struct session *session, int min)
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

static void start_reading(struct session *session)
{
	session->end.limit = SIZE_MAX;
	hybridge_conn_again(session->end.conn);
}

static void close_session(struct session *session)
{
	end_close(&session->end, HYBRIDGE_CONN_RESET);
	SSL_free(session->far);
	close(session->far_fd);
}

static void another_implementation_is_understood(void **state)
{
	static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
	struct world *world = *state;

	for (size_t i = 0; i < 2; i++) {
		struct session session;
		static uint8_t out[100000], in[100000];
		size_t got = 0;

		print_message("case: %#x\n", (unsigned int)versions[i]);
		open_session(world, &session, versions[i]);
		start_reading(&session);
		for (size_t k = 0; k < sizeof(out); k++)
			out[k] = fixture_byte(k);
		assert_int_equal(
			hybridge_conn_write(session.end.conn, out, sizeof(out)),
			0);
		while (got < sizeof(in)) {
			int n = tls_far_recv(&world->fx, session.far, in + got,
					     sizeof(in) - got);

			assert_true(n > 0);
			got += (size_t)n;
		}
		assert_memory_equal(in, out, sizeof(in));
		tls_far_send(&world->fx, session.far, out, sizeof(out));
		FIXTURE_UNTIL(&world->fx, session.end.len == sizeof(out));
		assert_memory_equal(session.end.got, out, sizeof(out));
		close_session(&session);
	}
}

static void key_updates_disturb_nobody(void **state)
{
	struct world *world = *state;
	struct session sessions[3];
	static uint8_t buf[20000];

	for (size_t i = 0; i < 3; i++) {
		open_session(world, &sessions[i], TLS1_3_VERSION);
		start_reading(&sessions[i]);
	}
	for (size_t round = 0; round < 50; round++)
		for (size_t i = 0; i < 3; i++) {
			struct session *session = &sessions[i];
			int n;

			for (size_t k = 0; k < sizeof(buf); k++)
				buf[k] = fixture_byte(round * sizeof(buf) + k);
			/* Its answer is written while the next one has output. */
			assert_int_equal(
				SSL_key_update(session->far,
					       SSL_KEY_UPDATE_REQUESTED),
				1);
			tls_far_send(&world->fx, session->far, buf,
				     sizeof(buf));
			for (size_t k = 0; k < 3; k++)
				assert_int_equal(hybridge_conn_write(
							 sessions[k].end.conn,
							 "ping", 4),
						 0);
			for (size_t k = 0; k < 3; k++) {
				char ping[4];

				n = tls_far_recv(&world->fx, sessions[k].far,
						 ping, 4);
				assert_int_equal(n, 4);
				assert_memory_equal(ping, "ping", 4);
			}
		}
	for (size_t i = 0; i < 3; i++) {
		struct end *end = &sessions[i].end;

		FIXTURE_UNTIL(&world->fx, end->len == 50 * sizeof(buf));
		for (size_t k = 0; k < end->len; k++)
			if (end->got[k] != fixture_byte(k))
				fail_msg("byte %zu", k);
		close_session(&sessions[i]);
	}
}

static void close_notify_is_an_end_and_fin_alone_is_a_reset(void **state)
{
	struct world *world = *state;

	for (int notify = 0; notify <= 1; notify++) {
		struct session session;

		print_message("case: close_notify %d\n", notify);
		open_session(world, &session, TLS1_3_VERSION);
		tls_far_send(&world->fx, session.far, "abc", 3);
		if (notify)
			SSL_shutdown(session.far);
		shutdown(session.far_fd, SHUT_WR);
		/* All of it is there before the first read. */
		fixture_step(&world->fx, 10);
		start_reading(&session);
		FIXTURE_UNTIL(&world->fx, session.end.eof || session.end.error);
		assert_int_equal(session.end.len, 3);
		assert_int_equal(session.end.eof, notify);
		assert_int_equal(session.end.error, notify ? 0 : ECONNRESET);
		close_session(&session);
	}
}

static void a_reset_is_a_reset_under_tls_too(void **state)
{
	struct world *world = *state;
	struct session session;

	open_session(world, &session, TLS1_3_VERSION);
	start_reading(&session);
	fixture_step(&world->fx, 5);
	SSL_free(session.far);
	fixture_reset(session.far_fd);
	FIXTURE_UNTIL(&world->fx, session.end.eof || session.end.error);
	assert_int_equal(session.end.error, ECONNRESET);
	end_close(&session.end, HYBRIDGE_CONN_ORDERLY);
}

static void garbage_in_place_of_records_is_a_protocol_error(void **state)
{
	struct world *world = *state;
	struct session session;

	open_session(world, &session, TLS1_3_VERSION);
	start_reading(&session);
	tls_far_send(&world->fx, session.far, "abc", 3);
	fixture_send(&world->fx, session.far_fd,
		     "\x17\x03\x03\x00\x20"
		     "thirty-two bytes, but no record!",
		     37);
	FIXTURE_UNTIL(&world->fx, session.end.eof || session.end.error);
	assert_int_equal(session.end.len, 3);
	assert_int_equal(session.end.error, EPROTO);
	close_session(&session);
}

static void each_direction_ends_on_its_own(void **state)
{
	struct world *world = *state;
	struct session session;
	char c;

	open_session(world, &session, TLS1_3_VERSION);
	/* Not even the session tickets have been read. */
	assert_int_equal(hybridge_conn_write(session.end.conn, "q", 1), 0);
	assert_int_equal(hybridge_conn_end(session.end.conn), 0);
	assert_int_equal(hybridge_conn_end(session.end.conn), 0);
	assert_int_equal(tls_far_recv(&world->fx, session.far, &c, 1), 1);
	assert_int_equal(tls_far_recv(&world->fx, session.far, &c, 1), 0);
	assert_int_equal(SSL_get_error(session.far, 0), SSL_ERROR_ZERO_RETURN);
	start_reading(&session);
	tls_far_send(&world->fx, session.far, "answer", 6);
	FIXTURE_UNTIL(&world->fx, session.end.len == 6 || session.end.error);
	assert_int_equal(session.end.error, 0);
	SSL_shutdown(session.far);
	FIXTURE_UNTIL(&world->fx, session.end.eof || session.end.error);
	assert_true(session.end.eof);
	close_session(&session);
}

static void writing_goes_on_after_the_peer_has_ended(void **state)
{
	struct world *world = *state;
	struct session session;
	char buf[6];

	open_session(world, &session, TLS1_3_VERSION);
	start_reading(&session);
	SSL_shutdown(session.far);
	FIXTURE_UNTIL(&world->fx, session.end.eof || session.end.error);
	assert_true(session.end.eof);
	assert_int_equal(hybridge_conn_write(session.end.conn, "answer", 6), 0);
	assert_int_equal(tls_far_recv(&world->fx, session.far, buf, 6), 6);
	assert_memory_equal(buf, "answer", 6);
	close_session(&session);
}

static void an_orderly_close_sends_everything_and_close_notify(void **state)
{
	struct world *world = *state;
	struct session session;
	static uint8_t buf[300000];
	size_t got = 0;
	int n;

	open_session(world, &session, TLS1_3_VERSION);
	tls_far_send(&world->fx, session.far, "never read", 10);
	assert_int_equal(
		hybridge_conn_write(session.end.conn, buf, sizeof(buf)), 0);
	end_close(&session.end, HYBRIDGE_CONN_ORDERLY);
	while ((n = tls_far_recv(&world->fx, session.far, buf, sizeof(buf))) >
	       0)
		got += (size_t)n;
	assert_int_equal(SSL_get_error(session.far, n), SSL_ERROR_ZERO_RETURN);
	assert_int_equal(got, sizeof(buf));
	SSL_free(session.far);
	close(session.far_fd);
}

static void records_that_were_read_too_far_are_records(void **state)
{
	struct world *world = *state;
	struct session session;
	uint8_t hello[2000];
	ssize_t len;
	int fds[2];

	/* As after an HTTP head in clear: what follows belongs to TLS. */
	fixture_tcp_pair(fds, 0);
	end_open(&world->fx, &session.end, fds[0]);
	session.end.limit = 0;
	session.far_fd = fds[1];
	session.far = tls_far_open(world->client, fds[1], false);
	SSL_set1_host(session.far, "relay.example");
	SSL_do_handshake(session.far);
	fixture_step(&world->fx, 10);
	len = hybridge_conn_read(session.end.conn, hello, sizeof(hello));
	assert_true(len > 100);
	assert_int_equal(
		hybridge_conn_unread(session.end.conn, hello, (size_t)len), 0);
	assert_int_equal(
		hybridge_conn_start_tls(session.end.conn, server_ssl(world)),
		0);
	finish_handshake(&world->fx, &session);
	tls_far_send(&world->fx, session.far, "abc", 3);
	start_reading(&session);
	FIXTURE_UNTIL(&world->fx, session.end.len == 3);
	assert_memory_equal(session.end.got, "abc", 3);
	close_session(&session);
}

static void bytes_in_clear_before_tls_never_pass_for_secret_ones(void **state)
{
	struct world *world = *state;
	struct hybridge_error err = {0};
	struct end end;
	int fds[2], ret;

	/* A man in the middle puts them behind the proxy's answer. */
	fixture_tcp_pair(fds, 0);
	end_open(&world->fx, &end, fds[0]);
	end.limit = 0;
	fixture_step(&world->fx, 1);
	assert_int_equal(hybridge_conn_unread(end.conn, "HTTP/1.1 101 x", 14),
			 0);
	assert_int_equal(hybridge_conn_start_tls(end.conn, client_ssl(world)),
			 0);
	ret = hybridge_conn_handshake(end.conn, "relay.example", &err);
	assert_int_equal(ret, -1);
	assert_string_equal(err.what,
			    "TLS with relay.example failed: wrong version "
			    "number");
	assert_int_equal(err.code, HYBRIDGE_EPROTOCOL);
	end_close(&end, HYBRIDGE_CONN_RESET);
	close(fds[1]);
}

/* Handshakes with a server; why ours failed. */
static struct hybridge_error refused(struct world *world, SSL_CTX *server,
				     const char *host)
{
	struct hybridge_error err = {0};
	struct end end;
	int fds[2], ours = 0;
	SSL *far;

	fixture_tcp_pair(fds, 0);
	end_open(&world->fx, &end, fds[0]);
	end.limit = 0;
	assert_int_equal(hybridge_conn_start_tls(
				 end.conn, hybridge_tls_client(world->client,
							       host, &err)),
			 0);
	far = tls_far_open(server, fds[1], true);
	while (ours == 0) {
		ours = hybridge_conn_handshake(end.conn, "relay.example:443",
					       &err);
		SSL_do_handshake(far);
		fixture_step(&world->fx, 1);
	}
	assert_int_equal(ours, -1);
	/* The peer is told why by an alert, before the reset. */
	assert_int_equal(tls_far_handshake(&world->fx, far), -1);
	assert_int_equal(SSL_get_error(far, -1), SSL_ERROR_SSL);
	end_close(&end, HYBRIDGE_CONN_RESET);
	SSL_free(far);
	close(fds[1]);
	return err;
}

static void certificates_that_prove_nothing_are_refused(void **state)
{
	struct world *world = *state;
	struct pki stranger;
	static const struct {
		const char *host;
		const char *names;
		long from, to;
		bool stranger;
		const char *what;
	} cases[] = {
		{"relay.example", "DNS:other.example", -3600, 3600, false,
		 "hostname mismatch"},
		{"a.b.relay.example", "DNS:*.relay.example", -3600, 3600, false,
		 "hostname mismatch"},
		{"127.0.0.1", "DNS:relay.example", -3600, 3600, false,
		 "IP address mismatch"},
		{"::1", "IP:127.0.0.1", -3600, 3600, false,
		 "IP address mismatch"},
		{"relay.example", "DNS:relay.example", -3600, -60, false,
		 "certificate has expired"},
		{"relay.example", "DNS:relay.example", 600, 3600, false,
		 "certificate is not yet valid"},
		{"relay.example", "DNS:relay.example", -3600, 3600, true,
		 "unable to get local issuer certificate"},
	};

	pki_open(&stranger);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_error err = {0};
		struct pki_leaf leaf;
		char what[200];
		SSL_CTX *server;

		print_message("case: %s, %s\n", cases[i].names, cases[i].what);
		pki_issue(cases[i].stranger ? &stranger : &world->pki, &leaf,
			  cases[i].names, cases[i].from, cases[i].to);
		server = hybridge_tls_server_ctx(leaf.cert_path, leaf.key_path,
						 &err);
		assert_non_null(server);
		err = refused(world, server, cases[i].host);
		snprintf(what, sizeof(what),
			 "certificate of relay.example:443 is not trusted: %s",
			 cases[i].what);
		assert_string_equal(err.what, what);
		assert_int_equal(err.code, HYBRIDGE_EDENIED);
		assert_non_null(strstr(err.hint, "HYBRIDGE_CA_FILE"));
		SSL_CTX_free(server);
		pki_revoke(&leaf);
	}
	pki_close(&stranger);
}

static void certificates_for_a_name_or_an_address_are_accepted(void **state)
{
	static const struct {
		const char *host;
		const char *names;
	} cases[] = {
		{"relay.example", "DNS:relay.example"},
		{"RELAY.example", "DNS:other.example,DNS:relay.example"},
		{"a.relay.example", "DNS:*.relay.example"},
		{"127.0.0.1", "IP:127.0.0.1"},
		{"::1", "IP:127.0.0.1,IP:::1"},
	};
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_error err = {0};
		struct session session;
		const char *sni;
		SSL_CTX *server;
		int fds[2];

		print_message("case: %s\n", cases[i].host);
		server = pki_server(&world->pki, cases[i].names);
		fixture_tcp_pair(fds, 0);
		end_open(&world->fx, &session.end, fds[0]);
		session.end.limit = 0;
		session.far_fd = fds[1];
		session.far = tls_far_open(server, fds[1], true);
		assert_int_equal(
			hybridge_conn_start_tls(
				session.end.conn,
				hybridge_tls_client(world->client,
						    cases[i].host, &err)),
			0);
		finish_handshake(&world->fx, &session);
		/* RFC 6066 3: names only. */
		sni = SSL_get_servername(session.far,
					 TLSEXT_NAMETYPE_host_name);
		if (i < 3)
			assert_string_equal(sni, cases[i].host);
		else
			assert_null(sni);
		close_session(&session);
		SSL_CTX_free(server);
	}
}

static void a_handshake_with_somebody_else_says_what_happened(void **state)
{
	static const struct {
		const char *sent;
		size_t len;
		bool reset;
		const char *what;
		enum hybridge_code code;
	} cases[] = {
		{"SSH-2.0-OpenSSH_9.2\r\n", 21, false,
		 "TLS with relay.example failed: wrong version number",
		 HYBRIDGE_EPROTOCOL},
		{"", 0, false,
		 "TLS with relay.example failed: the connection was closed",
		 HYBRIDGE_EUNREACH},
		{"", 0, true,
		 "TLS with relay.example failed: Connection reset by peer",
		 HYBRIDGE_EUNREACH},
		/* An alert: handshake_failure. */
		{"\x15\x03\x03\x00\x02\x02\x28", 7, false,
		 "TLS with relay.example failed: sslv3 alert handshake failure",
		 HYBRIDGE_EPROTOCOL},
	};
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_error err = {0};
		struct end end;
		int fds[2], ret;

		print_message("case %zu\n", i);
		fixture_tcp_pair(fds, 0);
		end_open(&world->fx, &end, fds[0]);
		end.limit = 0;
		assert_int_equal(
			hybridge_conn_start_tls(end.conn, client_ssl(world)),
			0);
		assert_int_equal(hybridge_conn_handshake(end.conn,
							 "relay.example", &err),
				 0);
		fixture_step(&world->fx, 5);
		fixture_send(&world->fx, fds[1], cases[i].sent, cases[i].len);
		if (cases[i].reset)
			fixture_reset(fds[1]);
		else
			shutdown(fds[1], SHUT_WR);
		fixture_step(&world->fx, 5);
		do {
			ret = hybridge_conn_handshake(end.conn, "relay.example",
						      &err);
			fixture_step(&world->fx, 1);
		} while (ret == 0);
		assert_int_equal(ret, -1);
		assert_string_equal(err.what, cases[i].what);
		assert_int_equal(err.code, cases[i].code);
		end_close(&end, HYBRIDGE_CONN_RESET);
		if (!cases[i].reset)
			close(fds[1]);
	}
}

static void a_dead_session_leaves_others_alone(void **state)
{
	struct world *world = *state;
	struct session sessions[4];

	for (size_t i = 0; i < 4; i++) {
		open_session(world, &sessions[i], TLS1_3_VERSION);
		start_reading(&sessions[i]);
	}
	/* Output of one waits in the shared buffer when another one goes. */
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
			hybridge_conn_write(sessions[i].end.conn, "a", 1), 0);
	end_close(&sessions[3].end, HYBRIDGE_CONN_RESET);
	end_close(&sessions[1].end, HYBRIDGE_CONN_ORDERLY);
	for (size_t i = 0; i < 3; i++) {
		char c = 0;

		assert_int_equal(
			tls_far_recv(&world->fx, sessions[i].far, &c, 1), 1);
		assert_int_equal(c, 'a');
	}
	for (size_t i = 0; i < 4; i++)
		close_session(&sessions[i]);
}

#define WITH_WORLD(test) \
	cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(many_streams_cross_in_one_loop),
		WITH_WORLD(another_implementation_is_understood),
		WITH_WORLD(key_updates_disturb_nobody),
		WITH_WORLD(close_notify_is_an_end_and_fin_alone_is_a_reset),
		WITH_WORLD(a_reset_is_a_reset_under_tls_too),
		WITH_WORLD(garbage_in_place_of_records_is_a_protocol_error),
		WITH_WORLD(each_direction_ends_on_its_own),
		WITH_WORLD(writing_goes_on_after_the_peer_has_ended),
		WITH_WORLD(an_orderly_close_sends_everything_and_close_notify),
		WITH_WORLD(records_that_were_read_too_far_are_records),
		WITH_WORLD(
			bytes_in_clear_before_tls_never_pass_for_secret_ones),
		WITH_WORLD(certificates_that_prove_nothing_are_refused),
		WITH_WORLD(certificates_for_a_name_or_an_address_are_accepted),
		WITH_WORLD(a_handshake_with_somebody_else_says_what_happened),
		WITH_WORLD(a_dead_session_leaves_others_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
