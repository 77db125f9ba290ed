/*
 * socket.c - binds, guards and removes the sender's unix socket.
 */
#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 1024
#define LOCK_TRIES \
	200 /* 2 s: a library that starts a sender holds it for a moment */
#define LOCK_PAUSE_NS  10000000
#define LOG_SIZE_MAX   (1 << 20)
#define MODE_OF_OTHERS (S_IRWXG | S_IRWXO)
#define SOCKET_UMASK   (S_IXUSR | S_IRWXG | S_IRWXO)

static int fail_errno(struct hybridge_error *err, const char *doing,
		      const char *path)
{
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "cannot %s %s: %s", doing, path,
		      strerror(errno));
	return -1;
}

static struct sockaddr_un unix_address(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	return addr;
}

static int make_directory(const char *path, bool private,
			  struct hybridge_error *err)
{
	char dir[SOCKET_PATH_MAX];
	struct stat st;
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	if (mkdir(dir, S_IRWXU) != 0 && errno != EEXIST)
		return fail_errno(err, "make directory", dir);
	if (!private)
		return 0;
	if (lstat(dir, &st) != 0)
		return fail_errno(err, "look at", dir);
	if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	    (st.st_mode & MODE_OF_OTHERS) == 0)
		return 0;
	hybridge_fail(err, HYBRIDGE_ECONFIG,
		      "%s is not a directory of ours with mode 0700", dir);
	hybridge_hint(err, "remove it, or set HYBRIDGE_SOCKET to a path in a "
			   "directory of your own");
	return -1;
}

/* Takes "PATH.lock"; -1 with EWOULDBLOCK when somebody else has it. */
static int take_lock(const char *path)
{
	char lock_path[SOCKET_PATH_MAX + 8];
	int fd;

	snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		  S_IRUSR | S_IWUSR);
	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static int fail_running(const char *path, struct hybridge_error *err)
{
	hybridge_fail(err, HYBRIDGE_ETIMEOUT, "another sender is running at %s",
		      path);
	hybridge_hint(err, "stop it, or set HYBRIDGE_SOCKET to another path");
	return -1;
}

static int take_lock_patiently(const char *path, struct hybridge_error *err)
{
	static const struct timespec pause = {0, LOCK_PAUSE_NS};
	int fd = -1;

	for (int i = 0; fd < 0 && i < LOCK_TRIES; i++) {
		fd = take_lock(path);
		if (fd < 0 && errno != EWOULDBLOCK)
			return fail_errno(err, "lock", path);
		if (fd < 0)
			nanosleep(&pause, NULL);
	}
	return fd >= 0 ? fd : fail_running(path, err);
}

/* Whether somebody accepts connections at @path. */
static bool is_alive(const char *path)
{
	struct sockaddr_un addr = unix_address(path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);
	bool alive;

	if (fd < 0)
		return false;
	alive = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 ||
		errno == EAGAIN;
	close(fd);
	return alive;
}

static void remember_file(struct socket_file *file)
{
	struct stat st;

	if (lstat(file->path, &st) != 0)
		return;
	file->dev = st.st_dev;
	file->ino = st.st_ino;
}

static bool is_ours(const struct socket_file *file)
{
	struct stat st;

	return file->ino != 0 && lstat(file->path, &st) == 0 &&
	       st.st_dev == file->dev && st.st_ino == file->ino;
}

static int bind_and_listen(struct socket_file *file, struct hybridge_error *err)
{
	struct sockaddr_un addr = unix_address(file->path);
	mode_t mask = umask(SOCKET_UMASK);
	int bound;

	file->fd = socket(AF_UNIX,
			  SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bound = file->fd < 0 ? -1
			     : bind(file->fd, (struct sockaddr *)&addr,
				    sizeof(addr));
	umask(mask);
	if (bound != 0 || listen(file->fd, BACKLOG) != 0)
		return fail_errno(err, "listen on", file->path);
	remember_file(file);
	return 0;
}

int socket_open(const char *path, bool private, struct socket_file *out,
		struct hybridge_error *err)
{
	struct socket_file file = SOCKET_NONE;
	int ret = -1;

	snprintf(file.path, sizeof(file.path), "%s", path);
	if (make_directory(path, private, err) != 0)
		goto out;
	file.lock_fd = take_lock_patiently(path, err);
	if (file.lock_fd < 0)
		goto out;
	if (is_alive(path)) {
		fail_running(path, err);
		goto out;
	}
	if (unlink(path) != 0 && errno != ENOENT) {
		fail_errno(err, "replace", path);
		goto out;
	}
	if (bind_and_listen(&file, err) != 0)
		goto out;
	*out = file;
	file = SOCKET_NONE; /* handed to the caller */
	ret = 0;
out:
	socket_close(&file);
	return ret;
}

static bool is_listening_unix(int fd)
{
	static const struct {
		int option;
		int wanted;
	} checks[] = {
		{SO_DOMAIN, AF_UNIX},
		{SO_TYPE, SOCK_SEQPACKET},
		{SO_ACCEPTCONN, 1},
	};

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		int value = 0;
		socklen_t len = sizeof(value);

		if (getsockopt(fd, SOL_SOCKET, checks[i].option, &value,
			       &len) != 0 ||
		    value != checks[i].wanted)
			return false;
	}
	return true;
}

