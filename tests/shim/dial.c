/*
 * dial - connects in one of the ways that a program has, sends "hi", prints
 * what comes back, or the errno that the connect() ended with.
 *
 * dial METHOD HOST PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char hello[] = "hi";

/* The method connects and sends, or returns -1 with errno set. */
typedef ssize_t method(int fd, const struct addrinfo *to);

static ssize_t by_connect(int fd, const struct addrinfo *to)
{
	if (connect(fd, to->ai_addr, to->ai_addrlen) < 0)
		return -1;
	return write(fd, hello, 2);
}

static ssize_t by_syscall(int fd, const struct addrinfo *to)
{
	if (syscall(SYS_connect, fd, to->ai_addr, to->ai_addrlen) < 0)
		return -1;
	return write(fd, hello, 2);
}

static ssize_t by_sendto(int fd, const struct addrinfo *to)
{
	return sendto(fd, hello, 2, MSG_FASTOPEN, to->ai_addr, to->ai_addrlen);
}

static ssize_t by_syscall_sendto(int fd, const struct addrinfo *to)
{
	return syscall(SYS_sendto, fd, hello, 2, MSG_FASTOPEN, to->ai_addr,
		       to->ai_addrlen);
}

static struct msghdr make_message(const struct addrinfo *to, struct iovec *iov)
{
	*iov = (struct iovec){.iov_base = hello, .iov_len = 2};
	return (struct msghdr){.msg_name = to->ai_addr,
			       .msg_namelen = to->ai_addrlen,
			       .msg_iov = iov,
			       .msg_iovlen = 1};
}

static ssize_t by_sendmsg(int fd, const struct addrinfo *to)
{
	struct iovec iov;
	struct msghdr msg = make_message(to, &iov);

	return sendmsg(fd, &msg, MSG_FASTOPEN);
}

static ssize_t by_sendmmsg(int fd, const struct addrinfo *to)
{
	struct iovec iov;
	struct mmsghdr msgs = {.msg_hdr = make_message(to, &iov)};
	int ret = sendmmsg(fd, &msgs, 1, MSG_FASTOPEN);

	return ret < 0 ? ret : (ssize_t)msgs.msg_len;
}

static ssize_t by_nonblocking_sendto(int fd, const struct addrinfo *to)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int err = 0;
	socklen_t len = sizeof(err);

	if (sendto(fd, hello, 2, MSG_FASTOPEN | MSG_DONTWAIT, to->ai_addr,
		   to->ai_addrlen) >= 0)
		return 0;
	if (errno != EINPROGRESS)
		return -1;
	poll(&p, 1, -1);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	errno = err;
	return err ? -1 : write(fd, hello, 2);
}

static const struct {
	const char *name;
	method *method;
	int is_nonblocking;
} methods[] = {
	{"connect", by_connect, 0},
	{"syscall", by_syscall, 0},
	{"sendto", by_sendto, 0},
	{"syscall-sendto", by_syscall_sendto, 0},
	{"sendmsg", by_sendmsg, 0},
	{"sendmmsg", by_sendmmsg, 0},
	{"nonblocking-sendto", by_nonblocking_sendto, SOCK_NONBLOCK},
};

static int dial(size_t how, const struct addrinfo *to)
{
	int fd = socket(to->ai_family,
			SOCK_STREAM | methods[how].is_nonblocking, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char answer[64] = "";
	ssize_t sent = methods[how].method(fd, to);

	if (sent < 0) {
		printf("errno %d\n", errno);
		return 0;
	}
	if (sent != 2) {
		printf("sent %zd\n", sent);
		return 1;
	}
	poll(&p, 1, -1);
	if (read(fd, answer, sizeof(answer) - 1) < 0)
		perror("read");
	printf("%s\n", answer);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *to;
	int ret;

	if (argc != 4)
		return 64;
	ret = getaddrinfo(argv[2], argv[3], &hints, &to);
	if (ret) {
		printf("%s\n", gai_strerror(ret));
		return 1;
	}
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (strcmp(argv[1], methods[i].name) == 0)
			ret = dial(i, to);
	freeaddrinfo(to);
	return ret;
}
