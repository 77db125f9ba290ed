/*
 * verified.h - signatures that were found right lately: a sender shows one token for all its streams.
 *
 * Only that a rule's key made the signature is remembered; expiry, audience and rights are
 * judged anew each time.  Each thread remembers for itself.
 */
#ifndef HYBRIDGE_RELAY_VERIFIED_H
#define HYBRIDGE_RELAY_VERIFIED_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/sas.h>

/**
 * verified_before() - Whether verified_remember() was called for the same, and is not forgotten
 * @rule: Number of the rule, which a reload gives to no other; 0: never
 */
bool verified_before(uint64_t rule, const struct hybridge_sas *sas);

/**
 * verified_remember() - A key of this rule has made this signature
 *
 * Only for what was verified: then whoever chooses a place of the table had a key.  A text too
 * long to keep is not remembered.
 */
void verified_remember(uint64_t rule, const struct hybridge_sas *sas);

#endif
