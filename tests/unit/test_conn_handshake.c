/*
 * test_conn_handshake.c - TLS handshakes: those that must fail, and why they say
 * they did.
 */
#include "tls_fixture.h"

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
		if (ours != 0)
			break;
		SSL_do_handshake(far);
		fixture_step(&world->fx, 1);
	}
	assert_int_equal(ours, -1);
	end_close(&end, HYBRIDGE_CONN_RESET);
	/* The peer is told why by an alert, before the reset. */
	assert_int_equal(tls_far_handshake(&world->fx, far), -1);
	assert_int_equal(SSL_get_error(far, -1), SSL_ERROR_SSL);
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
		const char *remedy;
	} cases[] = {
		{"relay.example", "DNS:other.example", -3600, 3600, false,
		 "hostname mismatch", "subjectAltName"},
		{"a.b.relay.example", "DNS:*.relay.example", -3600, 3600, false,
		 "hostname mismatch", "subjectAltName"},
		{"127.0.0.1", "DNS:relay.example", -3600, 3600, false,
		 "IP address mismatch", "subjectAltName"},
		{"::1", "IP:127.0.0.1", -3600, 3600, false,
		 "IP address mismatch", "subjectAltName"},
		{"relay.example", "DNS:relay.example", -3600, -60, false,
		 "certificate has expired", "clock"},
		{"relay.example", "DNS:relay.example", 600, 3600, false,
		 "certificate is not yet valid", "clock"},
		{"relay.example", "DNS:relay.example", -3600, 3600, true,
		 "unable to get local issuer certificate", "HYBRIDGE_CA_FILE"},
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
						 HYBRIDGE_FAST_CRYPTO_AUTO,
						 &err);
		assert_non_null(server);
		err = refused(world, server, cases[i].host);
		snprintf(what, sizeof(what),
			 "certificate of relay.example:443 is not trusted: %s",
			 cases[i].what);
		assert_string_equal(err.what, what);
		assert_int_equal(err.code, HYBRIDGE_EDENIED);
		assert_non_null(strstr(err.hint, cases[i].remedy));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(records_that_were_read_too_far_are_records),
		WITH_WORLD(
			bytes_in_clear_before_tls_never_pass_for_secret_ones),
		WITH_WORLD(certificates_that_prove_nothing_are_refused),
		WITH_WORLD(certificates_for_a_name_or_an_address_are_accepted),
		WITH_WORLD(a_handshake_with_somebody_else_says_what_happened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
