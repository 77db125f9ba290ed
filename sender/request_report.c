/*
 * request_report.c - log lines of requests.
 */
#include "request_report.h"

#include <errno.h>

#include <hybridge/log.h>
#include <hybridge/verdict.h>

#include "route.h"
#include "sender.h"

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
	char tracking[HYBRIDGE_VERDICT_TRACKING_MAX];

	hybridge_verdict_tracking(reason ? reason : "", tracking);
	hybridge_log(HYBRIDGE_LOG_WARNING, "connect refused",
		     HYBRIDGE_STR("conn", conn_name(request)),
		     HYBRIDGE_STR("host", request->host),
		     HYBRIDGE_NUM("port", request->port),
		     HYBRIDGE_STR("session", request->session),
		     HYBRIDGE_STR("verdict", hybridge_verdict_name(verdict)),
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

void request_explain_unmapped(const struct request *request,
			      enum route_found found,
			      struct hybridge_error *err)
{
	if (found == ROUTE_NO_PORT)
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "host %s is known, port %u is not configured",
			      request->host, request->port);
	else
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "the sender's own configuration does not map %s",
			      request->host);
	hybridge_hint(err,
		      "add %s:%u to a HYBRIDGE_*_HOSTS of the file that "
		      "the sender was started with%s",
		      request->host, request->port,
		      request->sender->idle_exit ? "" : ", and send it SIGHUP");
}

void request_explain_dial(int os_errno, struct hybridge_error *err)
{
	if (os_errno == EMFILE || os_errno == ENFILE)
		hybridge_hint(err, "raise the limit on open files: "
				   "LimitNOFILE= or ulimit -Hn");
	else
		hybridge_hint(err, "check the relay's name, the way out to "
				   "it, and HYBRIDGE_PROXY");
}

void request_explain_queued(const struct request *request,
			    struct hybridge_error *err)
{
	if (request->route->fetch) {
		hybridge_fail(err, HYBRIDGE_ETIMEOUT,
			      "HYBRIDGE_*_TOKEN_COMMAND has not ended yet");
		hybridge_hint(err, "run the command by hand, or raise "
				   "HYBRIDGE_CONNECT_TIMEOUT");
	} else {
		hybridge_fail(err, HYBRIDGE_ETIMEOUT,
			      "%u others were being connected all the time",
			      request->route->dialing);
		hybridge_hint(err, "raise HYBRIDGE_CONNECT_TIMEOUT, or look "
				   "why the relay is slow");
	}
}
