/*
 * log_out.c - writes lines to standard error, at once or several together.
 *
 * Theory of operation.  A write(2) to a file system or a journal that was not used for a
 * millisecond takes longer than all else that a line costs: with one stream after the other the
 * lines were a tenth of the time that connect() took.  So a thread that promises to come back,
 * a loop, may let lines wait for others.  Only those at info, which say what goes on as it should;
 * whatever is wrong goes out with all that waits before it.  So does what waits when the
 * process is about to die by a signal that it can catch.
 */
#include "log_out.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static const int deadly[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
#define NUM_DEADLY (sizeof(deadly) / sizeof(*deadly))

/* One thread's: whose @is_holder is set. */
static struct {
	size_t len;
	char text[LOG_OUT_MAX];
} held;

static _Thread_local bool is_holder;

static void write_out(const char *text, size_t len)
{
	while (write(STDERR_FILENO, text, len) < 0 && errno == EINTR)
		;
}

void hybridge_log_flush(void)
{
	size_t len;

	if (!is_holder)
		return;
	len = held.len;
	if (len == 0)
		return;
	held.len = 0;
	write_out(held.text, len);
}

void log_out(enum hybridge_log_level level, const char *line, size_t len)
{
	if (!is_holder) {
		write_out(line, len);
		return;
	}
	if (held.len + len > sizeof(held.text))
		hybridge_log_flush();
	memcpy(held.text + held.len, line, len);
	held.len += len;
	if (level != HYBRIDGE_LOG_INFO)
		hybridge_log_flush();
}

bool hybridge_log_waits(void)
{
	return is_holder && held.len > 0;
}

/* The kernel's comes again when the instruction does; somebody else's does not. */
static void on_deadly(int number, siginfo_t *info, void *context)
{
	(void)context;
	write_out(held.text, held.len);
	held.len = 0;
	if (info->si_code <= 0)
		raise(number);
}

static void catch_deadly(int number)
{
	struct sigaction now;
	struct sigaction ours = {
		.sa_sigaction = on_deadly,
		.sa_flags = (int)(SA_SIGINFO | SA_RESETHAND | SA_NODEFER),
	};

	/* A sanitizer's is of more use. */
	if (sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
		sigaction(number, &ours, NULL);
}

void hybridge_log_hold(bool holds)
{
	if (!holds)
		hybridge_log_flush();
	is_holder = holds;
	for (size_t i = 0; holds && i < NUM_DEADLY; i++)
		catch_deadly(deadly[i]);
}
