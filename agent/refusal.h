/*
 * refusal.h - how the agent says why it does not accept a stream.
 *
 * "hybridge E…: text" in the status description is what our sender turns into the errno of
 * the program's connect(); others show it as it is.
 */
#ifndef AGENT_REFUSAL_H
#define AGENT_REFUSAL_H

#include <hybridge/error.h>

/**
 * struct refusal - What the sender is told
 * @status: HTTP status
 * @text:   Constant: does not name the target, which is nobody's business out there
 */
struct refusal {
	int status;
	const char *text;
};

/** refusal_of() - For a target that could not be reached because of @os_errno */
struct refusal refusal_of(int os_errno);

/**
 * refusal_target() - Path and query that refuses instead of accepting
 * @target: Of the accept message's address, which holds a '?' already
 *
 * Return: Owned by the caller, or NULL when out of memory
 */
HYBRIDGE_MUSTUSE char *refusal_target(const char *target,
				      const struct refusal *refusal);

#endif
