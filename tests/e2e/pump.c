/*
 * pump - one end of a transfer: sends so many bytes, takes what comes, and
 * tells how much it was, its hash and how it ended.
 *
 *	pump connect HOST PORT [OPTION...]
 *	pump listen [OPTION...]		on 127.0.0.1, prints its port first
 *
 *	-s BYTES  send so many, then shut down writing
 *	-a        answer: send only after the other side's end of file
 *	-k        keep: shut down writing only after the other side's end of file
 *	-p BYTES  print a line when so many were received
 *	-t        tell when nothing could be sent for half a second
 *	-r BYTES  reset the connection when so many were received
 *	-n COUNT  listen: serve so many connections, one after the other
 *
 * The bytes depend on their position and on the end that sends them, so that
 * loss, repetition, exchange and reordering all change the hash.  Both hashes
 * are printed: each end's "received" must be the other's "sent".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK       ((size_t)256 * 1024)
#define WORD        sizeof(uint64_t)
#define STALL_MS    500
#define DEADLINE_MS 120000

struct options {
	uint64_t send;
	uint64_t progress;
	uint64_t reset_at;
	uint64_t seed;
	bool answer;
	bool keep;
	bool reset;
	bool tell_stall;
	int count;
};

struct hash {
	uint64_t value;
	uint64_t len;
	unsigned char tail[WORD];
};

/* One end at work. */
struct end {
	const struct options *options;
	int fd;
	uint64_t sent;
	uint64_t received;
	struct hash sent_hash;
	struct hash received_hash;
	bool eof;
	bool done_writing;
	bool told;
	int err;
	unsigned char out[BLOCK];
	unsigned char in[BLOCK];
};

/* splitmix64's finalizer: every bit of the result depends on every bit of @x. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static void hash_word(struct hash *hash, const void *word)
{
	uint64_t w;

	memcpy(&w, word, WORD);
	w = (hash->value ^ w) * 0x9e3779b97f4a7c15u;
	hash->value = w ^ (w >> 29);
}

static void hash_add(struct hash *hash, const unsigned char *bytes, size_t len)
{
	for (; len && hash->len % WORD; len--) {
		hash->tail[hash->len++ % WORD] = *bytes++;
		if (hash->len % WORD == 0)
			hash_word(hash, hash->tail);
	}
	hash->len += len;
	for (; len >= WORD; len -= WORD, bytes += WORD)
		hash_word(hash, bytes);
	memcpy(hash->tail, bytes, len);
}

static uint64_t hash_end(const struct hash *hash)
{
	struct hash last = *hash;
	size_t rest = hash->len % WORD;

	memset(last.tail + rest, 0, WORD - rest);
	hash_word(&last, last.tail);
	return mix(last.value ^ last.len);
}

/* Refills the block that position @sent lies in, when it begins there. */
static void fill(struct end *end)
{
	uint64_t at = end->sent;

	if (at % BLOCK)
		return;
	for (size_t i = 0; i < BLOCK; i += WORD) {
		uint64_t word = mix(end->options->seed + (at + i) / WORD);

		memcpy(end->out + i, &word, WORD);
	}
}

static void tell_progress(struct end *end)
{
	if (end->told || !end->options->progress ||
	    end->received < end->options->progress)
		return;
	end->told = true;
	printf("{\"progress\": %llu}\n", (unsigned long long)end->received);
}

static bool may_write(const struct end *end)
{
	return !end->done_writing && (end->eof || !end->options->answer);
}

static void write_some(struct end *end)
{
	uint64_t left = end->options->send - end->sent;

	if (left == 0) {
		if (end->options->keep && !end->eof)
			return;
		shutdown(end->fd, SHUT_WR);
		end->done_writing = true;
		return;
	}
	fill(end);
	size_t at = end->sent % BLOCK;
	size_t len = BLOCK - at < left ? BLOCK - at : (size_t)left;
	ssize_t n = send(end->fd, end->out + at, len, MSG_NOSIGNAL);

	if (n < 0) {
		if (errno != EAGAIN)
			end->err = errno;
		return;
	}
	hash_add(&end->sent_hash, end->out + at, (size_t)n);
	end->sent += (uint64_t)n;
}

static void read_some(struct end *end)
{
	ssize_t n = recv(end->fd, end->in, BLOCK, 0);

	if (n < 0) {
		if (errno != EAGAIN)
			end->err = errno;
		return;
	}
	if (n == 0) {
		end->eof = true;
		return;
	}
	hash_add(&end->received_hash, end->in, (size_t)n);
	end->received += (uint64_t)n;
}

static bool wants_reset(const struct end *end)
{
	return end->options->reset && end->received >= end->options->reset_at;
}

