/*
 * local.c - accepts connections to the unix socket, and knows how to stop doing so.
 *
 * Theory of operation.  When descriptors run out, accept() would fail for ever
 * while the listener stays readable.  Then the spare ones, kept for this, are
 * given up to take one client in, tell it no, and take the spare ones back.
 * Meanwhile the listener is not watched: nothing spins.
 */
#include "local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hybridge/local.h>
#include <hybridge/log.h>
#include <hybridge/loop.h>
#include <hybridge/spare.h>

#include "client.h"
#include "reload.h"
#include "sender.h"

#define ACCEPTS_PER_TURN 64
#define RESUME_MS        20 /* the last one refused may have descriptors yet */
#define NUM_SPARE        (1 + HYBRIDGE_LOCAL_MAX_FDS)

struct local {
	struct sender *sender;
	struct socket_file file;
	struct hybridge_source listener;
	struct client *clients;
	int spare[NUM_SPARE];
	struct hybridge_timer resume; /* watch the listener again */
};

static void resume(struct local *local);

bool local_lend_spare(struct local *local)
{
	if (local->spare[0] < 0)
		return false;
	hybridge_loop_unwatch(local->sender->loop, &local->listener);
	hybridge_spare_close(local->spare, NUM_SPARE);
	return true;
}

/* Takes one client in on the spare descriptors. */
static void accept_on_spare(struct local *local)
{
	int fd;

	if (!local_lend_spare(local))
		return;
	fd = accept4(local->file.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 || !client_add(local->sender, &local->clients, fd, true))
		resume(local);
}

/*
 * True when there may be more.  The files are looked at behind accept(): whoever changed one and
 * then connected is served as it says, even if that was while we were reading.
 */
static bool accept_one(struct local *local)
{
	int fd = accept4(local->file.fd, NULL, NULL,
			 SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0) {
		reload_if_changed(local->sender);
		client_add(local->sender, &local->clients, fd, false);
		return local->listener.ready != NULL;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
	    errno == ENOBUFS) {
		accept_on_spare(local);
		return false;
	}
	return errno == EINTR || errno == ECONNABORTED;
}

static void on_listener(struct hybridge_source *source, uint32_t events)
{
	struct local *local =
		hybridge_container(source, struct local, listener);

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN && accept_one(local); i++)
		;
}

static int watch_listener(struct local *local)
{
	local->listener = (struct hybridge_source){local->file.fd, on_listener};
	return hybridge_loop_watch_level(local->sender->loop, &local->listener);
}

/* After a client on the spare descriptors: as before, when there are some again. */
static void resume(struct local *local)
{
	if (local->file.fd < 0 || local->listener.ready)
		return;
	if (hybridge_spare_open(local->spare, NUM_SPARE) == NUM_SPARE &&
	    watch_listener(local) == 0)
		return;
	local->listener.ready = NULL;
	if (hybridge_timer_set(local->sender->loop, &local->resume,
			       RESUME_MS) != 0)
		hybridge_log_fields(HYBRIDGE_LOG_ERROR,
				    "no more requests are taken: out of memory",
				    NULL);
}

static void on_resume(struct hybridge_timer *timer)
{
	resume(hybridge_container(timer, struct local, resume));
}

/* Life. */

struct local *local_start(struct sender *sender, struct socket_file *file,
			  struct hybridge_error *err)
{
	struct local *local = calloc(1, sizeof(*local));

	if (!local) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return NULL;
	}
	local->sender = sender;
	local->resume.fire = on_resume;
	for (size_t i = 0; i < NUM_SPARE; i++)
		local->spare[i] = -1;
	local->file = *file;
	if (hybridge_spare_open(local->spare, NUM_SPARE) < NUM_SPARE ||
	    watch_listener(local) != 0) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "cannot serve %s: %s",
			      file->path, strerror(errno));
		hybridge_spare_close(local->spare, NUM_SPARE);
		free(local);
		return NULL;
	}
	*file = SOCKET_NONE; /* taken over */
	sender->local = local;
	return local;
}

const char *local_path(const struct local *local)
{
	return local->file.path;
}

void local_client_gone(struct local *local, bool on_spare)
{
	if (on_spare)
		resume(local);
}

bool local_is_idle(const struct local *local)
{
	return !local->clients;
}

/*
 * The order matters.  socket_retire() has the lock, so no library starts another sender; it
 * has removed the path, so no connect() finds us by name; it has shut the listener down, so
 * one that had found us before is refused by the kernel, and tries again.  Only then is
 * it final whether anybody waits: whoever was queued before is served, and we
 * bind the path again, still under the lock.
 */
bool local_leave(struct local *local)
{
	struct hybridge_error err = {0};
	bool somebody = false;
	int fd;

	if (!socket_retire(&local->file))
		return false;
	hybridge_loop_unwatch(local->sender->loop, &local->listener);
	while ((fd = accept4(local->file.fd, NULL, NULL,
			     SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		if (client_add(local->sender, &local->clients, fd, false))
			somebody = true;
	}
	if (!somebody)
		return true;
	if (socket_revive(&local->file, &err) == 0) {
		resume(local);
		return false;
	}
	/* The others will start a sender of their own; ours go on. */
	hybridge_log_error(HYBRIDGE_LOG_WARNING, "socket given up", &err, NULL);
	local_stop(local);
	return false;
}

void local_stop(struct local *local)
{
	hybridge_loop_unwatch(local->sender->loop, &local->listener);
	hybridge_timer_clear(local->sender->loop, &local->resume);
	socket_close(&local->file);
	while (local->clients)
		client_drop(local->clients);
	hybridge_spare_close(local->spare, NUM_SPARE);
}

void local_free(struct local *local)
{
	if (!local)
		return;
	local_stop(local);
	local->sender->local = NULL;
	free(local);
}
