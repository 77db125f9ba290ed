/*
 * records_tls.c - the two ends of TLS for the floor's links, with a certificate of the moment.
 */
#include <errno.h>

#include <openssl/ec.h>
#include <openssl/x509.h>

#include "records.h"
#include "sockets.h"

static void check(bool is_good)
{
	if (is_good)
		return;
	errno = EPROTO;
	bench_die("OpenSSL");
}

/* Nobody verifies it; but a server must have one. */
static void certify(SSL_CTX *ctx)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	check(key && cert && X509_set_pubkey(cert, key) == 1 &&
	      X509_gmtime_adj(X509_getm_notBefore(cert), 0) &&
	      X509_gmtime_adj(X509_getm_notAfter(cert), 86400) &&
	      X509_sign(cert, key, EVP_sha256()) > 0 &&
	      SSL_CTX_use_certificate(ctx, cert) == 1 &&
	      SSL_CTX_use_PrivateKey(ctx, key) == 1);
	X509_free(cert);
	EVP_PKEY_free(key);
}

SSL *records_tls(bool is_server)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	BIO *in = BIO_new(BIO_s_mem());
	BIO *out = BIO_new(BIO_s_mem());
	SSL *tls;

	check(ctx && in && out &&
	      SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	      SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") == 1 &&
	      SSL_CTX_set_num_tickets(ctx, 0) == 1);
	if (is_server)
		certify(ctx);
	tls = SSL_new(ctx);
	check(tls != NULL);
	SSL_CTX_free(ctx);
	SSL_set_bio(tls, in, out);
	if (is_server)
		SSL_set_accept_state(tls);
	else
		SSL_set_connect_state(tls);
	return tls;
}
