/*
 * quiet - uses every hooked call on what is not mapped, between two marks that
 * strace(1) shows: the same system calls must come with and without the shim.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define MARK 987654 /* a descriptor that nobody has */

static void use(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6,
				   .sin6_port = htons(9)};
	struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/none"};
	char byte = 'x';
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct mmsghdr msg = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};
	socklen_t len = sizeof(to);
	int error, ends[2];

	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	inet_pton(AF_INET6, "::1", &to6.sin6_addr);
	(void)connect(-1, (struct sockaddr *)&to, sizeof(to));
	(void)connect(-1, (struct sockaddr *)&to6, sizeof(to6));
	(void)connect(-1, (struct sockaddr *)&local, sizeof(local));
	(void)connect(-1, NULL, 0);
	(void)syscall(SYS_connect, -1, &to, sizeof(to));
	(void)sendto(-1, &byte, 1, MSG_FASTOPEN, (struct sockaddr *)&to,
		     sizeof(to));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return;
	(void)sendto(ends[0], &byte, 1, 0, NULL, 0);
	(void)sendmsg(ends[0], &msg.msg_hdr, 0);
	(void)sendmmsg(ends[0], &msg, 1, 0);
	(void)getpeername(ends[0], (struct sockaddr *)&to, &len);
	len = sizeof(error);
	(void)getsockopt(ends[0], SOL_SOCKET, SO_ERROR, &error, &len);
	len = sizeof(error);
	(void)getsockopt(ends[0], SOL_SOCKET, SO_TYPE, &error, &len);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	use(); /* what happens once happens here */
	close(MARK);
	use();
	close(MARK);
	puts("done");
	return 0;
}
