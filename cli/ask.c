/*
 * ask.c - asks the sender for its state (local.h: STATUS).
 */
#include "ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <hybridge/local.h>

#define PATIENCE_S 5
#define PACKET_MAX ((size_t)64 * 1024)
#define ANSWER_MAX (64u << 20)

static int connect_to(const char *path, struct hybridge_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = PATIENCE_S};
	char log[sizeof(addr.sun_path) + sizeof(".log")];
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd >= 0 && strlen(path) < sizeof(addr.sun_path)) {
		memcpy(addr.sun_path, path, strlen(path));
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
			   sizeof(patience));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
			   sizeof(patience));
		if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
			return fd;
	}
	hybridge_fail(err, HYBRIDGE_ETIMEOUT,
		      "the sender is not running (%s: %s)", path,
		      strerror(errno));
	/* sender/socket.c: of a sender that a program started */
	snprintf(log, sizeof(log), "%s.log", path);
	if (access(log, R_OK) == 0)
		hybridge_hint(err,
			      "the end of %s says why; the sender starts "
			      "with the next connection of a program",
			      log);
	hybridge_hint(err, "it starts by itself with the first connection of a "
			   "program under LD_PRELOAD, or by hand: "
			   "hybridge-sender -f FILE");
	if (fd >= 0)
		close(fd);
	return -1;
}

/* All packets until the end; NULL with errno. */
static char *read_all(int fd)
{
	FILE *memory;
	char *text = NULL;
	char *packet = malloc(PACKET_MAX);
	size_t size = 0;
	ssize_t n = -1;

	memory = packet ? open_memstream(&text, &size) : NULL;
	if (memory) {
		while ((n = recv(fd, packet, PACKET_MAX, 0)) > 0 &&
		       size < ANSWER_MAX) {
			fwrite(packet, 1, (size_t)n, memory);
			fflush(memory);
		}
		fclose(memory);
	}
	free(packet);
	if (n == 0 && size > 0)
		return text;
	free(text);
	if (n == 0)
		errno = EACCES; /* closed without a word: not our user's sender */
	return NULL;
}

int ask_socket(const struct hybridge_config *config,
	       char out[static ASK_SOCKET_MAX], struct hybridge_error *err)
{
	if (hybridge_local_socket_path(config->socket,
				       getenv("XDG_RUNTIME_DIR"), getuid(),
				       out) == 0)
		return 0;
	hybridge_fail(err, HYBRIDGE_ECONFIG,
		      "the path of the sender's socket is too long");
	return -1;
}

char *ask_status(const char *socket, struct hybridge_error *err)
{
	struct hybridge_local_msg msg = {
		.magic = HYBRIDGE_LOCAL_MAGIC,
		.kind = HYBRIDGE_LOCAL_STATUS,
	};
	int fd = connect_to(socket, err);
	size_t size = hybridge_local_size(&msg);
	char *text = NULL;

	if (fd < 0)
		return NULL;
	if (send(fd, &msg, size, MSG_NOSIGNAL) == (ssize_t)size)
		text = read_all(fd);
	if (!text)
		hybridge_fail(err, HYBRIDGE_EUNREACH,
			      "the sender at %s did not answer: %s", socket,
			      strerror(errno));
	close(fd);
	return text;
}
