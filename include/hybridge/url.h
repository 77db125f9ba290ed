/*
 * url.h - percent-encoding and query strings (RFC 3986), byte for byte.
 *
 * Nothing here normalises: a relay must hand on what it was given.
 */
#ifndef HYBRIDGE_URL_H
#define HYBRIDGE_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <hybridge/envfile.h>
#include <hybridge/error.h>

/**
 * hybridge_url_encode() - encodeURIComponent(): leaves A-Z a-z 0-9 - _ . ! ~ * ' ( )
 * Return: Owned by the caller, or NULL when out of memory
 */
HYBRIDGE_MUSTUSE char *hybridge_url_encode(struct hybridge_span text);

/** hybridge_url_encode_path() - The same, segment by segment: slashes stay */
char *hybridge_url_encode_path(struct hybridge_span path);

/**
 * hybridge_url_decode() - Decode %XX once
 * @text: Encoded text
 * @plus: Whether '+' means a space, as in forms
 *
 * Return: Owned by the caller; NULL when out of memory, when a '%' is not
 *         followed by two hexadecimal digits, or when %00 occurs
 */
HYBRIDGE_MUSTUSE char *hybridge_url_decode(struct hybridge_span text,
					   bool plus);

/**
 * hybridge_url_decode_into() - The same into memory that is there already
 * @out: Room for text.len + 1 bytes
 * Return: Length, a NUL follows; -1 when it is not encoded correctly, or holds a NUL
 */
HYBRIDGE_MUSTUSE ssize_t hybridge_url_decode_into(struct hybridge_span text,
						  bool plus, char *out);

/** hybridge_url_is_sound() - Whether it can be decoded; takes no memory */
bool hybridge_url_is_sound(struct hybridge_span text);

/** hybridge_url_means() - Whether it decodes to @plain, A-Z being a-z; takes no memory
 * @plain: Without a NUL */
bool hybridge_url_means(struct hybridge_span text, struct hybridge_span plain);

/**
 * hybridge_query_get() - Find a parameter, its name without regard to case
 * @query: What follows '?', without it
 * @name:  Name to look for
 * @out:   Its value, still encoded; untouched when absent
 *
 * Return: true when the parameter is there (the first one counts)
 */
bool hybridge_query_get(struct hybridge_span query, const char *name,
			struct hybridge_span *out);

/**
 * hybridge_query_strip() - The application's own part of a query
 * @query: What follows '?', without it
 *
 * Drops every key=value whose decoded key starts with "sb-hc-" (any case) and
 * keeps everything else byte for byte, tokens without '=' included.
 *
 * Return: Owned by the caller, without '?', "" when nothing is left; or NULL
 */
HYBRIDGE_MUSTUSE char *hybridge_query_strip(struct hybridge_span query);

/**
 * struct hybridge_url - An absolute ws, wss, http or https URL taken apart
 * @tls:    wss or https
 * @host:   Host without brackets; owned
 * @port:   Port, the scheme's default when absent
 * @target: Path and query as they stand, starting with '/'; owned
 */
struct hybridge_url {
	bool tls;
	char *host;
	unsigned short port;
	char *target;
};

/**
 * hybridge_url_parse() - Take an absolute URL apart
 * @text: The URL; user information and fragments are refused, as are control
 *        characters and spaces
 * @out:  Filled in on success, untouched on failure
 *
 * Return: 0 and @out owned by the caller (hybridge_url_free()), or -1 with @err
 *         set (HYBRIDGE_EPROTOCOL; never a part of the URL)
 */
HYBRIDGE_MUSTUSE int hybridge_url_parse(const char *text,
					struct hybridge_url *out,
					struct hybridge_error *err);

/** hybridge_url_free() - Release what hybridge_url_parse() filled in */
void hybridge_url_free(struct hybridge_url *url);

#endif
