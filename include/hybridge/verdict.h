/*
 * verdict.h - from what the relay answered to the errno of the program's connect(), and to
 * words that tell a person what to do.
 */
#ifndef HYBRIDGE_VERDICT_H
#define HYBRIDGE_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include <hybridge/error.h>
#include <hybridge/upgrade.h>

#define HYBRIDGE_VERDICT_TRACKING_MAX 80

/**
 * hybridge_verdict_of_status() - errno for an upgrade that was turned down
 * @status: HTTP status, not 101
 * @reason: Its text; "hybridge E…: …" comes from our own agent and names the errno
 */
int hybridge_verdict_of_status(int status, const char *reason);

/**
 * hybridge_verdict_of_dial() - errno for a relay that could not be reached
 * @os_errno: hybridge_dial_fn's, or the upgrade's when there was no answer
 */
int hybridge_verdict_of_dial(int os_errno);

/** hybridge_verdict_is_agents() - Whether our own agent has said this: the relay and it are well */
bool hybridge_verdict_is_agents(const char *reason);

/** hybridge_verdict_of_preamble() - For a listener that did not like azbridge's preamble, or broke off */
int hybridge_verdict_of_preamble(int os_errno);

/** hybridge_verdict_name() - "ECONNREFUSED" ... for logs */
const char *hybridge_verdict_name(int verdict);

/**
 * hybridge_verdict_explain() - Say what an answer means and what to do
 * @result: Status is neither 0 nor 101
 * @entity: Hybrid connection's path
 * @err:    Set: cause and remedy
 */
void hybridge_verdict_explain(const struct hybridge_upgrade_result *result,
			      const char *entity, struct hybridge_error *err);

/**
 * hybridge_verdict_tracking() - The relay's tracking id inside a reason
 * @out: Empty when there is none
 */
void hybridge_verdict_tracking(const char *reason,
			       char out[static HYBRIDGE_VERDICT_TRACKING_MAX]);

#endif
