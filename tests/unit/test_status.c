/*
 * test_status.c - the status endpoint: a real loop, and a real client in a thread.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <libwebsockets.h>

#include <hybridge/loop.h>
#include <hybridge/status.h>

#define ANSWER_MAX   ((size_t)4 << 20)
#define MANY_METRICS 40000

struct daemon {
	struct hybridge_loop *loop;
	struct hybridge_status *status;
	bool is_ready;
	int num_metrics;
};

static bool is_starved;
static unsigned int refused_accepts;

/* Stands before libc's: plays a process that has no descriptor left. */
int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len, int flags)
{
	if (is_starved) {
		refused_accepts++;
		errno = EMFILE;
		return -1;
	}
	return (int)syscall(SYS_accept4, fd, addr.__sockaddr__, len, flags);
}

static bool tell_ready(void *owner, FILE *to)
{
	struct daemon *daemon = owner;

	if (!daemon->is_ready)
		fputs("connection erp: no agent is listening\n", to);
	return daemon->is_ready;
}

static void tell_metrics(void *owner, FILE *to)
{
	struct daemon *daemon = owner;

	for (int i = 0; i < daemon->num_metrics; i++)
		fprintf(to, "hybridge_test{n=\"%d\"} 1\n", i);
}

struct deadline {
	struct hybridge_timer timer;
	struct hybridge_loop *loop;
};

static const struct hybridge_status_ops ops = {tell_ready, tell_metrics};

/* A client's thread: sends one request, reads until the end, stops the loop. */
struct client {
	unsigned short port;
	const char *request;
	struct hybridge_loop *loop;
	struct hybridge_task stop;
	char *answer;
	size_t len;
};

static void run_stop(struct hybridge_task *task)
{
	struct client *client = hybridge_container(task, struct client, stop);

	hybridge_loop_stop(client->loop);
}

static int dial(unsigned short port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void *run_client(void *arg)
{
	struct client *client = arg;
	int fd = dial(client->port);
	ssize_t n = send(fd, client->request, strlen(client->request),
			 MSG_NOSIGNAL);

	while (n > 0 && client->len < ANSWER_MAX) {
		n = recv(fd, client->answer + client->len,
			 ANSWER_MAX - client->len, 0);
		if (n > 0)
			client->len += (size_t)n;
	}
	client->answer[client->len] = '\0';
	close(fd);
	hybridge_loop_post(client->loop, &client->stop);
	return NULL;
}

static int setup(void **state)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	struct hybridge_error err = {0};

	assert_non_null(daemon);
	daemon->loop = hybridge_loop_new(&err);
	assert_non_null(daemon->loop);
	daemon->status = hybridge_status_listen(daemon->loop, "127.0.0.1:0",
						&ops, daemon, &err);
	assert_non_null(daemon->status);
	daemon->is_ready = true;
	daemon->num_metrics = 2;
	*state = daemon;
	return 0;
}

static int teardown(void **state)
{
	struct daemon *daemon = *state;

	hybridge_loop_free(daemon->loop);
	free(daemon);
	return 0;
}

/* The whole answer, to be freed. */
static char *ask(struct daemon *daemon, const char *request)
{
	struct client client = {
		.port = hybridge_status_port(daemon->status),
		.request = request,
		.loop = daemon->loop,
		.stop.run = run_stop,
		.answer = malloc(ANSWER_MAX + 1),
	};
	pthread_t thread;

	assert_non_null(client.answer);
	assert_int_equal(pthread_create(&thread, NULL, run_client, &client), 0);
	hybridge_loop_run(daemon->loop);
	assert_int_equal(pthread_join(thread, NULL), 0);
	return client.answer;
}

static char *get(struct daemon *daemon, const char *path)
{
	char request[200];

	snprintf(request, sizeof(request),
		 "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		 path);
	return ask(daemon, request);
}

static const char *body_of(const char *answer)
{
	const char *gap = strstr(answer, "\r\n\r\n");

	assert_non_null(gap);
	return gap + 4;
}

static void assert_status(const char *answer, const char *status)
{
	char line[40];

	snprintf(line, sizeof(line), "HTTP/1.1 %s ", status);
	if (strncmp(answer, line, strlen(line)) != 0)
		fail_msg("wanted %s, got: %.60s", status, answer);
}

static void answers_each_path_with_its_status(void **state)
{
	static const struct {
		const char *path;
		bool is_ready;
		const char *status;
		const char *body;
	} cases[] = {
		{"/livez", true, "200", "ok\n"},
		{"/livez", false, "200", "ok\n"},
		{"/readyz", true, "200", "ready\n"},
		{"/readyz", false, "503",
		 "connection erp: no agent is listening\n"},
		{"/metrics", true, "200",
		 "hybridge_test{n=\"0\"} 1\nhybridge_test{n=\"1\"} 1\n"},
		{"/metrics?a=b", true, "200",
		 "hybridge_test{n=\"0\"} 1\nhybridge_test{n=\"1\"} 1\n"},
		{"/", true, "404",
		 "not found; there are /livez, /readyz and /metrics\n"},
		{"/livezz", true, "404",
		 "not found; there are /livez, /readyz and /metrics\n"},
		{"/livez/", true, "404",
		 "not found; there are /livez, /readyz and /metrics\n"},
	};
	struct daemon *daemon = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("case: %s, ready %d\n", cases[i].path,
			      cases[i].is_ready);
		daemon->is_ready = cases[i].is_ready;
		char *answer = get(daemon, cases[i].path);
		char *rest;

		assert_status(answer, cases[i].status);
		/* What any process has comes last. */
		rest = strstr(body_of(answer), "# HELP process_");
		assert_true(!rest == !strstr(cases[i].path, "metrics"));
		if (rest)
			*rest = '\0';
		assert_string_equal(body_of(answer), cases[i].body);
		free(answer);
	}
}

