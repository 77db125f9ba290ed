/*
 * fastopen.c - sendto(), sendmsg() and sendmmsg() with MSG_FASTOPEN, which
 * connect without a call to connect(); without that flag they are libc's.
 *
 * A mapped address is connected as by connect(), then the data is sent without
 * the flag: what the kernel does, too, for a peer that it has no cookie of.
 */
#include <stdatomic.h>

#include "connect.h"
#include "libc.h"

/* Connects a mapped address; 0 too when it is none of ours, then @is_ours is false. */
static int connect_first(int fd, const void *addr, socklen_t len, bool *is_ours)
{
	struct shim_target target;
	enum shim_whose whose = shim_match(shim_config(), addr, len, &target);

	*is_ours = whose != SHIM_FOREIGN;
	return *is_ours ? shim_connect(fd, addr, len, whose, &target) : 0;
}

SHIM_EXPORT ssize_t sendto(int fd, const void *buf, size_t n, int flags,
			   const struct sockaddr *addr, socklen_t addr_len)
{
	bool is_ours;

	if (flags & MSG_FASTOPEN) {
		if (connect_first(fd, addr, addr_len, &is_ours) < 0)
			return -1;
		if (is_ours)
			return shim_libc.sendto(fd, buf, n,
						flags & ~MSG_FASTOPEN, NULL, 0);
	}
	return shim_libc.sendto(fd, buf, n, flags, addr, addr_len);
}

SHIM_EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	bool is_ours;

	if (flags & MSG_FASTOPEN && message) {
		if (connect_first(fd, message->msg_name, message->msg_namelen,
				  &is_ours) < 0)
			return -1;
		/* A connected TCP socket ignores the address. */
		if (is_ours)
			flags &= ~MSG_FASTOPEN;
	}
	return shim_libc.sendmsg(fd, message, flags);
}

SHIM_EXPORT int sendmmsg(int fd, struct mmsghdr *vmessages, unsigned int vlen,
			 int flags)
{
	bool is_ours;

	if (flags & MSG_FASTOPEN && vmessages && vlen > 0) {
		if (connect_first(fd, vmessages->msg_hdr.msg_name,
				  vmessages->msg_hdr.msg_namelen, &is_ours) < 0)
			return -1;
		if (is_ours)
			flags &= ~MSG_FASTOPEN;
	}
	return shim_libc.sendmmsg(fd, vmessages, vlen, flags);
}
