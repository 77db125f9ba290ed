/*
 * endpoint.c - token, target and headers of a request to the relay.
 */
#include <hybridge/endpoint.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <hybridge/sas.h>
#include <hybridge/url.h>

void hybridge_endpoint_wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void hybridge_endpoint_token_free(struct hybridge_endpoint_token *token)
{
	hybridge_endpoint_wipe(token->text);
	*token = (struct hybridge_endpoint_token){0};
}

/* A token that somebody else signed lasts as long as it says. */
static int take_signature(const struct hybridge_connstr *relay, time_t now,
			  struct hybridge_endpoint_token *out,
			  struct hybridge_error *err)
{
	struct hybridge_endpoint_token token = {0};
	struct hybridge_sas sas = {0};

	token.text = strdup(relay->signature);
	if (!token.text) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return -1;
	}
	/* What is no SAS token is some other kind: the relay must judge it. */
	if (hybridge_sas_parse(relay->signature, &sas, NULL) == 0) {
		token.expires = (time_t)sas.expiry;
		hybridge_sas_free(&sas);
	}
	token.renew = token.expires > now
			      ? token.expires
			      : now + HYBRIDGE_ENDPOINT_TOKEN_SECONDS;
	*out = token;
	return 0;
}

int hybridge_endpoint_token_make(const struct hybridge_connstr *relay,
				 time_t now,
				 struct hybridge_endpoint_token *out,
				 struct hybridge_error *err)
{
	struct hybridge_endpoint_token token = {
		.renew = now + (time_t)HYBRIDGE_ENDPOINT_TOKEN_SECONDS / 4 * 3,
		.expires = now + HYBRIDGE_ENDPOINT_TOKEN_SECONDS,
	};

	if (relay->signature)
		return take_signature(relay, now, out, err);
	if (relay->key) {
		token.text = hybridge_sas_make(
			relay->host, relay->entity ? relay->entity : "",
			relay->key_name, relay->key, token.expires, err);
		if (!token.text)
			return -1;
	}
	*out = token;
	return 0;
}

void hybridge_endpoint_uuid(char out[static HYBRIDGE_ENDPOINT_UUID_TEXT])
{
	unsigned char b[16];
	char *to = out;

	/* Up to 256 bytes come whole, or the process waits (getrandom(2)). */
	while (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		;
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof(b); i++) {
		static const char hex[] = "0123456789abcdef";

		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		*to++ = hex[b[i] >> 4];
		*to++ = hex[b[i] & 15];
	}
	*to = '\0';
}

/* Encodes a path segment by segment: its slashes stay. */
static char *encode_path(const char *path)
{
	char *all = strdup("");

	while (all && *path) {
		struct hybridge_span segment = {path, strcspn(path, "/")};
		char *encoded = hybridge_url_encode(segment);
		char *longer = NULL;

		path += segment.len;
		if (encoded && asprintf(&longer, "%s%s%s", all, encoded,
					*path ? "/" : "") < 0)
			longer = NULL;
		path += *path ? 1 : 0;
		free(encoded);
		free(all);
		all = longer;
	}
	return all;
}

char *hybridge_endpoint_path(const struct hybridge_connstr *relay)
{
	return encode_path(relay->entity ? relay->entity : "");
}

char *hybridge_endpoint_target(const struct hybridge_connstr *relay,
			       const char *action, const char *id,
			       const char *suffix)
{
	size_t len = suffix ? strcspn(suffix, "?") : 0;
	const char *query = suffix && suffix[len] ? suffix + len + 1 : "";
	char *path = hybridge_endpoint_path(relay);
	char *target = NULL;

	if (path &&
	    asprintf(&target, "/$hc/%s%.*s?%s%ssb-hc-action=%s&sb-hc-id=%s",
		     path, (int)len, suffix ? suffix : "", query,
		     *query ? "&" : "", action, id) < 0)
		target = NULL;
	free(path);
	return target;
}

char *hybridge_endpoint_host(const char *host, uint16_t port, bool tls)
{
	bool is_v6 = strchr(host, ':') != NULL;
	char *text = NULL;
	int len;

	if (port == (tls ? 443 : 80))
		len = asprintf(&text, is_v6 ? "[%s]" : "%s", host);
	else
		len = asprintf(&text, is_v6 ? "[%s]:%u" : "%s:%u", host, port);
	return len < 0 ? NULL : text;
}

char *hybridge_endpoint_headers(const char *token, const char *agent,
				const char *more)
{
	char *lines = NULL;

	if (asprintf(&lines, "%s%s%sRelay-User-Agent: %s\r\n%s",
		     token ? "ServiceBusAuthorization: " : "",
		     token ? token : "", token ? "\r\n" : "", agent,
		     more ? more : "") < 0)
		return NULL;
	return lines;
}
