/*
 * call.h - one whole request, on its way to who serves it.
 */
#ifndef HYBRIDGE_RELAY_CALL_H
#define HYBRIDGE_RELAY_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/conn.h>
#include <hybridge/http.h>

#include "auth.h"
#include "relay.h"
#include "target.h"
#include "tracking.h"

/**
 * struct call - A request; everything in it is borrowed but the connection
 * @conn:   Whoever serves the call takes it over, whatever comes of it
 * @guest:  Whose stream it came on; NULL: on a connection of its own
 * @host:   Host header
 * @guid:   The caller's sb-hc-id, or a fresh one
 * @has_id: It is the caller's
 * @ip, @remote_address, @remote_port: Who calls
 * @is_management: Errors are told in XML, as the management service does
 */
struct call {
	struct relay *relay;
	struct hybridge_conn *conn;
	const struct hybridge_http_head *head;
	struct guest *guest;
	struct target target;
	struct hybridge_span host;
	char guid[TRACKING_GUID];
	bool has_id;
	const struct hybridge_ip *ip;
	const char *remote_address;
	uint16_t remote_port;
	bool is_management;
};

/**
 * call_answer() - Answer with a status and a text that can be tracked; closes
 * @message: Without full stop
 */
void call_answer(const struct call *call, int status, const char *message);

/** call_refuse() - The same, with a line in the log */
void call_refuse(const struct call *call, int status, const char *message);

/**
 * call_refuse_slowly() - The same to a caller that will try again, however often it fails
 * The answer waits when its origin has failed too often.  Not logged.
 */
void call_refuse_slowly(const struct call *call, int status,
			const char *message);

/** call_entity() - The entity that its path belongs to; NULL: it was refused */
const struct entity *call_entity(const struct call *call);

/** call_entity_itself() - The entity that its path names, not what lies below it; NULL: refused */
const struct entity *call_entity_itself(const struct call *call);

/**
 * call_authorize() - Check the caller's token
 * @entity:  Hybrid connection that is asked for
 * @out:     The decision; its expiry and key name
 * @carrier: Where the token was
 *
 * Return: true when allowed; false when the call was refused, logged and counted
 */
HYBRIDGE_MUSTUSE bool call_authorize(const struct call *call,
				     const struct entity *entity,
				     enum entity_right right,
				     struct auth_result *out,
				     enum auth_carrier *carrier);

/** call_accept_key() - Sec-WebSocket-Accept for this request */
void call_accept_key(const struct call *call, char out[static 29]);

#endif
