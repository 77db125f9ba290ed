/*
 * status.c - the sender's state as JSON.
 */
#include "status.h"

#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "request.h"
#include "route.h"
#include "sender.h"

/* Bytes of streams that are still open, which the route does not count yet. */
static struct hybridge_pump_stats live_stats(const struct sender *sender,
					     const struct route *route)
{
	struct hybridge_pump_stats sum = {
		.from_ws = route->tally->bytes_in,
		.to_ws = route->tally->bytes_out,
	};

	for (const struct request *request = sender->requests; request;
	     request = request->next) {
		struct hybridge_pump_stats one;

		/* Of a plan of before, too. */
		if (!request->route || !request->pump ||
		    request->route->tally != route->tally)
			continue;
		one = hybridge_pump_stats(request->pump);
		sum.from_ws += one.from_ws;
		sum.to_ws += one.to_ws;
	}
	return sum;
}

static json_int_t seconds_since(const struct sender *sender, int64_t then_us)
{
	return (hybridge_loop_now_us(sender->loop) - then_us) / 1000000;
}

static const char *state_of(const struct route *route)
{
	if (route->tally->last_error.code != HYBRIDGE_OK)
		return "failing";
	return route->tally->last_used_us ? "ready" : "idle";
}

/* An item of a HOSTS value as it is written there; @port 0 stands for all. */
static json_t *host_text(const struct hybridge_map_entry *entry, uint16_t port)
{
	bool is_v6 =
		entry->kind == HYBRIDGE_MAP_BLOCK && entry->block.family == 6;
	char length[8] = "";
	char digits[8] = "*";

	if (entry->kind == HYBRIDGE_MAP_BLOCK &&
	    entry->prefix < (is_v6 ? 128 : 32))
		snprintf(length, sizeof(length), "/%u", entry->prefix);
	if (port)
		snprintf(digits, sizeof(digits), "%u", port);
	return json_sprintf("%s%s%.*s%s%s:%s",
			    entry->kind == HYBRIDGE_MAP_SUFFIX ? "*." : "",
			    is_v6 ? "[" : "", (int)entry->host.len,
			    entry->host.text, is_v6 ? "]" : "", length, digits);
}

/* The entries of the map that lead to a connection, one for each port. */
static json_t *hosts_of(const struct sender *sender, size_t index)
{
	const struct hybridge_map *map = &sender->plan->config.map;
	json_t *hosts = json_array();

	for (size_t i = 0; hosts && i < map->len; i++) {
		const struct hybridge_map_entry *entry = &map->entries[i];

		if (entry->connection != index)
			continue;
		if (entry->num_ports == 0)
			json_array_append_new(hosts, host_text(entry, 0));
		for (size_t p = 0; p < entry->num_ports; p++)
			json_array_append_new(
				hosts, host_text(entry, entry->ports[p]));
	}
	return hosts;
}

static json_t *error_of(const struct sender *sender, const struct route *route)
{
	if (route->tally->last_error.code == HYBRIDGE_OK)
		return json_null();
	return json_pack("{s:s, s:s, s:I, s:I}", "text",
			 route->tally->last_error.what, "hint",
			 route->tally->last_error.hint, "since_s",
			 seconds_since(sender, route->tally->error_since_us),
			 "count", (json_int_t)route->tally->error_count);
}

static json_t *route_json(const struct sender *sender, size_t index)
{
	const struct route *route = &sender->plan->routes[index];
	const struct hybridge_connstr *relay = &route->connection->relay;
	struct hybridge_pump_stats stats = live_stats(sender, route);
	json_t *used = route->tally->last_used_us
			       ? json_integer(seconds_since(
					 sender, route->tally->last_used_us))
			       : json_null();

	return json_pack(
		"{s:s, s:s, s:s, s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o}",
		"name", route->connection->name, "relay", route->host_header,
		"entity", relay->entity ? relay->entity : "", "hosts",
		hosts_of(sender, index), "state", state_of(route), "open",
		(json_int_t)route->tally->open, "total",
		(json_int_t)route->tally->total, "failed",
		(json_int_t)route->tally->failed, "bytes_in",
		(json_int_t)stats.from_ws, "bytes_out", (json_int_t)stats.to_ws,
		"last_used_s", used, "last_error", error_of(sender, route));
}

/* Programs whose connect() has no answer yet. */
static json_int_t count_waiting(const struct sender *sender)
{
	json_int_t count = 0;

	for (const struct request *request = sender->requests; request;
	     request = request->next)
		count += request->state < REQUEST_OPEN;
	return count;
}

