/*
 * announce.c - tells `hybridge run` that the shim was loaded: one byte, once.
 *
 * The descriptor's number alone says nothing: a program further down may have
 * another file there.  So the variable names the inode too, and it is taken
 * out of the environment, which also keeps it from every descendant.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <hybridge/probe.h>

#include "libc.h"
#include "sys.h"

#define VARIABLE_LEN (sizeof(HYBRIDGE_PROBE_VARIABLE "=") - 1)

/* Takes the variable out of the environment; returns its value or NULL. */
static const char *take_variable(void)
{
	char **at = environ;
	const char *value;

	while (at && *at &&
	       strncmp(*at, HYBRIDGE_PROBE_VARIABLE "=", VARIABLE_LEN) != 0)
		at++;
	if (!at || !*at)
		return NULL;
	value = *at + VARIABLE_LEN;
	do
		at[0] = at[1];
	while (*at++);
	return value;
}

/* Decimal digits, then @end; NULL when that is not there. */
static const char *parse(const char *text, char end, uint64_t *out)
{
	const char *start = text;

	*out = 0;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(*out, 10, out) ||
		    __builtin_add_overflow(*out, (uint64_t)(*text - '0'), out))
			return NULL;
	return text > start && *text == end ? text + 1 : NULL;
}

static bool is_probe(int fd, uint64_t inode)
{
	struct stat st = {0};

	return sys_fstat(fd, &st) == 0 && st.st_ino == inode &&
	       (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

/* Never waits, and whoever no longer listens costs no SIGPIPE. */
static void write_byte(int fd)
{
	const uint64_t sigpipe = (uint64_t)1 << (SIGPIPE - 1);
	const struct timespec at_once = {0};
	struct pollfd room = {.fd = fd, .events = POLLOUT};
	uint64_t saved = 0, pending = 0;

	sys_call(SYS_rt_sigprocmask, SIG_BLOCK, (long)&sigpipe, (long)&saved,
		 SYS_SIGSET_BYTES, 0, 0);
	sys_call(SYS_rt_sigpending, (long)&pending, SYS_SIGSET_BYTES, 0, 0, 0,
		 0);
	if (sys_poll(&room, 1, 0) == 1 &&
	    sys_write(fd, HYBRIDGE_PROBE_BYTE, 1) < 0 && !(pending & sigpipe))
		sys_call(SYS_rt_sigtimedwait, (long)&sigpipe, 0, (long)&at_once,
			 SYS_SIGSET_BYTES, 0, 0);
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&saved, 0,
		 SYS_SIGSET_BYTES, 0, 0);
}

__attribute__((constructor)) static void announce(void)
{
	const char *text;
	uint64_t fd, inode;

	if (shim_is_privileged())
		return;
	text = take_variable();
	if (!text || !(text = parse(text, ':', &fd)) || fd > INT32_MAX ||
	    !parse(text, '\0', &inode) || !is_probe((int)fd, inode))
		return;
	write_byte((int)fd);
	sys_close((int)fd);
}
