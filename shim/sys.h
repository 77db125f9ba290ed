/*
 * sys.h - system calls made directly: no libc by name, no errno, no
 * cancellation point, nobody else's hook.
 *
 * Each sys_NAME() is the system call NAME of section 2 of the manual and
 * returns its result, or the negative errno.
 */
#ifndef SHIM_SYS_H
#define SHIM_SYS_H

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#define SYS_ERRNO_MAX    4095 /* results below -4095 are not errors */
#define SYS_SIGSET_BYTES 8    /* the kernel's sigset_t */

/**
 * sys_call() - Any system call with six arguments
 * Return: What the kernel left in its result register
 */
static inline long sys_call(long nr, long a, long b, long c, long d, long e,
			    long f)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
			   "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
#else
#error "this processor's system call instruction is not known"
#endif
}

static inline int sys_socket(int family, int type, int protocol)
{
	return (int)sys_call(SYS_socket, family, type, protocol, 0, 0, 0);
}

static inline int sys_bind(int fd, const void *addr, socklen_t len)
{
	return (int)sys_call(SYS_bind, fd, (long)addr, (long)len, 0, 0, 0);
}

static inline int sys_listen(int fd, int backlog)
{
	return (int)sys_call(SYS_listen, fd, backlog, 0, 0, 0, 0);
}

static inline int sys_connect(int fd, const void *addr, socklen_t len)
{
	return (int)sys_call(SYS_connect, fd, (long)addr, (long)len, 0, 0, 0);
}

static inline int sys_getsockname(int fd, void *addr, socklen_t *len)
{
	return (int)sys_call(SYS_getsockname, fd, (long)addr, (long)len, 0, 0,
			     0);
}

static inline int sys_setsockopt(int fd, int level, int name, const void *value,
				 socklen_t len)
{
	return (int)sys_call(SYS_setsockopt, fd, level, name, (long)value,
			     (long)len, 0);
}

static inline int sys_getsockopt(int fd, int level, int name, void *value,
				 socklen_t *len)
{
	return (int)sys_call(SYS_getsockopt, fd, level, name, (long)value,
			     (long)len, 0);
}

static inline long sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return sys_call(SYS_sendmsg, fd, (long)msg, flags, 0, 0, 0);
}

static inline long sys_recv(int fd, void *buf, size_t len, int flags)
{
	return sys_call(SYS_recvfrom, fd, (long)buf, (long)len, flags, 0, 0);
}

static inline int sys_close(int fd)
{
	return (int)sys_call(SYS_close, fd, 0, 0, 0, 0, 0);
}

static inline int sys_fcntl(int fd, int cmd, long arg)
{
	return (int)sys_call(SYS_fcntl, fd, cmd, arg, 0, 0, 0);
}

static inline int sys_openat(int dir, const char *path, int flags, mode_t mode)
{
	return (int)sys_call(SYS_openat, dir, (long)path, flags, (long)mode, 0,
			     0);
}

static inline long sys_read(int fd, void *buf, size_t len)
{
	return sys_call(SYS_read, fd, (long)buf, (long)len, 0, 0, 0);
}

static inline long sys_write(int fd, const void *buf, size_t len)
{
	return sys_call(SYS_write, fd, (long)buf, (long)len, 0, 0, 0);
}

static inline int sys_fstat(int fd, struct stat *out)
{
	return (int)sys_call(SYS_fstat, fd, (long)out, 0, 0, 0, 0);
}

static inline int sys_fstatat(int dir, const char *path, struct stat *out,
			      int flags)
{
	return (int)sys_call(SYS_newfstatat, dir, (long)path, (long)out, flags,
			     0, 0);
}

static inline int sys_mkdirat(int dir, const char *path, mode_t mode)
{
	return (int)sys_call(SYS_mkdirat, dir, (long)path, (long)mode, 0, 0, 0);
}

static inline int sys_unlinkat(int dir, const char *path, int flags)
{
	return (int)sys_call(SYS_unlinkat, dir, (long)path, flags, 0, 0, 0);
}

static inline int sys_fchmodat(int dir, const char *path, mode_t mode)
{
	return (int)sys_call(SYS_fchmodat, dir, (long)path, (long)mode, 0, 0,
			     0);
}

static inline int sys_faccessat(int dir, const char *path, int mode)
{
	return (int)sys_call(SYS_faccessat, dir, (long)path, mode, 0, 0, 0);
}

static inline int sys_ftruncate(int fd, off_t len)
{
	return (int)sys_call(SYS_ftruncate, fd, len, 0, 0, 0, 0);
}

static inline int sys_flock(int fd, int operation)
{
	return (int)sys_call(SYS_flock, fd, operation, 0, 0, 0, 0);
}

static inline int sys_dup3(int from, int to, int flags)
{
	return (int)sys_call(SYS_dup3, from, to, flags, 0, 0, 0);
}

static inline long sys_getcwd(char *buf, size_t len)
{
	return sys_call(SYS_getcwd, (long)buf, (long)len, 0, 0, 0, 0);
}

static inline int sys_getpid(void)
{
	return (int)sys_call(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

static inline uid_t sys_geteuid(void)
{
	return (uid_t)sys_call(SYS_geteuid, 0, 0, 0, 0, 0, 0);
}

static inline int sys_clock_gettime(clockid_t clock, struct timespec *out)
{
	return (int)sys_call(SYS_clock_gettime, clock, (long)out, 0, 0, 0, 0);
}

/* Waits at most @timeout_ms; with @count 0 it sleeps.  A signal ends it early. */
static inline int sys_poll(struct pollfd *fds, size_t count, long timeout_ms)
{
	struct timespec timeout = {.tv_sec = timeout_ms / 1000,
				   .tv_nsec = timeout_ms % 1000 * 1000000};

	return (int)sys_call(SYS_ppoll, (long)fds, (long)count, (long)&timeout,
			     0, SYS_SIGSET_BYTES, 0);
}

/* Private, zeroed memory; NULL when there is none. */
static inline void *sys_map(size_t len)
{
	long ret = sys_call(SYS_mmap, 0, (long)len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	/* The kernel hands addresses back as integers. */
	return ret < 0 && ret >= -SYS_ERRNO_MAX
		       ? NULL
		       : (void *)ret; // NOLINT(performance-no-int-to-ptr)
}

static inline int sys_munmap(void *addr, size_t len)
{
	return (int)sys_call(SYS_munmap, (long)addr, (long)len, 0, 0, 0, 0);
}

/* Milliseconds on a clock that is never set. */
static inline int64_t sys_now_ms(void)
{
	struct timespec now = {0};

	sys_clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Moves a descriptor away from 0 to 2, which the program may take for granted. */
static inline int sys_above_stdio(int fd)
{
	int moved;

	if (fd < 0 || fd > 2)
		return fd;
	moved = sys_fcntl(fd, F_DUPFD_CLOEXEC, 3);
	sys_close(fd);
	return moved;
}

#endif
