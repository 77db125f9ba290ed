/*
 * endpoint.c - token, target and headers of a request to the relay.
 */
#include <hybridge/endpoint.h>

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <hybridge/sas.h>
#include <hybridge/text.h>
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

char *hybridge_endpoint_path(const struct hybridge_connstr *relay)
{
	return hybridge_url_encode_path(
		hybridge_text_span(relay->entity ? relay->entity : ""));
}

char *hybridge_endpoint_target(const struct hybridge_connstr *relay,
			       const char *action, const char *id,
			       const char *suffix)
{
	size_t len = suffix ? strcspn(suffix, "?") : 0;
	const char *query = suffix && suffix[len] ? suffix + len + 1 : "";
	char *path = hybridge_endpoint_path(relay);
	const struct hybridge_span parts[] = {
		hybridge_text_span("/$hc/"),
		hybridge_text_span(path ? path : ""),
		{suffix, len},
		hybridge_text_span("?"),
		hybridge_text_span(query),
		hybridge_text_span(*query ? "&" : ""),
		hybridge_text_span("sb-hc-action="),
		hybridge_text_span(action),
		hybridge_text_span("&sb-hc-id="),
		hybridge_text_span(id),
	};
	char *target =
		path ? hybridge_text_join(parts, sizeof(parts) / sizeof(*parts))
		     : NULL;

	free(path);
	return target;
}

char *hybridge_endpoint_host(const char *host, uint16_t port, bool tls)
{
	bool is_v6 = strchr(host, ':') != NULL;
	bool is_usual = port == (tls ? 443 : 80);
	char digits[HYBRIDGE_TEXT_NUMBER];
	const struct hybridge_span parts[] = {
		hybridge_text_span(is_v6 ? "[" : ""),
		hybridge_text_span(host),
		hybridge_text_span(is_v6 ? "]" : ""),
		hybridge_text_span(is_usual ? "" : ":"),
		hybridge_text_number(port, digits),
	};

	return hybridge_text_join(parts, is_usual ? 4 : 5);
}

char *hybridge_endpoint_headers(const char *token, const char *agent,
				const char *more)
{
	const struct hybridge_span parts[] = {
		hybridge_text_span(token ? "ServiceBusAuthorization: " : ""),
		hybridge_text_span(token ? token : ""),
		hybridge_text_span(token ? "\r\n" : ""),
		hybridge_text_span("Relay-User-Agent: "),
		hybridge_text_span(agent),
		hybridge_text_span("\r\n"),
		hybridge_text_span(more ? more : ""),
	};

	return hybridge_text_join(parts, sizeof(parts) / sizeof(*parts));
}
