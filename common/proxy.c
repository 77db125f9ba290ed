/*
 * proxy.c - HTTP CONNECT proxies (RFC 9110 section 9.3.6): settings and request.
 */
#include "proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include <hybridge/authority.h>
#include <hybridge/hostmap.h>
#include <hybridge/http.h>
#include <hybridge/text.h>
#include <hybridge/url.h>

#define DEFAULT_PORT 80 /* of http:// */

int proxy_parse(const char *url, struct proxy *out, struct hybridge_error *err)
{
	static const char scheme[] = "http://";
	struct proxy proxy = {0};
	struct hybridge_authority authority;
	const char *at, *why;
	size_t len;
	int ret = -1;

	if (strncasecmp(url, scheme, sizeof(scheme) - 1) != 0) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "the proxy's URL does not start with http://");
		goto out;
	}
	url += sizeof(scheme) - 1;
	len = strcspn(url, "/?#");
	at = memrchr(url, '@', len);
	if (at) {
		proxy.credentials = hybridge_url_decode(
			(struct hybridge_span){url, (size_t)(at - url)}, false);
		if (!proxy.credentials) {
			hybridge_fail(err, HYBRIDGE_ECONFIG,
				      "the proxy's user and password are not "
				      "percent-encoded properly");
			goto out;
		}
		len -= (size_t)(at + 1 - url);
		url = at + 1;
	}
	why = hybridge_authority_split((struct hybridge_span){url, len},
				       &authority);
	if (why) {
		hybridge_fail(err, HYBRIDGE_ECONFIG, "the proxy's URL: %s",
			      why);
		goto out;
	}
	proxy.host = hybridge_span_dup(authority.host);
	proxy.port = authority.has_port ? authority.port : DEFAULT_PORT;
	if (!proxy.host) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		goto out;
	}
	*out = proxy;
	proxy = (struct proxy){0}; /* handed to the caller */
	ret = 0;
out:
	if (ret != 0)
		hybridge_hint(err, "write http://HOST:PORT or "
				   "http://USER:PASSWORD@HOST:PORT");
	proxy_free(&proxy);
	return ret;
}

void proxy_free(struct proxy *proxy)
{
	free(proxy->host);
	hybridge_text_free_secret(proxy->credentials);
	*proxy = (struct proxy){0};
}

/* Whether one item of NO_PROXY covers the host. */
static bool item_covers(struct hybridge_span item, const char *host,
			uint16_t port)
{
	struct hybridge_authority authority;
	struct hybridge_ip ip, ours;
	size_t host_len = strlen(host);
	const char *tail;

	if (hybridge_span_is(item, "*"))
		return true;
	while (item.len > 0 && (item.text[0] == '.' || item.text[0] == '*')) {
		item.text++;
		item.len--;
	}
	/* As everybody writes it: without brackets. */
	if (hybridge_ip_parse(item, &ip))
		return hybridge_ip_parse(hybridge_text_span(host), &ours) &&
		       ip.family == ours.family &&
		       memcmp(ip.bytes, ours.bytes, ip.family == 4 ? 4 : 16) ==
			       0;
	if (hybridge_authority_split(item, &authority) != NULL ||
	    (authority.has_port && authority.port != port) ||
	    authority.host.len > host_len)
		return false;
	tail = host + host_len - authority.host.len;
	return strncasecmp(tail, authority.host.text, authority.host.len) ==
		       0 &&
	       (tail == host || tail[-1] == '.');
}

bool proxy_bypassed(const char *no_proxy, const char *host, uint16_t port)
{
	while (no_proxy && *no_proxy) {
		size_t skip = strspn(no_proxy, ", \t");
		size_t len = strcspn(no_proxy + skip, ", \t");

		if (len > 0 &&
		    item_covers((struct hybridge_span){no_proxy + skip, len},
				host, port))
			return true;
		no_proxy += skip + len;
	}
	return false;
}

/* "Proxy-Authorization: Basic ..." with its CR LF, or "" without credentials. */
static char *authorization(const struct proxy *proxy)
{
	size_t len = proxy->credentials ? strlen(proxy->credentials) : 0;
	char *base64, *line = NULL;

	if (len == 0)
		return strdup("");
	base64 = malloc(4 * (len / 3 + 1) + 1);
	if (!base64)
		return NULL;
	EVP_EncodeBlock((unsigned char *)base64,
			(const unsigned char *)proxy->credentials, (int)len);
	if (asprintf(&line, "Proxy-Authorization: Basic %s\r\n", base64) < 0)
		line = NULL;
	hybridge_text_free_secret(base64);
	return line;
}

char *proxy_request(const struct proxy *proxy, const char *host, uint16_t port)
{
	char *auth = authorization(proxy);
	bool is_v6 = strchr(host, ':') != NULL;
	char *request = NULL;

	if (!auth)
		return NULL;
	if (asprintf(&request,
		     "CONNECT %s%s%s:%u HTTP/1.1\r\nHost: %s%s%s:%u\r\n%s\r\n",
		     is_v6 ? "[" : "", host, is_v6 ? "]" : "", port,
		     is_v6 ? "[" : "", host, is_v6 ? "]" : "", port, auth) < 0)
		request = NULL;
	hybridge_text_free_secret(auth);
	return request;
}
