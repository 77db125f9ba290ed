/* reverse.c - getnameinfo(), gethostbyaddr() and its _r form give the mapped name back. */
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>

#include "libc.h"
#include "names.h"

SHIM_EXPORT int getnameinfo(const struct sockaddr *addr, socklen_t len,
			    char *host, socklen_t host_size, char *service,
			    socklen_t service_size, int flags)
{
	struct shim_libc *libc = shim_libc_resolve();
	char name[SHIM_HOST_SIZE];
	struct hybridge_ip ip;
	uint16_t port;
	int ret;

	if (flags & NI_NUMERICHOST || !host || host_size == 0 ||
	    !shim_ip_of(addr, len, &ip, &port) ||
	    !shim_name_of_address(&ip, name) ||
	    hybridge_ip_parse((struct hybridge_span){name, strlen(name)}, &ip))
		return libc->getnameinfo(addr, len, host, host_size, service,
					 service_size, flags);
	if (service && service_size > 0) {
		ret = libc->getnameinfo(addr, len, NULL, 0, service,
					service_size, flags & ~NI_NAMEREQD);
		if (ret != 0)
			return ret;
	}
	if (strlen(name) >= host_size)
		return EAI_OVERFLOW;
	memcpy(host, name, strlen(name) + 1);
	return 0;
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
					  int family)
{
	static struct hostent entry;
	static struct shim_hostent memory;
	char name[SHIM_HOST_SIZE];

	if (!name_of(addr, len, family, name))
		return shim_libc_resolve()->gethostbyaddr(addr, len, family);
	shim_hostent_fill(&entry, (char *)&memory, sizeof(memory), name, family,
			  addr);
	return &entry;
}

SHIM_EXPORT int gethostbyaddr_r(const void *addr, socklen_t len, int family,
				struct hostent *out, char *buf, size_t size,
				struct hostent **result, int *h_errnop)
{
	char name[SHIM_HOST_SIZE];

	if (!name_of(addr, len, family, name))
		return shim_libc_resolve()->gethostbyaddr_r(
			addr, len, family, out, buf, size, result, h_errnop);
	if (!shim_hostent_fill(out, buf, size, name, family, addr)) {
		*result = NULL;
		*h_errnop = NETDB_INTERNAL;
		return ERANGE;
	}
	*result = out;
	*h_errnop = NETDB_SUCCESS;
	return 0;
}
