/*
 * sas.h - Shared Access Signature tokens: making and checking them.
 *
 * SharedAccessSignature sr=ENC(audience)&sig=ENC(base64(HMAC-SHA256(key,
 * ENC(audience) LF se)))&se=SECONDS&skn=ENC(rule).  The key is the UTF-8 text
 * of the key, not its base64 decoding.  Source: Azure Relay documentation,
 * "authentication and authorization"; tests/data/sas_vectors.json.
 */
#ifndef HYBRIDGE_SAS_H
#define HYBRIDGE_SAS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <hybridge/envfile.h>
#include <hybridge/error.h>

#define HYBRIDGE_SAS_SKEW_SECONDS 300 /* clocks may differ by this much */

/**
 * hybridge_sas_make() - Sign a token
 * @host:     Relay's host name, without port
 * @entity:   Hybrid connection's path, or "" for the whole namespace
 * @key_name: Rule's name
 * @key:      Key's text
 * @expiry:   Seconds since the epoch
 * @err:      Set on failure
 *
 * The audience is http://HOST/ENTITY with the host in lower case, no port and
 * no trailing slash, encoded as encodeURIComponent() does.
 *
 * Return: The token, owned by the caller (wipe and free it), or NULL
 */
HYBRIDGE_MUSTUSE char *hybridge_sas_make(const char *host, const char *entity,
					 const char *key_name, const char *key,
					 time_t expiry,
					 struct hybridge_error *err);

/**
 * hybridge_sas_make_for() - As hybridge_sas_make(), for any audience text
 */
HYBRIDGE_MUSTUSE char *hybridge_sas_make_for(const char *audience,
					     const char *key_name,
					     const char *key, time_t expiry,
					     struct hybridge_error *err);

/**
 * struct hybridge_sas - A token taken apart, not yet believed
 * @sr:       Audience as it was sent (the signed text), inside the token
 * @audience: Audience decoded once; owned
 * @sig:      Signature, decoded to bytes
 * @expiry:   Seconds since the epoch
 * @key_name: Rule's name, decoded; owned
 */
struct hybridge_sas {
	struct hybridge_span sr;
	struct hybridge_span se;
	char *audience;
	unsigned char sig[32];
	int64_t expiry;
	char *key_name;
};

/**
 * hybridge_sas_parse() - Take a token apart
 * @token: With or without the word SharedAccessSignature in front; fields in
 *         any order, names in any case.  Must outlive @out
 * @out:   Filled in on success, untouched on failure
 * @err:   HYBRIDGE_EDENIED with the reason
 *
 * Return: 0 and @out owned by the caller (hybridge_sas_free()), or -1
 */
HYBRIDGE_MUSTUSE int hybridge_sas_parse(const char *token,
					struct hybridge_sas *out,
					struct hybridge_error *err);

/** hybridge_sas_free() - Release what hybridge_sas_parse() filled in */
void hybridge_sas_free(struct hybridge_sas *sas);

/**
 * hybridge_sas_check_signature() - Whether a key signed this token
 * Constant time in the signature.
 *
 * Return: 0 when @key signed it, -1 when not, 1 when there is no memory to find out
 */
HYBRIDGE_MUSTUSE int
hybridge_sas_check_signature(const struct hybridge_sas *sas, const char *key);

/**
 * hybridge_sas_check_expiry() - Whether the token is still good
 * @now:   Seconds since the epoch
 *
 * Return: 0 while @now is not more than HYBRIDGE_SAS_SKEW_SECONDS past the
 *         expiry, else -1 with @err saying by how much
 */
HYBRIDGE_MUSTUSE int hybridge_sas_check_expiry(const struct hybridge_sas *sas,
					       time_t now,
					       struct hybridge_error *err);

/**
 * hybridge_sas_check_audience() - Whether the token is meant for this place
 * @hosts:  NULL-terminated names that the relay answers to
 * @entity: Path of the hybrid connection that is asked for
 *
 * Scheme, port, $hc/ prefix, query and trailing slashes do not count; the host
 * must be one of @hosts; the path must equal @entity or be a whole-segment
 * prefix of it, without regard to case; an empty path means the namespace.
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int hybridge_sas_check_audience(const struct hybridge_sas *sas,
						 const char *const *hosts,
						 const char *entity,
						 struct hybridge_error *err);

#endif
