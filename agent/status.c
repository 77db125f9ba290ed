/*
 * status.c - the agent's readiness and metrics.
 */
#include "status.h"

#include <utlist.h>

#include "accept.h"
#include "agent.h"
#include "control.h"

static bool write_ready(void *owner, FILE *to)
{
	const struct agent *agent = owner;
	const struct control *control;
	bool ready = !agent->stopping;

	if (agent->stopping)
		fputs("stopping\n", to);
	DL_FOREACH (agent->controls, control) {
		if (control->state == CONTROL_UP || control_is_retired(control))
			continue;
		ready = false;
		fprintf(to, "%s: control channel is not up%s%s\n",
			control->connection.name,
			control->failure.what[0] ? ": " : "",
			control->failure.what);
	}
	return ready;
}

/* Counters of a connection; a retired one of the same name would be a second line of it. */
static struct control_stats sum_of(const struct agent *agent,
				   const struct control *control)
{
	struct control_stats sum = control->stats;

	for (const struct stream *stream = agent->streams; stream;
	     stream = stream_next(stream)) {
		struct hybridge_pump_stats one = stream_stats(stream);

		if (stream_control(stream) != control)
			continue;
		sum.bytes_in += one.from_ws;
		sum.bytes_out += one.to_ws;
	}
	return sum;
}

static void write_head(FILE *to, const char *name, const char *type,
		       const char *help)
{
	fprintf(to,
		"# HELP hybridge_agent_%s %s\n# TYPE hybridge_agent_%s %s\n",
		name, help, name, type);
}

/* A token of which nothing is known has no line. */
static void write_expiry(const struct agent *agent, FILE *to)
{
	static const char name[] = "token_expiry_timestamp_seconds";
	const struct control *control;

	write_head(to, name, "gauge",
		   "When the token ends, in seconds since 1970.");
	DL_FOREACH (agent->controls, control)
		if (control->token.expires && !control_is_retired(control))
			fprintf(to,
				"hybridge_agent_%s{connection=\"%s\","
				"token=\"%s\"} %lld\n",
				name, control->connection.name,
				hybridge_token_kind(&control->connection),
				(long long)control->token.expires);
}

static void write_metrics(void *owner, FILE *to)
{
	static const struct {
		const char *name;
		const char *type;
		const char *help;
		size_t offset;
	} rows[] = {
		{"streams", "gauge", "Streams that are open.",
		 offsetof(struct control_stats, open)},
		{"accepted_total", "counter", "Streams that were accepted.",
		 offsetof(struct control_stats, accepted)},
		{"refused_total", "counter", "Streams that were refused.",
		 offsetof(struct control_stats, refused)},
		{"control_failures_total", "counter",
		 "Times that the control channel failed.",
		 offsetof(struct control_stats, failures)},
		{"control_connects_total", "counter",
		 "Times that the control channel came up.",
		 offsetof(struct control_stats, connects)},
		{"received_bytes_total", "counter",
		 "Payload bytes for the target.",
		 offsetof(struct control_stats, bytes_in)},
		{"sent_bytes_total", "counter",
		 "Payload bytes from the target.",
		 offsetof(struct control_stats, bytes_out)},
	};
	const struct agent *agent = owner;
	const struct control *control;

	write_head(to, "control_up", "gauge",
		   "Whether the control channel is up.");
	DL_FOREACH (agent->controls, control)
		if (!control_is_retired(control))
			fprintf(to,
				"hybridge_agent_control_up{connection=\"%s\"} "
				"%d\n",
				control->connection.name,
				control->state == CONTROL_UP);
	write_expiry(agent, to);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		write_head(to, rows[i].name, rows[i].type, rows[i].help);
		DL_FOREACH (agent->controls, control) {
			struct control_stats sum = sum_of(agent, control);
			const char *at = (const char *)&sum + rows[i].offset;

			if (control_is_retired(control))
				continue;
			fprintf(to,
				"hybridge_agent_%s{connection=\"%s\"} %llu\n",
				rows[i].name, control->connection.name,
				(unsigned long long)*(
					const uint64_t *)(const void *)at);
		}
	}
}

const struct hybridge_status_ops status_ops = {
	.ready = write_ready,
	.metrics = write_metrics,
};