char *status_json(const struct sender *sender, const char *socket)
{
	json_t *connections = json_array();
	json_t *root = NULL;
	char *text = NULL;

	for (size_t i = 0; i < sender->plan->config.num_connections; i++)
		json_array_append_new(connections, route_json(sender, i));
	root = json_pack("{s:i, s:{s:s, s:i, s:I, s:s, s:s?, s:I, s:I}, s:o}",
			 "schema", 1, "sender", "version", HYBRIDGE_VERSION,
			 "pid", (int)getpid(), "since_s",
			 seconds_since(sender, sender->since_us), "socket",
			 socket, "config", sender->plan->config.path, "waiting",
			 count_waiting(sender), "early",
			 (json_int_t)sender->early, "connections", connections);
	if (root)
		text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

static bool write_ready(void *owner, FILE *to)
{
	const struct sender *sender = owner;

	if (!sender->stopping)
		return true;
	fputs("stopping\n", to);
	return false;
}

static void write_head(FILE *to, const char *name, const char *type,
		       const char *help)
{
	fprintf(to,
		"# HELP hybridge_sender_%s %s\n# TYPE hybridge_sender_%s %s\n",
		name, help, name, type);
}

static void write_bytes(const struct sender *sender, FILE *to)
{
	write_head(to, "bytes_total", "counter",
		   "Payload bytes, in: to the program, out: from it.");
	for (size_t i = 0; i < sender->plan->config.num_connections; i++) {
		const struct route *route = &sender->plan->routes[i];
		struct hybridge_pump_stats stats = live_stats(sender, route);
		const char *name = route->connection->name;

		fprintf(to,
			"hybridge_sender_bytes_total{connection=\"%s\","
			"direction=\"in\"} %llu\n"
			"hybridge_sender_bytes_total{connection=\"%s\","
			"direction=\"out\"} %llu\n",
			name, (unsigned long long)stats.from_ws, name,
			(unsigned long long)stats.to_ws);
	}
}

static void write_connects(const struct sender *sender, FILE *to)
{
	write_head(to, "connects_total", "counter",
		   "Connects of programs, by how they ended.");
	for (size_t i = 0; i < sender->plan->config.num_connections; i++) {
		const struct route *route = &sender->plan->routes[i];
		const char *name = route->connection->name;

		fprintf(to,
			"hybridge_sender_connects_total{connection=\"%s\","
			"result=\"opened\"} %llu\n"
			"hybridge_sender_connects_total{connection=\"%s\","
			"result=\"refused\"} %llu\n",
			name, (unsigned long long)route->tally->total, name,
			(unsigned long long)route->tally->failed);
	}
	fprintf(to,
		"hybridge_sender_connects_total{connection=\"\","
		"result=\"unmapped\"} %llu\n",
		(unsigned long long)sender->unmapped);
}

/* One that is given is known before it is used; it is no secret when it ends. */
static time_t expiry_of(const struct route *route)
{
	struct hybridge_endpoint_token token = {0};
	time_t expires = route->token.token.expires;

	if (hybridge_token_is_external(route->connection) ||
	    !route->connection->relay.signature ||
	    hybridge_endpoint_token_make(&route->connection->relay, time(NULL),
					 &token, NULL) != 0)
		return expires;
	expires = token.expires;
	hybridge_endpoint_token_free(&token);
	return expires;
}

/* A token that is not there yet, or of which nothing is known, has no line. */
static void write_expiry(const struct sender *sender, FILE *to)
{
	static const char name[] = "token_expiry_timestamp_seconds";

	write_head(to, name, "gauge",
		   "When the token ends, in seconds since 1970.");
	for (size_t i = 0; i < sender->plan->config.num_connections; i++) {
		const struct route *route = &sender->plan->routes[i];
		time_t expires = expiry_of(route);

		if (expires)
			fprintf(to,
				"hybridge_sender_%s{connection=\"%s\","
				"token=\"%s\"} %lld\n",
				name, route->connection->name,
				hybridge_token_kind(route->connection),
				(long long)expires);
	}
}

static void write_metrics(void *owner, FILE *to)
{
	const struct sender *sender = owner;

	write_head(to, "streams", "gauge", "Streams that are open.");
	for (size_t i = 0; i < sender->plan->config.num_connections; i++)
		fprintf(to, "hybridge_sender_streams{connection=\"%s\"} %llu\n",
			sender->plan->routes[i].connection->name,
			(unsigned long long)sender->plan->routes[i]
				.tally->open);
	write_head(to, "requests", "gauge",
		   "Connects of programs that are held or open.");
	fprintf(to, "hybridge_sender_requests %u\n", sender->num_requests);
	write_head(to, "early_total", "counter",
		   "Connects that could not be held: the program was connected "
		   "before its target.");
	fprintf(to, "hybridge_sender_early_total %llu\n",
		(unsigned long long)sender->early);
	write_connects(sender, to);
	write_bytes(sender, to);
	write_expiry(sender, to);
}

const struct hybridge_status_ops status_ops = {
	.ready = write_ready,
	.metrics = write_metrics,
};
