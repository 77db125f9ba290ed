/*
 * rawcalls - system calls through syscall(): all arguments and errors arrive,
 * and an argument that was not passed is not touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *check(void)
{
	int file = memfd_create("rawcalls", 0), ends[2];
	long page = sysconf(_SC_PAGESIZE), ret;
	const char *mapped;
	char buf[8] = "";

	if (syscall(SYS_getpid) != getpid())
		return "getpid";
	errno = 0;
	if (syscall(SYS_close, -1) != -1 || errno != EBADF)
		return "close";
	/* The sixth argument says which page. */
	if (pwrite(file, "second", 6, page) != 6)
		return "pwrite";
	ret = syscall(SYS_mmap, NULL, page, PROT_READ, MAP_PRIVATE, file, page);
	if (ret == -1)
		return "mmap";
	memcpy(&mapped, &ret, sizeof(mapped));
	if (memcmp(mapped, "second", 6) != 0)
		return "the sixth argument";
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return "socketpair";
	if (syscall(SYS_sendto, ends[0], "hi", 2, MSG_NOSIGNAL, NULL, 0) != 2 ||
	    read(ends[1], buf, sizeof(buf)) != 2)
		return "sendto";
	errno = 0;
	if (syscall(SYS_connect, ends[0], NULL, 0) != -1 || errno == 0)
		return "connect";
	return NULL;
}

int main(void)
{
	const char *failed = check();

	printf("%s\n", failed ? failed : "ok");
	return failed != NULL;
}
