/*
 * cost - connects as often as it is told to an address that is not mapped, over no
 * descriptor, so that the kernel refuses at once: what a call costs is the caller's to count.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80)};

	inet_pton(AF_INET, "192.0.2.1", &to.sin_addr);
	for (long left = argc > 1 ? strtol(argv[1], NULL, 10) : 0; left > 0;
	     left--)
		(void)connect(-1, (struct sockaddr *)&to, sizeof(to));
	return 0;
}
