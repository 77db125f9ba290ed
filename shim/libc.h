/*
 * libc.h - the functions behind our own: libc's, or those of the next library
 * in the chain that hooks them too.
 */
#ifndef SHIM_LIBC_H
#define SHIM_LIBC_H

#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>

#define SHIM_EXPORT __attribute__((visibility("default")))

/* In libc's order of parameters: long numbers and six arguments. */
typedef long shim_syscall_fn(long nr, long a, long b, long c, long d, long e,
			     long f);

/**
 * struct shim_libc - One pointer per hooked function
 *
 * The members up to @syscall are always callable: until the constructor has
 * run they make the system call themselves, as an allocator that starts inside
 * dlsym() may call us before.  The others are NULL until shim_libc_resolve().
 */
struct shim_libc {
	int (*_Atomic connect)(int, const struct sockaddr *, socklen_t);
	int (*_Atomic getsockopt)(int, int, int, void *, socklen_t *);
	int (*_Atomic getpeername)(int, struct sockaddr *, socklen_t *);
	ssize_t (*_Atomic sendto)(int, const void *, size_t, int,
				  const struct sockaddr *, socklen_t);
	ssize_t (*_Atomic sendmsg)(int, const struct msghdr *, int);
	int (*_Atomic sendmmsg)(int, struct mmsghdr *, unsigned int, int);
	shim_syscall_fn *_Atomic syscall;

	void *(*_Atomic dlopen)(const char *, int);
	int (*_Atomic getaddrinfo)(const char *, const char *,
				   const struct addrinfo *, struct addrinfo **);
	int (*_Atomic getnameinfo)(const struct sockaddr *, socklen_t, char *,
				   socklen_t, char *, socklen_t, int);
	struct hostent *(*_Atomic gethostbyname)(const char *);
	struct hostent *(*_Atomic gethostbyname2)(const char *, int);
	struct hostent *(*_Atomic gethostbyaddr)(const void *, socklen_t, int);
	int (*_Atomic gethostbyname_r)(const char *, struct hostent *, char *,
				       size_t, struct hostent **, int *);
	int (*_Atomic gethostbyname2_r)(const char *, int, struct hostent *,
					char *, size_t, struct hostent **,
					int *);
	int (*_Atomic gethostbyaddr_r)(const void *, socklen_t, int,
				       struct hostent *, char *, size_t,
				       struct hostent **, int *);
};

/** shim_libc - The functions; written by shim_libc_resolve() alone */
extern struct shim_libc shim_libc;

/**
 * shim_libc_resolve() - Look everything up, if that has not happened yet
 * Idempotent; any thread.  Leaves errno alone.
 *
 * Return: &shim_libc
 */
struct shim_libc *shim_libc_resolve(void);

/**
 * shim_libc_lookup() - Look one more function up
 * Return: The next library's function, or NULL
 */
void *shim_libc_lookup(const char *name);

/**
 * shim_is_first() - Whether no other copy of this library comes before us
 * Of two, the second has nothing to do.
 */
bool shim_is_first(void);

/**
 * shim_is_privileged() - Whether the program has more rights than who started it
 * A library of /etc/ld.so.preload is in setuid programs as well: whoever starts
 * one must not tell it where to connect, or which program to run.
 */
bool shim_is_privileged(void);

#endif
