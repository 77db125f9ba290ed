/*
 * xml.h - text inside XML.
 */
#ifndef HYBRIDGE_RELAY_XML_H
#define HYBRIDGE_RELAY_XML_H

#include <hybridge/error.h>

/**
 * xml_escape() - Make a text fit for the inside of an element
 * @text: UTF-8 without control characters
 * Return: Owned by the caller, or NULL when out of memory
 */
HYBRIDGE_MUSTUSE char *xml_escape(const char *text);

#endif
