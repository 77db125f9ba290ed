/*
 * ping.c - hybridge ping: how long a message takes through the relay to the agent and back.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "arguments.h"
#include "command.h"
#include "reach.h"
#include "stream.h"

#define ROUNDS      4
#define INTERVAL_MS 1000
#define GREETING_MS 3000
#define TIMEOUT_MS  10000

/* One connection's. */
struct ping {
	struct reach *reach;
	const struct arguments *arguments;
	const char *name;
	json_t *rounds; /* NULL: print them as they come */
	struct stream stream;
	struct hybridge_source signals;
	bool interrupted;
	double open_ms;
	unsigned int came_back;
	double least_ms, most_ms, sum_ms;
};

/* Whoever has seen enough wants the sum. */
static void on_signal(struct hybridge_source *source, uint32_t events)
{
	struct ping *ping = hybridge_container(source, struct ping, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	ping->interrupted = true;
	hybridge_loop_stop(ping->reach->loop);
}

/* Without it an interrupt ends us at once, as it does before. */
static void watch_signals(struct ping *ping, sigset_t *before)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigprocmask(SIG_BLOCK, &mask, before);
	ping->signals.ready = on_signal;
	ping->signals.fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (ping->signals.fd < 0 ||
	    hybridge_loop_watch_level(ping->reach->loop, &ping->signals) != 0)
		sigprocmask(SIG_SETMASK, before, NULL);
}

static void leave_signals(struct ping *ping, const sigset_t *before)
{
	if (ping->signals.fd >= 0) {
		hybridge_loop_unwatch(ping->reach->loop, &ping->signals);
		close(ping->signals.fd);
	}
	sigprocmask(SIG_SETMASK, before, NULL);
}

static double ms_between(const struct timespec *from, const struct timespec *to)
{
	return (double)(to->tv_sec - from->tv_sec) * 1e3 +
	       (double)(to->tv_nsec - from->tv_nsec) / 1e6;
}

/* The stream, the caller's; or NULL with @err set. */
static struct hybridge_conn *open_stream(struct ping *ping, size_t index,
					 struct hybridge_error *err)
{
	struct reach *reach = ping->reach;
	const struct hybridge_connection *connection =
		&reach->config->connections[index];
	struct hybridge_endpoint_token token = {0};
	struct hybridge_stream_answer answer;
	struct hybridge_conn *conn;
	struct hybridge_conn *stream = NULL;
	struct timespec began, now;

	if (reach_token(reach, connection, &token, err) != 0)
		return NULL;
	conn = reach_relay(reach, &connection->relay, true, err);
	if (conn) {
		clock_gettime(CLOCK_MONOTONIC, &began);
		stream = reach_echo(reach, index, conn, token.text, &answer);
		clock_gettime(CLOCK_MONOTONIC, &now);
		ping->open_ms = ms_between(&began, &now);
		if (!stream)
			reach_explain(connection, &answer, err);
	}
	hybridge_endpoint_token_free(&token);
	return stream;
}

static json_int_t in_us(double ms)
{
	return (json_int_t)(ms * 1e3 + 0.5);
}

static void count(struct ping *ping, int64_t took_ns)
{
	double ms = (double)took_ns / 1e6;

	if (ping->came_back == 0 || ms < ping->least_ms)
		ping->least_ms = ms;
	if (ms > ping->most_ms)
		ping->most_ms = ms;
	ping->sum_ms += ms;
	ping->came_back++;
	if (ping->rounds)
		json_array_append_new(ping->rounds, json_integer(in_us(ms)));
	else
		printf("  %-4u %.3f ms\n", ping->came_back, ms);
	fflush(stdout);
}

static void measure(struct ping *ping, struct hybridge_error *err)
{
	uint32_t rounds = ping->arguments->count;
	int64_t took_ns;

	for (uint32_t i = 0; i < rounds && !ping->interrupted; i++) {
		if (i > 0 &&
		    !stream_rest(&ping->stream, ping->arguments->interval_ms) &&
		    ping->interrupted)
			break;
		if (stream_round(&ping->stream, ping->arguments->timeout_ms,
				 &took_ns, err) == 0)
			count(ping, took_ns);
		else
			return;
	}
}

static void print_sum(const struct ping *ping)
{
	if (ping->rounds)
		return;
	printf("%s: %llu sent, %u came back", ping->name,
	       (unsigned long long)ping->stream.sent, ping->came_back);
	if (ping->came_back > 0)
		printf(", %.3f / %.3f / %.3f ms (least, mean, most)",
		       ping->least_ms, ping->sum_ms / ping->came_back,
		       ping->most_ms);
	putchar('\n');
}

