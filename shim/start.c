/*
 * start.c - creates the sender's process out of somebody else's program.
 *
 * Theory of operation: as posix_spawn() does it, a child that shares the
 * memory and lets its parent wait (CLONE_VM, CLONE_VFORK) on a stack of its
 * own: no page table is copied, however large the program.  It has no exit
 * signal, so the program's wait() never shows it, and it only starts the
 * sender in the same way and leaves, so that the sender's parent is init and
 * nobody here needs to reap it.  (A program that orphans fall to, as process 1
 * of a container, sees this one as any other: execve(2) gives every process
 * its exit signal back.)
 *
 * Until the program is executed, only system calls: the memory is the
 * program's, and other threads are running in it.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hybridge/envfile.h>

#include "debug.h"
#include "start.h"
#include "sys.h"

#define LISTENER   3
#define STACK_SIZE 32768
#define SIGNALS    64
#define DESCRIPTORS_MAX \
	65536 /* closed one by one where close_range() is missing */

struct start {
	const char *program;
	char **env;
	int listener;
	int error;   /* positive errno of the child */
	char *stack; /* top of the second child's */
};

struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

/* Runs @fn in a child that shares our memory; @fn never returns. */
static long clone_and_wait(void *stack_top, void (*fn)(void *), void *arg)
{
	long flags = CLONE_VM | CLONE_VFORK;
#if defined(__x86_64__)
	long ret;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "mov %[arg], %%rdi\n\t"
			 "call *%[fn]\n\t"
			 "ud2\n"
			 "1:"
			 : "=a"(ret)
			 : "a"(SYS_clone), "D"(flags), "S"(stack_top),
			   "d"(0L), [fn] "r"(fn), [arg] "r"(arg)
			 : "rcx", "r11", "memory", "cc");
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = SYS_clone;
	register long x0 __asm__("x0") = flags;
	register void *x1 __asm__("x1") = stack_top;
	register long x2 __asm__("x2") = 0;

	__asm__ volatile("svc 0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x0, %[arg]\n\t"
			 "blr %[fn]\n\t"
			 "brk 1\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1),
			   "r"(x2), [fn] "r"(fn), [arg] "r"(arg)
			 : "x30", "memory", "cc");
	return x0;
#endif
}

static _Noreturn void leave(int status)
{
	for (;;)
		sys_call(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

static void close_from(int first)
{
	if (sys_call(SYS_close_range, first, 0xffffffffL, 0, 0, 0, 0) == 0)
		return;
	for (int fd = first; fd < DESCRIPTORS_MAX; fd++)
		sys_close(fd);
}

static int arrange_descriptors(int listener)
{
	int ret, null;

	if (listener != LISTENER)
		ret = sys_dup3(listener, LISTENER, 0);
	else
		ret = sys_fcntl(listener, F_SETFD, 0);
	if (ret < 0)
		return ret;
	close_from(LISTENER + 1);
	null = sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);
	for (int fd = 0; fd <= 2; fd++)
		if (null < 0)
			sys_close(fd);
		else if (null != fd)
			sys_dup3(null, fd, 0);
	if (null > LISTENER)
		sys_close(null);
	return 0;
}

static void reset_signals(void)
{
	struct kernel_sigaction by_default = {.handler = SIG_DFL};
	uint64_t none = 0;

	for (int signal = 1; signal <= SIGNALS; signal++)
		sys_call(SYS_rt_sigaction, signal, (long)&by_default, 0,
			 SYS_SIGSET_BYTES, 0, 0);
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0,
		 SYS_SIGSET_BYTES, 0, 0);
}

/* The child that becomes the sender. */
static void become_sender(void *arg)
{
	static const char name[] = "hybridge-sender";
	static const char activated[] = "--activated";
	const char *const argv[] = {name, activated, NULL};
	struct start *start = arg;
	long ret = arrange_descriptors(start->listener);

	if (ret == 0) {
		sys_call(SYS_setsid, 0, 0, 0, 0, 0, 0);
		sys_call(SYS_chdir, (long)"/", 0, 0, 0, 0, 0);
		reset_signals();
		ret = sys_call(SYS_execve, (long)start->program, (long)argv,
			       (long)start->env, 0, 0, 0);
	}
	start->error = (int)-ret;
	leave(127);
}

