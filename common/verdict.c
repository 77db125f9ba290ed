/*
 * verdict.c - maps the relay's answers to errnos, causes and remedies.
 */
#include <hybridge/verdict.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <hybridge/relay_clock.h>

#define AGENT_PREFIX "hybridge "
#define NO_ENTITY    "Endpoint does not exist"

/* What our agent may say; anything else it says counts as a refusal. */
static const struct {
	const char *name;
	int value;
} verdicts[] = {
	{"ECONNREFUSED", ECONNREFUSED},
	{"ETIMEDOUT", ETIMEDOUT},
	{"EHOSTUNREACH", EHOSTUNREACH},
	{"ENETUNREACH", ENETUNREACH},
	{"EACCES", EACCES},
};
#define NUM_VERDICTS (sizeof(verdicts) / sizeof(verdicts[0]))

static int verdict_of_agent(const char *reason)
{
	const char *name = reason + strlen(AGENT_PREFIX);

	if (strncmp(reason, AGENT_PREFIX, strlen(AGENT_PREFIX)) != 0)
		return 0;
	for (size_t i = 0; i < NUM_VERDICTS; i++) {
		size_t len = strlen(verdicts[i].name);

		if (strncmp(name, verdicts[i].name, len) == 0 &&
		    name[len] == ':')
			return verdicts[i].value;
	}
	return 0;
}

bool hybridge_verdict_is_agents(const char *reason)
{
	return verdict_of_agent(reason) != 0;
}

int hybridge_verdict_of_status(int status, const char *reason)
{
	int said = verdict_of_agent(reason);

	if (said)
		return said;
	switch (status) {
	case 401:
	case 403:
		return EACCES;
	case 408:
	case 504:
		return ETIMEDOUT;
	default:
		return ECONNREFUSED;
	}
}

int hybridge_verdict_of_dial(int os_errno)
{
	return os_errno == ETIMEDOUT ? ETIMEDOUT : ENETUNREACH;
}

int hybridge_verdict_of_preamble(int os_errno)
{
	return os_errno == ETIMEDOUT    ? ETIMEDOUT
	       : os_errno == ECONNRESET ? ENETUNREACH
					: ECONNREFUSED;
}

const char *hybridge_verdict_name(int verdict)
{
	for (size_t i = 0; i < NUM_VERDICTS; i++)
		if (verdicts[i].value == verdict)
			return verdicts[i].name;
	return "unknown";
}

/* Our agent reached the relay: the trouble is between it and the service. */
static void explain_agent(const struct hybridge_upgrade_result *result,
			  struct hybridge_error *err)
{
	hybridge_fail(err, HYBRIDGE_EREFUSED, "the agent said: %s",
		      result->reason + strlen(AGENT_PREFIX));
	hybridge_hint(err, "look at the service, and at the agent's log for "
			   "this session");
}

/* Azure, and our relay, tell the two causes apart by their words alone. */
static void explain_404(const char *reason, const char *entity,
			struct hybridge_error *err)
{
	if (strncasecmp(reason, NO_ENTITY, strlen(NO_ENTITY)) == 0) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "hybrid connection %s does not exist: 404 %s",
			      entity, reason);
		hybridge_hint(err, "create it, or mend Endpoint and "
				   "EntityPath");
	} else {
		hybridge_fail(err, HYBRIDGE_EREFUSED,
			      "nobody listens on hybrid connection %s: 404 %s",
			      entity, reason);
		hybridge_hint(err, "start the agent for it; check EntityPath");
	}
}

void hybridge_verdict_explain(const struct hybridge_upgrade_result *result,
			      const char *entity, struct hybridge_error *err)
{
	const char *reason = result->reason;

	if (verdict_of_agent(reason)) {
		explain_agent(result, err);
		return;
	}
	switch (result->status) {
	case 401:
		hybridge_fail(err, HYBRIDGE_EDENIED,
			      "the relay does not accept our token: 401 %s",
			      reason);
		hybridge_relay_clock_hint(reason, time(NULL), err);
		hybridge_hint(err, "check SharedAccessKeyName and "
				   "SharedAccessKey, and this machine's clock");
		break;
	case 403:
		hybridge_fail(err, HYBRIDGE_EDENIED,
			      "the relay does not let us in: 403 %s", reason);
		hybridge_hint(err, "use a rule that has the Send right");
		break;
	case 404:
		explain_404(reason, entity, err);
		break;
	case 408:
	case 504:
		hybridge_fail(err, HYBRIDGE_ETIMEOUT,
			      "the far side did not answer in time: %d %s",
			      result->status, reason);
		hybridge_hint(err, "check the agent and its network");
		break;
	default:
		hybridge_fail(err, HYBRIDGE_EREFUSED,
			      "the relay or its listener refused: %d %s",
			      result->status, reason);
		hybridge_hint(err, "look at the listener's log");
	}
}

void hybridge_verdict_tracking(const char *reason,
			       char out[static HYBRIDGE_VERDICT_TRACKING_MAX])
{
	static const char key[] = "TrackingId:";
	const char *from = strstr(reason, key);
	size_t len;

	out[0] = '\0';
	if (!from)
		return;
	from += strlen(key);
	len = strcspn(from, ", ");
	if (len >= HYBRIDGE_VERDICT_TRACKING_MAX)
		len = HYBRIDGE_VERDICT_TRACKING_MAX - 1;
	memcpy(out, from, len);
	out[len] = '\0';
}