static void talk(struct ping *ping, struct hybridge_error *err)
{
	bool is_ours = stream_is_greeted(&ping->stream, GREETING_MS);
	sigset_t before;

	if (ping->stream.is_broken) {
		*err = ping->stream.ended;
		return;
	}
	if (!ping->rounds && is_ours)
		printf("%s: %s, stream opened in %.3f ms\n", ping->name,
		       ping->stream.agent, ping->open_ms);
	else if (!ping->rounds)
		printf("%s: stream opened in %.3f ms; not measured: the "
		       "listener is not hybridge-agent\n",
		       ping->name, ping->open_ms);
	fflush(stdout);
	if (!is_ours)
		return;
	watch_signals(ping, &before);
	measure(ping, err);
	leave_signals(ping, &before);
	print_sum(ping);
}

/* NULL when out of memory. */
static json_t *as_json(const struct ping *ping,
		       const struct hybridge_error *err)
{
	const char *agent = ping->stream.agent;

	return json_pack("{s:s, s:s?, s:I, s:O, s:s?}", "name", ping->name,
			 "agent", agent[0] ? agent : NULL, "open_us",
			 in_us(ping->open_ms), "round_us", ping->rounds,
			 "error", err->code == HYBRIDGE_OK ? NULL : err->what);
}

static int fail(const char *name, const struct hybridge_error *cause)
{
	struct hybridge_error err = {0};

	hybridge_fail(&err, cause->code, "%s: %.300s", name, cause->what);
	hybridge_hint(&err, "%s",
		      cause->hint[0] ? cause->hint : "hybridge doctor");
	return command_fail(&err);
}

/* Its exit status. */
static int ping_one(struct ping *ping, size_t index, json_t *results)
{
	struct hybridge_error err = {0};
	struct hybridge_conn *conn;
	int status = 0;

	if (results)
		ping->rounds = json_array();
	conn = open_stream(ping, index, &err);
	if (conn && stream_open(&ping->stream, ping->reach, conn, &err) == 0) {
		talk(ping, &err);
		stream_close(&ping->stream);
	}
	if (err.code != HYBRIDGE_OK)
		status = fail(ping->name, &err);
	if (results)
		json_array_append_new(results, as_json(ping, &err));
	json_decref(ping->rounds);
	return status;
}

static bool is_pinged(const struct arguments *arguments,
		      const struct hybridge_connection *connection)
{
	return arguments->num > 0
		       ? strcmp(arguments->rest[0], connection->name) == 0
		       : connection->hosts != NULL;
}

/* Those that are meant, in turn; the first failure's exit status. */
static int ping_all(struct reach *reach, const struct arguments *arguments,
		    json_t *results)
{
	const struct hybridge_config *config = reach->config;
	bool interrupted = false;
	int status = 0;

	for (size_t i = 0; i < config->num_connections && !interrupted; i++) {
		struct ping ping = {
			.reach = reach,
			.arguments = arguments,
			.name = config->connections[i].name,
			.signals.fd = -1,
		};
		int its;

		if (!is_pinged(arguments, &config->connections[i]))
			continue;
		its = ping_one(&ping, i, results);
		status = status ? status : its;
		interrupted = ping.interrupted;
	}
	return status;
}

static int check(const struct hybridge_config *config,
		 const struct arguments *arguments, struct hybridge_error *err)
{
	for (size_t i = 0; i < config->num_connections; i++)
		if (is_pinged(arguments, &config->connections[i]))
			return 0;
	if (arguments->num > 0) {
		hybridge_fail(err, HYBRIDGE_EUSAGE,
			      "there is no connection '%s'",
			      arguments->rest[0]);
		return -1;
	}
	hybridge_fail(err, HYBRIDGE_ECONFIG, "%s has no connection with HOSTS",
		      config->path ? config->path : "the environment");
	hybridge_hint(err, "ping goes from where programs are: hybridge ping "
			   "-f FILE, the sender's");
	return -1;
}

static int ping_with(struct reach *reach, const struct arguments *arguments)
{
	json_t *results = arguments->as_json ? json_array() : NULL;
	int status = ping_all(reach, arguments, results);
	json_t *root;

	if (!arguments->as_json)
		return status;
	root = json_pack("{s:i, s:o}", "schema", 1, "connections", results);
	if (root && json_dumpf(root, stdout, JSON_INDENT(2)) == 0)
		putchar('\n');
	json_decref(root);
	return status;
}

int ping_main(int argc, char **argv)
{
	struct arguments arguments = {.count = ROUNDS,
				      .interval_ms = INTERVAL_MS,
				      .timeout_ms = TIMEOUT_MS};
	int status = arguments_parse(argc, argv,
				     ARGUMENTS_ROUNDS | ARGUMENTS_TIMEOUT |
					     ARGUMENTS_JSON,
				     &arguments);

	if (status >= 0)
		return status;
	if (arguments.num > 1)
		status = command_usage("ping", "one NAME at most");
	else
		status = reach_run(&arguments, check, ping_with);
	arguments_free(&arguments);
	return status;
}