/* Where a socket is bound; "" for a socket without a path. */
static void path_of(int fd, char path[static SOCKET_PATH_MAX])
{
	struct sockaddr_un addr = {0};
	socklen_t len = sizeof(addr);

	path[0] = '\0';
	if (getsockname(fd, (struct sockaddr *)&addr, &len) == 0 &&
	    addr.sun_family == AF_UNIX)
		snprintf(path, SOCKET_PATH_MAX, "%.*s",
			 (int)sizeof(addr.sun_path), addr.sun_path);
}

int socket_inherit(int fd, struct socket_file *out, struct hybridge_error *err)
{
	struct socket_file file = SOCKET_NONE;
	int flags = fcntl(fd, F_GETFL);

	if (!is_listening_unix(fd)) {
		hybridge_fail(err, HYBRIDGE_EUSAGE,
			      "descriptor %d is not a listening unix socket",
			      fd);
		hybridge_hint(err, "--activated is for the library, which "
				   "starts the sender with one");
		return -1;
	}
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return fail_errno(err, "use", "the inherited socket");
	file.fd = fd;
	path_of(fd, file.path);
	remember_file(&file);
	*out = file;
	return 0;
}

bool socket_retire(struct socket_file *file)
{
	if (file->lock_fd < 0)
		file->lock_fd = take_lock(file->path);
	if (file->lock_fd < 0)
		return false;
	if (is_ours(file))
		unlink(file->path);
	shutdown(file->fd, SHUT_RD);
	return true;
}

int socket_revive(struct socket_file *file, struct hybridge_error *err)
{
	close(file->fd);
	file->fd = -1;
	if (bind_and_listen(file, err) != 0)
		return -1;
	close(file->lock_fd);
	file->lock_fd = -1;
	return 0;
}

/* With the lock held; what others have put there stays. */
static void remove_folder(const struct socket_file *file)
{
	char path[SOCKET_PATH_MAX + 8];
	char *slash;

	snprintf(path, sizeof(path), "%s.names", file->path);
	unlink(path);
	snprintf(path, sizeof(path), "%s.lock", file->path);
	unlink(path);
	slash = strrchr(path, '/');
	if (!slash || slash == path)
		return;
	*slash = '\0';
	rmdir(path);
}

void socket_close(struct socket_file *file)
{
	if (file->fd >= 0) {
		if (is_ours(file))
			unlink(file->path);
		close(file->fd);
	}
	if (file->whole_folder && file->lock_fd >= 0)
		remove_folder(file);
	if (file->lock_fd >= 0)
		close(file->lock_fd);
	*file = SOCKET_NONE;
}

/* Whether our standard error is such a file. */
static bool logs_to_file;

void socket_bound_log(void)
{
	struct stat st;

	if (!logs_to_file || fstat(STDERR_FILENO, &st) != 0 ||
	    st.st_size <= LOG_SIZE_MAX)
		return;
	if (ftruncate(STDERR_FILENO, 0) != 0)
		dprintf(STDERR_FILENO, "hybridge: cannot empty this file: %s\n",
			strerror(errno));
}

bool socket_is_our_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_uid == geteuid() && st.st_nlink == 1;
}

void socket_log_to_file(int fd)
{
	char path[SOCKET_PATH_MAX];
	char log_path[SOCKET_PATH_MAX + 8];
	int log;

	path_of(fd, path);
	if (path[0] == '\0')
		return;
	snprintf(log_path, sizeof(log_path), "%s.log", path);
	log = open(log_path,
		   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW |
			   O_NONBLOCK,
		   S_IRUSR | S_IWUSR);
	if (log < 0)
		return;
	if (!socket_is_our_file(log)) {
		close(log);
		return;
	}
	logs_to_file = dup2(log, STDERR_FILENO) >= 0;
	if (log != STDERR_FILENO)
		close(log);
	socket_bound_log();
}
