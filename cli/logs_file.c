/*
 * logs_file.c - a log that is a file.
 */
#include "logs_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "logs_line.h"

static const char *next_line(struct logs_source *source)
{
	struct logs_file *file = (struct logs_file *)source;
	const char *line = logs_reader_next(&file->reader);

	return !line && file->is_whole ? logs_reader_rest(&file->reader) : line;
}

/* The mirror of sender/socket.c: in a folder for all, something else may have its name. */
static bool is_log(int fd)
{
	struct stat st;
	uid_t user = geteuid();

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink <= 1 &&
	       (st.st_uid == user || user == 0);
}

static int open_log(struct logs_file *file)
{
	int fd = open(file->path,
		      O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	file->error = fd < 0 ? errno : 0;
	if (file->error == ELOOP || (fd >= 0 && !is_log(fd)))
		file->error = EPERM;
	if (file->error == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

struct logs_file *logs_file_open(char *path)
{
	struct logs_file *file = path ? calloc(1, sizeof(*file)) : NULL;

	if (!file) {
		free(path);
		return NULL;
	}
	file->source.next = next_line;
	file->source.time_ms = LOGS_NO_TIME;
	file->path = path;
	file->reader.fd = open_log(file);
	return file;
}

static bool is_replaced(const struct logs_file *file, const struct stat *old)
{
	struct stat now;

	return lstat(file->path, &now) == 0 &&
	       (now.st_ino != old->st_ino || now.st_dev != old->st_dev);
}

bool logs_file_again(struct logs_file *file)
{
	struct stat old;
	int fd;

	if (file->reader.fd >= 0 && fstat(file->reader.fd, &old) == 0) {
		if (old.st_size < file->reader.read) {
			lseek(file->reader.fd, 0, SEEK_SET);
			logs_reader_reset(&file->reader, file->reader.fd);
			return true;
		}
		if (!is_replaced(file, &old))
			return false;
	}
	fd = open_log(file);
	if (fd < 0)
		return false;
	logs_reader_reset(&file->reader, fd);
	return true;
}

void logs_file_close(struct logs_file *file)
{
	if (!file)
		return;
	logs_reader_reset(&file->reader, -1);
	free(file->path);
	free(file);
}
