/*
 * target.h - what a request line asks for.
 */
#ifndef HYBRIDGE_RELAY_TARGET_H
#define HYBRIDGE_RELAY_TARGET_H

#include <stdbool.h>

#include <hybridge/envfile.h>
#include <hybridge/error.h>

/** enum target_action - sb-hc-action; a missing one means connect */
enum target_action {
	TARGET_CONNECT,
	TARGET_LISTEN,
	TARGET_ACCEPT,
	TARGET_REQUEST,
	TARGET_UNKNOWN,
};

/**
 * struct target - A request target taken apart; spans point into it
 * @is_hc: The path starts with the segment "$hc", perhaps percent-encoded
 * @path:  What follows the '/' or "/$hc/", percent-encoded
 * @query: What follows '?', without it
 * @id:    Value of sb-hc-id, empty when absent
 * @action: By sb-hc-action, in any case
 */
struct target {
	bool is_hc;
	struct hybridge_span path;
	struct hybridge_span query;
	struct hybridge_span id;
	enum target_action action;
};

/**
 * target_parse() - Take a request target apart
 * @text: In origin form or absolute form (RFC 9112 3.2)
 *
 * Return: 0, or -1 when it is neither, or holds a fragment
 */
HYBRIDGE_MUSTUSE int target_parse(struct hybridge_span text,
				  struct target *out);

/** target_is_sound() - Whether every '%' of the path is followed by two digits that are not 00 */
bool target_is_sound(const struct target *target);

/**
 * target_rendezvous() - The target of a rendezvous address
 * @target: The sender's
 * @id:     The stream's id
 * @secret: Value of the parameter TARGET_SECRET
 * @worker: Value of HYBRIDGE_WORKER_PARAMETER; 0: it is left out
 *
 * The sender's path with what follows it, its own query without "sb-hc-"
 * parameters, then ours.  Bytes stay as they are, except those that no URL holds raw:
 * they are percent-encoded.
 *
 * Return: Owned by the caller, or NULL when out of memory
 */
HYBRIDGE_MUSTUSE char *target_rendezvous(const struct target *target,
					 const char *id, const char *secret,
					 unsigned int worker);

#define TARGET_SECRET "sb-hc-rv"

#define TARGET_REASON_MAX 200 /* bytes of a refusal's text, with its NUL */

/**
 * struct target_reject - A listener's refusal, fit for a status line
 * @status: 400 to 599; 502 when the listener gave another
 * @reason: Printable ASCII; "" when it gave none
 */
struct target_reject {
	int status;
	char reason[TARGET_REASON_MAX];
};

/**
 * target_rejects() - Whether a rendezvous is a refusal
 * Return: true with @out filled in when sb-hc-statusCode or
 *         sb-hc-statusDescription is there
 */
bool target_rejects(struct hybridge_span query, struct target_reject *out);

#endif
