/*
 * records.c - the floor's link between two of its processes.
 */
#include "records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sockets.h"

#define TAG     16
#define READ    ((size_t)256 * 1024)
#define AT_ONCE ((size_t)128 * 1024) /* so much waits for the end of the turn */

static const uint8_t key[16] = {1};

uint8_t *bytes_room(struct bytes *bytes, size_t len)
{
	size_t waiting = bytes->end - bytes->start;

	if (bytes->start > 0 && bytes->end + len > bytes->size) {
		memmove(bytes->at, bytes->at + bytes->start, waiting);
		bytes->start = 0;
		bytes->end = waiting;
	}
	if (bytes->end + len > bytes->size) {
		bytes->size = 2 * (bytes->end + len);
		bytes->at = realloc(bytes->at, bytes->size);
		if (!bytes->at)
			bench_die("realloc");
	}
	return bytes->at + bytes->end;
}

bool bytes_send(struct bytes *bytes, int fd)
{
	while (bytes->start < bytes->end) {
		ssize_t n = send(fd, bytes->at + bytes->start,
				 bytes->end - bytes->start, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN;
		bytes->start += (size_t)n;
	}
	bytes->start = bytes->end = 0;
	return true;
}

static void check(int ret)
{
	if (ret == 1)
		return;
	errno = EBADMSG;
	bench_die("OpenSSL");
}

static EVP_CIPHER_CTX *cipher(int enc)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	check(EVP_CipherInit_ex(ctx, EVP_aes_128_gcm(), NULL, key, NULL, enc));
	return ctx;
}

/* What TLS has to say goes behind what waits. */
static void take_from_tls(struct link *link)
{
	BIO *bio = SSL_get_wbio(link->tls);
	size_t len = BIO_ctrl_pending(bio);
	uint8_t *to = bytes_room(&link->out, len);

	if (len > 0)
		link->out.end += (size_t)BIO_read(bio, to, (int)len);
}

static ssize_t give_to_tls(struct link *link)
{
	static uint8_t buf[READ];
	ssize_t n = recv(link->fd, buf, sizeof(buf), 0);

	if (n > 0)
		BIO_write(SSL_get_rbio(link->tls), buf, (int)n);
	return n;
}

static void shake_hands(struct link *link)
{
	while (SSL_do_handshake(link->tls) != 1) {
		take_from_tls(link);
		link_send(link);
		if (give_to_tls(link) <= 0)
			bench_die("handshake");
	}
	take_from_tls(link);
	link_send(link);
}

void link_start(struct link *link, int fd, SSL *tls)
{
	*link = (struct link){
		.fd = fd, .tls = tls, .seal = cipher(1), .open = cipher(0)};
	if (tls)
		shake_hands(link);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		bench_die("fcntl");
	bench_tune(fd);
}

/* The nonce and what is authenticated without being hidden. */
static void begin(EVP_CIPHER_CTX *ctx, uint64_t *number,
		  const struct record_head *head)
{
	uint8_t iv[12] = {0};
	int n;

	memcpy(iv, number, sizeof(*number));
	++*number;
	check(EVP_CipherInit_ex(ctx, NULL, NULL, NULL, iv, -1));
	check(EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *)head,
			       sizeof(*head)));
}

static void add_sealed(struct link *link, const struct record_head *head,
		       const uint8_t *payload)
{
	size_t len = head->len;
	uint8_t *to = bytes_room(&link->out, sizeof(*head) + len + TAG);
	int n = 0;

	memcpy(to, head, sizeof(*head));
	to += sizeof(*head);
	begin(link->seal, &link->sealed, head);
	if (len > 0)
		check(EVP_CipherUpdate(link->seal, to, &n, payload, (int)len));
	check(EVP_CipherFinal_ex(link->seal, to + len, &n));
	check(EVP_CIPHER_CTX_ctrl(link->seal, EVP_CTRL_AEAD_GET_TAG, TAG,
				  to + len));
	link->out.end += sizeof(*head) + len + TAG;
}

static void add_by_tls(struct link *link, const struct record_head *head,
		       const uint8_t *payload)
{
	static uint8_t plain[sizeof(*head) + RECORD_PAYLOAD];
	size_t len = sizeof(*head) + head->len;

	memcpy(plain, head, sizeof(*head));
	if (head->len > 0)
		memcpy(plain + sizeof(*head), payload, head->len);
	check(SSL_write(link->tls, plain, (int)len) == (int)len);
	take_from_tls(link);
}

void link_add(struct link *link, enum record_type type, uint32_t id,
	      const uint8_t *payload, size_t len)
{
	const struct record_head head = {(uint32_t)len, id, type};

	if (link->tls)
		add_by_tls(link, &head, payload);
	else
		add_sealed(link, &head, payload);
	if (link_waiting(link) >= AT_ONCE)
		link_send(link);
}

void link_send(struct link *link)
{
	if (!bytes_send(&link->out, link->fd))
		exit(0);
}

size_t link_waiting(const struct link *link)
{
	return link->out.end - link->out.start;
}

static ssize_t receive_by_tls(struct link *link)
{
	ssize_t n = give_to_tls(link);
	int len;

	if (n <= 0)
		return n;
	while ((len = SSL_read(link->tls, bytes_room(&link->in, READ),
			       (int)READ)) > 0)
		link->in.end += (size_t)len;
	return n;
}

static ssize_t receive_sealed(struct link *link)
{
	ssize_t n = recv(link->fd, bytes_room(&link->in, READ), READ, 0);

	if (n > 0)
		link->in.end += (size_t)n;
	return n;
}

bool link_receive(struct link *link)
{
	ssize_t n;

	if (!link->readable)
		return false;
	n = link->tls ? receive_by_tls(link) : receive_sealed(link);
	link->readable = n == (ssize_t)READ;
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0)
		exit(0);
	return true;
}

bool link_next(struct link *link, struct record_head *head, uint8_t **payload)
{
	struct bytes *in = &link->in;
	size_t came = in->end - in->start;
	size_t tag = link->tls ? 0 : TAG;
	uint8_t *from = in->at + in->start;
	int n = 0;

	if (came < sizeof(*head))
		return false;
	memcpy(head, from, sizeof(*head));
	if (came < sizeof(*head) + head->len + tag)
		return false;
	from += sizeof(*head);
	*payload = from;
	in->start += sizeof(*head) + head->len + tag;
	if (link->tls)
		return true;
	begin(link->open, &link->opened, head);
	if (head->len > 0)
		check(EVP_CipherUpdate(link->open, from, &n, from,
				       (int)head->len));
	check(EVP_CIPHER_CTX_ctrl(link->open, EVP_CTRL_AEAD_SET_TAG, TAG,
				  from + head->len));
	check(EVP_CipherFinal_ex(link->open, from + head->len, &n));
	return true;
}
