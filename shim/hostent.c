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

static struct hostent *fill_static(const struct shim_name *name, int family,
				   enum shim_known known)
{
	if (known == SHIM_NAME_SHARES) {
		h_errno = NO_RECOVERY;
		return NULL;
	}
	fill(&static_entry, (char *)&static_memory, sizeof(static_memory), name,
	     family);
	return &static_entry;
}

/* After libc's answer; of a name that exists there is nothing to tell. */
static void look_at(const struct hostent *found, int h_err, const char *name)
{
	if (!found && (h_err == HOST_NOT_FOUND || h_err == TRY_AGAIN))
		shim_suggest(name);
}

SHIM_EXPORT struct hostent *gethostbyname(const char *name)
{
	struct shim_name mapped;
	enum shim_known known = shim_name_resolve(name, &mapped);
	struct hostent *found;

	if (known != SHIM_NAME_OTHER)
		return fill_static(&mapped, AF_INET, known);
	found = shim_libc_resolve()->gethostbyname(name);
	look_at(found, h_errno, name);
	return found;
}

SHIM_EXPORT struct hostent *gethostbyname2(const char *name, int af)
{
	struct shim_name mapped;
	enum shim_known known = SHIM_NAME_OTHER;
	struct hostent *found;

	if (af == AF_INET || af == AF_INET6)
		known = shim_name_resolve(name, &mapped);
	if (known != SHIM_NAME_OTHER)
		return fill_static(&mapped, af, known);
	found = shim_libc_resolve()->gethostbyname2(name, af);
	look_at(found, h_errno, name);
	return found;
}

SHIM_EXPORT int gethostbyname_r(const char *name, struct hostent *result_buf,
				char *buf, size_t buflen,
				struct hostent **result, int *h_errnop)
{
	struct shim_name mapped;
	enum shim_known known = shim_name_resolve(name, &mapped);
	int ret;

	if (known == SHIM_NAME_SHARES)
		return shim_hostent_fail(result, h_errnop);
	if (known == SHIM_NAME_MAPPED)
		return shim_hostent_reply(
			fill(result_buf, buf, buflen, &mapped, AF_INET),
			result_buf, result, h_errnop);
	ret = shim_libc_resolve()->gethostbyname_r(name, result_buf, buf,
						   buflen, result, h_errnop);
	if (ret != ERANGE)
		look_at(*result, *h_errnop, name);
	return ret;
}

// NOLINTNEXTLINE(readability-function-size): as libc's
SHIM_EXPORT int gethostbyname2_r(const char *name, int af,
				 struct hostent *result_buf, char *buf,
				 size_t buflen, struct hostent **result,
				 int *h_errnop)
{
	struct shim_name mapped;
	enum shim_known known = SHIM_NAME_OTHER;
	int ret;

	if (af == AF_INET || af == AF_INET6)
		known = shim_name_resolve(name, &mapped);
	if (known == SHIM_NAME_SHARES)
		return shim_hostent_fail(result, h_errnop);
	if (known == SHIM_NAME_MAPPED)
		return shim_hostent_reply(
			fill(result_buf, buf, buflen, &mapped, af), result_buf,
			result, h_errnop);
	ret = shim_libc_resolve()->gethostbyname2_r(name, af, result_buf, buf,
						    buflen, result, h_errnop);
	if (ret != ERANGE)
		look_at(*result, *h_errnop, name);
	return ret;
}
