/*
 * client.c - one connection to the unix socket: its message, and the answer to it.
 */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utlist.h>

#include <hybridge/local.h>
#include <hybridge/log.h>

#include "local.h"
#include "request.h"
#include "request_table.h"
#include "route.h"
#include "sender.h"
#include "status.h"
#include "wildcard.h"

#define PATIENCE_MS       5000 /* for the message, and to take the answer */
#define SPARE_PATIENCE_MS 200  /* others wait for the spare descriptors */
#define STARVED_MS        10   /* until we look for descriptors again */
#define PACKET_MAX        32768

/* The message, once it is there, and what became of it. */
struct client {
	struct hybridge_source source;
	struct sender *sender;
	struct client **list;
	struct client *prev; // cppcheck-suppress unusedStructMember ; utlist's
	struct client *next; // cppcheck-suppress unusedStructMember ; utlist's
	struct hybridge_timer patience;
	struct hybridge_task reap;
	char *answer; /* owned; what of it is still to be sent starts at @sent */
	size_t len;
	size_t sent;
	bool on_spare;   /* there are no descriptors but the spare ones */
	bool is_starved; /* and others have them: its message is not read yet */
};

static void run_reap(struct hybridge_task *task)
{
	struct client *client = hybridge_container(task, struct client, reap);

	free(client->answer);
	free(client);
}

void client_drop(struct client *client)
{
	struct sender *sender = client->sender;

	if (client->source.fd < 0)
		return;
	hybridge_loop_unwatch(sender->loop, &client->source);
	close(client->source.fd);
	client->source.fd = -1;
	hybridge_timer_clear(sender->loop, &client->patience);
	DL_DELETE(*client->list, client);
	hybridge_loop_defer(sender->loop, &client->reap);
	local_client_gone(sender->local, client->on_spare);
	sender_changed(sender);
}

static int set_patience(struct client *client)
{
	uint32_t ms = client->is_starved ? STARVED_MS
		      : client->on_spare ? SPARE_PATIENCE_MS
					 : PATIENCE_MS;

	return hybridge_timer_set(client->sender->loop, &client->patience, ms);
}

static void receive(struct client *client);

static void on_patience(struct hybridge_timer *timer)
{
	struct client *client =
		hybridge_container(timer, struct client, patience);

	if (client->is_starved)
		receive(client);
	else
		client_drop(client);
}

/* Answers. */

/* Sends what the client takes now; drops it when it has everything. */
static void send_answer(struct client *client)
{
	while (client->sent < client->len) {
		size_t left = client->len - client->sent;
		size_t size = left < PACKET_MAX ? left : PACKET_MAX;
		ssize_t n =
			send(client->source.fd, client->answer + client->sent,
			     size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return; /* on_client() is called when there is room */
		if (n < 0)
			break;
		client->sent += (size_t)n;
	}
	client_drop(client);
}

static void answer_status(struct client *client)
{
	client->answer =
		status_json(client->sender, local_path(client->sender->local));
	client->len = client->answer ? strlen(client->answer) : 0;
	send_answer(client);
}

static void put_name(struct hybridge_local_msg *msg, const char *name,
		     size_t len)
{
	if (len >= sizeof(msg->host))
		len = sizeof(msg->host) - 1;
	memcpy(msg->host, name, len);
	msg->host[len] = '\0';
	msg->host_len = (uint16_t)len;
}

/* Who was asked for by the socket that has this local address? */
static void fill_peer(struct client *client,
		      const struct hybridge_local_msg *question,
		      struct hybridge_local_msg *answer)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct hold_address at = {
		.netns = hold_netns(client->source.fd),
		.port = question->addr_port,
	};
	const struct request *request;

	if (question->addr.family == 6) {
		memcpy(at.ip, question->addr.bytes, sizeof(at.ip));
	} else {
		memcpy(at.ip, mapped, sizeof(mapped));
		memcpy(at.ip + sizeof(mapped), question->addr.bytes, 4);
	}
	request = request_find(client->sender, &at, question->port);
	if (!request)
		return;
	put_name(answer, request->host, strlen(request->host));
	answer->port = request->port;
	if (request->asked.family != 0)
		answer->addr = request->asked;
}

