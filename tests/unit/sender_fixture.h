/*
 * sender_fixture.h - a sender in a loop, and the relay that it dials: a plain listener
 * whose part the test plays.
 */
#ifndef HYBRIDGE_TESTS_SENDER_FIXTURE_H
#define HYBRIDGE_TESTS_SENDER_FIXTURE_H

#include "engine_fixture.h"
#include "hold_fixture.h"

#include <hybridge/log.h>
#include <hybridge/ws.h>

#include "../../sender/request.h"
#include "../../sender/request_table.h"
#include "../../sender/sender.h"

/** struct sender_fixture - @relay is the listener that @sender dials */
struct sender_fixture {
	struct fixture *fx;
	struct sender *sender;
	int relay;
};

/** sender_setup_with() - Start one; @timeout is HYBRIDGE_CONNECT_TIMEOUT */
static inline void sender_setup_with(struct sender_fixture *sf,
				     const char *timeout)
{
	char connection[200], patience[64];
	char hosts[] = "HYBRIDGE_DB_HOSTS=db.corp:5432,5433 *.wild.corp:* "
		       "10.9.0.0/16:80";
	char *env[] = {connection, patience, hosts, NULL};
	struct hybridge_config config = {0};
	struct hybridge_error err = {0};
	uint16_t port;
	void *state;

	fixture_setup(&state);
	sf->fx = state;
	sf->relay = fixture_listen(&port);
	fixture_nonblocking(sf->relay);
	snprintf(
		connection, sizeof(connection),
		"HYBRIDGE_DB_CONNECTION=Endpoint=http://127.0.0.1:%u/;"
		"SharedAccessKeyName=send;SharedAccessKey=abc;EntityPath=a b/c",
		port);
	snprintf(patience, sizeof(patience), "HYBRIDGE_CONNECT_TIMEOUT=%s",
		 timeout);
	hybridge_log_setup("test", HYBRIDGE_LOG_ERROR, HYBRIDGE_LOG_TEXT);
	assert_int_equal(hybridge_config_load(NULL, env, HYBRIDGE_ROLE_SENDER,
					      &config, &err),
			 0);
	sf->sender = sender_new(sf->fx->loop, &config, &err);
	assert_string_equal(err.what, "");
	assert_non_null(sf->sender);
}

/** sender_teardown() - End it with all its streams */
static inline void sender_teardown(struct sender_fixture *sf)
{
	void *state = sf->fx;

	sender_free(sf->sender);
	if (sf->relay >= 0)
		close(sf->relay);
	fixture_teardown(&state);
}

/** sender_ask() - Hand @held over for @host:@port, as the library does */
static inline void sender_ask(struct sender_fixture *sf, struct held *held,
			      const char *host, uint16_t port)
{
	struct hybridge_local_msg msg = {
		.magic = HYBRIDGE_LOCAL_MAGIC,
		.kind = HYBRIDGE_LOCAL_CONNECT,
		.port = port,
		.host_len = (uint16_t)strlen(host),
	};
	int fds[3];
	size_t n = held_fds(held, fds);

	snprintf(msg.host, sizeof(msg.host), "%s", host);
	held_close_ours(held);
	request_start(sf->sender, &msg, "", fds, n);
}

/** sender_held() - A held connect() for @host:@port, under way */
static inline struct held sender_held(struct sender_fixture *sf,
				      const char *host, uint16_t port)
{
	struct held held = held_open(AF_INET, AF_INET);

	held_connect(&held, held.app);
	sender_ask(sf, &held, host, port);
	return held;
}

/** relay_accept() - The next connection to the relay */
static inline int relay_accept(struct sender_fixture *sf)
{
	int fd = -1;

	FIXTURE_UNTIL(sf->fx,
		      (fd = accept4(sf->relay, NULL, NULL,
				    SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0);
	return fd;
}

/** relay_gather() - Read what is there behind @len bytes of @buf */
static inline size_t relay_gather(int fd, void *buf, size_t len, size_t room)
{
	ssize_t n = recv(fd, (char *)buf + len, room - len, 0);

	return n > 0 ? len + (size_t)n : len;
}

/** relay_read_head() - A request's head, NUL-terminated */
static inline void relay_read_head(struct sender_fixture *sf, int fd,
				   char head[static 4096])
{
	size_t len = 0;

	memset(head, 0, 4096);
	FIXTURE_UNTIL(sf->fx, (len = relay_gather(fd, head, len, 4095)) > 0 &&
				      strstr(head, "\r\n\r\n"));
}

/** relay_say() - Send text to the sender */
static inline void relay_say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
			 strlen(text));
}

/** relay_upgrade_answer() - Answer a request whose head was read with 101 */
static inline void relay_upgrade_answer(int fd, const char *head)
{
	const char *key = strstr(head, "Sec-WebSocket-Key: ");
	char accept[29], answer[200];

	assert_non_null(key);
	key += strlen("Sec-WebSocket-Key: ");
	hybridge_ws_accept(key, strcspn(key, "\r"), accept);
	snprintf(answer, sizeof(answer),
		 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		 accept);
	relay_say(fd, answer);
}

/** sender_result() - SO_ERROR of the program's connect(), serving the loop meanwhile */
static inline int sender_result(struct sender_fixture *sf, int app)
{
	struct pollfd ready = {.fd = app, .events = POLLOUT};

	FIXTURE_UNTIL(sf->fx, poll(&ready, 1, 0) == 1);
	return held_result(app);
}

#endif
