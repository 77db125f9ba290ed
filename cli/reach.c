/*
 * reach.c - the steps from this machine to a service, one at a time.
 *
 * Each starts what the daemons would, and turns the loop until that has ended.
 */
#include "reach.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <hybridge/dial.h>
#include <hybridge/tls.h>
#include <hybridge/token.h>
#include <hybridge/verdict.h>

#include "arguments.h"
#include "command.h"

#define DIAL_MS 10000

static uint32_t limited(const struct reach *reach, uint32_t timeout_ms)
{
	return timeout_ms < reach->limit_ms ? timeout_ms : reach->limit_ms;
}

/* Of the clock itself: the loop's stands still between two runs. */
int64_t reach_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void on_wake(struct hybridge_task *task)
{
	struct reach *reach = hybridge_container(task, struct reach, wake);

	hybridge_loop_stop(reach->loop);
}

void reach_wake(struct reach *reach)
{
	reach->wake.run = on_wake;
	hybridge_loop_defer(reach->loop, &reach->wake);
	hybridge_loop_run(reach->loop);
}

static void turn(struct reach *reach)
{
	int64_t began_ms = reach_now_ms();

	hybridge_loop_run(reach->loop);
	reach->took_ms = reach_now_ms() - began_ms;
}

int reach_open(struct reach *reach, const struct hybridge_config *config,
	       struct hybridge_error *err)
{
	*reach = (struct reach){.config = config, .limit_ms = UINT32_MAX};
	reach->loop = hybridge_loop_new_bare(err);
	if (reach->loop)
		reach->tls = hybridge_tls_client_ctx(config->ca_file,
						     config->fast_crypto, err);
	if (reach->tls)
		return 0;
	reach_close(reach);
	return -1;
}

void reach_close(struct reach *reach)
{
	SSL_CTX_free(reach->tls);
	hybridge_loop_free(reach->loop);
	*reach = (struct reach){0};
}

int reach_run(const struct arguments *arguments,
	      int (*check)(const struct hybridge_config *config,
			   const struct arguments *arguments,
			   struct hybridge_error *err),
	      int (*go)(struct reach *reach, const struct arguments *arguments))
{
	struct hybridge_error err = {0};
	struct hybridge_config config;
	struct reach reach;
	int status;

	if (hybridge_config_load(arguments->file, environ, HYBRIDGE_ROLE_CLI,
				 &config, &err) != 0)
		return command_fail(&err);
	if (check(&config, arguments, &err) == 0 &&
	    reach_open(&reach, &config, &err) == 0) {
		status = go(&reach, arguments);
		reach_close(&reach);
	} else {
		status = command_fail(&err);
	}
	hybridge_config_free(&config);
	return status;
}

int reach_lookup(struct reach *reach, const char *host, char *text, size_t size,
		 struct hybridge_error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	int64_t began_ms = reach_now_ms();
	int ret = getaddrinfo(host, NULL, &hints, &list);
	size_t len = 0;

	reach->took_ms = reach_now_ms() - began_ms;
	if (ret != 0) {
		hybridge_fail(err, HYBRIDGE_EUNREACH, "%s: %s", host,
			      gai_strerror(ret));
		return -1;
	}
	text[0] = '\0';
	for (struct addrinfo *one = list; one && len < size;
	     one = one->ai_next) {
		char address[NI_MAXHOST];

		if (getnameinfo(one->ai_addr, one->ai_addrlen, address,
				sizeof(address), NULL, 0, NI_NUMERICHOST) == 0)
			len += (size_t)snprintf(text + len, size - len, "%s%s",
						len > 0 ? " " : "", address);
	}
	freeaddrinfo(list);
	return 0;
}

/* What a step that dials has come to. */
struct dialled {
	struct reach *reach;
	struct hybridge_conn *conn;
	struct hybridge_error *err;
};

static void nobody(void *owner, struct hybridge_conn *conn)
{
	(void)owner;
	(void)conn;
}

static void on_dialled(void *owner, struct hybridge_conn *conn, int os_errno,
		       const struct hybridge_error *err)
{
	struct dialled *dialled = owner;

	(void)os_errno;
	dialled->conn = conn;
	if (conn)
		hybridge_conn_set_owner(conn, nobody, NULL);
	else
		*dialled->err = *err;
	hybridge_loop_stop(dialled->reach->loop);
}

static struct hybridge_conn *dial(struct reach *reach,
				  const struct hybridge_dial_args *args,
				  struct hybridge_error *err)
{
	struct dialled dialled = {.reach = reach, .err = err};

	reach_wake(reach);
	if (hybridge_dial_start(reach->loop, args, on_dialled, &dialled))
		turn(reach);
	else
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return dialled.conn;
}

static struct hybridge_dial_args to_relay(const struct reach *reach,
					  const struct hybridge_connstr *relay)
{
	return (struct hybridge_dial_args){
		.host = relay->host,
		.port = relay->port,
		.proxy = reach->config->proxy,
		.no_proxy = reach->config->no_proxy,
		.timeout_ms = limited(reach, DIAL_MS),
	};
}

struct hybridge_conn *reach_relay(struct reach *reach,
				  const struct hybridge_connstr *relay,
				  bool with_tls, struct hybridge_error *err)
{
	struct hybridge_dial_args args = to_relay(reach, relay);

	args.tls = with_tls && !relay->plaintext ? reach->tls : NULL;
	return dial(reach, &args, err);
}

bool reach_is_proxied(const struct reach *reach,
		      const struct hybridge_connstr *relay)
{
	struct hybridge_dial_args args = to_relay(reach, relay);

	return hybridge_dial_is_proxied(&args);
}

