/*
 * token.c - gets the token of a connection from where its configuration says.
 */
#include <hybridge/token.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hybridge/file.h>
#include <hybridge/text.h>

#include "command.h"
#include "token_text.h"

#define COMMAND_MS 20000

struct hybridge_token_fetch {
	struct hybridge_loop *loop;
	hybridge_token_fn *done; /* NULL: over */
	void *owner;
	struct command *command;
	struct hybridge_endpoint_token token;
	struct hybridge_error err;
	struct hybridge_task
		deliver; /* never from inside hybridge_token_fetch() */
	struct hybridge_task reap;
};

static void run_reap(struct hybridge_task *task)
{
	struct hybridge_token_fetch *fetch =
		hybridge_container(task, struct hybridge_token_fetch, reap);

	hybridge_endpoint_token_free(&fetch->token);
	free(fetch);
}

static void run_deliver(struct hybridge_task *task)
{
	struct hybridge_token_fetch *fetch =
		hybridge_container(task, struct hybridge_token_fetch, deliver);
	hybridge_token_fn *done = fetch->done;
	bool failed = fetch->err.code != HYBRIDGE_OK;

	fetch->done = NULL;
	done(fetch->owner, failed ? NULL : &fetch->token,
	     failed ? &fetch->err : NULL);
	hybridge_loop_defer(fetch->loop, &fetch->reap);
}

/* Says which setting it was; what the text held is nobody's business. */
static void name_source(struct hybridge_token_fetch *fetch, const char *key)
{
	struct hybridge_error cause = fetch->err;

	fetch->err = (struct hybridge_error){0};
	hybridge_fail(&fetch->err, cause.code, "%s: %s", key, cause.what);
	hybridge_hint(&fetch->err, "%s",
		      cause.hint[0] ? cause.hint
				    : "run the command by hand, as the user "
				      "that this program runs as");
}

static void on_command(void *owner, struct hybridge_span out,
		       const struct hybridge_error *err)
{
	struct hybridge_token_fetch *fetch = owner;

	fetch->command = NULL;
	if (err)
		fetch->err = *err;
	else
		(void)!token_text_parse(out, time(NULL), &fetch->token,
					&fetch->err);
	if (fetch->err.code != HYBRIDGE_OK)
		name_source(fetch, "HYBRIDGE_*_TOKEN_COMMAND");
	run_deliver(&fetch->deliver);
}

static void read_file(struct hybridge_token_fetch *fetch,
		      const struct hybridge_connection *connection)
{
	struct hybridge_file file = {0};

	if (hybridge_file_read(connection->token_file, &file, &fetch->err) ==
	    0) {
		if (!connection->token_file_private ||
		    hybridge_file_check_private(&file, &fetch->err) == 0)
			(void)!token_text_parse(hybridge_text_span(file.text),
						time(NULL), &fetch->token,
						&fetch->err);
		hybridge_file_free(&file);
	}
	if (fetch->err.code == HYBRIDGE_OK)
		return;
	hybridge_hint(&fetch->err, "it is read again at every attempt");
	name_source(fetch, "HYBRIDGE_*_TOKEN_FILE");
}

bool hybridge_token_is_external(const struct hybridge_connection *connection)
{
	return connection->token_file || connection->token_command;
}

const char *hybridge_token_kind(const struct hybridge_connection *connection)
{
	if (hybridge_token_is_external(connection))
		return "fetched";
	return connection->relay.signature ? "given" : "signed";
}

struct hybridge_token_fetch *
hybridge_token_fetch(struct hybridge_loop *loop,
		     const struct hybridge_connection *connection,
		     hybridge_token_fn *done, void *owner)
{
	struct hybridge_token_fetch *fetch = calloc(1, sizeof(*fetch));

	if (!fetch)
		return NULL;
	fetch->loop = loop;
	fetch->done = done;
	fetch->owner = owner;
	fetch->deliver.run = run_deliver;
	fetch->reap.run = run_reap;
	if (connection->token_command) {
		fetch->command = command_start(loop, connection->token_command,
					       COMMAND_MS, on_command, fetch,
					       &fetch->err);
		if (fetch->command)
			return fetch;
		name_source(fetch, "HYBRIDGE_*_TOKEN_COMMAND");
	} else if (connection->token_file) {
		read_file(fetch, connection);
	} else {
		(void)!hybridge_endpoint_token_make(&connection->relay,
						    time(NULL), &fetch->token,
						    &fetch->err);
	}
	hybridge_loop_defer(loop, &fetch->deliver);
	return fetch;
}

void hybridge_token_cancel(struct hybridge_token_fetch *fetch)
{
	if (!fetch || !fetch->done)
		return;
	fetch->done = NULL;
	command_cancel(fetch->command);
	hybridge_loop_cancel(fetch->loop, &fetch->deliver);
	hybridge_loop_defer(fetch->loop, &fetch->reap);
}
