/*
 * tls.h - TLS settings for both sides: verification is on and stays on.
 */
#ifndef HYBRIDGE_TLS_H
#define HYBRIDGE_TLS_H

#include <stdbool.h>

#include <openssl/ssl.h>

#include <hybridge/error.h>
#include <hybridge/fast_crypto.h>

/**
 * hybridge_tls_client_ctx() - Settings for dialling
 * @ca_file: PEM file with the only authorities to trust; NULL for the system's
 * @fast:    Who encrypts
 * @err:     Set on failure: file and OpenSSL's reason
 *
 * TLS 1.2 or later, peer verified, no compression, no renegotiation.
 *
 * Return: Owned by the caller (SSL_CTX_free()), or NULL
 */
HYBRIDGE_MUSTUSE SSL_CTX *
hybridge_tls_client_ctx(const char *ca_file, enum hybridge_fast_crypto fast,
			struct hybridge_error *err);

/**
 * hybridge_tls_server_ctx() - Settings for accepting
 * @cert_file: PEM: our certificate, then the chain
 * @key_file:  PEM: its private key
 * @fast:      Who encrypts
 *
 * Return: Owned by the caller (SSL_CTX_free()), or NULL with @err set
 */
HYBRIDGE_MUSTUSE SSL_CTX *
hybridge_tls_server_ctx(const char *cert_file, const char *key_file,
			enum hybridge_fast_crypto fast,
			struct hybridge_error *err);

/**
 * hybridge_tls_client() - One connection's state for dialling @host
 * @host: Name or IP literal: sent as SNI (names only) and checked against the
 *        certificate (RFC 6125)
 *
 * Return: Owned by the caller (SSL_free()), or NULL with @err set
 */
HYBRIDGE_MUSTUSE SSL *hybridge_tls_client(SSL_CTX *ctx, const char *host,
					  struct hybridge_error *err);

/** hybridge_tls_accept_h2() - Server: speak HTTP/2 with clients that offer that alone (ALPN) */
void hybridge_tls_accept_h2(SSL_CTX *ctx);

/** hybridge_tls_offer_h2() - Client: offer HTTP/2 and nothing else; 0, or -1 when out of memory */
HYBRIDGE_MUSTUSE int hybridge_tls_offer_h2(SSL *ssl);

/** hybridge_tls_chose_h2() - Whether the handshake, which is done, chose HTTP/2 */
bool hybridge_tls_chose_h2(const SSL *ssl);

/**
 * hybridge_tls_fail() - Say why a handshake failed
 * @ssl:  The connection whose handshake failed
 * @peer: Whom we talked to, for the message
 * @err:  Set: "certificate of PEER is not trusted: REASON", or what TLS said
 */
void hybridge_tls_fail(const SSL *ssl, const char *peer,
		       struct hybridge_error *err);

#endif
