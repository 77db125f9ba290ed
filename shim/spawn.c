/*
 * spawn.c - makes the sender's socket and starts the sender on it, once.
 *
 * Theory of operation: the lock is a file beside the socket.  Who holds it
 * looks again whether someone listens; if not, it removes what is left of an
 * earlier socket, binds a new one, and hands it to the new sender.  The lock
 * file has a byte for each start, until a second has gone by without any: a
 * sender that leaves at once (a mistake in its configuration, say) is not
 * started for every connect().
 */
#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <sys/un.h>

#include "debug.h"
#include "spawn.h"
#include "start.h"
#include "sys.h"
#include "talk.h"

#define BACKLOG    4096
#define LOCK_MS    2000 /* longest wait for another process that starts it */
#define PAUSE_MS   2
#define STARTS_MAX 4 /* in a row, less than STARTS_MS between them */
#define STARTS_MS  1000
#define PATH_SIZE  128

/*
 * The socket's directory: made when missing; under /tmp ours, and nobody else
 * may write there.  Others may look: the socket itself is closed to them.
 */
static int check_directory(const char *socket)
{
	struct stat st = {0};
	char path[PATH_SIZE];
	size_t len = strlen(socket);
	int ret;

	while (len > 0 && socket[len - 1] != '/')
		len--;
	if (len <= 1)
		return 0;
	memcpy(path, socket, len - 1);
	path[len - 1] = '\0';
	ret = sys_mkdirat(AT_FDCWD, path, 0700);
	if (ret < 0 && ret != -EEXIST)
		return ret;
	if (strncmp(path, "/tmp/", 5) != 0)
		return 0;
	ret = sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW);
	if (ret < 0)
		return ret;
	return S_ISDIR(st.st_mode) && st.st_uid == sys_geteuid() &&
			       (st.st_mode & 022) == 0
		       ? 0
		       : -EPERM;
}

static int take_lock(const char *socket)
{
	static const char suffix[] = ".lock";
	int64_t give_up = sys_now_ms() + LOCK_MS;
	char path[PATH_SIZE];
	size_t len = strlen(socket);
	int fd, ret;

	memcpy(path, socket, len + 1);
	memcpy(path + len, suffix, sizeof(suffix));
	fd = sys_above_stdio(sys_openat(
		AT_FDCWD, path,
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
	if (fd < 0)
		return fd;
	for (;;) {
		ret = sys_flock(fd, LOCK_EX | LOCK_NB);
		if (ret == 0)
			return fd;
		if ((ret != -EWOULDBLOCK && ret != -EINTR) ||
		    sys_now_ms() >= give_up)
			break;
		sys_poll(NULL, 0, PAUSE_MS);
	}
	sys_close(fd);
	return ret;
}

/* A child may still hold a duplicate: closing alone would not unlock. */
static void drop_lock(int lock)
{
	sys_flock(lock, LOCK_UN);
	sys_close(lock);
}

/* Counts a start in the lock file; false when there were too many just now. */
static bool may_start(int lock)
{
	struct timespec now = {0};
	struct stat st = {0};
	int64_t age_ms;

	sys_fstat(lock, &st);
	sys_clock_gettime(CLOCK_REALTIME, &now);
	age_ms = (int64_t)(now.tv_sec - st.st_mtim.tv_sec) * 1000 +
		 (now.tv_nsec - st.st_mtim.tv_nsec) / 1000000;
	if (age_ms < 0 || age_ms >= STARTS_MS)
		sys_ftruncate(lock, 0);
	else if (st.st_size >= STARTS_MAX)
		return false;
	sys_write(lock, ".", 1);
	return true;
}

static int make_listener(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct stat st = {0};
	int ret, fd;

	if (sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISSOCK(st.st_mode))
		sys_unlinkat(AT_FDCWD, path, 0);
	memcpy(at.sun_path, path, strlen(path) + 1);
	fd = sys_above_stdio(
		sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	if (fd < 0)
		return fd;
	ret = sys_bind(fd, &at, sizeof(at));
	/* Nobody can connect before listen(): the mode is right in time. */
	if (ret == 0)
		ret = sys_fchmodat(AT_FDCWD, path, 0600);
	if (ret == 0)
		ret = sys_listen(fd, BACKLOG);
	if (ret == 0)
		return fd;
	sys_close(fd);
	return ret;
}

/* With the lock held. */
static int start_sender(const struct shim_config *config, int lock)
{
	char program[4096];
	int listener, ret;

	ret = shim_start_program(config, program);
	if (ret < 0) {
		shim_debug(config, "no sender listens, and none was found",
			   shim_span(config->sender ? config->sender
						    : config->socket),
			   -ret);
		return ret;
	}
	if (!may_start(lock))
		return -ECONNREFUSED;
	listener = make_listener(config->socket);
	if (listener < 0) {
		shim_debug(config, "cannot make the sender's socket",
			   shim_span(config->socket), -listener);
		return listener;
	}
	ret = shim_start_process(config, program, listener);
	if (ret < 0)
		sys_unlinkat(AT_FDCWD, config->socket, 0);
	sys_close(listener);
	shim_debug(config,
		   ret < 0 ? "cannot start the sender" : "sender started",
		   shim_span(program), -ret);
	return ret;
}

int shim_spawn(const struct shim_config *config)
{
	int ret, lock, fd;

	if (config->socket[0] == '\0')
		return -ENAMETOOLONG;
	ret = check_directory(config->socket);
	if (ret < 0) {
		shim_debug(config, "cannot use the socket's directory",
			   shim_span(config->socket), -ret);
		return ret;
	}
	lock = take_lock(config->socket);
	if (lock < 0) {
		shim_debug(config, "cannot take the lock beside the socket",
			   shim_span(config->socket), -lock);
		return lock;
	}
	fd = shim_talk_connect(config);
	if (fd == -ENOENT || fd == -ECONNREFUSED) {
		fd = start_sender(config, lock);
		if (fd == 0)
			fd = shim_talk_connect(config);
	}
	drop_lock(lock);
	return fd;
}
