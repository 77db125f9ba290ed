/*
 * auth.h - may this caller do that here?
 */
#ifndef HYBRIDGE_RELAY_AUTH_H
#define HYBRIDGE_RELAY_AUTH_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <hybridge/error.h>
#include <hybridge/http.h>

#include "entities.h"

#define AUTH_NAME_MAX 128 /* bytes of a rule's name that are kept for the log */

/** enum auth_reason - Why a caller was turned away; labels of a metric */
enum auth_reason {
	AUTH_OK,
	AUTH_MISSING,   /* no token */
	AUTH_MALFORMED, /* no SAS token */
	AUTH_SIGNATURE, /* no such rule, or no key of it signed this */
	AUTH_EXPIRED,
	AUTH_AUDIENCE,
	AUTH_RIGHT,  /* the rule does not allow it */
	AUTH_MEMORY, /* there was none to find out */
	AUTH_NUM,
};

/** auth_reason_name() - "missing", "signature" ... for logs and metrics */
const char *auth_reason_name(enum auth_reason reason);

/** auth_reason_status() - HTTP status for the caller: 401 or 403 */
int auth_reason_status(enum auth_reason reason);

/** auth_reason_text() - What the caller is told, without full stop */
const char *auth_reason_text(enum auth_reason reason);

/**
 * struct auth_place - What is asked for
 * @entities: All, for the namespace's rules
 * @entity:   The hybrid connection
 * @path:     Decoded path of the request: the entity's own, perhaps more
 * @hosts:    NULL-terminated names that the relay answers to
 * @right:    One of enum entity_right
 */
struct auth_place {
	const struct entities *entities;
	const struct entity *entity;
	const char *path;
	const char *const *hosts;
	enum entity_right right;
};

/**
 * struct auth_result - The decision
 * @expiry:   AUTH_OK: when the token ends, seconds since the epoch
 * @key_name: Rule that the token names, for the log; control characters may be in it
 * @err:      Otherwise: the exact reason, for the log and not for the caller
 */
struct auth_result {
	enum auth_reason reason;
	int64_t expiry;
	char key_name[AUTH_NAME_MAX];
	struct hybridge_error err;
};

/**
 * auth_check() - Decide by a token
 * @token: With or without "Bearer " and "SharedAccessSignature " in front; NULL: none
 * @now:   Seconds since the epoch
 *
 * Rules of the entity count first, then the namespace's.  A token whose
 * signature is not right learns nothing else.
 */
void auth_check(const struct auth_place *place, const char *token, time_t now,
		struct auth_result *out);

/**
 * auth_log_denied() - Log a token that was refused
 * @what: Constant text
 */
void auth_log_denied(const char *what, const char *entity,
		     const struct auth_result *result, const char *remote);

/** enum auth_carrier - Where a request carried its token */
enum auth_carrier {
	AUTH_CARRIER_NONE,
	AUTH_CARRIER_SERVICE_BUS,   /* ServiceBusAuthorization */
	AUTH_CARRIER_QUERY,         /* sb-hc-token */
	AUTH_CARRIER_AUTHORIZATION, /* Authorization */
};

/**
 * auth_token() - Find a request's token
 * @query: What follows '?'
 * @out:   The token, owned by the caller (wipe and free), or NULL
 *
 * Return: Its carrier; AUTH_CARRIER_NONE also when it cannot be decoded, and with errno ENOMEM
 * when out of memory
 */
enum auth_carrier auth_token(const struct hybridge_http_head *head,
			     struct hybridge_span query, char **out);

#endif
