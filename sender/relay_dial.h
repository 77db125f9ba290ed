/*
 * relay_dial.h - dialling, and asking, the relay of a connection.
 */
#ifndef SENDER_RELAY_DIAL_H
#define SENDER_RELAY_DIAL_H

#include <stdint.h>

#include <hybridge/dial.h>
#include <hybridge/error.h>
#include <hybridge/upgrade.h>

struct request;
struct route;
struct sender;

/** relay_dial() - hybridge_dial_start() to the relay, as configured */
HYBRIDGE_MUSTUSE struct hybridge_dial *
relay_dial(struct sender *sender, struct route *route, uint32_t timeout_ms,
	   hybridge_dial_fn *done, void *owner);

/**
 * relay_upgrade() - hybridge_upgrade_start() with the connect request of a session
 * @request: Whose session it is; @done's owner
 * @conn:    Owned by the upgrade from here on, closed on failure
 *
 * Return: Handle, or NULL with @err set
 */
HYBRIDGE_MUSTUSE struct hybridge_upgrade *
relay_upgrade(struct request *request, struct hybridge_conn *conn,
	      uint32_t timeout_ms, hybridge_upgrade_fn *done,
	      struct hybridge_error *err);

#endif
