/*
 * syscall.c - syscall(): the calls that connect go through the hooks, every
 * other number on to libc untouched, with all six arguments, by a jump.
 */
#include <stdatomic.h>
#include <sys/syscall.h>

#include "libc.h"

/*
 * unistd.h declares syscall() variadic, but all arguments are long anyway.
 * x86-64 passes the last one on the stack.  A caller that passes fewer has
 * something of its own there, perhaps shared with other threads: it is neither
 * read nor written here, but left in its place by the jump.
 */
#ifdef __x86_64__
#define PARAMETERS long nr, long a, long b, long c, long d, long e
#define ARGUMENTS  nr, a, b, c, d, e
#else
#define PARAMETERS long nr, long a, long b, long c, long d, long e, long f
#define ARGUMENTS  nr, a, b, c, d, e, f
#endif

typedef long pass_fn(PARAMETERS);

pass_fn shim_syscall __asm__("syscall");

// NOLINTNEXTLINE(readability-function-size): as syscall(2)
static long connecting_call(long nr, long a, long b, long c, long d, long e,
			    long f)
{
	/* NOLINTBEGIN(performance-no-int-to-ptr): pointers come as numbers */
	if (nr == SYS_connect)
		return connect((int)a, (const void *)b, (socklen_t)c);
	if (nr == SYS_sendto)
		return sendto((int)a, (const void *)b, (size_t)c, (int)d,
			      (const void *)e, (socklen_t)f);
	if (nr == SYS_sendmsg)
		return sendmsg((int)a, (const void *)b, (int)c);
	return sendmmsg((int)a, (void *)b, (unsigned int)c, (int)d);
	/* NOLINTEND(performance-no-int-to-ptr) */
}

static bool connects(long nr, long c, long d)
{
	switch (nr) {
	case SYS_connect:
		return true;
	case SYS_sendto:
	case SYS_sendmmsg:
		return d & MSG_FASTOPEN;
	case SYS_sendmsg:
		return c & MSG_FASTOPEN;
	default:
		return false;
	}
}

// NOLINTNEXTLINE(readability-function-size): as syscall(2)
SHIM_EXPORT long shim_syscall(PARAMETERS)
{
	pass_fn *next = connects(nr, c, d)
				? (pass_fn *)(void *)connecting_call
				: (pass_fn *)(void *)shim_libc.syscall;

	return next(ARGUMENTS);
}
