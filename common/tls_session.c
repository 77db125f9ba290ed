/*
 * tls_session.c - resumes TLS sessions when dialling again.
 *
 * Theory of operation.  A full handshake costs each side a signature or its
 * check, and the certificates' flight; a resumed one only a key exchange.  The tickets
 * hang on the SSL_CTX (ex_data), by host, because a ticket vouches for the host whose
 * certificate was checked when it was given; each SSL carries its host's name so
 * that OpenSSL's callback knows where a new ticket belongs.
 */
#include "tls_session.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <hybridge/table.h>

#define TICKETS_PER_HOST 8
#define HOSTS_MAX        1024 /* Azure has 256 gateways behind one name */

/* The newest tickets of one host, the newest last. */
struct host_tickets {
	UT_hash_handle hh;
	SSL_SESSION *tickets[TICKETS_PER_HOST];
	size_t len;
	char host[];
};

struct store {
	struct host_tickets *hosts;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int ctx_index = -1; /* of a struct store */
static int ssl_index = -1; /* of a host's name */

static void host_free(struct store *store, struct host_tickets *host)
{
	HASH_DEL(store->hosts, host);
	for (size_t i = 0; i < host->len; i++)
		SSL_SESSION_free(host->tickets[i]);
	free(host);
}

static void free_store(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index,
		       long argl, void *argp)
{
	struct store *store = ptr;
	struct host_tickets *host, *next;

	(void)parent;
	(void)data;
	(void)index;
	(void)argl;
	(void)argp;
	if (!store)
		return;
	HASH_ITER (hh, store->hosts, host, next)
		host_free(store, host);
	free(store);
}

static void free_name(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index,
		      long argl, void *argp)
{
	(void)parent;
	(void)data;
	(void)index;
	(void)argl;
	(void)argp;
	free(ptr);
}

static void make_indexes(void)
{
	ctx_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_store);
	ssl_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_name);
}

static struct host_tickets *find(const struct store *store, const char *name)
{
	struct host_tickets *host;

	HASH_FIND_STR(store->hosts, name, host);
	return host;
}

/* The host's place; a stranger to a full store gets none. */
static struct host_tickets *find_or_add(struct store *store, const char *name)
{
	struct host_tickets *host = find(store, name);
	size_t len = strlen(name);

	if (host)
		return host;
	if (HASH_COUNT(store->hosts) >= HOSTS_MAX)
		return NULL;
	host = calloc(1, sizeof(*host) + len + 1);
	if (!host)
		return NULL;
	memcpy(host->host, name, len + 1);
	HASH_ADD_KEYPTR(hh, store->hosts, host->host, len, host);
	if (host->hh.tbl)
		return host;
	free(host);
	return NULL;
}

/* OpenSSL's callback: 1 takes the session over. */
static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
	struct store *store =
		SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ctx_index);
	const char *name = SSL_get_ex_data(ssl, ssl_index);
	struct host_tickets *host =
		store && name ? find_or_add(store, name) : NULL;

	if (!host)
		return 0;
	if (host->len == TICKETS_PER_HOST) {
		SSL_SESSION_free(host->tickets[0]);
		memmove(host->tickets, host->tickets + 1,
			--host->len * sizeof(SSL_SESSION *));
	}
	host->tickets[host->len++] = session;
	return 1;
}

int tls_session_keep(SSL_CTX *ctx)
{
	struct store *store = calloc(1, sizeof(*store));

	pthread_once(&once, make_indexes);
	if (!store || ctx_index < 0 || ssl_index < 0 ||
	    SSL_CTX_set_ex_data(ctx, ctx_index, store) != 1) {
		free(store);
		return -1;
	}
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
						    SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_ticket);
	return 0;
}

void tls_session_offer(SSL *ssl, const char *host)
{
	struct store *store =
		SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ctx_index);
	struct host_tickets *tickets = store ? find(store, host) : NULL;
	char *name = strdup(host);

	if (!name || SSL_set_ex_data(ssl, ssl_index, name) != 1) {
		free(name);
		return;
	}
	while (tickets && tickets->len > 0) {
		SSL_SESSION *session = tickets->tickets[--tickets->len];
		int taken = SSL_SESSION_is_resumable(session) == 1 &&
			    SSL_set_session(ssl, session) == 1;

		SSL_SESSION_free(session);
		if (taken)
			break;
	}
}
