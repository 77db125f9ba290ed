/*
 * command.h - runs a shell command beside the loop, for what it prints.
 */
#ifndef HYBRIDGE_COMMON_COMMAND_H
#define HYBRIDGE_COMMON_COMMAND_H

#include <hybridge/envfile.h>
#include <hybridge/error.h>
#include <hybridge/loop.h>

#define COMMAND_OUTPUT_MAX 32768

struct command;

/**
 * command_fn - It has ended; called once, from the loop
 * @out: What it wrote to standard output, valid during the call and wiped then; NULL text on
 *       failure: it could not be run, left with another status than 0, printed more than
 *       COMMAND_OUTPUT_MAX bytes, or took too long
 * @err: On failure: what and why; never anything that the command printed
 */
typedef void command_fn(void *owner, struct hybridge_span out,
			const struct hybridge_error *err);

/**
 * command_start() - Run "/bin/sh -c @text", with our environment
 * @timeout_ms: Then it is killed, and all processes of its group
 *
 * Standard input is empty, and standard error discarded: a tool that complains may quote
 * the secret that it was given.
 *
 * Return: Handle, valid until @done was called or command_cancel(); NULL with @err set: then
 *         @done is not called
 */
HYBRIDGE_MUSTUSE struct command *
command_start(struct hybridge_loop *loop, const char *text, uint32_t timeout_ms,
	      command_fn *done, void *owner, struct hybridge_error *err);

/** command_cancel() - Kill it; @done will not be called.  NULL is fine */
void command_cancel(struct command *command);

#endif
