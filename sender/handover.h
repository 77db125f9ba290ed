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

#include <hybridge/error.h>

struct handover;
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
 * @done: Called once, from the loop, unless handover_cancel() was; @taken: it serves, and the
 *        caller should not any more; not @taken: it has failed, which is logged.  The address of
 *        HYBRIDGE_STATUS_LISTEN goes with the socket
 *
 * Return: Freed when @done is called; NULL, logged, when that is not possible
 */
HYBRIDGE_MUSTUSE struct handover *
handover_start(struct sender *sender, int listener,
	       void (*done)(void *owner, bool taken), void *owner);

/** handover_cancel() - Do not wait for it any more.  NULL is fine */
void handover_cancel(struct handover *handover);

#endif
