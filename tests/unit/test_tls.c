/*
 * test_tls.c - TLS settings: what they insist on, and what they say when a file
 * is not what it should be.
 */
#include "engine_fixture.h"

#include <openssl/err.h>

/* A file that holds this text. */
static int text_file(char path[static 40], const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	snprintf(path, 40, "/proc/self/fd/%d", fd);
	return fd;
}

static void authorities_that_cannot_be_read_are_named(void **state)
{
	static const struct {
		const char *text; /* NULL: no file */
		const char *why;
	} cases[] = {
		{NULL, "No such file or directory"},
		{"", "no certificate or crl found"},
		{"no certificate\n", "no certificate or crl found"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char path[40] = "/proc/self/fd/999", what[200];
		struct hybridge_error err = {0};
		int fd = cases[i].text ? text_file(path, cases[i].text) : -1;

		print_message("case: %s\n", cases[i].why);
		assert_null(hybridge_tls_client_ctx(
			path, HYBRIDGE_FAST_CRYPTO_AUTO, &err));
		assert_int_equal(err.code, HYBRIDGE_ECONFIG);
		snprintf(what, sizeof(what),
			 "cannot read the certificate authorities in %s: %s",
			 path, cases[i].why);
		assert_string_equal(err.what, what);
		assert_non_null(strstr(err.hint, "HYBRIDGE_CA_FILE"));
		if (fd >= 0)
			close(fd);
	}
}

static void the_systems_authorities_are_the_default(void **state)
{
	struct hybridge_error err = {0};
	SSL_CTX *ctx =
		hybridge_tls_client_ctx(NULL, HYBRIDGE_FAST_CRYPTO_AUTO, &err);

	(void)state;
	assert_non_null(ctx);
	assert_string_equal(err.what, "");
	SSL_CTX_free(ctx);
}

static void a_client_insists_on_verification_and_tls_1_2(void **state)
{
	struct hybridge_error err = {0};
	SSL_CTX *ctx =
		hybridge_tls_client_ctx(NULL, HYBRIDGE_FAST_CRYPTO_AUTO, &err);
	SSL *ssl = hybridge_tls_client(ctx, "relay.example", &err);

	(void)state;
	assert_non_null(ssl);
	assert_int_equal(SSL_get_verify_mode(ssl), SSL_VERIFY_PEER);
	assert_int_equal(SSL_get_min_proto_version(ssl), TLS1_2_VERSION);
	assert_true(SSL_get_options(ssl) & SSL_OP_NO_COMPRESSION);
	assert_true(SSL_get_options(ssl) & SSL_OP_NO_RENEGOTIATION);
	assert_true(SSL_get_mode(ssl) & SSL_MODE_RELEASE_BUFFERS);
	assert_string_equal(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name),
			    "relay.example");
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

static int locked_key(char path[static 40])
{
	static const unsigned char password[] = "password";
	EVP_PKEY *key = EVP_EC_gen("P-256");
	int fd = memfd_create("key", MFD_CLOEXEC);
	FILE *file = fdopen(dup(fd), "w");

	assert_non_null(file);
	assert_int_equal(PEM_write_PrivateKey(file, key, EVP_aes_256_cbc(),
					      password, sizeof(password) - 1,
					      NULL, NULL),
			 1);
	fclose(file);
	EVP_PKEY_free(key);
	snprintf(path, 40, "/proc/self/fd/%d", fd);
	return fd;
}

static void a_server_says_which_of_its_files_is_wrong(void **state)
{
	struct pki pki;
	struct pki_leaf leaf, other;
	char garbage[40], locked[40];
	int fd = text_file(garbage, "garbage\n");
	int locked_fd;
	struct {
		const char *name;
		const char *cert;
		const char *key;
		const char *what;
	} cases[] = {
		{"no certificate", "/proc/self/fd/999", leaf.key_path,
		 "cannot use the certificate in"},
		{"garbage for a certificate", garbage, leaf.key_path,
		 "cannot use the certificate in"},
		{"no key", leaf.cert_path, "/proc/self/fd/999",
		 "cannot use the private key in"},
		{"garbage for a key", leaf.cert_path, garbage,
		 "cannot use the private key in"},
		/* Not asked for on the terminal. */
		{"a key with a password", leaf.cert_path, locked,
		 "cannot use the private key in"},
		{"another one's key", leaf.cert_path, other.key_path,
		 "cannot use the private key in"},
	};

	(void)state;
	pki_open(&pki);
	pki_issue(&pki, &leaf, "DNS:a", -1, 3600);
	pki_issue(&pki, &other, "DNS:b", -1, 3600);
	locked_fd = locked_key(locked);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_error err = {0};

		print_message("case: %s\n", cases[i].name);
		assert_null(hybridge_tls_server_ctx(cases[i].cert, cases[i].key,
						    HYBRIDGE_FAST_CRYPTO_AUTO,
						    &err));
		print_message("says: %s\n", err.what);
		assert_int_equal(err.code, HYBRIDGE_ECONFIG);
		assert_memory_equal(err.what, cases[i].what,
				    strlen(cases[i].what));
		assert_null(strstr(err.what, "no reason given"));
		assert_string_not_equal(err.hint, "");
	}
	close(fd);
	close(locked_fd);
	pki_revoke(&leaf);
	pki_revoke(&other);
	pki_close(&pki);
}

