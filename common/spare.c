/*
 * spare.c - descriptors that are held to be closed when there are no others.
 */
#include <fcntl.h>
#include <unistd.h>

#include <hybridge/spare.h>

size_t hybridge_spare_open(int *fds, size_t num)
{
	size_t open_ones = 0;

	for (size_t i = 0; i < num; i++) {
		if (fds[i] < 0)
			fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		open_ones += fds[i] >= 0;
	}
	return open_ones;
}

void hybridge_spare_close(int *fds, size_t num)
{
	for (size_t i = 0; i < num; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}
