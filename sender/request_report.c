/*
 * request_report.c - log lines of requests.
 */
#include "request_report.h"

#include <hybridge/log.h>

#include "route.h"
#include "sender.h"
#include "verdict.h"

static const char *conn_name(const struct request *request)
{
	return request->route ? request->route->connection->name : "-";
}

static int64_t ms_since(const struct request *request, int64_t since_us)
{
	return (hybridge_loop_now_us(request->sender->loop) - since_us) / 1000;
}

void request_report_refused(const struct request *request, int verdict,
			    int status, const char *reason,
			    const struct hybridge_error *err)
{
	char tracking[VERDICT_TRACKING_MAX];

	verdict_tracking(reason ? reason : "", tracking);
	hybridge_log(HYBRIDGE_LOG_WARNING, "connect refused",
		     HYBRIDGE_STR("conn", conn_name(request)),
		     HYBRIDGE_STR("host", request->host),
		     HYBRIDGE_NUM("port", request->port),
		     HYBRIDGE_STR("session", request->session),
		     HYBRIDGE_STR("verdict", verdict_name(verdict)),
		     HYBRIDGE_NUM("status", status),
		     HYBRIDGE_STR("error", err->what),
		     HYBRIDGE_STR("hint", err->hint[0] ? err->hint : "-"),
		     HYBRIDGE_STR("tracking", tracking[0] ? tracking : "-"),
		     HYBRIDGE_NUM("wait_ms",
				  ms_since(request, request->started_us)));
}

void request_report_opened(const struct request *request)
{
	hybridge_log(
		HYBRIDGE_LOG_INFO, "session opened",
		HYBRIDGE_STR("conn", conn_name(request)),
		HYBRIDGE_STR("host", request->host),
		HYBRIDGE_NUM("port", request->port),
		HYBRIDGE_STR("session", request->session),
		HYBRIDGE_STR("mode", request->hold.early ? "early" : "held"),
		HYBRIDGE_NUM("wait_ms",
			     ms_since(request, request->started_us)));
}

void request_report_abandoned(const struct request *request, const char *when)
{
	hybridge_log(HYBRIDGE_LOG_INFO, "program gave up waiting",
		     HYBRIDGE_STR("conn", conn_name(request)),
		     HYBRIDGE_STR("host", request->host),
		     HYBRIDGE_NUM("port", request->port),
		     HYBRIDGE_STR("session", request->session),
		     HYBRIDGE_STR("state", when),
		     HYBRIDGE_NUM("wait_ms",
				  ms_since(request, request->started_us)));
}

void request_report_closed(const struct request *request, enum hybridge_end end,
			   uint16_t close_code,
			   const struct hybridge_pump_stats *stats)
{
	hybridge_log(
		HYBRIDGE_LOG_INFO, "session closed",
		HYBRIDGE_STR("conn", conn_name(request)),
		HYBRIDGE_STR("host", request->host),
		HYBRIDGE_NUM("port", request->port),
		HYBRIDGE_STR("session", request->session),
		HYBRIDGE_STR("end", hybridge_end_name(end)),
		HYBRIDGE_NUM("close_code", close_code),
		HYBRIDGE_NUM("open_ms", ms_since(request, request->opened_us)),
		HYBRIDGE_NUM("in", stats->from_ws),
		HYBRIDGE_NUM("out", stats->to_ws));
}
