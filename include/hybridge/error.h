/*
 * error.h - the one way in which hybridge's functions fail.
 *
 * A function that can fail for a reason a person should read takes a
 * struct hybridge_error as its last parameter and returns -1 or NULL.  The
 * first frame that handles the failure logs or prints it, once.
 */
#ifndef HYBRIDGE_ERROR_H
#define HYBRIDGE_ERROR_H

#include <stdbool.h>
#include <stdio.h>

#define HYBRIDGE_MUSTUSE __attribute__((warn_unused_result))

/* A large local variable that is written before it is read: not cleared at each call, as others are. */
#if defined(__has_attribute) && __has_attribute(uninitialized)
#define HYBRIDGE_UNCLEARED __attribute__((uninitialized))
#else
#define HYBRIDGE_UNCLEARED
#endif

/**
 * enum hybridge_code - Class of a failure
 *
 * The class, not the text, decides the exit status and whether to try again.
 */
enum hybridge_code {
	HYBRIDGE_OK = 0,
	HYBRIDGE_ECONFIG, /* the user's file or flag is wrong: never retried */
	HYBRIDGE_EUSAGE,  /* the command line is wrong */
	HYBRIDGE_EDENIED, /* the other end said no to our credentials */
	HYBRIDGE_EREFUSED, /* the other end is there and turned this stream down */
	HYBRIDGE_EUNREACH,  /* nobody answered: retried with back-off */
	HYBRIDGE_ETIMEOUT,  /* an answer did not come in time */
	HYBRIDGE_EPROTOCOL, /* the other end broke the protocol */
	HYBRIDGE_ESYSTEM, /* the operating system refused: memory, descriptors */
};

/**
 * struct hybridge_error - A failure in words a person can act on
 * @code: Class of the failure, HYBRIDGE_OK while nothing has gone wrong
 * @what: What failed and where, one line, without full stop or newline
 * @hint: What to do about it; empty when there is nothing useful to say
 *
 * Neither text ever holds a secret.  Start with {0}.
 */
struct hybridge_error {
	enum hybridge_code code;
	char what[400];
	char hint[280];
};

/**
 * hybridge_fail() - Record what failed
 * @err:  May be NULL: then nothing is recorded
 * @code: Class of the failure
 * @fmt:  printf(3) format of the text
 *
 * The first cause wins: an @err that is already set stays as it is.
 */
void hybridge_fail(struct hybridge_error *err, enum hybridge_code code,
		   const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/**
 * hybridge_hint() - Record what to do about the failure just recorded
 * @err: May be NULL.  A hint that is already set stays as it is
 * @fmt: printf(3) format of the text
 */
void hybridge_hint(struct hybridge_error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * hybridge_error_print() - Show a failure to a person
 * @to:  Stream to print to
 * @err: The failure
 *
 * Prints "hybridge: WHAT" and, if there is one, "  -> HINT".
 */
void hybridge_error_print(FILE *to, const struct hybridge_error *err);

/**
 * hybridge_error_same() - Whether two failures read the same to a person
 * @a, @b: Failures
 *
 * A relay ends its reasons with TrackingId and Timestamp (PROTOCOL.md 1.4), which are new each
 * time: what follows " TrackingId:" does not count.
 */
bool hybridge_error_same(const struct hybridge_error *a,
			 const struct hybridge_error *b);

/**
 * hybridge_exit_status() - Exit status for a class of failure
 * @code: Class of the failure
 *
 * Return: 0, or the sysexits.h(3head) value that the manual documents:
 *         64 usage, 69 unavailable, 71 system, 75 try again, 76 protocol, 77 refused, 78 config
 */
int hybridge_exit_status(enum hybridge_code code);

#endif
