/*
 * sas_audience.c - decides whether a token's audience covers a place.
 *
 * Audiences come in as many shapes as there are SDKs: another scheme, a port,
 * a "$hc" segment, a query, a trailing slash, everything in lower case, or the
 * host alone.  What counts is the host and the segments of the path.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <hybridge/authority.h>
#include <hybridge/sas.h>
#include <hybridge/text.h>
#include <hybridge/url.h>

static bool span_is(struct hybridge_span span, const char *text)
{
	return strlen(text) == span.len &&
	       strncasecmp(span.text, text, span.len) == 0;
}

/*
 * Whether an encoded segment means the plain one.  A plain one has no '/', so
 * one that hides a %2F matches nothing and cannot shift the boundaries.
 */
static bool segment_equal(struct hybridge_span encoded,
			  struct hybridge_span plain)
{
	return hybridge_url_means(encoded, plain);
}

/* Whether @path is @entity or a whole-segment prefix of it. */
static bool path_covers(struct hybridge_span path, struct hybridge_span entity)
{
	static const struct hybridge_span marker = {"$hc", 3};
	struct hybridge_span rest = path;

	if (path.len > 0 &&
	    segment_equal(hybridge_text_cut_segment(&rest), marker))
		path = rest;
	while (path.len > 0) {
		if (entity.len == 0 ||
		    !segment_equal(hybridge_text_cut_segment(&path),
				   hybridge_text_cut_segment(&entity)))
			return false;
	}
	return true;
}

/* Takes scheme://authority[/path][?query] apart. */
static bool split_audience(const char *text, struct hybridge_span *host,
			   struct hybridge_span *path)
{
	const char *start = strstr(text, "://");
	struct hybridge_authority authority;

	if (!start)
		return false;
	start += 3;
	struct hybridge_span span = {start, strcspn(start, "/?#")};

	if (hybridge_authority_split(span, &authority))
		return false;
	*host = authority.host;
	start += span.len;
	path->text = start;
	path->len = strcspn(start, "?#");
	*path = hybridge_text_trim_slashes(*path);
	return true;
}

int hybridge_sas_check_audience(const struct hybridge_sas *sas,
				const char *const *hosts, const char *entity,
				struct hybridge_error *err)
{
	struct hybridge_span host;
	struct hybridge_span path;

	if (!split_audience(sas->audience, &host, &path)) {
		hybridge_fail(err, HYBRIDGE_EDENIED,
			      "token's audience '%.150s' is no URL",
			      sas->audience);
		return -1;
	}
	while (*hosts && !span_is(host, *hosts))
		hosts++;
	if (!*hosts) {
		hybridge_fail(err, HYBRIDGE_EDENIED,
			      "token is for another host: '%.*s'",
			      host.len < 150 ? (int)host.len : 150, host.text);
		hybridge_hint(err, "sign it for the host name that the relay "
				   "answers to");
		return -1;
	}
	if (!path_covers(path, hybridge_text_trim_slashes(
				       hybridge_text_span(entity)))) {
		hybridge_fail(
			err, HYBRIDGE_EDENIED,
			"token's audience '%.150s' does not cover '%.100s'",
			sas->audience, entity);
		return -1;
	}
	return 0;
}
