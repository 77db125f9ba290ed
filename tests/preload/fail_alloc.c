/*
 * fail_alloc.c - an allocator that fails once, when it is told to.
 *
 * Preloaded into a daemon; FAIL_ALLOC names a file of two 64-bit numbers that it shares with
 * the test: how many allocations there are until one fails (0: none does), and how many
 * there have been.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* glibc's own, by the names that it keeps for this. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t nmemb, size_t size);
void *__libc_realloc(void *ptr, size_t size);

struct control {
	_Atomic int64_t left;
	_Atomic int64_t count;
};

static struct control alone;
static struct control *control = &alone;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("FAIL_ALLOC");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *shared;

	if (fd < 0)
		return;
	shared = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE,
		      MAP_SHARED, fd, 0);
	close(fd);
	if (shared != MAP_FAILED)
		control = shared;
}

static int fails(void)
{
	control->count++;
	if (control->left <= 0 || --control->left > 0)
		return 0;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t nmemb, size_t size)
{
	return fails() ? NULL : __libc_calloc(nmemb, size);
}

void *realloc(void *ptr, size_t size)
{
	return fails() ? NULL : __libc_realloc(ptr, size);
}
