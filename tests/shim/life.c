/*
 * life - connects in the middle of what else happens to a process.
 *
 *	life vfork HOST PORT   in a child that shares our memory, then ourselves
 *	life cancel HOST PORT  in a thread that is cancelled meanwhile
 *	life exit HOST PORT    and ends at once
 *
 * Prints what went wrong, or "ok".
 */
#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct addrinfo *to;

/* Blocks; returns 0 when "hi" came back. */
static int talk(void)
{
	int fd = socket(to->ai_family, SOCK_STREAM, 0);
	int ret = connect(fd, to->ai_addr, to->ai_addrlen);

	if (ret == 0 && write(fd, "hi", 2) == 2) {
		char answer[8];

		ret = read(fd, answer, sizeof(answer)) == 2 ? 0 : -1;
	}
	close(fd);
	return ret;
}

static const char *by_vfork(void)
{
	static volatile int of_child = -1;
	int status = -1;
	pid_t pid;

	errno = EDOM;
	/* More than POSIX lets a child do, but no less than programs do. */
	pid = vfork(); // NOLINT(clang-analyzer-security.insecureAPI.vfork)
	if (pid == 0) {
		of_child = talk(); // NOLINT(clang-analyzer-unix.Vfork)
		_exit(of_child ? 1 : 0);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0 || of_child != 0)
		return "the child";
	return talk() == 0 ? NULL : "the parent";
}

static int count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void *held(void *arg)
{
	const int *fd = arg;

	(void)connect(*fd, to->ai_addr, to->ai_addrlen);
	return NULL;
}

static const char *by_cancel(void)
{
	int before = count_descriptors();
	int fd = socket(to->ai_family, SOCK_STREAM, 0);
	pthread_t thread;
	void *result = NULL;

	if (pthread_create(&thread, NULL, held, &fd) != 0)
		return "pthread_create";
	puts("held");
	fflush(stdout);
	(void)getchar(); /* the test has seen the connect() */
	pthread_cancel(thread);
	pthread_join(thread, &result);
	close(fd);
	if (result != PTHREAD_CANCELED)
		return "connect() is no cancellation point";
	return count_descriptors() == before ? NULL : "a descriptor is left";
}

static const char *by_exit(void)
{
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	return connect(fd, to->ai_addr, to->ai_addrlen) < 0 &&
			       errno == EINPROGRESS
		       ? NULL
		       : "connect()";
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		const char *(*run)(void);
	} ways[] = {
		{"vfork", by_vfork}, {"cancel", by_cancel}, {"exit", by_exit}};
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	const char *wrong = "no such way";

	if (argc != 4 || getaddrinfo(argv[2], argv[3], &hints, &to) != 0)
		return 64;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		if (strcmp(argv[1], ways[i].name) == 0)
			wrong = ways[i].run();
	puts(wrong ? wrong : "ok");
	freeaddrinfo(to);
	return wrong != NULL;
}
