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

int shim_config_file_read(const char *path, struct shim_config_file *out)
{
	struct stat st = {0};
	size_t size;
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
	size = (size_t)st.st_size;
	buf = ret == 0 ? sys_map(size + 1) : NULL;
	if (ret == 0)
		ret = buf ? read_all(fd, buf, size) : -ENOMEM;
	sys_close(fd);
	if (ret >= 0)
		*out = (struct shim_config_file){buf, size};
	else if (buf)
		sys_munmap(buf, size + 1);
	return ret < 0 ? (int)ret : 0;
}

void shim_config_file_wipe(struct shim_config_file *file)
{
	if (!file->text)
		return;
	memset(file->text, 0, file->len);
	/* Keeps the compiler from dropping a write that nobody reads. */
	__asm__ volatile("" : : "r"(file->text) : "memory");
	sys_munmap(file->text, file->len + 1);
	*file = (struct shim_config_file){NULL, 0};
}
