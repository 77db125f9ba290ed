/*
 * floor.c - what any tunnel of three processes costs at the least: records, masks, and no protocol.
 *
 *	floor middle			listens for the two others, and prints its port
 *	floor far PORT SERVICE		joins the middle, connects streams to the service
 *	floor near PORT			joins the middle, listens for programs, and prints its port
 *
 * With "tls" before that, at all three, records are OpenSSL's.
 *
 * It does what must be done where connect() tells the truth and streams share connections: near
 * asks for a stream and reads nothing of it until far has reached the service; an end goes
 * each way by itself.  What near sends is masked, as a WebSocket's client does, and
 * unmasked in the middle; likewise what far sends.  All else that ours does is left out:
 * held connects, handshakes, HTTP/2, WebSockets, windows, time-outs, logs.  What is measured through
 * it is what the machine itself takes for as many processes, wake-ups and system calls.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <hybridge/ws.h>

#include "records.h"
#include "sockets.h"

#define CHUNK          (8 * RECORD_PAYLOAD)
#define READS_PER_TURN 4
#define RUN_MAX        64 /* records of one stream that go out together */
#define ENOUGH         ((size_t)1024 * 1024) /* waits: then no more is read */
#define EVENTS         512

static const uint8_t mask_key[4] = {0x5a, 0xa5, 0x3c, 0xc3};

/* One stream at near or far: what a program, or the service, is connected by. */
struct stream {
	uint32_t id;
	int fd; /* -1: none */
	bool opened;
	bool hung_up;
	bool ended;      /* it said its last, and the link was told */
	bool peer_ended; /* the link said so */
	bool again;      /* there may be more to read, when the link takes it */
	struct bytes out;
	struct stream
		*next; /* in the list of those with @again, or of free ones */
};

static struct {
	int epoll;
	int listener;
	bool is_near;
	bool has_tls;
	struct sockaddr_in service;
	struct link links[2]; /* near and far have only the first */
	struct stream **streams;
	uint32_t num_streams;
	struct stream *spare;
	struct stream *again;
	size_t waiting; /* bytes of all streams that the kernel has not taken */
} self;

/* Payload of one stream that came in several records, and goes out in one call. */
static struct {
	struct stream *stream;
	struct iovec pieces[RUN_MAX];
	int num;
	size_t len;
} run;

static struct link *const link0 = &self.links[0];

static int connect_to(const struct sockaddr_in *at, int flags)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	if (fd < 0 || (connect(fd, (const struct sockaddr *)at, sizeof(*at)) &&
		       errno != EINPROGRESS))
		bench_die("connect");
	return fd;
}

static struct sockaddr_in loopback(const char *port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
		.sin_addr = {htonl(INADDR_LOOPBACK)},
	};
}

/* Near and far. */

static struct stream *stream_at(uint32_t id)
{
	if (id >= self.num_streams) {
		uint32_t num = 2 * id + 64;

		self.streams = reallocarray(self.streams, num,
					    sizeof(struct stream *));
		if (!self.streams)
			bench_die("reallocarray");
		for (uint32_t i = self.num_streams; i < num; i++)
			self.streams[i] = NULL;
		self.num_streams = num;
	}
	if (!self.streams[id]) {
		self.streams[id] = calloc(1, sizeof(struct stream));
		if (!self.streams[id])
			bench_die("calloc");
		self.streams[id]->id = id;
		self.streams[id]->fd = -1;
	}
	return self.streams[id];
}

/* The id is used again once both ends were told: records come in order. */
static void stream_over(struct stream *stream)
{
	if (stream->fd >= 0)
		close(stream->fd);
	self.waiting -= stream->out.end - stream->out.start;
	free(stream->out.at);
	stream->out = (struct bytes){0};
	stream->fd = -1;
	stream->opened = stream->hung_up = false;
	stream->ended = stream->peer_ended = false;
	if (!self.is_near || stream->again)
		return; /* far finds it by its id; near by the list of those with @again */
	stream->next = self.spare;
	self.spare = stream;
}

static void over_if_both_ended(struct stream *stream)
{
	if (stream->ended && stream->peer_ended &&
	    stream->out.start == stream->out.end)
		stream_over(stream);
}

static void say_end(struct stream *stream)
{
	if (!stream->ended)
		link_add(link0, RECORD_END, stream->id, NULL, 0);
	stream->ended = true;
	over_if_both_ended(stream);
}

/* Read again when others had their turn, and the link takes more. */
static void later(struct stream *stream)
{
	if (stream->again)
		return;
	stream->again = true;
	stream->next = self.again;
	self.again = stream;
}

