/*
 * engine_fixture.h - what the tests of the stream engine share: a loop that is
 * driven step by step, pairs of sockets, and a certificate authority.
 *
 * A test is one thread: it does something to the far end of a connection, runs
 * the loop until what it expects is so, and looks.  The far ends are plain
 * non-blocking descriptors, or OpenSSL of its own on one (struct tls_end).
 */
#ifndef HYBRIDGE_TESTS_ENGINE_FIXTURE_H
#define HYBRIDGE_TESTS_ENGINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <hybridge/conn.h>
#include <hybridge/loop.h>
#include <hybridge/tls.h>

#define FIXTURE_PATIENCE_S 120 /* sanitizers and valgrind are slow */

/* A loop, driven step by step. */

/** struct fixture - A loop and what stops it */
struct fixture {
	struct hybridge_loop *loop;
	struct hybridge_timer step;
};

static inline void fixture_step_over(struct hybridge_timer *timer)
{
	struct fixture *fx = hybridge_container(timer, struct fixture, step);

	hybridge_loop_stop(fx->loop);
}

/** fixture_setup() - For cmocka: *state is a struct fixture */
static inline int fixture_setup(void **state)
{
	struct hybridge_error err = {0};
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	fx->loop = hybridge_loop_new(&err);
	assert_string_equal(err.what, "");
	assert_non_null(fx->loop);
	fx->step.fire = fixture_step_over;
	*state = fx;
	return 0;
}

/** fixture_teardown() - For cmocka */
static inline int fixture_teardown(void **state)
{
	struct fixture *fx = *state;

	hybridge_loop_free(fx->loop);
	free(fx);
	return 0;
}

/** WITH_LOOP() - A test whose *state is a struct fixture */
#define WITH_LOOP(test) \
	cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

/** fixture_step() - Serve the loop for some milliseconds */
static inline void fixture_step(struct fixture *fx, uint32_t ms)
{
	assert_int_equal(hybridge_timer_set(fx->loop, &fx->step, ms), 0);
	hybridge_loop_run(fx->loop);
	hybridge_timer_clear(fx->loop, &fx->step);
}

