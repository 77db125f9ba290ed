/* probe.c - tells who asks whether the shim is there, and how it works here. */
#include <dlfcn.h>

#include <hybridge/probe.h>

#include "config.h"
#include "hold.h"
#include "libc.h"

/* The same, by a name that no other copy of this library answers to. */
extern __typeof__(hybridge_shim_probe) our_probe
	__attribute__((alias("hybridge_shim_probe"), visibility("hidden")));

bool shim_is_first(void)
{
	void *first = dlsym(RTLD_DEFAULT, "hybridge_shim_probe");

	return !first || first == (void *)our_probe;
}

SHIM_EXPORT int hybridge_shim_probe(void)
{
	if (shim_config()->map.len == 0)
		return HYBRIDGE_SHIM_INERT;
	return shim_hold_works() ? HYBRIDGE_SHIM_HOLD : HYBRIDGE_SHIM_EARLY;
}
