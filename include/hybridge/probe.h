/* probe.h - is the shim loaded into this process, and what would it do? */
#ifndef HYBRIDGE_PROBE_H
#define HYBRIDGE_PROBE_H

enum hybridge_shim_state {
	HYBRIDGE_SHIM_INERT = 1, /* loaded, but nothing is mapped */
	HYBRIDGE_SHIM_HOLD,  /* holds connect() until the far side is there */
	HYBRIDGE_SHIM_EARLY, /* this kernel cannot: connect() succeeds early */
};

/**
 * hybridge_shim_probe() - Exported by the shim and by nobody else
 *
 * Look it up with dlsym(RTLD_DEFAULT, "hybridge_shim_probe"): NULL means that
 * the shim is not loaded.  Reads the configuration and tries the hold out.
 *
 * Return: enum hybridge_shim_state
 */
int hybridge_shim_probe(void);

/*
 * HYBRIDGE_PROBE_VARIABLE - How the shim tells its launcher that it was loaded
 *
 * HYBRIDGE_PROBE_FD=N:INODE, both in decimal: N is the writing end of a pipe,
 * or a stream socket, without FD_CLOEXEC, and INODE is its st_ino.  When the
 * shim is loaded it writes HYBRIDGE_PROBE_BYTE there and closes N, provided
 * that N is a pipe or socket with that inode; it takes the variable out of the
 * environment in any case.  End of file without the byte: it was not loaded.
 */
#define HYBRIDGE_PROBE_VARIABLE "HYBRIDGE_PROBE_FD"
#define HYBRIDGE_PROBE_BYTE     "h"

#endif
