/*
 * connstr.h - connection strings exactly as Azure's portal gives them.
 *
 * Endpoint=sb://HOST[:PORT]/;SharedAccessKeyName=N;SharedAccessKey=K;EntityPath=P
 * Source: Azure Relay documentation, "connection string"; keys in any order
 * and case, a trailing ';' allowed, values split at the first '='.
 */
#ifndef HYBRIDGE_CONNSTR_H
#define HYBRIDGE_CONNSTR_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/error.h>

/**
 * struct hybridge_connstr - A connection string taken apart
 * @host:       Relay's host name, lower case
 * @port:       Its port; 443, or 80 for a plaintext one, when none was given
 * @has_port:   Whether one was given
 * @plaintext:  Endpoint was ws:// or http://: no TLS (loopback tests only)
 * @entity:     EntityPath, no leading or trailing '/'; NULL when absent
 * @key_name:   SharedAccessKeyName, or NULL
 * @key:        SharedAccessKey (secret), or NULL
 * @signature:  SharedAccessSignature, a ready-made token (secret), or NULL
 *
 * All strings are owned by the struct.
 */
struct hybridge_connstr {
	char *host;
	uint16_t port;
	bool has_port;
	bool plaintext;
	char *entity;
	char *key_name;
	char *key;
	char *signature;
};

/**
 * hybridge_connstr_parse() - Take a connection string apart
 * @text: As copied from the portal; sb://, wss://, https://, ws://, http:// endpoints
 * @out:  Filled in on success, untouched on failure
 * @err:  Says what is wrong and how to mend it; never holds any part of a key.
 *        A string cut at its first ';' by a shell is recognised
 *
 * Return: 0 and @out owned by the caller (release with
 *         hybridge_connstr_free()), or -1 with @err set
 */
HYBRIDGE_MUSTUSE int hybridge_connstr_parse(const char *text,
					    struct hybridge_connstr *out,
					    struct hybridge_error *err);

/**
 * hybridge_connstr_free() - Wipe the secrets and release the strings
 * @cs: May be NULL or zeroed; is zeroed afterwards
 */
void hybridge_connstr_free(struct hybridge_connstr *cs);

#endif
