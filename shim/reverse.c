/* reverse.c - getnameinfo(), gethostbyaddr() and its _r form give the mapped name back. */
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>

#include "libc.h"
#include "names.h"

/* A literal's address has no name. */
static bool name_of_sockaddr(const struct sockaddr *addr, socklen_t len,
			     char out[static SHIM_HOST_SIZE])
{
	struct hybridge_ip ip;
	uint16_t port;

	return shim_ip_of(addr, len, &ip, &port) &&
	       shim_name_of_address(&ip, out) &&
	       !hybridge_ip_parse((struct hybridge_span){out, strlen(out)},
				  &ip);
}

// NOLINTNEXTLINE(readability-function-size): as libc's
SHIM_EXPORT int getnameinfo(const struct sockaddr *sa, socklen_t salen,
			    char *host, socklen_t hostlen, char *serv,
			    socklen_t servlen, int flags)
{
	struct shim_libc *libc = shim_libc_resolve();
	char name[SHIM_HOST_SIZE];
	int ret = 0;

	if (flags & NI_NUMERICHOST || !host || hostlen == 0 ||
	    !name_of_sockaddr(sa, salen, name))
		return libc->getnameinfo(sa, salen, host, hostlen, serv,
					 servlen, flags);
	if (serv && servlen > 0)
		ret = libc->getnameinfo(sa, salen, NULL, 0, serv, servlen,
					flags & ~NI_NAMEREQD);
	if (ret == 0 && strlen(name) >= hostlen)
		ret = EAI_OVERFLOW;
	if (ret == 0)
		memcpy(host, name, strlen(name) + 1);
	return ret;
}

/* The mapped name of what gethostbyaddr() is asked for. */
static bool name_of(const void *addr, socklen_t len, int family,
		    char out[static SHIM_HOST_SIZE])
{
	struct hybridge_ip ip = {.family = 4};

	if (!addr || !((family == AF_INET && len == 4) ||
		       (family == AF_INET6 && len == 16)))
		return false;
	if (family == AF_INET6)
		ip.family = 6;
	memcpy(ip.bytes, addr, len);
	return shim_name_of_address(&ip, out);
}

SHIM_EXPORT struct hostent *gethostbyaddr(const void *addr, socklen_t len,
					  int type)
{
	static struct hostent entry;
	static struct shim_hostent memory;
	char name[SHIM_HOST_SIZE];

	if (!name_of(addr, len, type, name))
		return shim_libc_resolve()->gethostbyaddr(addr, len, type);
	shim_hostent_fill(&entry, (char *)&memory, sizeof(memory), name, type,
			  addr);
	return &entry;
}

// NOLINTNEXTLINE(readability-function-size): as libc's
SHIM_EXPORT int gethostbyaddr_r(const void *addr, socklen_t len, int type,
				struct hostent *result_buf, char *buf,
				size_t buflen, struct hostent **result,
				int *h_errnop)
{
	char name[SHIM_HOST_SIZE];

	if (!name_of(addr, len, type, name))
		return shim_libc_resolve()->gethostbyaddr_r(
			addr, len, type, result_buf, buf, buflen, result,
			h_errnop);
	return shim_hostent_reply(
		shim_hostent_fill(result_buf, buf, buflen, name, type, addr),
		result_buf, result, h_errnop);
}