static void refuses_other_methods_and_says_which_it_takes(void **state)
{
	static const char *const methods[] = {"POST", "PUT", "DELETE",
					      "OPTIONS"};
	char request[200];

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		print_message("case: %s\n", methods[i]);
		snprintf(request, sizeof(request),
			 "%s /livez HTTP/1.1\r\nHost: a\r\n"
			 "Content-Length: 0\r\nConnection: close\r\n\r\n",
			 methods[i]);
		char *answer = ask(*state, request);

		assert_status(answer, "405");
		assert_non_null(strstr(answer, "allow: GET, HEAD\r\n"));
		free(answer);
	}
}

static void head_gets_the_length_and_no_body(void **state)
{
	char *answer = ask(*state, "HEAD /livez HTTP/1.1\r\nHost: a\r\n"
				   "Connection: close\r\n\r\n");

	assert_status(answer, "200");
	assert_non_null(strstr(answer, "content-length: 3\r\n"));
	assert_string_equal(body_of(answer), "");
	free(answer);
}

static void metrics_carry_their_format_version(void **state)
{
	char *answer = get(*state, "/metrics");

	assert_non_null(strstr(answer, "content-type: text/plain; "
				       "version=0.0.4; charset=utf-8\r\n"));
	free(answer);
}

static void an_answer_of_many_chunks_arrives_whole(void **state)
{
	struct daemon *daemon = *state;
	const char *at;
	char *answer;

	daemon->num_metrics = MANY_METRICS;
	answer = get(daemon, "/metrics");
	at = body_of(answer);
	for (int i = 0; i < MANY_METRICS; i++) {
		char line[60];

		snprintf(line, sizeof(line), "hybridge_test{n=\"%d\"} 1\n", i);
		if (strncmp(at, line, strlen(line)) != 0)
			fail_msg("line %d is wrong: %.40s", i, at);
		at += strlen(line);
	}
	assert_int_equal(strncmp(at, "# HELP process_", 15), 0);
	free(answer);
}

static void one_connection_serves_several_requests(void **state)
{
	char *answer = ask(*state, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
				   "GET /readyz HTTP/1.1\r\nHost: a\r\n"
				   "Connection: close\r\n\r\n");
	const char *second = strstr(answer, "ok\n");

	assert_status(answer, "200");
	assert_non_null(second);
	assert_status(second + 3, "200");
	assert_string_equal(body_of(second), "ready\n");
	free(answer);
}

static void an_upgrade_to_websocket_is_refused(void **state)
{
	char *answer = ask(
		*state, "GET /livez HTTP/1.1\r\nHost: a\r\n"
			"Connection: Upgrade\r\nUpgrade: websocket\r\n"
			"Sec-WebSocket-Version: 13\r\n"
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");

	assert_null(strstr(answer, "101"));
	free(answer);
}

static void a_client_that_leaves_early_hurts_nobody(void **state)
{
	struct daemon *daemon = *state;
	const char *request = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	int fd = dial(hybridge_status_port(daemon->status));

	daemon->num_metrics = MANY_METRICS;
	assert_int_equal(send(fd, request, strlen(request), 0),
			 (ssize_t)strlen(request));
	assert_int_equal(
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)),
		0);
	close(fd);
	char *answer = get(daemon, "/livez");

	assert_status(answer, "200");
	free(answer);
}

/* What lws would do on its own. */
struct outside {
	lws_sorted_usec_list_t sul;
	bool has_run;
};

static void on_outside(lws_sorted_usec_list_t *sul)
{
	lws_container_of(sul, struct outside, sul)->has_run = true;
}

static void on_deadline(struct hybridge_timer *timer)
{
	struct deadline *deadline =
		hybridge_container(timer, struct deadline, timer);

	hybridge_loop_stop(deadline->loop);
}