static void answer_peer(struct client *client,
			const struct hybridge_local_msg *question)
{
	const struct sender *sender = client->sender;
	struct hybridge_local_msg answer = {
		.magic = HYBRIDGE_LOCAL_MAGIC,
		.kind = HYBRIDGE_LOCAL_PEER,
		.addr = question->addr,
	};
	const char *name = NULL;
	size_t len = 0;

	if (question->addr_port != 0)
		fill_peer(client, question, &answer);
	else
		name = route_name_of(&sender->plan->config, &sender->names,
				     &question->addr, &len);
	if (name)
		put_name(&answer, name, len);
	client->len = hybridge_local_size(&answer);
	client->answer = malloc(client->len);
	if (client->answer)
		memcpy(client->answer, &answer, client->len);
	else
		client->len = 0;
	send_answer(client);
}

/* Requests. */

static uint32_t v4_of(const struct hybridge_ip *ip)
{
	return (uint32_t)ip->bytes[0] << 24 | (uint32_t)ip->bytes[1] << 16 |
	       (uint32_t)ip->bytes[2] << 8 | ip->bytes[3];
}

/* The shim turned a connect() down itself: say it where people look. */
static void note_refused(struct sender *sender,
			 const struct hybridge_local_msg *msg)
{
	char host[256];
	size_t index;
	enum route_found found = route_find(&sender->plan->config,
					    &sender->names, msg, host, &index);

	sender->unmapped++;
	if (found == ROUTE_NO_PORT)
		hybridge_log(HYBRIDGE_LOG_WARNING,
			     "connect refused: host is known, port is not "
			     "configured",
			     HYBRIDGE_STR("host", host),
			     HYBRIDGE_NUM("port", msg->port),
			     HYBRIDGE_STR("hint", "add the port to its "
						  "HYBRIDGE_*_HOSTS"));
	else
		hybridge_log(HYBRIDGE_LOG_WARNING,
			     "connect refused by the library",
			     HYBRIDGE_STR("host", host),
			     HYBRIDGE_NUM("port", msg->port),
			     HYBRIDGE_STR("error", strerror(msg->detail)));
}

static void close_all(const int *fds, size_t num_fds)
{
	for (size_t i = 0; i < num_fds; i++)
		close(fds[i]);
}

/* There are descriptors for nothing more: the program must not wait for it. */
static void refuse_exhausted(struct sender *sender,
			     const struct hybridge_local_msg *msg,
			     const int *fds, size_t num_fds)
{
	struct hybridge_error why = {0};

	hybridge_fail(&why, HYBRIDGE_ESYSTEM, "out of descriptors");
	hybridge_hint(&why, "raise the limit on open files: LimitNOFILE= or "
			    "ulimit -Hn");
	request_start_refused(sender, msg, fds, num_fds, &why);
}

static void dispatch(struct client *client, struct hybridge_local_msg *msg,
		     const char *file, const int *fds, size_t num_fds)
{
	struct sender *sender = client->sender;

	if (msg->kind == HYBRIDGE_LOCAL_CONNECT) {
		if (client->on_spare)
			refuse_exhausted(sender, msg, fds, num_fds);
		else
			request_start(sender, msg, file, fds, num_fds);
		client_drop(client);
		return;
	}
	close_all(fds, num_fds);
	switch ((enum hybridge_local_kind)msg->kind) {
	case HYBRIDGE_LOCAL_PEER:
		answer_peer(client, msg);
		return;
	case HYBRIDGE_LOCAL_STATUS:
		answer_status(client);
		return;
	case HYBRIDGE_LOCAL_NAME:
		wildcard_remember(sender, v4_of(&msg->addr), msg->host);
		break;
	case HYBRIDGE_LOCAL_REFUSED:
		note_refused(sender, msg);
		break;
	case HYBRIDGE_LOCAL_UNKNOWN:
		hybridge_log(HYBRIDGE_LOG_WARNING,
			     "a program could not resolve a name in a domain "
			     "that has mapped ones",
			     HYBRIDGE_STR("host", msg->host),
			     HYBRIDGE_STR("hint",
					  "to relay it, add HOST:PORT to the "
					  "HYBRIDGE_*_HOSTS of its domain"));
		break;
	case HYBRIDGE_LOCAL_CONNECT:
		break;
	}
	client_drop(client);
}

