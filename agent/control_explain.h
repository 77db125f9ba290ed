/*
 * control_explain.h - why a control channel is not up, and what to do.
 */
#ifndef AGENT_CONTROL_EXPLAIN_H
#define AGENT_CONTROL_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/connstr.h>
#include <hybridge/error.h>
#include <hybridge/upgrade.h>

/**
 * control_explain_dial() - The relay was not reached: adds what to do to @err
 * @proxied: Whether a proxy is configured
 */
void control_explain_dial(const struct hybridge_connstr *relay, bool proxied,
			  struct hybridge_error *err);

/** control_explain_upgrade() - The relay did not let us listen */
void control_explain_upgrade(const struct hybridge_connstr *relay,
			     const struct hybridge_upgrade_result *result,
			     struct hybridge_error *err);

/** control_explain_end() - The channel was up and has ended with Close @code, or without */
void control_explain_end(const struct hybridge_connstr *relay, uint16_t code,
			 const char *reason, struct hybridge_error *err);

#endif
