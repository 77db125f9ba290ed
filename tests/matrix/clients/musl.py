"""a dynamic program of another libc, blocking"""

NEEDS = "musl-tools"
SERVICE = "echo"
BUILD = ["musl-gcc", "-O2", "-o", "{folder}/client", "{file}"]
COMMAND = ["{folder}/client", "{host}", "{port}"]
PRINTS = "it echoes"
TIMED_OUT = "Operation timed out"  # musl's words for ETIMEDOUT
SOURCE = (
    "client.c",
    """
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	char text[16] = "";
	int fd;

	if (argc != 3 || getaddrinfo(argv[1], argv[2], &hints, &found) != 0)
		return 2;
	fd = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
	if (connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
		perror("connect");
		return 1;
	}
	if (write(fd, "it echoes\\n", 10) != 10 || read(fd, text, sizeof(text) - 1) <= 0)
		return 3;
	fputs(text, stdout);
	return close(fd);
}
""",
)
