/*
 * records.h - the floor's link between two of its processes: sealed records over one connection.
 *
 * A record is its head, in the machine's order and authenticated, the payload under
 * AES-128-GCM, and the tag.  The key is known to all and nothing is agreed on: this is no
 * protocol to be used, it is what the least of them would cost.
 *
 * Or head and payload go through TLS by OpenSSL: what a tunnel costs at the least whose records
 * are OpenSSL's.
 */
#ifndef BENCH_RECORDS_H
#define BENCH_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>

/* With its head it fits into a record of TLS: RFC 8446 section 5.1. */
#define RECORD_PAYLOAD ((size_t)16 * 1024 - sizeof(struct record_head))

enum record_type { RECORD_OPEN, RECORD_OPENED, RECORD_DATA, RECORD_END };

struct record_head {
	uint32_t len; /* of the payload */
	uint32_t id;  /* of the stream */
	uint32_t type;
};

/** struct bytes - A buffer that grows and never shrinks: @at[@start] to @at[@end] wait */
struct bytes {
	uint8_t *at;
	size_t start, end, size;
};

/** bytes_room() - Where @len more may be written; the caller then moves @end */
uint8_t *bytes_room(struct bytes *bytes, size_t len);

/** bytes_send() - Sends what waits, as far as the kernel takes it; false when @fd is broken */
bool bytes_send(struct bytes *bytes, int fd);

struct link {
	int fd;
	SSL *tls; /* NULL: without */
	EVP_CIPHER_CTX *seal, *open;
	uint64_t sealed, opened; /* records so far: the nonces */
	struct bytes in, out;
	bool readable; /* what the kernel last said: edge-triggered */
};

/** link_start() - On a connected socket, which becomes non-blocking
 * @tls: From records_tls(), of the other kind at the other end; NULL: without, at both */
void link_start(struct link *link, int fd, SSL *tls);

/** records_tls() - One end of TLS 1.3, as our programs have it, but that nobody verifies anything */
SSL *records_tls(bool is_server);

/** link_add() - Seals a record behind those that wait, from where the payload lies */
void link_add(struct link *link, enum record_type type, uint32_t id,
	      const uint8_t *payload, size_t len);

/** link_send() - Sends what waits; ends the process when the peer has gone */
void link_send(struct link *link);

/** link_waiting() - Bytes that the kernel has not taken */
size_t link_waiting(const struct link *link);

/** link_receive() - One recv(), if @readable; false when there is nothing now.  Ends the process as above */
bool link_receive(struct link *link);

/**
 * link_next() - The next record that has come whole, opened where it lies
 *
 * @payload stays good until the next link_receive().  False when there is none.
 */
bool link_next(struct link *link, struct record_head *head, uint8_t **payload);

#endif
