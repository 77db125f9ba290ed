/*
 * test_tls_session.c - tickets: when a handshake is a resumed one, and when never.
 */
#include "tls_fixture.h"

/* Moves bytes between two ends that share a pair of memory BIOs. */
static bool handshake(SSL *client, SSL *server)
{
	BIO *to_server = BIO_new(BIO_s_mem());
	BIO *to_client = BIO_new(BIO_s_mem());
	int ours = 0, theirs = 0;
	char byte;

	assert_non_null(to_server);
	assert_non_null(to_client);
	BIO_up_ref(to_server);
	BIO_up_ref(to_client);
	SSL_set_bio(client, to_client, to_server);
	SSL_set_bio(server, to_server, to_client);
	for (int i = 0; i < 10 && (ours != 1 || theirs != 1); i++) {
		ours = SSL_do_handshake(client);
		theirs = SSL_do_handshake(server);
	}
	/* TLS 1.3: tickets come behind the handshake, with the first read. */
	SSL_read(client, &byte, 1);
	return ours == 1 && theirs == 1;
}

/* One connection to @name from a context to a server; whether it was resumed. */
static bool connect_once(SSL_CTX *client_ctx, SSL_CTX *server_ctx,
			 const char *name)
{
	struct hybridge_error err = {0};
	SSL *client = hybridge_tls_client(client_ctx, name, &err);
	SSL *server = SSL_new(server_ctx);
	bool resumed;

	assert_non_null(client);
	assert_non_null(server);
	SSL_set_accept_state(server);
	assert_true(handshake(client, server));
	resumed = SSL_session_reused(client) == 1;
	assert_int_equal(SSL_session_reused(server), resumed);
	/* As connections do before they free: else the session is lost. */
	SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_set_shutdown(server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(client);
	SSL_free(server);
	return resumed;
}

static void every_handshake_but_the_first_is_resumed(void **state)
{
	struct world *world = *state;

	assert_false(
		connect_once(world->client, world->server, "relay.example"));
	for (int i = 0; i < 20; i++)
		assert_true(connect_once(world->client, world->server,
					 "relay.example"));
}

static void tickets_of_tls_1_2_are_resumed_as_well(void **state)
{
	struct world *world = *state;

	SSL_CTX_set_max_proto_version(world->server, TLS1_2_VERSION);
	assert_false(
		connect_once(world->client, world->server, "relay.example"));
	assert_true(
		connect_once(world->client, world->server, "relay.example"));
}

static void a_ticket_is_for_the_host_that_gave_it(void **state)
{
	struct world *world = *state;
	SSL_CTX *other = pki_server(&world->pki, "DNS:other.example");

	assert_false(
		connect_once(world->client, world->server, "relay.example"));
	assert_false(connect_once(world->client, other, "other.example"));
	assert_true(
		connect_once(world->client, world->server, "relay.example"));
	SSL_CTX_free(other);
}

static void another_context_knows_nothing_of_it(void **state)
{
	struct world *world = *state;
	SSL_CTX *other = pki_client(&world->pki);

	assert_false(
		connect_once(world->client, world->server, "relay.example"));
	assert_false(connect_once(other, world->server, "relay.example"));
	SSL_CTX_free(other);
}

static void a_server_that_forgot_gets_a_full_handshake(void **state)
{
	struct world *world = *state;
	SSL_CTX *restarted = pki_server(&world->pki, "DNS:relay.example");

	assert_false(
		connect_once(world->client, world->server, "relay.example"));
	assert_false(connect_once(world->client, restarted, "relay.example"));
	assert_true(connect_once(world->client, restarted, "relay.example"));
	SSL_CTX_free(restarted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(every_handshake_but_the_first_is_resumed),
		WITH_WORLD(tickets_of_tls_1_2_are_resumed_as_well),
		WITH_WORLD(a_ticket_is_for_the_host_that_gave_it),
		WITH_WORLD(another_context_knows_nothing_of_it),
		WITH_WORLD(a_server_that_forgot_gets_a_full_handshake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
