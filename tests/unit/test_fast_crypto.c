/*
 * test_fast_crypto.c - the provider behind libssl: sessions between ends with and
 * without it, and what switches it off.
 *
 * Tests that need libipsec-mb skip themselves where it is missing.
 */
#include "engine_fixture.h"

#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include "../../common/gcm_kernel.h"

#define ON  HYBRIDGE_FAST_CRYPTO_ON
#define OFF HYBRIDGE_FAST_CRYPTO_OFF

#define ROOM ((size_t)40 * 1024)

static bool runs(void)
{
	return strcmp(hybridge_fast_crypto_name(ON), "libipsec-mb") == 0;
}

static void the_switch_reads_auto_on_and_off_only(void **state)
{
	static const char *const words[] = {"auto", "on", "off"};
	enum hybridge_fast_crypto mode = ON;

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		assert_int_equal(hybridge_fast_crypto_parse(words[i], &mode),
				 0);
		assert_int_equal(mode, i);
	}
	assert_int_equal(hybridge_fast_crypto_parse("1", &mode), -1);
	assert_int_equal(hybridge_fast_crypto_parse("ON", &mode), -1);
	assert_int_equal(hybridge_fast_crypto_parse("", &mode), -1);
	assert_int_equal(mode, OFF);
}

/* First: once loaded, the provider stays. */
static void off_leaves_openssl_as_it_was(void **state)
{
	(void)state;
	assert_null(hybridge_fast_crypto_query(OFF));
	assert_string_equal(hybridge_fast_crypto_name(OFF), "OpenSSL");
	assert_false(OSSL_PROVIDER_available(NULL, "hybridge"));
}

static void on_uses_it_and_off_still_avoids_it(void **state)
{
	(void)state;
	if (!runs())
		skip();
	assert_true(OSSL_PROVIDER_available(NULL, "hybridge"));
	assert_string_equal(hybridge_fast_crypto_name(OFF), "OpenSSL");
	assert_string_equal(hybridge_fast_crypto_name(ON), "libipsec-mb");
}

static void auto_is_on_where_the_cpu_gains_by_it(void **state)
{
	const char *expected = "OpenSSL";

	(void)state;
#ifdef HYBRIDGE_HAVE_GCM_KERNEL
	if (runs() && gcm_kernel_pays())
		expected = "libipsec-mb";
#endif
	assert_string_equal(
		hybridge_fast_crypto_name(HYBRIDGE_FAST_CRYPTO_AUTO), expected);
}

/* As an openssl.cnf with default_properties does, for FIPS for instance. */
static void openssls_own_configuration_has_the_last_word(void **state)
{
	(void)state;
	if (!runs())
		skip();
	assert_int_equal(EVP_set_default_properties(NULL, "provider=default"),
			 1);
	assert_string_equal(hybridge_fast_crypto_name(ON), "OpenSSL");
	assert_int_equal(EVP_set_default_properties(NULL, ""), 1);
	assert_string_equal(hybridge_fast_crypto_name(ON), "libipsec-mb");
}

/* Two ends that talk through memory. */
struct pair {
	SSL *client;
	SSL *server;
};

struct world {
	struct pki pki;
	SSL_CTX *clients[2]; /* with ON, with OFF */
	SSL_CTX *servers[2];
};

static SSL_CTX *server_ctx(const struct pki *pki,
			   enum hybridge_fast_crypto mode)
{
	struct hybridge_error err = {0};
	struct pki_leaf leaf;
	SSL_CTX *ctx;

	pki_issue(pki, &leaf, "DNS:relay.example", -3600, 86400);
	ctx = hybridge_tls_server_ctx(leaf.cert_path, leaf.key_path, mode,
				      &err);
	assert_non_null(ctx);
	pki_revoke(&leaf);
	return ctx;
}

static void world_open(struct world *world)
{
	static const enum hybridge_fast_crypto modes[] = {ON, OFF};
	struct hybridge_error err = {0};

	pki_open(&world->pki);
	for (size_t i = 0; i < 2; i++) {
		world->servers[i] = server_ctx(&world->pki, modes[i]);
		world->clients[i] = hybridge_tls_client_ctx(world->pki.ca_path,
							    modes[i], &err);
		assert_non_null(world->clients[i]);
	}
}

static void world_close(struct world *world)
{
	for (size_t i = 0; i < 2; i++) {
		SSL_CTX_free(world->servers[i]);
		SSL_CTX_free(world->clients[i]);
	}
	pki_close(&world->pki);
}

