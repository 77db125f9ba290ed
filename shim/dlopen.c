/*
 * dlopen.c - dlopen() without RTLD_DEEPBIND: a library bound so (PHP loads its
 * extensions like this) would find libc's connect() before ours.
 *
 * libc is jumped to: it looks at its caller to find RUNPATH and $ORIGIN.
 */
#include <dlfcn.h>
#include <stdatomic.h>

#include "config.h"
#include "libc.h"

#ifndef RTLD_DEEPBIND
#define RTLD_DEEPBIND 8
#endif

SHIM_EXPORT void *dlopen(const char *file, int mode)
{
	struct shim_libc *libc = shim_libc_resolve();

	if (mode & RTLD_DEEPBIND && shim_config()->map.len > 0)
		mode &= ~RTLD_DEEPBIND;
	return libc->dlopen(file, mode);
}
