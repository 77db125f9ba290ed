/* libc.c - looks up the functions behind our own, in the constructor or at the first call. */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/auxv.h>

#include "libc.h"
#include "sys.h"

/* A system call's result in libc's form. */
static long result(long ret)
{
	if (ret < 0 && ret >= -SYS_ERRNO_MAX) {
		errno = (int)-ret;
		return -1;
	}
	return ret;
}

static int raw_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return (int)result(sys_connect(fd, addr, len));
}

static int raw_getsockopt(int fd, int level, int name, void *value,
			  socklen_t *len)
{
	return (int)result(sys_getsockopt(fd, level, name, value, len));
}

static int raw_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	return (int)result(
		sys_call(SYS_getpeername, fd, (long)addr, (long)len, 0, 0, 0));
}

static ssize_t raw_sendto(int fd, const void *buf, size_t len, int flags,
			  const struct sockaddr *addr, socklen_t addr_len)
{
	return result(sys_call(SYS_sendto, fd, (long)buf, (long)len, flags,
			       (long)addr, (long)addr_len));
}

static ssize_t raw_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return result(sys_sendmsg(fd, msg, flags));
}

static int raw_sendmmsg(int fd, struct mmsghdr *msgs, unsigned int count,
			int flags)
{
	return (int)result(sys_call(SYS_sendmmsg, fd, (long)msgs, (long)count,
				    flags, 0, 0));
}

// NOLINTNEXTLINE(readability-function-size): as syscall(2)
static long raw_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	return result(sys_call(nr, a, b, c, d, e, f));
}

struct shim_libc shim_libc = {
	.connect = raw_connect,
	.getsockopt = raw_getsockopt,
	.getpeername = raw_getpeername,
	.sendto = raw_sendto,
	.sendmsg = raw_sendmsg,
	.sendmmsg = raw_sendmmsg,
	.syscall = raw_syscall,
};

static atomic_bool is_resolved;

void *shim_libc_lookup(const char *name)
{
	int saved = errno;
	void *found = dlsym(RTLD_NEXT, name);

	errno = saved;
	return found;
}

bool shim_is_privileged(void)
{
	return getauxval(AT_SECURE) != 0;
}

/* POSIX has dlsym()'s data pointer converted to a function pointer like this. */
#define RESOLVE(member)                                                    \
	do {                                                               \
		void *found = shim_libc_lookup(#member);                   \
		if (found)                                                 \
			atomic_store_explicit(                             \
				(void *_Atomic *)&shim_libc.member, found, \
				memory_order_release);                     \
	} while (0)

struct shim_libc *shim_libc_resolve(void)
{
	if (atomic_load_explicit(&is_resolved, memory_order_acquire))
		return &shim_libc;
	RESOLVE(connect);
	RESOLVE(getsockopt);
	RESOLVE(getpeername);
	RESOLVE(sendto);
	RESOLVE(sendmsg);
	RESOLVE(sendmmsg);
	RESOLVE(syscall);
	RESOLVE(dlopen);
	RESOLVE(getaddrinfo);
	RESOLVE(getnameinfo);
	RESOLVE(gethostbyname);
	RESOLVE(gethostbyname2);
	RESOLVE(gethostbyaddr);
	RESOLVE(gethostbyname_r);
	RESOLVE(gethostbyname2_r);
	RESOLVE(gethostbyaddr_r);
	atomic_store_explicit(&is_resolved, true, memory_order_release);
	return &shim_libc;
}

__attribute__((constructor)) static void resolve_at_start(void)
{
	shim_libc_resolve();
}
