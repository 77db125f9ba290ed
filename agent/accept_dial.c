/*
 * accept_dial.c - dials the target and the rendezvous of a stream, and knows what to do when there
 * is no descriptor for either.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "accept_inside.h"
#include "agent.h"
#include "control.h"

#define TARGET_MS     15000 /* well below the 30 s that an address is good for */
#define RENDEZVOUS_MS 20000
#define RESERVE_MS    5000 /* others may wait for the reserve */
#define RENDEZVOUS_MAX \
	2 /* tries: a relay may tire of a connection that says nothing */

/* A relay that tired of waiting for our request: ask again when there is one. */
static void on_rendezvous_ready(void *owner, struct hybridge_conn *conn)
{
	struct stream *stream = owner;
	char byte;

	/* Session tickets are read on the way. */
	if (hybridge_conn_read(conn, &byte, 1) < 0 && errno == EAGAIN)
		return;
	hybridge_conn_close(conn, HYBRIDGE_CONN_ORDERLY);
	stream->rendezvous = NULL;
}

/* Looking up a name fails with other errors, too, when it finds no descriptor. */
static bool lacks_descriptors(int os_errno)
{
	int fd;

	if (os_errno != EHOSTUNREACH)
		return os_errno == EMFILE || os_errno == ENFILE;
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE;
	close(fd);
	return false;
}

static void explain_dial(struct hybridge_error *err, int os_errno,
			 const char *hint)
{
	hybridge_hint(err, "%s",
		      lacks_descriptors(os_errno)
			      ? "raise the limit on open files: "
				"LimitNOFILE= or ulimit -Hn"
			      : hint);
}

static void on_granted(struct reserve_turn *turn)
{
	stream_dial_rendezvous(
		hybridge_container(turn, struct stream, reserve));
}

/* Says no, with what there is: the reserve is for that alone. */
static void refuse_for_descriptors(struct stream *stream)
{
	struct hybridge_error err = {0};

	hybridge_dial_cancel(stream->target_dial);
	hybridge_conn_close(stream->target, HYBRIDGE_CONN_RESET);
	stream->target_dial = NULL;
	stream->target = NULL;
	if (!stream->target_errno) {
		stream->target_errno = EMFILE;
		hybridge_fail(&err, HYBRIDGE_ESYSTEM, "%s", strerror(EMFILE));
		explain_dial(&err, EMFILE, "");
		stream_log_failure(stream, "stream refused", &err);
	}
	if (stream_has_session(stream)) {
		stream_answer_if_decided(stream);
		return;
	}
	stream->rendezvous_tries = 0;
	stream->reserve.granted = on_granted;
	reserve_ask(stream->control->agent->reserve, &stream->reserve);
}

static void on_rendezvous(void *owner, struct hybridge_conn *conn, int os_errno,
			  const struct hybridge_error *err)
{
	struct stream *stream = owner;
	struct hybridge_error cause;

	stream->rendezvous_dial = NULL;
	if (!conn && lacks_descriptors(os_errno) && !stream->reserve.is_in) {
		refuse_for_descriptors(stream);
		return;
	}
	if (!conn) {
		cause = *err;
		explain_dial(&cause, os_errno,
			     "the relay names this host for the stream: it "
			     "must be reachable from here, too");
		stream_fail(stream, "rendezvous not reached", &cause);
		return;
	}
	stream->rendezvous = conn;
	hybridge_conn_set_owner(conn, on_rendezvous_ready, stream);
	stream_answer_if_decided(stream);
}

void stream_dial_rendezvous(struct stream *stream)
{
	const struct hybridge_config *config = &stream->control->agent->config;
	struct hybridge_dial_args args = {
		.host = stream->address.host,
		.port = stream->address.port,
		.tls = stream->tls,
		.proxy = config->proxy,
		.no_proxy = config->no_proxy,
		.timeout_ms =
			stream->reserve.is_in ? RESERVE_MS : RENDEZVOUS_MS,
	};
	struct hybridge_error err = {0};

	if (stream->rendezvous_tries++ == RENDEZVOUS_MAX) {
		hybridge_fail(&err, HYBRIDGE_EUNREACH,
			      "%s closed the connection before our request",
			      stream->address.host);
		stream_fail(stream, "rendezvous not reached", &err);
		return;
	}
	stream->rendezvous_dial = hybridge_dial_start(
		stream_loop(stream), &args, on_rendezvous, stream);
	if (!stream->rendezvous_dial)
		stream_fail_memory(stream);
}

/* What the target says before the relay has accepted stays in the kernel. */
static void on_target_ready(void *owner, struct hybridge_conn *conn)
{
	(void)owner;
	(void)conn;
}

static void on_target(void *owner, struct hybridge_conn *conn, int os_errno,
		      const struct hybridge_error *err)
{
	struct stream *stream = owner;
	struct hybridge_error cause;

	stream->target_dial = NULL;
	stream->target = conn;
	if (conn) {
		/* The program may hear "connected" before we do. */
		hybridge_conn_arm_reset(conn);
		hybridge_conn_set_owner(conn, on_target_ready, stream);
	} else {
		stream->target_errno = os_errno ? os_errno : ECONNREFUSED;
		cause = *err;
		explain_dial(&cause, os_errno,
			     "check HYBRIDGE_*_TARGET, and that the service "
			     "runs");
		stream_log_failure(stream, "target not reached", &cause);
	}
	stream_answer_if_decided(stream);
}

static void dial_target(struct stream *stream)
{
	struct hybridge_dial_args args = {.timeout_ms = TARGET_MS};

	control_target(stream->control, &args.host, &args.port);
	stream->target_dial = hybridge_dial_start(stream_loop(stream), &args,
						  on_target, stream);
	if (!stream->target_dial)
		stream_fail_memory(stream);
}

void stream_dial(struct stream *stream)
{
	if (!reserve_is_whole(stream->control->agent->reserve)) {
		refuse_for_descriptors(stream);
		return;
	}
	if (stream->is_echo) {
		stream_answer_if_decided(stream);
		return;
	}
	dial_target(stream);
	/* With a session there is nothing to open meanwhile. */
	if (stream->state == STREAM_DIALING && !stream_has_session(stream))
		stream_dial_rendezvous(stream);
}
