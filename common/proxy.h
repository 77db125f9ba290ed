/*
 * proxy.h - HTTP CONNECT proxies (RFC 9110 section 9.3.6): settings and request.
 */
#ifndef HYBRIDGE_COMMON_PROXY_H
#define HYBRIDGE_COMMON_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/error.h>

/**
 * struct proxy - A proxy's URL taken apart; strings are owned
 * @credentials: "user:password", decoded (secret), or NULL
 */
struct proxy {
	char *host;
	uint16_t port;
	char *credentials;
};

/**
 * proxy_parse() - Read "http://[user:password@]host[:port]"
 * @out: Filled in on success, untouched on failure
 * @err: Never holds the credentials
 *
 * Return: 0 and @out owned by the caller (proxy_free()), or -1
 */
HYBRIDGE_MUSTUSE int proxy_parse(const char *url, struct proxy *out,
				 struct hybridge_error *err);

/** proxy_free() - Wipe and release; zeroes @proxy */
void proxy_free(struct proxy *proxy);

/**
 * proxy_bypassed() - Whether NO_PROXY names this host
 * @no_proxy: Comma-separated: "*", host names, suffixes with or without a
 *            leading dot, optionally :port; NULL matches nothing
 */
bool proxy_bypassed(const char *no_proxy, const char *host, uint16_t port);

/**
 * proxy_request() - The CONNECT request for a destination
 * Return: Owned by the caller (wipe and free), or NULL when out of memory
 */
HYBRIDGE_MUSTUSE char *proxy_request(const struct proxy *proxy,
				     const char *host, uint16_t port);

#endif
