/*
 * target.c - takes request targets apart and makes those of rendezvous addresses.
 */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <hybridge/http.h>
#include <hybridge/text.h>
#include <hybridge/upgrade.h>
#include <hybridge/url.h>

#include "tracking.h"

static bool skip_origin(struct hybridge_span *text)
{
	static const char *const schemes[] = {"http://", "https://", "ws://",
					      "wss://"};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i]);

		if (text->len < len ||
		    strncasecmp(text->text, schemes[i], len) != 0)
			continue;
		while (len < text->len && text->text[len] != '/' &&
		       text->text[len] != '?')
			len++;
		text->text += len;
		text->len -= len;
		return true;
	}
	return text->len > 0 && text->text[0] == '/';
}

static bool is_marker(struct hybridge_span segment)
{
	return hybridge_url_means(segment, hybridge_text_span("$hc"));
}

static enum target_action parse_action(struct hybridge_span query)
{
	static const struct {
		const char *name;
		enum target_action action;
	} actions[] = {{"connect", TARGET_CONNECT},
		       {"listen", TARGET_LISTEN},
		       {"accept", TARGET_ACCEPT},
		       {"request", TARGET_REQUEST}};
	struct hybridge_span value;

	if (!hybridge_query_get(query, "sb-hc-action", &value))
		return TARGET_CONNECT;
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (hybridge_span_is(value, actions[i].name))
			return actions[i].action;
	return TARGET_UNKNOWN;
}

int target_parse(struct hybridge_span text, struct target *out)
{
	struct target target = {.id = {"", 0}, .query = {"", 0}};
	struct hybridge_span rest;
	const char *mark;

	if (!skip_origin(&text) || memchr(text.text, '#', text.len))
		return -1;
	mark = memchr(text.text, '?', text.len);
	if (mark) {
		target.query.text = mark + 1;
		target.query.len = text.len - (size_t)(mark + 1 - text.text);
		text.len = (size_t)(mark - text.text);
	}
	while (text.len > 0 && text.text[0] == '/') {
		text.text++;
		text.len--;
	}
	target.path = text;
	rest = text;
	if (text.len > 0 && is_marker(hybridge_text_cut_segment(&rest))) {
		target.is_hc = true;
		target.path = rest;
	}
	hybridge_query_get(target.query, "sb-hc-id", &target.id);
	target.action = parse_action(target.query);
	*out = target;
	return 0;
}

bool target_is_sound(const struct target *target)
{
	return hybridge_url_is_sound(target->path);
}

static void append_encoded(char **to, const char *text, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c > 0x20 && c < 0x7f && !strchr("\"<>\\^`{|}", c)) {
			*(*to)++ = (char)c;
			continue;
		}
		*(*to)++ = '%';
		*(*to)++ = hex[c >> 4];
		*(*to)++ = hex[c & 15];
	}
}

char *target_rendezvous(const struct target *target, const char *id,
			const char *secret, unsigned int worker)
{
	static const char start[] = "/$hc/";
	static const char ours[] = "sb-hc-action=accept&sb-hc-id=";
	char place[32] = "";
	char *own = hybridge_query_strip(target->query);
	size_t own_len = own ? strlen(own) : 0;
	size_t tail_len = sizeof(ours) + strlen(id) + sizeof(TARGET_SECRET) +
			  strlen(secret) + sizeof(place) + 2;
	size_t room = sizeof(start) + target->path.len * 3 + own_len * 3 + 2 +
		      tail_len;
	char *out = own ? malloc(room) : NULL;
	char *to = out;

	if (!out)
		goto out;
	to = stpcpy(to, start);
	append_encoded(&to, target->path.text, target->path.len);
	*to++ = '?';
	append_encoded(&to, own, own_len);
	if (own_len > 0)
		*to++ = '&';
	if (worker > 0)
		snprintf(place, sizeof(place), "&%s=%u",
			 HYBRIDGE_WORKER_PARAMETER, worker);
	snprintf(to, room - (size_t)(to - out), "%s%s%s&%s=%s", ours, id, place,
		 TARGET_SECRET, secret);
out:
	free(own);
	return out;
}

static int parse_status(struct hybridge_span text)
{
	int status = 0;

	if (text.len != 3)
		return 502;
	for (size_t i = 0; i < text.len; i++) {
		if (text.text[i] < '0' || text.text[i] > '9')
			return 502;
		status = status * 10 + (text.text[i] - '0');
	}
	return status >= 400 && status <= 599 ? status : 502;
}

bool target_rejects(struct hybridge_span query, struct target_reject *out)
{
	struct hybridge_span code;
	struct hybridge_span text;
	bool has_code = hybridge_query_get(query, "sb-hc-statusCode", &code);
	bool has_text =
		hybridge_query_get(query, "sb-hc-statusDescription", &text);
	char *plain;

	if (!has_code && !has_text)
		return false;
	/* .NET's listeners mean 400 by a refusal without a status. */
	out->status = has_code ? parse_status(code) : 400;
	out->reason[0] = '\0';
	plain = has_text ? hybridge_url_decode(text, true) : NULL;
	if (plain) {
		tracking_clean(plain);
		snprintf(out->reason, sizeof(out->reason), "%s", plain);
		free(plain);
	}
	return true;
}