static void read_stream(struct stream *stream)
{
	static uint8_t buf[CHUNK];

	for (int i = 0; stream->opened && !stream->ended; i++) {
		ssize_t n;

		if (i == READS_PER_TURN || link_waiting(link0) > ENOUGH) {
			later(stream);
			return;
		}
		n = recv(stream->fd, buf, sizeof(buf), 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			say_end(stream);
			return;
		}
		hybridge_ws_mask(buf, (size_t)n, mask_key, 0);
		for (size_t at = 0; at < (size_t)n; at += RECORD_PAYLOAD) {
			size_t left = (size_t)n - at;

			link_add(link0, RECORD_DATA, stream->id, buf + at,
				 left < RECORD_PAYLOAD ? left : RECORD_PAYLOAD);
		}
		/* Short, so empty, but for an end that has had its event. */
		if ((size_t)n < sizeof(buf) && !stream->hung_up)
			return;
	}
}

static void shut_if_empty(struct stream *stream)
{
	if (stream->peer_ended && stream->out.start == stream->out.end &&
	    !stream->ended)
		shutdown(stream->fd, SHUT_WR);
}

static void drain_stream(struct stream *stream)
{
	size_t before = stream->out.end - stream->out.start;

	if (before == 0)
		return;
	if (!bytes_send(&stream->out, stream->fd))
		stream->out.start = stream->out.end = 0;
	self.waiting -= before - (stream->out.end - stream->out.start);
	shut_if_empty(stream);
	over_if_both_ended(stream);
}

static void keep(struct stream *stream, size_t sent)
{
	for (int i = 0; i < run.num; i++) {
		const struct iovec *piece = &run.pieces[i];
		size_t skip = sent < piece->iov_len ? sent : piece->iov_len;
		size_t left = piece->iov_len - skip;

		sent -= skip;
		memcpy(bytes_room(&stream->out, left),
		       (const uint8_t *)piece->iov_base + skip, left);
		stream->out.end += left;
		self.waiting += left;
	}
}

static void deliver_run(void)
{
	struct stream *stream = run.stream;
	struct msghdr msg = {.msg_iov = run.pieces,
			     .msg_iovlen = (size_t)run.num};
	ssize_t n = 0;

	run.stream = NULL;
	if (!stream || stream->fd < 0)
		return;
	if (stream->out.start == stream->out.end) {
		n = sendmsg(stream->fd, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return; /* its reader hears of it */
	}
	if (n < (ssize_t)run.len)
		keep(stream, n < 0 ? 0 : (size_t)n);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): an iovec has no const */
static void deliver(struct stream *stream, uint8_t *payload, size_t len)
{
	if (run.stream != stream || run.num == RUN_MAX) {
		deliver_run();
		run.stream = stream;
		run.num = 0;
		run.len = 0;
	}
	run.pieces[run.num++] =
		(struct iovec){.iov_base = payload, .iov_len = len};
	run.len += len;
}

static void open_far(struct stream *stream)
{
	stream->fd = connect_to(&self.service, SOCK_NONBLOCK);
	bench_tune(stream->fd);
	bench_watch(self.epoll, stream->fd, stream);
}

static void take_record(const struct record_head *head, uint8_t *payload)
{
	struct stream *stream = stream_at(head->id);

	if (head->type == RECORD_DATA) {
		deliver(stream, payload, head->len);
		return;
	}
	deliver_run();
	if (head->type == RECORD_OPEN) {
		open_far(stream);
	} else if (head->type == RECORD_OPENED) {
		stream->opened = true;
		read_stream(stream);
	} else {
		stream->peer_ended = true;
		shut_if_empty(stream);
		over_if_both_ended(stream);
	}
}

static void read_link(void)
{
	struct record_head head;
	uint8_t *payload;

	while (self.waiting <= ENOUGH && link_receive(link0)) {
		while (link_next(link0, &head, &payload))
			take_record(&head, payload);
		deliver_run();
	}
}

static void on_stream(struct stream *stream, uint32_t events)
{
	if (stream->fd < 0)
		return;
	if (!self.is_near && !stream->opened) {
		if ((events & (EPOLLERR | EPOLLHUP)) == 0) {
			stream->opened = true;
			link_add(link0, RECORD_OPENED, stream->id, NULL, 0);
		} else {
			say_end(stream);
		}
	}
	if (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP))
		stream->hung_up = true;
	if (events & EPOLLOUT)
		drain_stream(stream);
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP))
		read_stream(stream);
}

