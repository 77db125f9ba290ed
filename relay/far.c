/*
 * far.c - a call on a stream that lives on a worker, and what stands in for the stream on
 * the main thread.
 */
#include "far.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hybridge/stand_in.h>

/**
 * struct far - One
 * @conn:    The stand-in, owned; what is written to it follows the answer
 * @head:    Of the request, in one piece of @head_size bytes with its text; may hold a token
 * @stream:  The worker's
 * @is_told: The worker's: the main thread knows that the stream hung up
 * @is_answered: @answer is to be sent; its texts are owned
 */
struct far {
	struct hybridge_conn *conn;
	struct far_args args;
	struct hybridge_http_head *head;
	size_t head_size;
	struct hybridge_conn *stream;
	bool is_told;
	bool is_answered;
	struct hybridge_h2_answer answer;
	char *reason;
	char *headers;
	enum hybridge_conn_how how;
	struct hybridge_task arrive;
	struct hybridge_task tell;
	struct hybridge_task finish;
	struct hybridge_task gone;
};

/* The request's head. */

static size_t text_of(const struct hybridge_http_head *head)
{
	size_t size = head->method.len + head->target.len;

	for (size_t i = 0; i < head->num_headers; i++)
		size += head->headers[i].name.len + head->headers[i].value.len;
	return size;
}

static struct hybridge_span copy(char **to, struct hybridge_span from)
{
	struct hybridge_span span = {*to, from.len};

	memcpy(*to, from.text, from.len);
	*to += from.len;
	return span;
}

static int copy_head(struct far *call, const struct hybridge_http_head *from)
{
	struct hybridge_http_head *head;
	char *text;

	call->head_size = sizeof(*head) + text_of(from);
	head = malloc(call->head_size);
	if (!head)
		return -1;
	call->head = head;
	text = (char *)(head + 1);
	head->status = 0;
	head->reason = (struct hybridge_span){"", 0};
	head->method = copy(&text, from->method);
	head->target = copy(&text, from->target);
	head->num_headers = from->num_headers;
	for (size_t i = 0; i < from->num_headers; i++) {
		head->headers[i].name = copy(&text, from->headers[i].name);
		head->headers[i].value = copy(&text, from->headers[i].value);
	}
	return 0;
}

static void forget_head(struct far *call)
{
	if (!call->head)
		return;
	explicit_bzero(call->head, call->head_size);
	free(call->head);
	call->head = NULL;
}

/* The stand-in: the main thread's. */

static void on_closed(void *owner, enum hybridge_conn_how how)
{
	struct far *call = owner;

	call->how = how;
	worker_post(call->args.worker, &call->finish);
}

struct far *far_of(struct hybridge_conn *conn)
{
	return hybridge_stand_in_owner(conn);
}

struct worker *far_worker(const struct hybridge_conn *conn)
{
	const struct far *call = hybridge_stand_in_owner(conn);

	return call ? call->args.worker : NULL;
}

int far_answer(struct hybridge_conn *conn,
	       const struct hybridge_h2_answer *answer)
{
	struct far *call = far_of(conn);
	const char *reason = answer->reason ? answer->reason : "";
	const char *headers = answer->headers ? answer->headers : "";

	if (call->is_answered) {
		errno = EPIPE;
		return -1;
	}
	call->reason = strdup(reason);
	call->headers = strdup(headers);
	if (!call->reason || !call->headers) {
		errno = ENOMEM;
		return -1;
	}
	call->is_answered = true;
	call->answer = (struct hybridge_h2_answer){
		.status = answer->status,
		.reason = call->reason,
		.headers = call->headers,
	};
	return 0;
}

static void run_arrive(struct hybridge_task *task)
{
	struct far *call = hybridge_container(task, struct far, arrive);

	call->args.arrived(call->args.owner, call->conn, call->head);
	forget_head(call);
}

static void run_tell(struct hybridge_task *task)
{
	struct far *call = hybridge_container(task, struct far, tell);

	hybridge_stand_in_hang_up(call->conn);
}

static void far_free(struct far *call)
{
	forget_head(call);
	free(call->reason);
	free(call->headers);
	hybridge_stand_in_free(call->conn);
	free(call);
}

static void run_gone(struct hybridge_task *task)
{
	struct far *call = hybridge_container(task, struct far, gone);

	call->args.gone(call->args.owner);
	far_free(call);
}

void far_give(struct far *call)
{
	hybridge_stand_in_leave(call->conn);
}

void far_leave(struct far *call)
{
	hybridge_conn_leave(call->stream);
}

void far_discard(struct far *call)
{
	hybridge_conn_close(call->stream, HYBRIDGE_CONN_RESET);
	far_free(call);
}

/* The stream: the worker's, once it is there. */

static void stream_ready(void *owner, struct hybridge_conn *conn)
{
	struct far *call = owner;

	/* What it may have sent too early stays unread. */
	if (call->is_told || !hybridge_conn_hung_up(conn))
		return;
	call->is_told = true;
	hybridge_loop_post(call->args.loop, &call->tell);
}

/* Answers, and sends what was written behind that; 0, or -1 when it is broken. */
static int answer(struct far *call)
{
	const void *written;
	size_t len;

	if (!call->is_answered)
		return 0;
	if (hybridge_h2_answer(call->stream, &call->answer) != 0)
		return -1;
	written = hybridge_stand_in_written(call->conn, &len);
	return hybridge_conn_write(call->stream, written, len);
}

static void run_finish(struct hybridge_task *task)
{
	struct far *call = hybridge_container(task, struct far, finish);

	hybridge_conn_close(call->stream, answer(call) == 0
						  ? call->how
						  : HYBRIDGE_CONN_RESET);
	hybridge_loop_post(call->args.loop, &call->gone);
}

struct hybridge_conn *far_take(struct far *call)
{
	struct hybridge_conn *stream = call->stream;

	/* If it is broken, that shows when it is read. */
	(void)!answer(call);
	hybridge_loop_post(call->args.loop, &call->gone);
	return stream;
}

struct far *far_new(const struct far_args *args, struct hybridge_conn *stream,
		    const struct hybridge_http_head *head)
{
	struct far *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	/* Last, as only the thread of its loop may release it. */
	if (copy_head(call, head) == 0)
		call->conn = hybridge_stand_in_new(args->loop, on_closed, call);
	if (!call->conn) {
		forget_head(call);
		free(call);
		return NULL;
	}
	call->args = *args;
	call->stream = stream;
	call->arrive.run = run_arrive;
	call->tell.run = run_tell;
	call->finish.run = run_finish;
	call->gone.run = run_gone;
	return call;
}

void far_send(struct far *call)
{
	struct hybridge_loop *loop = worker_loop(call->args.worker);

	/* It has no place in the kernel, so this cannot fail. */
	(void)!hybridge_conn_enter(call->stream, loop);
	hybridge_conn_set_owner(call->stream, stream_ready, call);
	hybridge_loop_post(call->args.loop, &call->arrive);
}