struct hybridge_conn *reach_target(struct reach *reach, const char *host,
				   uint16_t port, struct hybridge_error *err)
{
	struct hybridge_dial_args args = {
		.host = host,
		.port = port,
		.timeout_ms = limited(reach, DIAL_MS),
	};

	return dial(reach, &args, err);
}

/* A token. */

struct fetched {
	struct reach *reach;
	struct hybridge_endpoint_token *out;
	struct hybridge_error *err;
	int ret;
};

static void on_token(void *owner, struct hybridge_endpoint_token *token,
		     const struct hybridge_error *err)
{
	struct fetched *fetched = owner;

	if (token) {
		*fetched->out = *token;
		*token = (struct hybridge_endpoint_token){0};
		fetched->ret = 0;
	} else {
		*fetched->err = *err;
	}
	hybridge_loop_stop(fetched->reach->loop);
}

int reach_token(struct reach *reach,
		const struct hybridge_connection *connection,
		struct hybridge_endpoint_token *out, struct hybridge_error *err)
{
	struct fetched fetched = {
		.reach = reach, .out = out, .err = err, .ret = -1};

	if (hybridge_token_fetch(reach->loop, connection, on_token, &fetched))
		turn(reach);
	else
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return fetched.ret;
}

/* A stream. */

struct asked {
	struct reach *reach;
	struct hybridge_conn *stream;
	struct hybridge_stream_answer *answer;
};

static void on_answer(void *owner, struct hybridge_conn *conn,
		      const struct hybridge_stream_answer *answer)
{
	struct asked *asked = owner;

	asked->stream = conn;
	*asked->answer = *answer;
	if (conn)
		hybridge_conn_set_owner(conn, nobody, NULL);
	hybridge_loop_stop(asked->reach->loop);
}

/* azbridge knows services by their ports: the first of them. */
static uint16_t port_of(const struct hybridge_map *map, size_t index)
{
	for (size_t i = 0; i < map->len; i++)
		if (map->entries[i].connection == index &&
		    map->entries[i].num_ports > 0)
			return map->entries[i].ports[0];
	return 0;
}

static struct hybridge_conn *ask(struct reach *reach, size_t index,
				 struct hybridge_conn *conn, const char *token,
				 bool is_echo,
				 struct hybridge_stream_answer *answer)
{
	const struct hybridge_connection *connection =
		&reach->config->connections[index];
	const struct hybridge_connstr *relay = &connection->relay;
	char id[HYBRIDGE_ENDPOINT_UUID_TEXT];
	char *host = hybridge_endpoint_host(relay->host, relay->port,
					    !relay->plaintext);
	struct hybridge_stream_ask_args args = {
		.connection = connection,
		.host_header = host,
		.token = token,
		.id = id,
		.port = port_of(&reach->config->map, index),
		.timeout_ms = limited(reach, reach->config->connect_timeout_ms),
		.is_echo = is_echo,
	};
	struct asked asked = {.reach = reach, .answer = answer};
	struct hybridge_stream_ask *started = NULL;

	*answer = (struct hybridge_stream_answer){0};
	reach_wake(reach);
	hybridge_endpoint_uuid(id);
	if (host)
		started = hybridge_stream_ask(reach->loop, conn, NULL, &args,
					      on_answer, &asked);
	else
		hybridge_conn_close(conn, HYBRIDGE_CONN_RESET);
	if (started)
		turn(reach);
	else
		hybridge_fail(&answer->result.err, HYBRIDGE_ESYSTEM,
			      "out of memory");
	free(host);
	return asked.stream;
}

struct hybridge_conn *reach_ask(struct reach *reach, size_t index,
				struct hybridge_conn *conn, const char *token,
				struct hybridge_stream_answer *answer)
{
	return ask(reach, index, conn, token, false, answer);
}

struct hybridge_conn *reach_echo(struct reach *reach, size_t index,
				 struct hybridge_conn *conn, const char *token,
				 struct hybridge_stream_answer *answer)
{
	return ask(reach, index, conn, token, true, answer);
}

void reach_explain(const struct hybridge_connection *connection,
		   const struct hybridge_stream_answer *answer,
		   struct hybridge_error *err)
{
	const struct hybridge_connstr *relay = &connection->relay;

	if (answer->result.status == 0 || answer->refused)
		*err = answer->result.err;
	else
		hybridge_verdict_explain(&answer->result,
					 relay->entity ? relay->entity : "",
					 err);
	if (answer->result.status == 0)
		hybridge_hint(err,
			      "check that %s:%u is a relay, and what is "
			      "between it and this machine",
			      relay->host, relay->port);
}

/* A description. */

struct described {
	struct reach *reach;
	struct hybridge_description *out;
	int *status;
	struct hybridge_error *err;
	int ret;
};

static void on_description(void *owner,
			   const struct hybridge_description *description,
			   int status, const struct hybridge_error *err)
{
	struct described *described = owner;

	if (description) {
		*described->out = *description;
		described->ret = 0;
	} else {
		*described->status = status;
		*described->err = *err;
	}
	hybridge_loop_stop(described->reach->loop);
}

int reach_describe(struct reach *reach, const struct hybridge_connstr *relay,
		   const char *token, struct hybridge_description *out,
		   int *status, struct hybridge_error *err)
{
	struct hybridge_description_args args = {
		.relay = relay,
		.proxy = reach->config->proxy,
		.no_proxy = reach->config->no_proxy,
		.tls = relay->plaintext ? NULL : reach->tls,
		.token = token,
	};
	struct described described = {.reach = reach,
				      .out = out,
				      .status = status,
				      .err = err,
				      .ret = -1};

	*status = 0;
	if (hybridge_description_get(reach->loop, &args, on_description,
				     &described))
		turn(reach);
	else
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return described.ret;
}
