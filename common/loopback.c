/*
 * loopback.c - what a TCP socket needs when both of its ends are on one machine.
 */
#include <hybridge/loopback.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>

#define NAME_MAX_LEN 16 /* TCP_CA_NAME_MAX of the kernel */

/* Go by loss alone; "reno" is in every kernel and allowed to everybody. */
static const char *const plain[] = {"cubic", "reno"};
#define NUM_PLAIN (sizeof(plain) / sizeof(plain[0]))

bool hybridge_is_loopback(const struct sockaddr *addr)
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	if (addr->sa_family == AF_INET) {
		memcpy(&v4, addr, sizeof(v4));
		return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
	}
	if (addr->sa_family != AF_INET6)
		return false;
	memcpy(&v6, addr, sizeof(v6));
	return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) ||
	       (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) &&
		v6.sin6_addr.s6_addr[12] == 127);
}

bool hybridge_loopback_tune(int fd)
{
	char name[NAME_MAX_LEN] = "";
	socklen_t len = sizeof(name) - 1;

	if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len) != 0)
		return false; /* a unix socket */
	for (size_t i = 0; i < NUM_PLAIN; i++)
		if (strcmp(name, plain[i]) == 0)
			return false;
	for (size_t i = 0; i < NUM_PLAIN; i++)
		if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, plain[i],
			       (socklen_t)strlen(plain[i])) == 0)
			break;
	return true;
}