/* The child in between. */
static void detach(void *arg)
{
	struct start *start = arg;
	long pid = clone_and_wait(start->stack, become_sender, start);

	if (pid < 0)
		start->error = (int)-pid;
	leave(0);
}

static void run(struct start *start, char *stacks)
{
	uint64_t all = ~(uint64_t)0, saved = 0;
	long pid;

	/* A handler must not run in the children: the memory is the program's. */
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&saved,
		 SYS_SIGSET_BYTES, 0, 0);
	start->stack = stacks + STACK_SIZE;
	pid = clone_and_wait(stacks + (size_t)2 * STACK_SIZE, detach, start);
	if (pid < 0)
		start->error = (int)-pid;
	else
		while (sys_call(SYS_wait4, pid, 0, __WALL, 0, 0, 0) == -EINTR)
			;
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&saved, 0,
		 SYS_SIGSET_BYTES, 0, 0);
}

static bool is_variable(const char *text, const char *name)
{
	size_t len = strlen(name);

	return strncmp(text, name, len) == 0 && text[len] == '=';
}

/* The value of HYBRIDGE_..._FILE where it is a relative path, which "/" would change. */
static struct hybridge_span relative_path(const char *variable)
{
	static const char prefix[] = "HYBRIDGE_", suffix[] = "_FILE";
	struct hybridge_span none = {"", 0}, value;
	const char *end = strchr(variable, '=');
	size_t len = sizeof(suffix) - 1;

	if (!end || strncmp(variable, prefix, sizeof(prefix) - 1) != 0 ||
	    memcmp(end - len, suffix, len) != 0)
		return none;
	value = hybridge_env_unquote(shim_span(end + 1));
	return value.len > 0 && value.text[0] == '/' ? none : value;
}

struct text {
	char *at; /* NULL: only count */
	size_t size;
	size_t room; /* another thread may change the variables between two looks */
};

static void put(struct text *text, const char *bytes, size_t len)
{
	if (text->at && len <= text->room - text->size)
		memcpy(text->at + text->size, bytes, len);
	if (!text->at || len <= text->room - text->size)
		text->size += len;
}

/* One variable as the sender gets it, or NULL when it does not. */
static char *put_variable(const struct shim_config *config, char *variable,
			  struct text *text)
{
	static const char env_key[] = "HYBRIDGE_ENV=";
	struct hybridge_span path = relative_path(variable);
	char *start = text->at ? text->at + text->size : variable;

	if (is_variable(variable, "LD_PRELOAD"))
		return NULL;
	if (config->env_file && is_variable(variable, "HYBRIDGE_ENV")) {
		put(text, env_key, sizeof(env_key) - 1);
		path = shim_span(config->env_file);
	} else if (path.len > 0) {
		put(text, variable,
		    (size_t)(strchr(variable, '=') + 1 - variable));
		put(text, config->folder, strlen(config->folder));
	} else {
		return variable;
	}
	put(text, path.text, path.len);
	put(text, "", 1);
	return start;
}

/* The program's environment without LD_PRELOAD, and with absolute paths. */
static char **make_env(const struct shim_config *config, size_t *size)
{
	struct text text = {NULL, 0, 0};
	size_t count = 0, len = 0;
	char **env;

	for (; environ && environ[count]; count++)
		put_variable(config, environ[count], &text);
	*size = (count + 1) * sizeof(*env) + text.size + 1; /* its last NUL */
	env = sys_map(*size);
	if (!env)
		return NULL;
	text = (struct text){(char *)(env + count + 1), 0, text.size};
	for (size_t i = 0; i < count && environ[i]; i++) {
		char *variable = put_variable(config, environ[i], &text);

		if (variable)
			env[len++] = variable;
	}
	return env;
}

int shim_start_process(const struct shim_config *config, const char *program,
		       int listener)
{
	struct start start = {.program = program, .listener = listener};
	char *stacks = sys_map((size_t)2 * STACK_SIZE);
	size_t env_size = 0;

	start.env = make_env(config, &env_size);
	if (stacks && start.env)
		run(&start, stacks);
	else
		start.error = ENOMEM;
	if (stacks)
		sys_munmap(stacks, (size_t)2 * STACK_SIZE);
	if (start.env)
		sys_munmap(start.env, env_size);
	return -start.error;
}
