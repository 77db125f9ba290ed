/* probe.c - tells who asks whether the shim is there, and how it works here. */
#include <hybridge/probe.h>

#include "config.h"
#include "hold.h"
#include "libc.h"

SHIM_EXPORT int hybridge_shim_probe(void)
{
	if (shim_config()->map.len == 0)
		return HYBRIDGE_SHIM_INERT;
	return shim_hold_works() ? HYBRIDGE_SHIM_HOLD : HYBRIDGE_SHIM_EARLY;
}