/* Takes the descriptors out of a message. */
static size_t take_fds(struct msghdr *header,
		       int fds[static HYBRIDGE_LOCAL_MAX_FDS])
{
	size_t num_fds = 0;

	for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part;
	     part = CMSG_NXTHDR(header, part)) {
		size_t n = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (part->cmsg_level != SOL_SOCKET ||
		    part->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(part) + i * sizeof(int),
			       sizeof(int));
			if (num_fds < HYBRIDGE_LOCAL_MAX_FDS)
				fds[num_fds++] = fd;
			else
				close(fd);
		}
	}
	return num_fds;
}

/* What a message brings: the kernel closes what there is no room for, and A would be lost. */
static bool has_room(const struct client *client)
{
	int fds[HYBRIDGE_LOCAL_MAX_FDS];
	size_t n = 0;

	while (n < HYBRIDGE_LOCAL_MAX_FDS &&
	       (fds[n] = fcntl(client->source.fd, F_DUPFD_CLOEXEC, 0)) >= 0)
		n++;
	close_all(fds, n);
	return n == HYBRIDGE_LOCAL_MAX_FDS;
}

static bool make_room(struct client *client)
{
	client->is_starved = false;
	if (client->on_spare || !client->sender->local || has_room(client))
		return true;
	client->on_spare = local_lend_spare(client->sender->local);
	client->is_starved = !client->on_spare;
	return client->on_spare;
}

static void receive(struct client *client)
{
	union {
		char buf[CMSG_SPACE(HYBRIDGE_LOCAL_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct hybridge_local_packet packet;
	char file[HYBRIDGE_LOCAL_FILE_MAX];
	struct iovec iov = {&packet, sizeof(packet)};
	struct msghdr header = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	int fds[HYBRIDGE_LOCAL_MAX_FDS];
	const char *wrong;
	size_t num_fds, len;
	ssize_t n;

	if (!make_room(client)) {
		if (set_patience(client) != 0)
			client_drop(client);
		return;
	}
	do {
		n = recvmsg(client->source.fd, &header,
			    MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		client_drop(
			client); /* it only wanted to know that we are here */
		return;
	}
	num_fds = take_fds(&header, fds);
	len = hybridge_local_take_file(&packet, (size_t)n, file);
	wrong = hybridge_local_valid(&packet.msg, len);
	if (wrong) {
		hybridge_log(HYBRIDGE_LOG_WARNING, "request not understood",
			     HYBRIDGE_STR("error", wrong),
			     HYBRIDGE_STR("hint",
					  "library and sender must be of the "
					  "same version"));
		close_all(fds, num_fds);
		client_drop(client);
		return;
	}
	/* The kernel had no descriptors left to give us some of them. */
	if (header.msg_flags & MSG_CTRUNC)
		client->on_spare = true;
	dispatch(client, &packet.msg, file, fds, num_fds);
}

static void on_client(struct hybridge_source *source, uint32_t events)
{
	struct client *client =
		hybridge_container(source, struct client, source);

	if (client->answer && (events & (EPOLLHUP | EPOLLERR)))
		client_drop(client);
	else if (client->answer)
		send_answer(client);
	else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
		receive(client);
}

/* Clients. */

/* For its message, or for room to answer. */
static bool wait_for(struct client *client)
{
	struct sender *sender = client->sender;

	client->source.ready = on_client;
	return hybridge_loop_watch(sender->loop, &client->source) == 0 &&
	       set_patience(client) == 0;
}

static bool is_trusted(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return false;
	if (cred.uid == geteuid() || cred.uid == 0)
		return true;
	hybridge_log(HYBRIDGE_LOG_WARNING, "request of another user refused",
		     HYBRIDGE_NUM("uid", cred.uid),
		     HYBRIDGE_NUM("pid", cred.pid),
		     HYBRIDGE_STR("hint", "each user runs a sender of their "
					  "own"));
	return false;
}

bool client_add(struct sender *sender, struct client **list, int fd,
		bool on_spare)
{
	struct client *client =
		is_trusted(fd) ? calloc(1, sizeof(*client)) : NULL;

	if (!client) {
		close(fd);
		return false;
	}
	client->sender = sender;
	client->list = list;
	client->source.fd = fd;
	client->patience.fire = on_patience;
	client->reap.run = run_reap;
	client->on_spare = on_spare;
	DL_APPEND(*list, client);
	receive(client); /* its message is mostly there already */
	if (client->source.fd >= 0 && !wait_for(client))
		client_drop(client);
	return true;
}
