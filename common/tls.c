/*
 * tls.c - TLS settings for both sides: verification is on and stays on.
 */
#include <hybridge/tls.h>

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "tls_session.h"

/* AES-128 first: the fastest on every CPU with AES instructions. */
static const char ciphersuites[] = "TLS_AES_128_GCM_SHA256:"
				   "TLS_AES_256_GCM_SHA384:"
				   "TLS_CHACHA20_POLY1305_SHA256";

/* The first cause that OpenSSL left, for messages: later ones only say "lib". */
static const char *openssl_reason(void)
{
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_reason_error_string(code);

	if (ERR_SYSTEM_ERROR(code))
		return strerror(ERR_GET_REASON(code));
	return reason ? reason : "no reason given";
}

/* Otherwise OpenSSL asks for it on the terminal, and a daemon waits for ever. */
/* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL gives the signature */
static int no_password(char *buf, int size, int writing, void *data)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)data;
	return -1;
}

static SSL_CTX *new_ctx(const SSL_METHOD *method,
			enum hybridge_fast_crypto fast,
			struct hybridge_error *err)
{
	SSL_CTX *ctx;

	ERR_clear_error();
	ctx = SSL_CTX_new_ex(NULL, hybridge_fast_crypto_query(fast), method);
	if (!ctx) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "TLS cannot start: %s",
			      openssl_reason());
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_ciphersuites(ctx, ciphersuites);
	SSL_CTX_set_options(ctx,
			    SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_default_passwd_cb(ctx, no_password);
	/* An idle connection keeps no record buffers. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	return ctx;
}

SSL_CTX *hybridge_tls_client_ctx(const char *ca_file,
				 enum hybridge_fast_crypto fast,
				 struct hybridge_error *err)
{
	SSL_CTX *ctx = new_ctx(TLS_client_method(), fast, err);

	if (!ctx)
		return NULL;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	/* Without memory for it every handshake is a full one. */
	(void)tls_session_keep(ctx);
	ERR_clear_error();
	if (ca_file ? SSL_CTX_load_verify_locations(ctx, ca_file, NULL) == 1
		    : SSL_CTX_set_default_verify_paths(ctx) == 1)
		return ctx;
	hybridge_fail(err, HYBRIDGE_ECONFIG,
		      "cannot read the certificate authorities in %s: %s",
		      ca_file ? ca_file : "the system's store",
		      openssl_reason());
	hybridge_hint(err, "HYBRIDGE_CA_FILE must name a readable PEM file "
			   "with at least one certificate");
	SSL_CTX_free(ctx);
	return NULL;
}

SSL_CTX *hybridge_tls_server_ctx(const char *cert_file, const char *key_file,
				 enum hybridge_fast_crypto fast,
				 struct hybridge_error *err)
{
	static const unsigned char session_id[] = "hybridge";
	SSL_CTX *ctx = new_ctx(TLS_server_method(), fast, err);

	if (!ctx)
		return NULL;
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "cannot use the certificate in %s: %s", cert_file,
			      openssl_reason());
		hybridge_hint(err,
			      "it must be PEM: our certificate first, then "
			      "the chain that leads to an authority");
		goto fail;
	}
	if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "cannot use the private key in %s: %s", key_file,
			      openssl_reason());
		hybridge_hint(err,
			      "it must be the unencrypted PEM key of the "
			      "certificate in %s",
			      cert_file);
		goto fail;
	}
	SSL_CTX_set_session_id_context(ctx, session_id, sizeof(session_id) - 1);
	return ctx;
fail:
	SSL_CTX_free(ctx);
	return NULL;
}

/* RFC 7301 3.1: lists of names, each behind its length. */
static const unsigned char alpn_h2[] = "\2h2";
static const unsigned char alpn_http1[] = "\10http/1.1";

/*
 * h2 only for a client that speaks nothing else, as ours do when they know that the relay
 * can: anybody else gets the HTTP/1.1 that the protocol is described in.
 */
static int choose_protocol(SSL *ssl, const unsigned char **out,
			   unsigned char *out_len, const unsigned char *offered,
			   unsigned int offered_len, void *data)
{
	unsigned char *chosen = NULL;

	(void)ssl;
	(void)data;
	if (SSL_select_next_proto(&chosen, out_len, alpn_http1,
				  sizeof(alpn_http1) - 1, offered,
				  offered_len) != OPENSSL_NPN_NEGOTIATED &&
	    SSL_select_next_proto(&chosen, out_len, alpn_h2,
				  sizeof(alpn_h2) - 1, offered,
				  offered_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

void hybridge_tls_accept_h2(SSL_CTX *ctx)
{
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
}

int hybridge_tls_offer_h2(SSL *ssl)
{
	/* It returns 0 for success. */
	return SSL_set_alpn_protos(ssl, alpn_h2, sizeof(alpn_h2) - 1) == 0 ? 0
									   : -1;
}

bool hybridge_tls_chose_h2(const SSL *ssl)
{
	const unsigned char *name = NULL;
	unsigned int len = 0;

	SSL_get0_alpn_selected(ssl, &name, &len);
	return len == 2 && memcmp(name, "h2", 2) == 0;
}

static bool is_ip_literal(const char *host)
{
	unsigned char addr[16];

	return inet_pton(AF_INET, host, addr) == 1 ||
	       inet_pton(AF_INET6, host, addr) == 1;
}

SSL *hybridge_tls_client(SSL_CTX *ctx, const char *host,
			 struct hybridge_error *err)
{
	bool named = false;
	SSL *ssl;

	ERR_clear_error();
	ssl = SSL_new(ctx);
	if (ssl) {
		SSL_set_connect_state(ssl);
		SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		if (is_ip_literal(host))
			named = X509_VERIFY_PARAM_set1_ip_asc(
					SSL_get0_param(ssl), host) == 1;
		else
			named = SSL_set1_host(ssl, host) == 1 &&
				SSL_set_tlsext_host_name(ssl, host) == 1;
	}
	if (named) {
		tls_session_offer(ssl, host);
		return ssl;
	}
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "TLS for %s cannot start: %s",
		      host, openssl_reason());
	SSL_free(ssl);
	return NULL;
}

static const char *remedy(long verify)
{
	switch (verify) {
	case X509_V_ERR_CERT_NOT_YET_VALID:
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "check this machine's clock; if it is right, the relay "
		       "or an authority above it needs a new certificate";
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "the certificate must name the host that Endpoint "
		       "names, in its subjectAltName";
	default:
		return "HYBRIDGE_CA_FILE names the authority to trust; "
		       "verification is never switched off";
	}
}

void hybridge_tls_fail(const SSL *ssl, const char *peer,
		       struct hybridge_error *err)
{
	int saved = errno;
	long verify = SSL_get_verify_result(ssl);

	if (verify != X509_V_OK) {
		hybridge_fail(err, HYBRIDGE_EDENIED,
			      "certificate of %s is not trusted: %s", peer,
			      X509_verify_cert_error_string(verify));
		hybridge_hint(err, "%s", remedy(verify));
	} else if (ERR_peek_error() != 0) {
		hybridge_fail(err, HYBRIDGE_EPROTOCOL, "TLS with %s failed: %s",
			      peer, openssl_reason());
	} else {
		hybridge_fail(
			err, HYBRIDGE_EUNREACH, "TLS with %s failed: %s", peer,
			saved ? strerror(saved) : "the connection was closed");
	}
}
