/*
 * suggest.h - which of several words a mistyped one may have been meant to be.
 */
#ifndef CLI_SUGGEST_H
#define CLI_SUGGEST_H

/**
 * suggest() - The nearest word
 * @typed: What was typed
 * @words: NULL-terminated
 *
 * Return: One of @words at most two edits away, or NULL
 */
const char *suggest(const char *typed, const char *const *words);

#endif
