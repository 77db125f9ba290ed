/*
 * dial.h - from a host name to a connection that is ready to talk.
 *
 * Resolves off the loop's thread, tries each address in turn (a second one is
 * started when the first has not answered in time), goes through an HTTP
 * CONNECT proxy where one is set, does the TLS handshake and checks the
 * certificate.
 */
#ifndef HYBRIDGE_DIAL_H
#define HYBRIDGE_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include <hybridge/conn.h>
#include <hybridge/error.h>
#include <hybridge/loop.h>

struct hybridge_dial;

/**
 * struct hybridge_dial_args - Where to; texts need to live only during the call
 * @host, @port:  Name or IP literal, and port
 * @tls:          NULL for plain TCP; must outlive the dial
 * @proxy:        "http://[user:password@]host:port", or NULL
 * @no_proxy:     Comma-separated hosts and suffixes that are dialled directly, or NULL
 * @h2:           With TLS, offer HTTP/2 and nothing else (hybridge_conn_speaks_h2())
 * @timeout_ms:   For all of it together
 */
struct hybridge_dial_args {
	const char *host;
	uint16_t port;
	SSL_CTX *tls;
	const char *proxy;
	const char *no_proxy;
	bool h2;
	uint32_t timeout_ms;
};

/**
 * hybridge_dial_fn - How it ended; called once, from the loop
 * @conn: Now the owner's (hybridge_conn_set_owner() it), or NULL
 * @os_errno: On failure: ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH (unknown name, no route) ...; EPROTO for TLS
 * @err:  On failure: what and why
 */
typedef void hybridge_dial_fn(void *owner, struct hybridge_conn *conn,
			      int os_errno, const struct hybridge_error *err);

/**
 * hybridge_dial_start() - Begin
 * Return: Handle, valid until @done was called or hybridge_dial_cancel(); NULL
 *         when out of memory (then @done is not called)
 */
HYBRIDGE_MUSTUSE struct hybridge_dial *
hybridge_dial_start(struct hybridge_loop *loop,
		    const struct hybridge_dial_args *args,
		    hybridge_dial_fn *done, void *owner);

/** hybridge_dial_is_proxied() - Whether that goes by way of the proxy: there is one, and @no_proxy
 * does not name the host */
bool hybridge_dial_is_proxied(const struct hybridge_dial_args *args);

/** hybridge_dial_cancel() - Give up; @done will not be called.  NULL is fine */
void hybridge_dial_cancel(struct hybridge_dial *dial);

#endif
