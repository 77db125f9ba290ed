/*
 * relay_clock.c - how far this machine's clock is from the relay's.
 */
#include <hybridge/relay_clock.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

bool hybridge_relay_clock_ahead(const char *reason, int64_t now, int64_t *ahead)
{
	static const char key[] = "Timestamp:";
	static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S",
					    "%m/%d/%Y %I:%M:%S %p"};
	const char *text = strstr(reason, key);

	if (!text)
		return false;
	text += strlen(key);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm utc = {0};

		if (strptime(text, forms[i], &utc)) {
			*ahead = now - timegm(&utc);
			return true;
		}
	}
	return false;
}

void hybridge_relay_clock_text(int64_t ahead,
			       char out[static HYBRIDGE_RELAY_CLOCK_MAX])
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = {{86400, "days"}, {3600, "hours"}, {60, "minutes"}};
	int64_t off = ahead < 0 ? -ahead : ahead;
	const char *name = "seconds";

	/* Two of a unit at least: so it is never singular, and never far from the truth. */
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (off >= 2 * units[i].seconds) {
			off /= units[i].seconds;
			name = units[i].name;
			break;
		}
	}
	snprintf(out, HYBRIDGE_RELAY_CLOCK_MAX, "%" PRId64 " %s %s the relay's",
		 off, name, ahead < 0 ? "behind" : "ahead of");
}

void hybridge_relay_clock_hint(const char *reason, int64_t now,
			       struct hybridge_error *err)
{
	char text[HYBRIDGE_RELAY_CLOCK_MAX];
	int64_t ahead;

	if (!hybridge_relay_clock_ahead(reason, now, &ahead) ||
	    (ahead < HYBRIDGE_RELAY_CLOCK_OFF_S &&
	     ahead > -HYBRIDGE_RELAY_CLOCK_OFF_S))
		return;
	hybridge_relay_clock_text(ahead, text);
	hybridge_hint(err, "set this machine's clock: it is %s", text);
}
