/*
 * tracking.c - the texts by which a failure on one side is found on the other.
 */
#include "tracking.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SHOWN 120
#define HOST_SHOWN 100

static bool is_guid(struct hybridge_span text)
{
	if (text.len < TRACKING_GUID - 1 ||
	    (text.len >= TRACKING_GUID && text.text[TRACKING_GUID - 1] != '_'))
		return false;
	for (size_t i = 0; i < TRACKING_GUID - 1; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text.text[i] != '-'
			 : !isxdigit((unsigned char)text.text[i]))
			return false;
	}
	return true;
}

bool tracking_guid(struct hybridge_span given, char out[static TRACKING_GUID])
{
	uint8_t b[16];

	if (is_guid(given)) {
		memcpy(out, given.text, TRACKING_GUID - 1);
		out[TRACKING_GUID - 1] = '\0';
		return true;
	}
	arc4random_buf(b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* RFC 4122: version 4 */
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(out, TRACKING_GUID,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		 "%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
		 b[10], b[11], b[12], b[13], b[14], b[15]);
	return false;
}

void tracking_short(const char *guid, char out[static TRACKING_SHORT])
{
	snprintf(out, TRACKING_SHORT, "%.8s", guid);
}

void tracking_clean(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (*from < ' ' || *from > '~' || (to == text && *from == ' '))
			continue;
		*to++ = *from;
	}
	while (to > text && to[-1] == ' ')
		to--;
	*to = '\0';
}

void tracking_text(const char *message, const char *guid,
		   struct hybridge_span host, struct hybridge_span path,
		   time_t now, char out[static TRACKING_TEXT])
{
	char stamp[32] = "";
	struct tm utc;

	if (gmtime_r(&now, &utc))
		strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(out, TRACKING_TEXT,
		 "%.240s. TrackingId:%s_G0, SystemTracker:sb://%.*s/%.*s, "
		 "Timestamp:%s",
		 message, guid,
		 host.len < HOST_SHOWN ? (int)host.len : HOST_SHOWN,
		 host.text ? host.text : "",
		 path.len < PATH_SHOWN ? (int)path.len : PATH_SHOWN,
		 path.text ? path.text : "", stamp);
	tracking_clean(out);
}
