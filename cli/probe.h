/*
 * probe.h - whether the shim was really loaded into the program that was started.
 */
#ifndef CLI_PROBE_H
#define CLI_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include <hybridge/error.h>

#define PROBE_SECONDS \
	2 /* a program that has loaded the shim has said so by then */

/**
 * struct probe - A pipe of which the program inherits the writing end
 * @read_fd, @write_fd: Both close on exec and above 2; -1: none
 * @began_ms: When it was made, on the monotonic clock
 */
struct probe {
	int read_fd;
	int write_fd;
	int64_t began_ms;
};

#define PROBE_NONE ((struct probe){.read_fd = -1, .write_fd = -1})

enum probe_answer {
	PROBE_NOTHING, /* not yet */
	PROBE_LOADED,
	PROBE_NOT_RUN,    /* there is no program: exec failed, and said why */
	PROBE_NOT_LOADED, /* every process that could still tell has ended */
};

/**
 * probe_open() - Make the pipe and name it in the program's environment
 * @env: The program's, as environment_set() changes it
 * @out: Release with probe_close()
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int probe_open(struct probe *out, char ***env,
				struct hybridge_error *err);

/**
 * probe_above_streams() - Move a descriptor to a number above 2
 * @fd: Closed here; -1 is passed on
 *
 * A standard stream that is closed leaves its number to whatever is opened
 * next; what is at 0 to 2 is then taken for the program's and closed.
 *
 * Return: The new one, close on exec, or -1 with errno
 */
HYBRIDGE_MUSTUSE int probe_above_streams(int fd);

/** probe_offer() - In the process that is about to execute: let it inherit the pipe */
void probe_offer(const struct probe *probe);

/** probe_give_up() - In the same process, when exec failed: nothing more is to be said */
void probe_give_up(const struct probe *probe);

/** probe_read() - What the program has told so far; does not wait */
enum probe_answer probe_read(const struct probe *probe);

/** probe_left_ms() - Milliseconds until PROBE_SECONDS are over; 0 when they are */
int probe_left_ms(const struct probe *probe);

/** probe_close() - Close what is open */
void probe_close(struct probe *probe);

/**
 * probe_watch() - Leave a process behind that warns when the shim was not loaded
 * @probe:   Its writing end stays open here, its reading end is closed
 * @name:    The program's, for the message
 * @verbose: Also say that it was loaded
 *
 * The process is no child of ours: what we become never has to wait for it.
 * It holds standard error alone, and for PROBE_SECONDS at most.
 */
void probe_watch(struct probe *probe, const char *name, bool verbose);

#endif
