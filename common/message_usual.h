/*
 * message_usual.h - accept messages in the form that relays write, read in one pass.
 */
#ifndef HYBRIDGE_COMMON_MESSAGE_USUAL_H
#define HYBRIDGE_COMMON_MESSAGE_USUAL_H

#include <stdbool.h>

#include <hybridge/message.h>

/**
 * message_read_usual() - Take an accept message apart that holds nothing unusual
 * @text: Any bytes
 * @out:  Filled in on success, as hybridge_message_parse() would; untouched otherwise
 *
 * Return: false when it is anything else, sound or not: a JSON parser must look at it
 */
bool message_read_usual(const char *text, size_t len,
			struct hybridge_message *out);

#endif
