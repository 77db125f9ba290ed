/* config_file.c - reads the env file, and leaves nothing of it in memory. */
#include <errno.h>
#include <string.h>

#include "config_file.h"
#include "sys.h"

#define FILE_MAX (1 << 20)

static long read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		long got = sys_read(fd, buf + len, size - len);

		if (got == -EINTR)
			continue;
		if (got < 0)
			return got;
		if (got == 0)
			break;
		len += (size_t)got;
	}
	return (long)len;
}

int shim_config_file_read(const char *path, struct hybridge_span *out)
{
	struct stat st;
	char *buf;
	long ret;
	/* O_NONBLOCK: a FIFO must not stop the program. */
	int fd = sys_above_stdio(
		sys_openat(AT_FDCWD, path,
			   O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0));

	if (fd < 0)
		return fd;
	ret = sys_fstat(fd, &st);
	if (ret == 0 && !S_ISREG(st.st_mode))
		ret = -EINVAL;
	if (ret == 0 && st.st_size > FILE_MAX)
		ret = -EFBIG;
	if (ret < 0) {
		sys_close(fd);
		return (int)ret;
	}
	buf = sys_map((size_t)st.st_size + 1);
	ret = buf ? read_all(fd, buf, (size_t)st.st_size) : -ENOMEM;
	sys_close(fd);
	if (ret >= 0) {
		*out = (struct hybridge_span){buf, (size_t)ret};
		return 0;
	}
	if (buf)
		sys_munmap(buf, (size_t)st.st_size + 1);
	return (int)ret;
}

void shim_config_file_wipe(struct hybridge_span text)
{
	/* sys_map() gave it to us: it is ours to write to. */
	char *buf = (char *)(uintptr_t)
			    text.text; // NOLINT(performance-no-int-to-ptr)

	if (!buf)
		return;
	memset(buf, 0, text.len);
	/* Keeps the compiler from dropping a write that nobody reads. */
	__asm__ volatile("" : : "r"(buf) : "memory");
	sys_munmap(buf, text.len + 1);
}