/* Whether lws gets to run for some milliseconds. */
static bool lws_runs(struct daemon *daemon)
{
	struct deadline deadline = {{.fire = on_deadline}, daemon->loop};
	struct outside outside = {0};

	lws_sul_schedule(hybridge_loop_lws(daemon->loop), 0, &outside.sul,
			 on_outside, 1000);
	assert_int_equal(hybridge_timer_set(daemon->loop, &deadline.timer, 20),
			 0);
	hybridge_loop_run(daemon->loop);
	lws_sul_cancel(&outside.sul);
	return outside.has_run;
}

/* Its poll() would be one system call more for every turn of the loop. */
static void lws_polls_only_while_it_has_clients(void **state)
{
	struct daemon *daemon = *state;
	int fd;

	assert_false(lws_runs(daemon));
	for (int i = 0; i < 3; i++) {
		char *answer = get(daemon, "/livez");

		assert_status(answer, "200");
		free(answer);
	}
	assert_false(lws_runs(daemon));
	fd = dial(hybridge_status_port(daemon->status));
	assert_true(lws_runs(daemon));
	close(fd);
	while (lws_runs(daemon))
		;
}

/* Ends the shortage of descriptors. */
static void relieve(struct hybridge_timer *timer)
{
	(void)timer;
	is_starved = false;
}

static void
running_out_of_descriptors_is_waited_out_without_spinning(void **state)
{
	struct daemon *daemon = *state;
	struct hybridge_timer relief = {.fire = relieve};

	is_starved = true;
	refused_accepts = 0;
	assert_int_equal(hybridge_timer_set(daemon->loop, &relief, 300), 0);
	char *answer = get(daemon, "/livez");

	assert_status(answer, "200");
	assert_int_equal(refused_accepts, 1);
	free(answer);
}

static void listen_says_why_an_address_is_no_good(void **state)
{
	static const struct {
		const char *address;
		const char *what;
	} cases[] = {
		{"", "status address '' is not HOST:PORT"},
		{"9471", "status address '9471' is not HOST:PORT"},
		{":9471", "status address ':9471' is not HOST:PORT"},
		{"127.0.0.1:", "status address '127.0.0.1:' is not HOST:PORT"},
		{"127.0.0.1:x",
		 "status address '127.0.0.1:x' is not HOST:PORT"},
		{"::1:80", "status address '::1:80' is not HOST:PORT"},
		{"[::1:80", "status address '[::1:80' is not HOST:PORT"},
	};
	struct daemon *daemon = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_error err = {0};

		print_message("case: '%s'\n", cases[i].address);
		assert_null(hybridge_status_listen(
			daemon->loop, cases[i].address, &ops, daemon, &err));
		assert_string_equal(err.what, cases[i].what);
		assert_int_equal(err.code, HYBRIDGE_ECONFIG);
	}
}

static void listen_says_that_a_port_is_taken(void **state)
{
	struct daemon *daemon = *state;
	struct hybridge_error err = {0};
	char address[32];
	char what[120];

	snprintf(address, sizeof(address), "127.0.0.1:%u",
		 hybridge_status_port(daemon->status));
	snprintf(what, sizeof(what),
		 "cannot listen for status requests on %s: %s", address,
		 strerror(EADDRINUSE));
	assert_null(hybridge_status_listen(daemon->loop, address, &ops, daemon,
					   &err));
	assert_string_equal(err.what, what);
}

static void listen_takes_a_bracketed_ipv6_address(void **state)
{
	struct hybridge_error err = {0};
	struct hybridge_loop *loop = hybridge_loop_new(&err);

	(void)state;
	assert_non_null(loop);
	struct hybridge_status *status =
		hybridge_status_listen(loop, "[::1]:0", &ops, NULL, &err);

	assert_string_equal(err.what, "");
	assert_int_not_equal(hybridge_status_port(status), 0);
	hybridge_loop_free(loop);
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(answers_each_path_with_its_status),
		SERVED(refuses_other_methods_and_says_which_it_takes),
		SERVED(head_gets_the_length_and_no_body),
		SERVED(metrics_carry_their_format_version),
		SERVED(an_answer_of_many_chunks_arrives_whole),
		SERVED(one_connection_serves_several_requests),
		SERVED(an_upgrade_to_websocket_is_refused),
		SERVED(a_client_that_leaves_early_hurts_nobody),
		SERVED(running_out_of_descriptors_is_waited_out_without_spinning),
		SERVED(listen_says_why_an_address_is_no_good),
		SERVED(listen_says_that_a_port_is_taken),
		SERVED(lws_polls_only_while_it_has_clients),
		cmocka_unit_test(listen_takes_a_bracketed_ipv6_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
