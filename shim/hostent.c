/*
 * hostent.c - gethostbyname(), gethostbyname2() and their _r forms.
 *
 * A hostent is plain memory, the caller's or static: for a mapped name it is
 * built here.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>

#include "libc.h"
#include "names.h"

/* As in libc, the result is good until the thread, or another, calls again. */
static struct hostent static_entry;
static struct shim_hostent static_memory;

static bool fill(struct hostent *out, char *buf, size_t size,
		 const struct shim_name *name, int family)
{
	uint32_t v4 = htonl(name->v4);
	uint8_t v6[16];

	if (family == AF_INET)
		return shim_hostent_fill(out, buf, size, name->text, family,
					 &v4);
	hybridge_address_v6(name->v4, v6);
	return shim_hostent_fill(out, buf, size, name->text, family, v6);
}

static struct hostent *fill_static(const struct shim_name *name, int family)
{
	fill(&static_entry, (char *)&static_memory, sizeof(static_memory), name,
	     family);
	return &static_entry;
}

/* struct shim_hostent's name is the only part that is not always there whole. */
static int fill_for_caller(struct hostent *out, char *buf, size_t size,
			   struct hostent **result, int *h_errnop,
			   const struct shim_name *name, int family)
{
	if (!fill(out, buf, size, name, family)) {
		*result = NULL;
		*h_errnop = NETDB_INTERNAL;
		return ERANGE;
	}
	*result = out;
	*h_errnop = NETDB_SUCCESS;
	return 0;
}

SHIM_EXPORT struct hostent *gethostbyname(const char *name)
{
	struct shim_name mapped;

	if (shim_name_resolve(name, &mapped))
		return fill_static(&mapped, AF_INET);
	return shim_libc_resolve()->gethostbyname(name);
}

SHIM_EXPORT struct hostent *gethostbyname2(const char *name, int family)
{
	struct shim_name mapped;

	if ((family == AF_INET || family == AF_INET6) &&
	    shim_name_resolve(name, &mapped))
		return fill_static(&mapped, family);
	return shim_libc_resolve()->gethostbyname2(name, family);
}

SHIM_EXPORT int gethostbyname_r(const char *name, struct hostent *out,
				char *buf, size_t size, struct hostent **result,
				int *h_errnop)
{
	struct shim_name mapped;

	if (shim_name_resolve(name, &mapped))
		return fill_for_caller(out, buf, size, result, h_errnop,
				       &mapped, AF_INET);
	return shim_libc_resolve()->gethostbyname_r(name, out, buf, size,
						    result, h_errnop);
}

SHIM_EXPORT int gethostbyname2_r(const char *name, int family,
				 struct hostent *out, char *buf, size_t size,
				 struct hostent **result, int *h_errnop)
{
	struct shim_name mapped;

	if ((family == AF_INET || family == AF_INET6) &&
	    shim_name_resolve(name, &mapped))
		return fill_for_caller(out, buf, size, result, h_errnop,
				       &mapped, family);
	return shim_libc_resolve()->gethostbyname2_r(name, family, out, buf,
						     size, result, h_errnop);
}
