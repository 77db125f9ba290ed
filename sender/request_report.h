/*
 * request_report.h - what a request tells the log, one line per event.
 */
#ifndef SENDER_REQUEST_REPORT_H
#define SENDER_REQUEST_REPORT_H

#include <hybridge/error.h>
#include <hybridge/pump.h>

#include "request.h"
#include "route.h"

/**
 * request_report_refused() - A request is about to be refused
 * @verdict: errno that the program will see
 * @status:  HTTP status that caused it, or 0
 * @reason:  Its text, or NULL
 * @err:     Cause and remedy
 */
void request_report_refused(const struct request *request, int verdict,
			    int status, const char *reason,
			    const struct hybridge_error *err);

/** request_report_opened() - The program is connected */
void request_report_opened(const struct request *request);

/** request_report_abandoned() - The program gave up; @when: what we were doing */
void request_report_abandoned(const struct request *request, const char *when);

/** request_report_closed() - The stream has ended */
void request_report_closed(const struct request *request, enum hybridge_end end,
			   uint16_t close_code,
			   const struct hybridge_pump_stats *stats);

/** request_explain_unmapped() - Why no connection was found for it; sets @err */
void request_explain_unmapped(const struct request *request,
			      enum route_found found,
			      struct hybridge_error *err);

/** request_explain_dial() - What to do about a relay that cannot be reached; sets @err's hint */
void request_explain_dial(int os_errno, struct hybridge_error *err);

/** request_explain_queued() - Why it waited in the queue all its time; sets @err */
void request_explain_queued(const struct request *request,
			    struct hybridge_error *err);

#endif
