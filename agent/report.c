/*
 * report.c - what the agent tells about itself over HTTP: readiness, metrics.
 */
#include "report.h"

#include <inttypes.h>

#include <utlist.h>

#include "agent.h"
#include "control.h"

static bool is_ready(void *owner, FILE *to)
{
	const struct agent *agent = owner;
	const struct control *control;
	bool ready = true;

	DL_FOREACH (agent->controls, control) {
		if (control->state == CONTROL_UP)
			continue;
		ready = false;
		fprintf(to, "%s is %s: %s\n", control->connection.name,
			control_state_name(control->state),
			control->last_error.what[0] ? control->last_error.what
						    : "not up yet");
	}
	return ready;
}

static uint64_t up(const struct control *control)
{
	return control->state == CONTROL_UP;
}

static uint64_t open_streams(const struct control *control)
{
	return control->num_streams;
}

static uint64_t opened(const struct control *control)
{
	return control->counters.opened;
}

static uint64_t refused(const struct control *control)
{
	return control->counters.refused;
}

static uint64_t failed(const struct control *control)
{
	return control->counters.failed;
}

static uint64_t bytes_in(const struct control *control)
{
	return control->counters.to_target_bytes;
}

static uint64_t bytes_out(const struct control *control)
{
	return control->counters.from_target_bytes;
}

static uint64_t reconnects(const struct control *control)
{
	return control->counters.reconnects;
}

static const struct {
	const char *name;
	const char *type;
	const char *help;
	uint64_t (*value)(const struct control *control);
} metrics[] = {
	{"hybridge_connection_up", "gauge",
	 "Whether the control channel is up.", up},
	{"hybridge_sessions_open", "gauge",
	 "Streams that are open or on their way.", open_streams},
	{"hybridge_sessions_total", "counter", "Streams that were opened.",
	 opened},
	{"hybridge_sessions_refused_total", "counter",
	 "Streams refused because the target was not reached.", refused},
	{"hybridge_sessions_failed_total", "counter",
	 "Streams lost because the relay was not reached.", failed},
	{"hybridge_received_bytes_total", "counter",
	 "Bytes of ended streams from the relay to the target.", bytes_in},
	{"hybridge_sent_bytes_total", "counter",
	 "Bytes of ended streams from the target to the relay.", bytes_out},
	{"hybridge_control_reconnects_total", "counter",
	 "Times that the control channel was lost or not reached.", reconnects},
};

static void write_metrics(void *owner, FILE *to)
{
	const struct agent *agent = owner;
	const struct control *control;

	fprintf(to,
		"# HELP hybridge_build_info Version of this program.\n"
		"# TYPE hybridge_build_info gauge\n"
		"hybridge_build_info{version=\"%s\"} 1\n",
		HYBRIDGE_VERSION);
	for (size_t i = 0; i < sizeof(metrics) / sizeof(*metrics); i++) {
		fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", metrics[i].name,
			metrics[i].help, metrics[i].name, metrics[i].type);
		DL_FOREACH (agent->controls, control) {
			fprintf(to, "%s{conn=\"%s\"} %" PRIu64 "\n",
				metrics[i].name, control->connection.name,
				metrics[i].value(control));
		}
	}
}

const struct hybridge_status_ops agent_status_ops = {
	.ready = is_ready,
	.metrics = write_metrics,
};
