/*
 * auth.c - decides by tokens, rules and rights.
 *
 * The order matters: as long as the signature is not right, whoever sent the
 * token is a stranger and is told nothing about rules or audiences.
 */
#include "auth.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <hybridge/log.h>
#include <hybridge/sas.h>
#include <hybridge/text.h>
#include <hybridge/url.h>

#include "verified.h"

static const struct {
	const char *name;
	int status;
	const char *text;
} reasons[] = {
	[AUTH_OK] = {"ok", 200, "OK"},
	[AUTH_MISSING] = {"missing", 401,
			  "TokenMissingOrInvalid: The request carries no "
			  "token"},
	[AUTH_MALFORMED] = {"malformed", 401,
			    "TokenMissingOrInvalid: The token is not a shared "
			    "access signature"},
	[AUTH_MEMORY] = {"memory", 500, "out of memory"},
	[AUTH_SIGNATURE] = {"signature", 401,
			    "The token has an invalid signature"},
	[AUTH_EXPIRED] = {"expired", 401,
			  "ExpiredToken: The token has expired"},
	[AUTH_AUDIENCE] = {"audience", 401,
			   "InvalidAudience: The authorization header contains "
			   "a token with a wrong audience"},
	[AUTH_RIGHT] = {"right", 403,
			"The token is not valid for this path for this "
			"action"},
};
_Static_assert(sizeof(reasons) / sizeof(reasons[0]) == AUTH_NUM,
	       "every reason has its words");

const char *auth_reason_name(enum auth_reason reason)
{
	return reasons[reason].name;
}

int auth_reason_status(enum auth_reason reason)
{
	return reasons[reason].status;
}

const char *auth_reason_text(enum auth_reason reason)
{
	return reasons[reason].text;
}

/* Whether one of its keys signed it; 1: there is no memory to find out. */
static int check_keys(const struct entity_rule *rule,
		      const struct hybridge_sas *sas)
{
	int ret = hybridge_sas_check_signature(sas, rule->key);

	return ret < 0 && rule->key2
		       ? hybridge_sas_check_signature(sas, rule->key2)
		       : ret;
}

/* The rule that signed it, or NULL; sets @lacks_memory where that cannot be told. */
static const struct entity_rule *signer(const struct entity *entity,
					const struct hybridge_sas *sas,
					bool *lacks_memory)
{
	for (size_t i = 0; entity && i < entity->num_rules; i++) {
		const struct entity_rule *rule = &entity->rules[i];

		if (strcasecmp(rule->name, sas->key_name) != 0)
			continue;
		if (verified_before(rule->number, sas))
			return rule;
		switch (check_keys(rule, sas)) {
		case 0:
			verified_remember(rule->number, sas);
			return rule;
		case 1:
			*lacks_memory = true;
			break;
		default:
			break;
		}
	}
	return NULL;
}

static enum auth_reason decide(const struct auth_place *place,
			       const struct hybridge_sas *sas, time_t now,
			       struct hybridge_error *err)
{
	bool lacks_memory = false;
	const struct entity_rule *rule =
		signer(place->entity, sas, &lacks_memory);

	if (!rule)
		rule = signer(place->entities->ns, sas, &lacks_memory);
	if (!rule && lacks_memory) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return AUTH_MEMORY;
	}
	if (!rule) {
		hybridge_fail(err, HYBRIDGE_EDENIED,
			      "no rule of this name has a key that signed the "
			      "token");
		return AUTH_SIGNATURE;
	}
	if (hybridge_sas_check_expiry(sas, now, err) != 0)
		return AUTH_EXPIRED;
	if (hybridge_sas_check_audience(sas, place->hosts, place->path, err) !=
	    0)
		return AUTH_AUDIENCE;
	if ((rule->rights & place->right) == 0) {
		hybridge_fail(err, HYBRIDGE_EDENIED,
			      "the rule does not give the right to %s",
			      place->right == ENTITY_LISTEN ? "listen"
			      : place->right == ENTITY_SEND ? "send"
							    : "manage");
		return AUTH_RIGHT;
	}
	return AUTH_OK;
}

/*
 * Some libraries put the word before every token.  A bare "sr=" behind it is
 * refused, as Azure does: that is neither kind of token.
 */
static const char *skip_bearer(const char *token)
{
	static const char bearer[] = "Bearer ";
	static const char sas[] = "SharedAccessSignature";
	const char *rest = token;

	if (strncasecmp(rest, bearer, sizeof(bearer) - 1) == 0)
		rest += strspn(rest + sizeof(bearer) - 1, " ") +
			sizeof(bearer) - 1;
	return strncasecmp(rest, sas, sizeof(sas) - 1) == 0 ? rest : token;
}

void auth_check(const struct auth_place *place, const char *token, time_t now,
		struct auth_result *out)
{
	struct hybridge_sas sas = {0};

	*out = (struct auth_result){.reason = AUTH_MISSING};
	if (!token || !*token) {
		hybridge_fail(&out->err, HYBRIDGE_EDENIED, "no token");
		return;
	}
	if (hybridge_sas_parse(skip_bearer(token), &sas, &out->err) != 0) {
		out->reason = out->err.code == HYBRIDGE_ESYSTEM
				      ? AUTH_MEMORY
				      : AUTH_MALFORMED;
		return;
	}
	snprintf(out->key_name, sizeof(out->key_name), "%s", sas.key_name);
	out->expiry = sas.expiry;
	out->reason = decide(place, &sas, now, &out->err);
	hybridge_sas_free(&sas);
}

void auth_log_denied(const char *what, const char *entity,
		     const struct auth_result *result, const char *remote)
{
	hybridge_log(HYBRIDGE_LOG_WARNING, what, HYBRIDGE_STR("entity", entity),
		     HYBRIDGE_STR("key_name", result->key_name[0]
						      ? result->key_name
						      : NULL),
		     HYBRIDGE_STR("reason", auth_reason_name(result->reason)),
		     HYBRIDGE_STR("error", result->err.what),
		     HYBRIDGE_STR("remote", remote));
}

enum auth_carrier auth_token(const struct hybridge_http_head *head,
			     struct hybridge_span query, char **out)
{
	enum auth_carrier carrier = AUTH_CARRIER_NONE;
	struct hybridge_span value;

	*out = NULL;
	errno = 0;
	if (hybridge_http_get(head, "ServiceBusAuthorization", &value) &&
	    value.len > 0) {
		carrier = AUTH_CARRIER_SERVICE_BUS;
		*out = hybridge_span_dup(value);
	} else if (hybridge_query_get(query, "sb-hc-token", &value) &&
		   value.len > 0) {
		carrier = AUTH_CARRIER_QUERY;
		*out = hybridge_url_decode(value, true);
	} else if (hybridge_http_get(head, "Authorization", &value) &&
		   value.len > 0) {
		carrier = AUTH_CARRIER_AUTHORIZATION;
		*out = hybridge_span_dup(value);
	}
	return *out ? carrier : AUTH_CARRIER_NONE;
}