static void pair_open(struct pair *pair, SSL_CTX *client, SSL_CTX *server,
		      const char *suite, bool tls13)
{
	struct hybridge_error err = {0};
	BIO *one, *other;

	assert_int_equal(BIO_new_bio_pair(&one, ROOM, &other, ROOM), 1);
	pair->client = hybridge_tls_client(client, "relay.example", &err);
	pair->server = SSL_new(server);
	assert_non_null(pair->client);
	assert_non_null(pair->server);
	SSL_set_accept_state(pair->server);
	SSL_set_bio(pair->client, one, one);
	SSL_set_bio(pair->server, other, other);
	SSL_set_max_proto_version(pair->client,
				  tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
	if (tls13)
		assert_int_equal(SSL_set_ciphersuites(pair->client, suite), 1);
	else
		assert_int_equal(SSL_set_cipher_list(pair->client, suite), 1);
	while (!SSL_is_init_finished(pair->client) ||
	       !SSL_is_init_finished(pair->server)) {
		(void)SSL_do_handshake(pair->client);
		(void)SSL_do_handshake(pair->server);
		assert_int_not_equal(SSL_get_error(pair->client, -1),
				     SSL_ERROR_SSL);
	}
	assert_string_equal(SSL_get_cipher_name(pair->client), suite);
}

static void pair_close(struct pair *pair)
{
	SSL_free(pair->client);
	SSL_free(pair->server);
}

static void carry(SSL *from, SSL *to, size_t len)
{
	static uint8_t sent[ROOM], got[ROOM];
	size_t have = 0, n;

	assert_int_equal(RAND_bytes(sent, (int)len), 1);
	assert_int_equal(SSL_write_ex(from, sent, len, &n), 1);
	assert_int_equal(n, len);
	while (have < len) {
		assert_int_equal(SSL_read_ex(to, got + have, len - have, &n),
				 1);
		have += n;
	}
	assert_memory_equal(got, sent, len);
}

static void talk(struct pair *pair, bool tls13)
{
	static const size_t sizes[] = {1,     2,     15,    16,    17,
				       63,    64,    1000,  4096,  16383,
				       16384, 16385, 33000, 35000, 1};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		carry(pair->client, pair->server, sizes[i]);
		carry(pair->server, pair->client, sizes[i]);
		if (!tls13)
			continue;
		/* New keys, every time: both directions. */
		assert_int_equal(
			SSL_key_update(pair->client, SSL_KEY_UPDATE_REQUESTED),
			1);
	}
}

static void sessions_between_all_ends(const char *suite, bool tls13)
{
	struct world world;

	if (!runs())
		skip();
	world_open(&world);
	for (size_t i = 0; i < 4; i++) {
		struct pair pair;

		print_message("case: %s, client %s, server %s\n", suite,
			      i & 1 ? "off" : "on", i & 2 ? "off" : "on");
		pair_open(&pair, world.clients[i & 1], world.servers[i >> 1],
			  suite, tls13);
		talk(&pair, tls13);
		pair_close(&pair);
	}
	world_close(&world);
}

static void tls_1_3_works_between_ends_with_and_without_it(void **state)
{
	(void)state;
	sessions_between_all_ends("TLS_AES_128_GCM_SHA256", true);
	sessions_between_all_ends("TLS_AES_256_GCM_SHA384", true);
	/* Not ours: from OpenSSL, under the same settings. */
	sessions_between_all_ends("TLS_CHACHA20_POLY1305_SHA256", true);
}

static void tls_1_2_works_between_ends_with_and_without_it(void **state)
{
	(void)state;
	sessions_between_all_ends("ECDHE-ECDSA-AES128-GCM-SHA256", false);
	sessions_between_all_ends("ECDHE-ECDSA-AES256-GCM-SHA384", false);
	sessions_between_all_ends("ECDHE-ECDSA-CHACHA20-POLY1305", false);
}

#ifdef HYBRIDGE_HAVE_GCM_KERNEL

/* Counts what libssl has the library encrypt. */
static aes_gcm_enc_dec_update_t true_encrypt;
static size_t encrypted;

static void counting_encrypt(const struct gcm_key_data *key,
			     struct gcm_context_data *message, uint8_t *out,
			     const uint8_t *in, uint64_t len)
{
	encrypted += len;
	true_encrypt(key, message, out, in, len);
}

static size_t encrypted_by_it(const struct world *world, size_t which)
{
	struct pair pair;
	size_t before;

	pair_open(&pair, world->clients[which], world->servers[which],
		  "TLS_AES_128_GCM_SHA256", true);
	before = encrypted;
	carry(pair.client, pair.server, 30000);
	pair_close(&pair);
	return encrypted - before;
}

static void records_really_go_through_it_and_off_they_do_not(void **state)
{
	struct gcm_kernels *kernels =
		/* NOLINTNEXTLINE(performance-no-int-to-ptr): the test plays the library */
		(struct gcm_kernels *)(uintptr_t)gcm_kernel_load();
	struct world world;

	(void)state;
	if (!runs())
		skip();
	true_encrypt = kernels->aes128.encrypt;
	kernels->aes128.encrypt = counting_encrypt;
	world_open(&world);
	/* Two records, each with its inner type. */
	assert_int_equal(encrypted_by_it(&world, 0), 30002);
	assert_int_equal(encrypted_by_it(&world, 1), 0);
	world_close(&world);
	kernels->aes128.encrypt = true_encrypt;
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_switch_reads_auto_on_and_off_only),
		cmocka_unit_test(off_leaves_openssl_as_it_was),
		cmocka_unit_test(on_uses_it_and_off_still_avoids_it),
		cmocka_unit_test(auto_is_on_where_the_cpu_gains_by_it),
		cmocka_unit_test(openssls_own_configuration_has_the_last_word),
		cmocka_unit_test(
			tls_1_3_works_between_ends_with_and_without_it),
		cmocka_unit_test(
			tls_1_2_works_between_ends_with_and_without_it),
#ifdef HYBRIDGE_HAVE_GCM_KERNEL
		cmocka_unit_test(
			records_really_go_through_it_and_off_they_do_not),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