static bool waits_to_write(const struct end *end)
{
	bool something = end->sent < end->options->send ||
			 !end->options->keep || end->eof;

	return may_write(end) && something;
}

/* Waits for an event; the first stall is told, and waited out. */
static bool wait_for(struct end *end, struct pollfd *p)
{
	bool tell = end->options->tell_stall && !end->told;

	if (poll(p, 1, tell ? STALL_MS : DEADLINE_MS) != 0)
		return true;
	if (!tell)
		return false;
	end->told = true;
	printf("{\"stalled\": %llu}\n", (unsigned long long)end->sent);
	return poll(p, 1, DEADLINE_MS) != 0;
}

static void run(struct end *end)
{
	while (!end->err && !(end->eof && end->done_writing) &&
	       !wants_reset(end)) {
		struct pollfd p = {.fd = end->fd};

		if (!end->eof)
			p.events |= POLLIN;
		if (waits_to_write(end))
			p.events |= POLLOUT;
		if (!wait_for(end, &p)) {
			end->err = ETIME;
			return;
		}
		if (!end->eof && p.revents & (POLLIN | POLLERR | POLLHUP))
			read_some(end);
		if (!end->err && may_write(end) &&
		    p.revents & (POLLOUT | POLLERR | POLLHUP))
			write_some(end);
		tell_progress(end);
	}
}

static const char *how(const struct end *end)
{
	const char *name = strerrorname_np(end->err);

	if (end->err)
		return name ? name : "?";
	return wants_reset(end) ? "reset" : "eof";
}

/* Does one connection; owns @fd. */
static void serve(int fd, const struct options *options)
{
	struct end *end = calloc(1, sizeof(*end));
	struct linger hard = {.l_onoff = 1};

	if (!end)
		abort();
	end->fd = fd;
	end->options = options;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	printf("{\"open\": true}\n");
	run(end);
	if (wants_reset(end))
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
	printf("{\"end\": \"%s\", \"eof\": %s, \"sent\": %llu, "
	       "\"sent_hash\": \"%016llx\", \"received\": %llu, "
	       "\"received_hash\": \"%016llx\"}\n",
	       how(end), end->eof ? "true" : "false",
	       (unsigned long long)end->sent,
	       (unsigned long long)hash_end(&end->sent_hash),
	       (unsigned long long)end->received,
	       (unsigned long long)hash_end(&end->received_hash));
	free(end);
}

static void listen_and_serve(const struct options *options)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(listener, (struct sockaddr *)&at, len) ||
	    listen(listener, SOMAXCONN) ||
	    getsockname(listener, (struct sockaddr *)&at, &len)) {
		perror("pump: listen");
		exit(1);
	}
	printf("{\"port\": %u}\n", ntohs(at.sin_port));
	for (int i = 0; i < options->count; i++) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0)
			serve(fd, options);
	}
	close(listener);
}

static void connect_and_serve(const char *host, const char *port,
			      const struct options *options)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *at = NULL;
	int err = getaddrinfo(host, port, &hints, &at);

	if (err) {
		fprintf(stderr, "pump: %s: %s\n", host, gai_strerror(err));
		exit(1);
	}
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, at->ai_addr, at->ai_addrlen)) {
		printf("{\"end\": \"%s\", \"connected\": false}\n",
		       strerrorname_np(errno));
		close(fd);
	} else {
		serve(fd, options);
	}
	freeaddrinfo(at);
}

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 10);
}

static void read_options(int argc, char **argv, struct options *out)
{
	int c;

	*out = (struct options){.count = 1};
	while ((c = getopt(argc, argv, "s:aktp:r:n:")) != -1) {
		if (c == 's')
			out->send = number(optarg);
		else if (c == 'a')
			out->answer = true;
		else if (c == 'k')
			out->keep = true;
		else if (c == 't')
			out->tell_stall = true;
		else if (c == 'p')
			out->progress = number(optarg);
		else if (c == 'n')
			out->count = (int)number(optarg);
		else if (c == 'r')
			out->reset = true, out->reset_at = number(optarg);
		else
			exit(64);
	}
}

int main(int argc, char **argv)
{
	struct options options;

	setvbuf(stdout, NULL, _IOLBF, 0);
	read_options(argc, argv, &options);
	argc -= optind;
	argv += optind;
	if (argc == 1 && strcmp(argv[0], "listen") == 0) {
		options.seed = mix(1);
		listen_and_serve(&options);
		return 0;
	}
	if (argc == 3 && strcmp(argv[0], "connect") == 0) {
		options.seed = mix(2);
		connect_and_serve(argv[1], argv[2], &options);
		return 0;
	}
	return 64;
}
