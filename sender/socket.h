/*
 * socket.h - the sender's unix socket as a thing in the file system: path, lock, log.
 */
#ifndef SENDER_SOCKET_H
#define SENDER_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include <hybridge/error.h>

#define SOCKET_PATH_MAX     108 /* sun_path: unix(7) */
#define SOCKET_ACTIVATED_FD 3 /* of a sender that is started with --activated */

/**
 * struct socket_file - The listening socket
 * @fd:      Listening, non-blocking; -1 when there is none
 * @lock_fd: "PATH.lock" while we hold its lock; -1 when not
 * @whole_folder: Nobody else uses the directory of @path: it goes with the socket
 * @path:    Where it is bound
 * @dev, @ino: Of the file at @path when it was bound, to tell it from another's
 */
struct socket_file {
	int fd;
	int lock_fd;
	bool whole_folder;
	char path[SOCKET_PATH_MAX];
	dev_t dev;
	ino_t ino;
};

#define SOCKET_NONE ((struct socket_file){.fd = -1, .lock_fd = -1})

/**
 * socket_open() - Become the one sender at a path
 * @path:    Path to listen on
 * @private: Whether its directory must be ours alone (a default path)
 * @out:     Filled in on success
 * @err:     HYBRIDGE_ETIMEOUT (exit status 75) when another sender is running
 *
 * Makes the directory (0700) if need be, keeps "PATH.lock" locked for as long as
 * we run, and replaces a socket that nobody listens on.
 *
 * Return: 0, or -1
 */
HYBRIDGE_MUSTUSE int socket_open(const char *path, bool private,
				 struct socket_file *out,
				 struct hybridge_error *err);

/**
 * socket_inherit() - Take over a socket that listens already
 * @fd:  A SOCK_SEQPACKET unix socket that is bound and listening
 *
 * The lock is not taken: it only guards the start and the end of such a sender.
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int socket_inherit(int fd, struct socket_file *out,
				    struct hybridge_error *err);

/**
 * socket_retire() - Make sure that no new connection can reach us
 *
 * Takes the lock, so that nobody starts another sender meanwhile; removes the
 * path; and shuts the listener down, after which the kernel queues no more.
 * What was queued before can still be accepted from @file->fd.
 *
 * Return: true when done; false when the lock is taken: try again later
 */
bool socket_retire(struct socket_file *file);

/**
 * socket_revive() - After socket_retire(): listen again at the same path
 * Releases the lock.
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int socket_revive(struct socket_file *file,
				   struct hybridge_error *err);

/**
 * socket_close() - Close, and remove the path if it is still ours
 * With @whole_folder, the lock's file and the directory as well.
 */
void socket_close(struct socket_file *file);

/**
 * socket_is_our_file() - Whether what was opened beside the socket is a file made for that
 *
 * In a folder for all, somebody may have put a FIFO there, or a link to another file of ours, to
 * have it written to or cut.
 */
bool socket_is_our_file(int fd);

/**
 * socket_log_to_file() - Make "PATH.log" of a listening socket our standard error
 * @fd: The socket
 *
 * For a sender that was started by the library: it has no terminal.  A file
 * over 1 MiB is emptied.  Failure leaves things as they are.
 */
void socket_log_to_file(int fd);

/**
 * socket_bound_log() - Empty that file again when it has grown to more than 1 MiB
 * It is often in memory (/run), and each refused connection is a line of it.
 */
void socket_bound_log(void);

#endif
