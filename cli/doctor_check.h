/*
 * doctor_check.h - the checks of one connection, from this machine as far as they go.
 */
#ifndef CLI_DOCTOR_CHECK_H
#define CLI_DOCTOR_CHECK_H

#include <hybridge/config.h>

#include "reach.h"
#include "report.h"

/**
 * doctor_check() - Check a connection: its relay, then as a sender where it has HOSTS, and as
 * an agent where it has a target
 * @index: Of the connection in the configuration
 *
 * A sender's last check opens a stream, so the service gets a connection, which ends in good order.
 */
void doctor_check(struct reach *reach, size_t index, struct report *report);

#endif
