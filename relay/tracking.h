/*
 * tracking.h - the texts by which a failure on one side is found on the other.
 */
#ifndef HYBRIDGE_RELAY_TRACKING_H
#define HYBRIDGE_RELAY_TRACKING_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <hybridge/envfile.h>

#define TRACKING_GUID  37  /* bytes of a GUID as text, with its NUL */
#define TRACKING_ID    48  /* of GUID_G<a>_G<b>, likewise */
#define TRACKING_TEXT  640 /* of tracking_text(), likewise */
#define TRACKING_SHORT 9   /* of a session's name in the log, likewise */

/**
 * tracking_guid() - The GUID that a caller gave, or a fresh one
 * @given: Value of sb-hc-id: a GUID, perhaps followed by '_' and more; or empty
 * Return: true when it is the caller's
 */
bool tracking_guid(struct hybridge_span given, char out[static TRACKING_GUID]);

/** tracking_short() - The first eight digits of a GUID: the session in the log */
void tracking_short(const char *guid, char out[static TRACKING_SHORT]);

/**
 * tracking_text() - A message with what is needed to find it again
 * @message: Without full stop
 * @guid:    The caller's
 * @host:    Name of the relay that the caller used
 * @path:    Path that it asked for, percent-encoded; cut when long
 * @out:     "MESSAGE. TrackingId:GUID_G0, SystemTracker:sb://HOST/PATH, Timestamp:…",
 *           printable ASCII
 */
void tracking_text(const char *message, const char *guid,
		   struct hybridge_span host, struct hybridge_span path,
		   time_t now, char out[static TRACKING_TEXT]);

/**
 * tracking_clean() - Keep what may stand in a status line
 * Drops everything that is not printable ASCII, in place, and blanks at either end.
 */
void tracking_clean(char *text);

#endif
