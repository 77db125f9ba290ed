/*
 * control_explain.c - causes and remedies for a control channel that is not up.
 */
#include "control_explain.h"

#include <time.h>

#include <hybridge/relay_clock.h>
#include <hybridge/ws.h>

void control_explain_dial(const struct hybridge_connstr *relay, bool proxied,
			  struct hybridge_error *err)
{
	hybridge_hint(err,
		      "check the name, and that %s:%u can be reached from "
		      "here%s",
		      relay->host, relay->port,
		      proxied ? " by way of the proxy of HYBRIDGE_PROXY or "
				"HTTPS_PROXY (NO_PROXY goes past it)"
			      : ", or set HYBRIDGE_PROXY");
}

void control_explain_upgrade(const struct hybridge_connstr *relay,
			     const struct hybridge_upgrade_result *result,
			     struct hybridge_error *err)
{
	const char *entity = relay->entity ? relay->entity : "";

	switch (result->status) {
	case 0:
		*err = result->err;
		hybridge_hint(err,
			      "check that %s:%u is a relay, and what is "
			      "between it and this machine",
			      relay->host, relay->port);
		break;
	case 401:
		hybridge_fail(err, HYBRIDGE_EDENIED,
			      "%s does not accept our token: 401 %s",
			      relay->host, result->reason);
		hybridge_relay_clock_hint(result->reason, time(NULL), err);
		hybridge_hint(err, "check SharedAccessKeyName and "
				   "SharedAccessKey, and this machine's clock");
		break;
	case 403:
		hybridge_fail(err, HYBRIDGE_EDENIED,
			      "%s does not let us listen on %s: 403 %s",
			      relay->host, entity, result->reason);
		hybridge_hint(err, "use a rule that has the Listen right; 25 "
				   "listeners at most share a hybrid "
				   "connection");
		break;
	case 404:
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "hybrid connection %s does not exist on %s: "
			      "404 %s",
			      entity, relay->host, result->reason);
		hybridge_hint(err, "create it, or mend Endpoint and "
				   "EntityPath");
		break;
	default:
		hybridge_fail(err, HYBRIDGE_EREFUSED,
			      "%s turned the listener down: %d %s", relay->host,
			      result->status, result->reason);
		hybridge_hint(err, "check that Endpoint names a relay");
	}
}

void control_explain_end(const struct hybridge_connstr *relay, uint16_t code,
			 const char *reason, struct hybridge_error *err)
{
	const char *colon = reason[0] ? ": " : "";

	switch (code) {
	case HYBRIDGE_WS_ABNORMAL:
		hybridge_fail(err, HYBRIDGE_EUNREACH,
			      "the connection to %s was lost%s%s", relay->host,
			      colon, reason);
		break;
	case HYBRIDGE_WS_GOING_AWAY:
		hybridge_fail(err, HYBRIDGE_EREFUSED,
			      "%s closed the channel: it stops, or the hybrid "
			      "connection was removed%s%s",
			      relay->host, colon, reason);
		break;
	case HYBRIDGE_WS_POLICY:
		hybridge_fail(err, HYBRIDGE_EDENIED,
			      "%s no longer accepts our token%s%s", relay->host,
			      colon, reason);
		hybridge_hint(err, "was the key changed, or has a ready-made "
				   "SharedAccessSignature run out?");
		break;
	default:
		hybridge_fail(err, HYBRIDGE_EUNREACH,
			      "%s closed the channel with code %u%s%s",
			      relay->host, code, colon, reason);
	}
}
