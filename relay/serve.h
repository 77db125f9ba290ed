/*
 * serve.h - hands a whole request to who serves it, however it came.
 */
#ifndef HYBRIDGE_RELAY_SERVE_H
#define HYBRIDGE_RELAY_SERVE_H

#include "call.h"

/**
 * serve_call() - Find out what is asked for, and serve or refuse it
 * @call: relay, conn, head and who calls are set; the rest is filled in
 *
 * Return: 0: whoever serves it has taken call->conn over; -1: its target is none,
 *         nothing was done
 */
HYBRIDGE_MUSTUSE int serve_call(struct call *call);

#endif
