/*
 * handover.h - a sender whose files have changed gives its socket to a new one.
 *
 * For a sender that the library started: nobody else would restart it.  Whoever waits in
 * the socket's backlog is served by the new one; streams stay with the old one, which leaves
 * with the last of them.
 */
#ifndef SENDER_HANDOVER_H
#define SENDER_HANDOVER_H

#include <stdbool.h>

struct sender;

/**
 * handover_is_due() - Whether the files have changed, and say something that can be used
 *
 * What cannot be used is logged, once for each change.  So is, for a sender that the library did
 * not start, that it should be restarted; the answer is no, then.
 */
bool handover_is_due(struct sender *sender);

/**
 * handover_start() - Start a new sender that accepts from @listener
 * The caller closes its own copy.  The address of HYBRIDGE_STATUS_LISTEN is the new one's, too.
 *
 * Return: false, logged, when that is not possible
 */
bool handover_start(struct sender *sender, int listener);

#endif
