/*
 * file.c - reads small files that may hold secrets, and checks who else
 * could.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hybridge/file.h>

#define FILE_MAX ((size_t)1024 * 1024)

/* Bytes read, up to FILE_MAX + 1 of them, or -1. */
static ssize_t read_all(int fd, char *to)
{
	size_t len = 0;

	while (len <= FILE_MAX) {
		ssize_t n = read(fd, to + len, FILE_MAX + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

int hybridge_file_read(const char *path, struct hybridge_file *out,
		       struct hybridge_error *err)
{
	struct hybridge_file file = {.path = path};
	struct stat st;
	ssize_t len;
	int ret = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0) {
		hybridge_fail(err, HYBRIDGE_ECONFIG, "cannot read '%s': %s",
			      path, strerror(errno));
		goto out;
	}
	file.mode = st.st_mode & 07777;
	file.uid = st.st_uid;
	file.text = malloc(FILE_MAX + 2);
	if (!file.text) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		goto out;
	}
	len = read_all(fd, file.text);
	if (len < 0) {
		hybridge_fail(err, HYBRIDGE_ECONFIG, "cannot read '%s': %s",
			      path, strerror(errno));
		goto out;
	}
	file.len = (size_t)len;
	if (file.len > FILE_MAX) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "cannot read '%s': larger than %zu bytes", path,
			      FILE_MAX);
		goto out;
	}
	file.text[file.len] = '\0';
	*out = file;
	file.text = NULL; /* handed to the caller */
	ret = 0;
out:
	if (fd >= 0)
		close(fd);
	hybridge_file_free(&file);
	return ret;
}

int hybridge_file_check_private(const struct hybridge_file *file,
				struct hybridge_error *err)
{
	const char *how = NULL;

	if (file->mode & S_IROTH)
		how = "readable by everyone";
	else if (file->mode & (S_IWGRP | S_IWOTH))
		how = "writable by others than its owner";
	else if (file->mode & S_IXOTH)
		how = "executable by everyone";
	if (how) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "%s: %s (mode %04o) and holds a key", file->path,
			      how, (unsigned int)file->mode);
		/* Root's own, which we read by a right that 0600 would take. */
		if (file->uid != geteuid())
			hybridge_hint(err,
				      "chown it to this user and chmod 0600 %s "
				      "(where it cannot be changed: "
				      "HYBRIDGE_ALLOW_OPEN_FILES=1)",
				      file->path);
		else
			hybridge_hint(err,
				      "chmod 0600 %s (where it cannot be "
				      "changed: HYBRIDGE_ALLOW_OPEN_FILES=1)",
				      file->path);
		return -1;
	}
	if (file->uid != 0 && file->uid != geteuid()) {
		hybridge_fail(
			err, HYBRIDGE_ECONFIG,
			"%s: belongs to user %u, who could change it, and "
			"holds a key",
			file->path, (unsigned int)file->uid);
		hybridge_hint(err, "chown it to root or to the user that "
				   "hybridge runs as");
		return -1;
	}
	return 0;
}

bool hybridge_file_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void hybridge_file_free(struct hybridge_file *file)
{
	if (!file)
		return;
	if (file->text)
		explicit_bzero(file->text, file->len);
	free(file->text);
	file->text = NULL;
	file->len = 0;
}