static void accept_programs(void)
{
	for (;;) {
		int fd = accept4(self.listener, NULL, NULL,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct stream *stream = self.spare;

		if (fd < 0)
			return;
		if (stream) {
			self.spare = stream->next;
		} else {
			static uint32_t ids;

			stream = stream_at(ids++);
		}
		stream->fd = fd;
		bench_tune(fd);
		bench_watch(self.epoll, fd, stream);
		link_add(link0, RECORD_OPEN, stream->id, NULL, 0);
	}
}

/* Those that had more than their turn, if the link takes more. */
static void run_again(void)
{
	struct stream *stream = self.again;

	if (link_waiting(link0) > ENOUGH)
		return;
	self.again = NULL;
	while (stream) {
		struct stream *next = stream->next;

		stream->again = false;
		if (stream->fd >= 0) {
			read_stream(stream);
		} else if (self.is_near) {
			stream->next = self.spare;
			self.spare = stream;
		}
		stream = next;
	}
}

/* The middle. */

/* What one link has goes to the other, sealed anew. */
static void forward(struct link *from, struct link *to)
{
	struct record_head head;
	uint8_t *payload;

	while (link_waiting(to) <= ENOUGH && link_receive(from)) {
		while (link_next(from, &head, &payload)) {
			if (head.len > 0)
				hybridge_ws_mask(payload, head.len, mask_key,
						 0);
			link_add(to, (enum record_type)head.type, head.id,
				 payload, head.len);
		}
	}
}

static void start_middle(void)
{
	int listener = bench_listen("127.0.0.1");
	struct pollfd wait = {.fd = listener, .events = POLLIN};

	for (int i = 0; i < 2; i++) {
		int fd;

		poll(&wait, 1, -1);
		fd = accept(listener, NULL, NULL);
		if (fd < 0)
			bench_die("accept");
		link_start(&self.links[i], fd,
			   self.has_tls ? records_tls(true) : NULL);
		bench_watch(self.epoll, fd, &self.links[i]);
	}
}

/* All three. */

static void on_event(const struct epoll_event *event)
{
	void *ptr = event->data.ptr;

	if (!ptr)
		accept_programs();
	else if (ptr == &self.links[0] || ptr == &self.links[1])
		((struct link *)ptr)->readable |=
			(event->events & (EPOLLIN | EPOLLRDHUP)) != 0;
	else
		on_stream(ptr, event->events);
}

/* Edge-triggered: what was left unread, as too much waited, has no event when that has gone. */
static bool has_more(bool is_middle)
{
	const struct link *links = self.links;
	const bool takes[2] = {link_waiting(&links[0]) <= ENOUGH,
			       is_middle && link_waiting(&links[1]) <= ENOUGH};

	if (is_middle)
		return (links[0].readable && takes[1]) ||
		       (links[1].readable && takes[0]);
	return (links[0].readable && self.waiting <= ENOUGH) ||
	       (self.again && takes[0]);
}

static void turn(bool is_middle)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(self.epoll, events, EVENTS,
			   has_more(is_middle) ? 0 : -1);

	for (int i = 0; i < n; i++)
		on_event(&events[i]);
	if (is_middle) {
		forward(&self.links[0], &self.links[1]);
		forward(&self.links[1], &self.links[0]);
		link_send(&self.links[1]);
	} else {
		read_link();
		run_again();
	}
	link_send(link0);
}

int main(int argc, char **argv)
{
	bool is_middle, is_far;

	self.has_tls = argc > 1 && strcmp(argv[1], "tls") == 0;
	argc -= self.has_tls;
	argv += self.has_tls;
	is_middle = argc == 2 && strcmp(argv[1], "middle") == 0;
	is_far = argc == 4 && strcmp(argv[1], "far") == 0;
	self.is_near = argc == 3 && strcmp(argv[1], "near") == 0;
	if (!is_middle && !is_far && !self.is_near) {
		errno = EINVAL;
		bench_die(
			"floor: [tls] middle, far PORT SERVICE, or near PORT");
	}
	signal(SIGPIPE, SIG_IGN);
	self.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (is_middle) {
		start_middle();
	} else {
		struct sockaddr_in middle = loopback(argv[2]);

		link_start(link0, connect_to(&middle, 0),
			   self.has_tls ? records_tls(false) : NULL);
		bench_watch(self.epoll, link0->fd, link0);
	}
	if (is_far)
		self.service = loopback(argv[3]);
	if (self.is_near) {
		self.listener = bench_listen("127.0.0.1");
		bench_watch(self.epoll, self.listener, NULL);
	}
	for (;;)
		turn(is_middle);
}
