/*
 * refusal.c - from a target's errno to the refusal that goes over the relay.
 */
#include "refusal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hybridge/url.h>

struct refusal refusal_of(int os_errno)
{
	switch (os_errno) {
	case ETIMEDOUT:
		return (struct refusal){
			504, "hybridge ETIMEDOUT: the target did not answer"};
	case EHOSTUNREACH:
	case ENETUNREACH:
		return (struct refusal){502, "hybridge EHOSTUNREACH: the "
					     "target cannot be reached"};
	case ECONNREFUSED:
		return (struct refusal){502, "hybridge ECONNREFUSED: the "
					     "target refused the connection"};
	case EMFILE:
	case ENFILE:
		return (struct refusal){502, "hybridge ECONNREFUSED: the agent "
					     "has too many files open, see its "
					     "LimitNOFILE"};
	default:
		return (struct refusal){502, "hybridge ECONNREFUSED: the agent "
					     "could not connect to the target"};
	}
}

char *refusal_target(const char *target, const struct refusal *refusal)
{
	struct hybridge_span text = {refusal->text, strlen(refusal->text)};
	char *encoded = hybridge_url_encode(text);
	char *out = NULL;

	if (encoded &&
	    asprintf(&out, "%s%csb-hc-statusCode=%d&sb-hc-statusDescription=%s",
		     target, strchr(target, '?') ? '&' : '?', refusal->status,
		     encoded) < 0)
		out = NULL;
	free(encoded);
	return out;
}