/** FIXTURE_UNTIL() - Serve the loop until a condition holds */
#define FIXTURE_UNTIL(fx, condition)                                           \
	do {                                                                   \
		time_t fixture_end = time(NULL) + FIXTURE_PATIENCE_S;          \
		while (!(condition)) {                                         \
			if (time(NULL) > fixture_end)                          \
				fail_msg("waited in vain for %s", #condition); \
			fixture_step(fx, 1);                                   \
		}                                                              \
	} while (0)

/** fixture_random() - Pseudo-random numbers that are the same in every run */
static inline uint32_t fixture_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/** fixture_byte() - What the byte at @at of every test stream is */
static inline uint8_t fixture_byte(uint64_t at)
{
	return (uint8_t)((at * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
}

/* Sockets. */

/** fixture_listen() - A listener on 127.0.0.1; *port is its own */
static inline int fixture_listen(uint16_t *port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*port = ntohs(addr.sin_port);
	return fd;
}

/** fixture_nonblocking() - Make it so */
static inline void fixture_nonblocking(int fd)
{
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

/* A receive buffer of less than a page makes the kernel wait for its timers. */
static inline void fixture_small_buffers(int fd, int bytes)
{
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	if (bytes >= 4096)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

/**
 * fixture_tcp_pair() - Two connected, non-blocking TCP sockets
 * @buffer: SO_SNDBUF, and SO_RCVBUF unless it is tiny; 0 for the system's
 */
static inline void fixture_tcp_pair(int out[2], int buffer)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	uint16_t port;
	int listener = fixture_listen(&port);

	addr.sin_port = htons(port);
	out[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(out[0] >= 0);
	if (buffer > 0) {
		fixture_small_buffers(listener, buffer);
		fixture_small_buffers(out[0], buffer);
	}
	assert_int_equal(
		connect(out[0], (struct sockaddr *)&addr, sizeof(addr)), 0);
	out[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(out[1] >= 0);
	close(listener);
	fixture_nonblocking(out[0]);
	fixture_nonblocking(out[1]);
}

/** fixture_reset() - Close with RST */
static inline void fixture_reset(int fd)
{
	struct linger hard = {.l_onoff = 1, .l_linger = 0};

	assert_int_equal(
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	close(fd);
}

/** fixture_send() - Send all of it, serving the loop while there is no room */
static inline void fixture_send(struct fixture *fx, int fd, const void *buf,
				size_t len)
{
	time_t end = time(NULL) + FIXTURE_PATIENCE_S;

	while (len > 0) {
		ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			assert_true(time(NULL) <= end);
			fixture_step(fx, 1);
			continue;
		}
		buf = (const char *)buf + n;
		len -= (size_t)n;
	}
}

/** fixture_recv() - Receive once, serving the loop while there is nothing; as recv(2) */
static inline ssize_t fixture_recv(struct fixture *fx, int fd, void *buf,
				   size_t len)
{
	time_t end = time(NULL) + FIXTURE_PATIENCE_S;
	ssize_t n;

	while ((n = recv(fd, buf, len, 0)) < 0 && errno == EAGAIN) {
		assert_true(time(NULL) <= end);
		fixture_step(fx, 1);
	}
	return n;
}

/** fixture_recv_all() - Receive exactly so much */
static inline void fixture_recv_all(struct fixture *fx, int fd, void *buf,
				    size_t len)
{
	while (len > 0) {
		ssize_t n = fixture_recv(fx, fd, buf, len);

		assert_true(n > 0);
		buf = (char *)buf + n;
		len -= (size_t)n;
	}
}

/** fixture_expect() - Receive exactly these bytes */
static inline void fixture_expect(struct fixture *fx, int fd, const void *want,
				  size_t len)
{
	uint8_t *got = malloc(len + 1);

	assert_non_null(got);
	fixture_recv_all(fx, fd, got, len);
	assert_memory_equal(got, want, len);
	free(got);
}

/* The owner of a connection under test. */

/**
 * struct end - Reads all that comes, and remembers it
 * @limit: Stop reading at so many bytes, SIZE_MAX for never
 * @chunk: Most bytes to ask for at once
 */
struct end {
	struct hybridge_conn *conn;
	uint8_t *got;
	size_t len;
	size_t room;
	size_t limit;
	size_t chunk;
	bool eof;
	int error;
	unsigned int calls;
};

static inline void end_read(struct end *end)
{
	while (end->conn && !end->eof && !end->error && end->len < end->limit) {
		size_t want = end->limit - end->len;
		ssize_t n;

		if (want > end->chunk)
			want = end->chunk;
		if (end->room < end->len + want) {
			end->room = 2 * (end->len + want);
			end->got = realloc(end->got, end->room);
			assert_non_null(end->got);
		}
		n = hybridge_conn_read(end->conn, end->got + end->len, want);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			end->error = errno;
		else if (n == 0)
			end->eof = true;
		else
			end->len += (size_t)n;
	}
}

static inline void end_ready(void *owner, struct hybridge_conn *conn)
{
	struct end *end = owner;

	(void)conn;
	end->calls++;
	end_read(end);
}

/** end_open() - A connection under test on @fd */
static inline void end_open(struct fixture *fx, struct end *end, int fd)
{
	*end = (struct end){.limit = SIZE_MAX, .chunk = 65536};
	end->conn = hybridge_conn_new(fx->loop, fd, end_ready, end);
	assert_non_null(end->conn);
}

/** end_close() - Give it up */
static inline void end_close(struct end *end, enum hybridge_conn_how how)
{
	hybridge_conn_close(end->conn, how);
	free(end->got);
	*end = (struct end){0};
}

/* Certificates. */

/** struct pki - A certificate authority made for one run */
struct pki {
	X509 *ca;
	EVP_PKEY *ca_key;
	char ca_path[40];
	int ca_fd;
};

/** struct pki_leaf - A certificate and its key: as files that only we see */
struct pki_leaf {
	char cert_path[40];
	char key_path[40];
	int cert_fd;
	int key_fd;
};

/* A file without a name in the file system; @path opens it. */
static inline int pki_file(char path[static 40], X509 *cert, EVP_PKEY *key)
{
	int fd = memfd_create("pki", MFD_CLOEXEC);
	FILE *file;

	assert_true(fd >= 0);
	file = fdopen(dup(fd), "w");
	assert_non_null(file);
	if (cert)
		assert_int_equal(PEM_write_X509(file, cert), 1);
	if (key)
		assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0,
						      NULL, NULL),
				 1);
	fclose(file);
	snprintf(path, 40, "/proc/self/fd/%d", fd);
	return fd;
}

static inline void pki_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(ext);
	assert_int_equal(X509_add_ext(cert, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

static inline X509 *pki_certificate(EVP_PKEY *key, const char *name, long from,
				    long to)
{
	static long serial;
	X509 *cert = X509_new();

	assert_non_null(cert);
	assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(cert), from);
	X509_gmtime_adj(X509_getm_notAfter(cert), to);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN",
				   MBSTRING_ASC, (const unsigned char *)name,
				   -1, -1, 0);
	return cert;
}

/** pki_open() - Make an authority */
static inline void pki_open(struct pki *pki)
{
	static int number;
	char name[40];

	snprintf(name, sizeof(name), "test authority %d", ++number);
	pki->ca_key = EVP_EC_gen("P-256");
	assert_non_null(pki->ca_key);
	pki->ca = pki_certificate(pki->ca_key, name, -3600, 86400);
	X509_set_issuer_name(pki->ca, X509_get_subject_name(pki->ca));
	pki_extension(pki->ca, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(pki->ca, pki->ca_key, EVP_sha256()) > 0);
	pki->ca_fd = pki_file(pki->ca_path, pki->ca, NULL);
}

/** pki_close() - Forget it */
static inline void pki_close(struct pki *pki)
{
	X509_free(pki->ca);
	EVP_PKEY_free(pki->ca_key);
	close(pki->ca_fd);
}

/**
 * pki_issue() - A certificate
 * @names: "DNS:a.example,IP:127.0.0.1"
 * @from, @to: Validity, in seconds from now
 */
static inline void pki_issue(const struct pki *pki, struct pki_leaf *leaf,
			     const char *names, long from, long to)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = pki_certificate(key, "test leaf", from, to);

	X509_set_issuer_name(cert, X509_get_subject_name(pki->ca));
	pki_extension(cert, NID_subject_alt_name, names);
	assert_true(X509_sign(cert, pki->ca_key, EVP_sha256()) > 0);
	leaf->cert_fd = pki_file(leaf->cert_path, cert, NULL);
	leaf->key_fd = pki_file(leaf->key_path, NULL, key);
	X509_free(cert);
	EVP_PKEY_free(key);
}

/** pki_revoke() - Forget a certificate */
static inline void pki_revoke(struct pki_leaf *leaf)
{
	close(leaf->cert_fd);
	close(leaf->key_fd);
}

/** pki_server() - Settings of a server with a certificate for @names, valid now */
static inline SSL_CTX *pki_server(const struct pki *pki, const char *names)
{
	struct hybridge_error err = {0};
	struct pki_leaf leaf;
	SSL_CTX *ctx;

	pki_issue(pki, &leaf, names, -3600, 86400);
	ctx = hybridge_tls_server_ctx(leaf.cert_path, leaf.key_path,
				      HYBRIDGE_FAST_CRYPTO_AUTO, &err);
	assert_string_equal(err.what, "");
	pki_revoke(&leaf);
	return ctx;
}

/** pki_client() - Settings of a client that trusts the authority */
static inline SSL_CTX *pki_client(const struct pki *pki)
{
	struct hybridge_error err = {0};
	SSL_CTX *ctx = hybridge_tls_client_ctx(pki->ca_path,
					       HYBRIDGE_FAST_CRYPTO_AUTO, &err);

	assert_string_equal(err.what, "");
	return ctx;
}

/* A far end that speaks TLS with OpenSSL's own socket code, none of ours. */

/** tls_far_open() - OpenSSL on @fd, which SSL_free() does not close */
static inline SSL *tls_far_open(SSL_CTX *ctx, int fd, bool server)
{
	SSL *ssl = SSL_new(ctx);

	assert_non_null(ssl);
	assert_int_equal(SSL_set_fd(ssl, fd), 1);
	if (server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	return ssl;
}

/** tls_far_again() - Whether to try again; then the loop was served meanwhile */
static inline bool tls_far_again(struct fixture *fx, SSL *ssl, int ret,
				 time_t end)
{
	int why = SSL_get_error(ssl, ret);

	if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
		return false;
	assert_true(time(NULL) <= end);
	fixture_step(fx, 1);
	return true;
}

/** tls_far_handshake() - As SSL_do_handshake(), until it is decided */
static inline int tls_far_handshake(struct fixture *fx, SSL *ssl)
{
	time_t end = time(NULL) + FIXTURE_PATIENCE_S;
	int ret;

	do
		ret = SSL_do_handshake(ssl);
	while (ret != 1 && tls_far_again(fx, ssl, ret, end));
	return ret;
}

/** tls_far_send() - Send all of it */
static inline void tls_far_send(struct fixture *fx, SSL *ssl, const void *buf,
				size_t len)
{
	time_t end = time(NULL) + FIXTURE_PATIENCE_S;
	int ret;

	while ((ret = SSL_write(ssl, buf, (int)len)) != (int)len)
		assert_true(tls_far_again(fx, ssl, ret, end));
}

/** tls_far_recv() - As SSL_read(), until it is decided */
static inline int tls_far_recv(struct fixture *fx, SSL *ssl, void *buf,
			       size_t len)
{
	time_t end = time(NULL) + FIXTURE_PATIENCE_S;
	int ret;

	do
		ret = SSL_read(ssl, buf, (int)len);
	while (ret <= 0 && tls_far_again(fx, ssl, ret, end));
	return ret;
}

#endif
