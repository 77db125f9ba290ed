/*
 * status.h - what the agent tells probes: /readyz and /metrics.
 */
#ifndef AGENT_STATUS_H
#define AGENT_STATUS_H

#include <hybridge/status.h>

/** status_ops - Their owner is the struct agent */
extern const struct hybridge_status_ops status_ops;

#endif
