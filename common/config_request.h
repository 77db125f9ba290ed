/*
 * config_request.h - reads what a sender adds to its requests: a path's suffix, a
 * query, headers.
 */
#ifndef HYBRIDGE_CONFIG_REQUEST_H
#define HYBRIDGE_CONFIG_REQUEST_H

#include <hybridge/error.h>

/**
 * config_check_suffix() - Whether a text may follow the hybrid connection's path
 * @text: [/SEGMENT…][?QUERY], encoded as RFC 3986 has it
 *
 * Empty segments, "." and ".." are refused, since somebody on the way might resolve them, and
 * so are parameters that start with "sb-hc-": those are the relay's.
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int config_check_suffix(const char *text,
					 struct hybridge_error *err);

/**
 * config_parse_headers() - Make header lines of "NAME: VALUE|NAME: VALUE…"
 * @out: "NAME: VALUE\r\n…"; owned by the caller (wipe and free); untouched on failure
 * @err: Never holds a value, which may be a secret
 *
 * A name twice is refused, and one that belongs to the handshake, to a hop or to the relay.
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int config_parse_headers(const char *text, char **out,
					  struct hybridge_error *err);

#endif
