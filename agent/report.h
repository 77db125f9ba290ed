/*
 * report.h - what the agent tells about itself over HTTP.
 */
#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H

#include <hybridge/status.h>

/** agent_status_ops - For hybridge_status_listen(); the owner is a struct agent */
extern const struct hybridge_status_ops agent_status_ops;

#endif
