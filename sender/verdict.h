/*
 * verdict.h - from what the relay answered to the errno of the program's connect().
 */
#ifndef SENDER_VERDICT_H
#define SENDER_VERDICT_H

#include <stddef.h>

#include <hybridge/error.h>
#include <hybridge/upgrade.h>

#define VERDICT_TRACKING_MAX 80

/**
 * verdict_of_status() - errno for an upgrade that was turned down
 * @status: HTTP status, not 101
 * @reason: Its text; "hybridge E…: …" comes from our own agent and names the errno
 */
int verdict_of_status(int status, const char *reason);

/**
 * verdict_of_dial() - errno for a relay that could not be reached
 * @os_errno: hybridge_dial_fn's, or the upgrade's when there was no answer
 */
int verdict_of_dial(int os_errno);

/** verdict_of_preamble() - For a listener that did not like azbridge's preamble, or broke off */
int verdict_of_preamble(int os_errno);

/** verdict_name() - "ECONNREFUSED" ... for logs */
const char *verdict_name(int verdict);

/**
 * verdict_explain() - Say what an answer means and what to do
 * @result: Status is neither 0 nor 101
 * @entity: Hybrid connection's path
 * @err:    Set: cause and remedy
 */
void verdict_explain(const struct hybridge_upgrade_result *result,
		     const char *entity, struct hybridge_error *err);

/**
 * verdict_tracking() - The relay's tracking id inside a reason
 * @out: Empty when there is none
 */
void verdict_tracking(const char *reason,
		      char out[static VERDICT_TRACKING_MAX]);

#endif
