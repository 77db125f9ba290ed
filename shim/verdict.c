/*
 * verdict.c - the errno that the sender left on a refused socket.
 *
 * The sender writes it into TCP_USER_TIMEOUT, for which a socket that never
 * connects has no other use, and shuts the socket down: the kernel reports
 * ECONNRESET.  It lies in the socket itself, so it is there in every process
 * that has the socket.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>

#include <hybridge/local.h>

#include "libc.h"
#include "sys.h"
#include "verdict.h"

static int read_mailbox(int fd)
{
	unsigned int mail = 0;
	socklen_t len = sizeof(mail);

	if (sys_getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &mail, &len) < 0)
		return 0;
	return (mail & 0xffff0000u) == HYBRIDGE_VERDICT_MAGIC
		       ? (int)(mail & 0xffffu)
		       : 0;
}

static bool shows_refusal(int error)
{
	return error == ECONNRESET || error == ECONNABORTED;
}

int shim_verdict_translate(int fd, int error)
{
	int verdict;

	if (!shows_refusal(error))
		return error;
	verdict = read_mailbox(fd);
	return verdict ? verdict : error;
}

int shim_verdict_take(int fd)
{
	int verdict = read_mailbox(fd), pending = 0;
	unsigned int none = 0;
	socklen_t len = sizeof(pending);

	if (!verdict)
		return 0;
	sys_getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &len);
	sys_setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &none, sizeof(none));
	return shows_refusal(pending) ? verdict : 0;
}

SHIM_EXPORT int getsockopt(int fd, int level, int optname, void *optval,
			   socklen_t *optlen)
{
	int ret = shim_libc.getsockopt(fd, level, optname, optval, optlen);

	if (level == SOL_SOCKET && optname == SO_ERROR && ret == 0 &&
	    *optlen == sizeof(int)) {
		int *error = optval;

		*error = shim_verdict_translate(fd, *error);
	}
	return ret;
}