/* Both ends in memory; what the client made of it. */
static int shake(SSL *client, SSL *server)
{
	BIO *one, *two;
	int ret = 0;

	assert_int_equal(BIO_new_bio_pair(&one, 0, &two, 0), 1);
	SSL_set_bio(client, one, one);
	SSL_set_bio(server, two, two);
	for (int i = 0; i < 20 && ret != 1; i++) {
		ret = SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	return ret;
}

static void fast_ciphers_come_first(void **state)
{
	struct hybridge_error err = {0};
	struct pki pki;
	SSL_CTX *server_ctx, *client_ctx;
	SSL *client, *server;

	(void)state;
	pki_open(&pki);
	server_ctx = pki_server(&pki, "DNS:a");
	client_ctx = pki_client(&pki);
	client = hybridge_tls_client(client_ctx, "a", &err);
	server = SSL_new(server_ctx);
	SSL_set_accept_state(server);
	assert_int_equal(shake(client, server), 1);
	assert_string_equal(SSL_get_cipher_name(client),
			    "TLS_AES_128_GCM_SHA256");
	assert_int_equal(SSL_version(client), TLS1_3_VERSION);
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(server_ctx);
	SSL_CTX_free(client_ctx);
	pki_close(&pki);
}

static void old_versions_are_refused_by_either_side(void **state)
{
	struct hybridge_error err = {0};
	struct pki pki;
	SSL_CTX *ctx[2];

	(void)state;
	pki_open(&pki);
	ctx[0] = pki_client(&pki);
	ctx[1] = pki_server(&pki, "DNS:a");
	for (size_t old = 0; old < 2; old++) {
		SSL *ssl[2] = {hybridge_tls_client(ctx[0], "a", &err),
			       SSL_new(ctx[1])};

		SSL_set_accept_state(ssl[1]);
		SSL_set_security_level(ssl[old], 0);
		SSL_set_min_proto_version(ssl[old], TLS1_VERSION);
		SSL_set_max_proto_version(ssl[old], TLS1_1_VERSION);
		assert_int_not_equal(shake(ssl[0], ssl[1]), 1);
		SSL_free(ssl[0]);
		SSL_free(ssl[1]);
	}
	ERR_clear_error();
	SSL_CTX_free(ctx[0]);
	SSL_CTX_free(ctx[1]);
	pki_close(&pki);
}

static void the_first_cause_of_a_failure_is_told(void **state)
{
	struct hybridge_error err = {0};
	SSL_CTX *ctx =
		hybridge_tls_client_ctx(NULL, HYBRIDGE_FAST_CRYPTO_AUTO, &err);
	SSL *ssl = hybridge_tls_client(ctx, "a", &err);

	(void)state;
	ERR_clear_error();
	errno = ETIMEDOUT;
	hybridge_tls_fail(ssl, "a:1", &err);
	assert_string_equal(err.what, "TLS with a:1 failed: Connection timed "
				      "out");
	assert_int_equal(err.code, HYBRIDGE_EUNREACH);
	SSL_set_verify_result(ssl, X509_V_ERR_CERT_HAS_EXPIRED);
	err = (struct hybridge_error){0};
	hybridge_tls_fail(ssl, "a:1", &err);
	assert_string_equal(err.what, "certificate of a:1 is not trusted: "
				      "certificate has expired");
	assert_int_equal(err.code, HYBRIDGE_EDENIED);
	assert_non_null(strstr(err.hint, "clock"));
	SSL_set_verify_result(ssl, X509_V_ERR_HOSTNAME_MISMATCH);
	err = (struct hybridge_error){0};
	hybridge_tls_fail(ssl, "a:1", &err);
	assert_non_null(strstr(err.hint, "subjectAltName"));
	SSL_set_verify_result(ssl, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN);
	err = (struct hybridge_error){0};
	hybridge_tls_fail(ssl, "a:1", &err);
	assert_non_null(strstr(err.hint, "HYBRIDGE_CA_FILE"));
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(authorities_that_cannot_be_read_are_named),
		cmocka_unit_test(the_systems_authorities_are_the_default),
		cmocka_unit_test(a_client_insists_on_verification_and_tls_1_2),
		cmocka_unit_test(a_server_says_which_of_its_files_is_wrong),
		cmocka_unit_test(fast_ciphers_come_first),
		cmocka_unit_test(old_versions_are_refused_by_either_side),
		cmocka_unit_test(the_first_cause_of_a_failure_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
