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

SHIM_EXPORT ssize_t sendto(int fd, const void *buf, size_t size, int flags,
			   const struct sockaddr *addr, socklen_t len)
{
	bool is_ours;

	if (flags & MSG_FASTOPEN) {
		if (connect_first(fd, addr, len, &is_ours) < 0)
			return -1;
		if (is_ours)
			return shim_libc.sendto(fd, buf, size,
						flags & ~MSG_FASTOPEN, NULL, 0);
	}
	return shim_libc.sendto(fd, buf, size, flags, addr, len);
}

SHIM_EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	bool is_ours;

	if (flags & MSG_FASTOPEN && msg) {
		if (connect_first(fd, msg->msg_name, msg->msg_namelen,
				  &is_ours) < 0)
			return -1;
		/* A connected TCP socket ignores the address. */
		if (is_ours)
			flags &= ~MSG_FASTOPEN;
	}
	return shim_libc.sendmsg(fd, msg, flags);
}

SHIM_EXPORT int sendmmsg(int fd, struct mmsghdr *msgs, unsigned int count,
			 int flags)
{
	bool is_ours;

	if (flags & MSG_FASTOPEN && msgs && count > 0) {
		if (connect_first(fd, msgs->msg_hdr.msg_name,
				  msgs->msg_hdr.msg_namelen, &is_ours) < 0)
			return -1;
		if (is_ours)
			flags &= ~MSG_FASTOPEN;
	}
	return shim_libc.sendmmsg(fd, msgs, count, flags);
}
