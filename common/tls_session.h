/*
 * tls_session.h - resumes TLS sessions (RFC 8446 section 2.2) when dialling again.
 */
#ifndef HYBRIDGE_COMMON_TLS_SESSION_H
#define HYBRIDGE_COMMON_TLS_SESSION_H

#include <openssl/ssl.h>

/**
 * tls_session_keep() - Keep the tickets that servers send to connections of @ctx
 *
 * A ticket is used once (RFC 8446 appendix C.4), for the host that it came
 * from; a few of each host are kept, and go with @ctx.
 *
 * Return: 0, or -1 when out of memory
 */
int tls_session_keep(SSL_CTX *ctx);

/**
 * tls_session_offer() - Resume with a ticket of @host, if there is one
 * @ssl:  Handshake not yet begun, of a context that keeps tickets
 * @host: As given to hybridge_tls_client()
 *
 * Failure only means a full handshake.
 */
void tls_session_offer(SSL *ssl, const char *host);

#endif
