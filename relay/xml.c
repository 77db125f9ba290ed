/*
 * xml.c - text inside XML.
 */
#include "xml.h"

#include <stdlib.h>
#include <string.h>

#define ESCAPE_MAX 5 /* "&amp;" */

/* XML 1.0, 2.4. */
static const char *reference(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	default:
		return NULL;
	}
}

char *xml_escape(const char *text)
{
	char *out = malloc(strlen(text) * ESCAPE_MAX + 1);
	char *to = out;

	if (!out)
		return NULL;
	for (; *text; text++) {
		const char *as = reference(*text);

		if (as)
			to = stpcpy(to, as);
		else
			*to++ = *text;
	}
	*to = '\0';
	return out;
}
