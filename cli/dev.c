/*
 * dev.c - hybridge dev: relay, agent and sender on this machine, for one run.
 *
 * The three are the real programs, as separate processes, with keys and a
 * certificate made for the run.  This process waits for signals, for the
 * user's program and for the three, and cleans up.
 */
#include "dev.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "launch.h"
#include "spawn.h"

#define STOP_PATIENCE_S 8

struct dev {
	struct dev_mapping *mappings;
	size_t num_mappings;
	struct dev_files files;
	bool verbose;
	pid_t daemons[DEV_DAEMONS];
	char relay[256]; /* HOST:PORT */
	char *link;      /* dev.env, for hybridge run; NULL: none was made */
	char **command;  /* NULL: none */
	sigset_t signals;
	struct sigaction on_child, on_pipe; /* as the program shall have them */
};

static int start(struct dev *dev, int which, const char *config, char *ready,
		 size_t size, struct hybridge_error *err)
{
	struct spawn_args args = {
		.program = dev_daemons[which],
		.config = config,
		.env = environ,
	};
	char *log = dev->verbose ? NULL
				 : dev_log(dev->files.dir, dev_daemons[which]);

	args.log = log;
	dev->daemons[which] = spawn_ready(&args, ready, size, err);
	free(log);
	return dev->daemons[which] > 0 ? 0 : -1;
}

static int start_all(struct dev *dev, struct hybridge_error *err)
{
	char ready[256];

	/* What the user set for other runs must not mix with this one. */
	for (char **entry = environ; *entry;) {
		char *name = strndup(*entry, strcspn(*entry, "="));

		if (name && strncmp(name, "HYBRIDGE_", 9) == 0)
			unsetenv(name);
		else
			entry++;
		free(name);
	}
	if (dev_files_make(&dev->files, dev->num_mappings, err) != 0 ||
	    start(dev, 0, dev->files.relay_env, dev->relay, sizeof(dev->relay),
		  err) != 0 ||
	    dev_files_connect(&dev->files, dev->relay, dev->mappings,
			      dev->num_mappings, err) != 0 ||
	    start(dev, 1, dev->files.agent_env, ready, sizeof(ready), err) != 0)
		return -1;
	return start(dev, 2, dev->files.app_env, ready, sizeof(ready), err);
}

static bool leads_to(const char *link, const char *file)
{
	char target[PATH_MAX];
	ssize_t len = readlink(link, target, sizeof(target) - 1);

	target[len > 0 ? len : 0] = '\0';
	return strcmp(target, file) == 0;
}

static void stop_all(struct dev *dev)
{
	struct timespec patience = {.tv_sec = STOP_PATIENCE_S};
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	for (int i = DEV_DAEMONS; i-- > 0;) {
		pid_t pid = dev->daemons[i];

		if (pid <= 0)
			continue;
		kill(pid, SIGTERM);
		while (waitpid(pid, NULL, WNOHANG) == 0)
			if (sigtimedwait(&child, NULL, &patience) < 0 &&
			    errno == EAGAIN)
				kill(pid, SIGKILL);
		dev->daemons[i] = 0;
	}
	/* Another hybridge dev may have left its own since. */
	if (dev->link && leads_to(dev->link, dev->files.app_env))
		unlink(dev->link);
	free(dev->link);
	dev->link = NULL;
	dev_files_remove(&dev->files);
}

/* A link for hybridge run in other terminals; without a runtime folder, none. */
static void leave_link(struct dev *dev)
{
	char *path = dev_env_path();
	char *slash = path ? strrchr(path, '/') : NULL;

	if (!slash)
		return;
	*slash = '\0';
	mkdir(path, 0700);
	*slash = '/';
	unlink(path);
	if (symlink(dev->files.app_env, path) == 0)
		dev->link = path;
	else
		free(path);
}

static void print_ready(const struct dev *dev)
{
	printf("  relay   wss://%s   this machine only, keys made for this "
	       "run\n"
	       "  agent   connected\n",
	       dev->relay);
	for (size_t i = 0; i < dev->num_mappings; i++)
		printf("  hc%-4zu  %s:%u -> %s:%u\n", i + 1,
		       dev->mappings[i].host, dev->mappings[i].port,
		       dev->mappings[i].target_host,
		       dev->mappings[i].target_port);
	printf("\n  In another terminal:   hybridge run %s%s%s-- COMMAND\n"
	       "  Ctrl-C stops everything and leaves nothing behind.\n",
	       dev->link ? "" : "-f ", dev->link ? "" : dev->files.app_env,
	       dev->link ? "" : " ");
	fflush(stdout);
}

/* Which of the three has ended although nobody asked it to; -1 for none. */
static int find_dead(struct dev *dev)
{
	for (int i = 0; i < DEV_DAEMONS; i++)
		if (dev->daemons[i] > 0 &&
		    waitpid(dev->daemons[i], NULL, WNOHANG) > 0) {
			dev->daemons[i] = 0;
			return i;
		}
	return -1;
}

static int report_dead(const struct dev *dev, int which)
{
	struct hybridge_error err = {0};

	hybridge_fail(&err, HYBRIDGE_EUNREACH, "%s ended unexpectedly",
		      dev_daemons[which]);
	hybridge_hint(&err,
		      dev->verbose ? "its log is above" : "-v shows its log");
	return command_fail(&err);
}

/* Waits for a signal that ends us, passing it on to the program; its status. */
static int wait_for(struct dev *dev, pid_t program)
{
	for (;;) {
		siginfo_t info;
		int signal_number = sigwaitinfo(&dev->signals, &info);
		int status, dead;

		if (signal_number < 0)
			continue; /* EINTR: we were suspended, and go on */
		if (signal_number != SIGCHLD) {
			/* The terminal's keys reach the program without us. */
			if (program <= 0)
				return 0;
			if ((signal_number != SIGINT &&
			     signal_number != SIGQUIT) ||
			    info.si_code <= 0)
				kill(program, signal_number);
			continue;
		}
		if (program > 0 && waitpid(program, &status, WNOHANG) > 0)
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
						   : WEXITSTATUS(status);
		dead = find_dead(dev);
		if (dead >= 0) {
			status = report_dead(dev, dead);
			if (program > 0)
				kill(program, SIGTERM);
			return status;
		}
	}
}

static pid_t start_program(struct dev *dev, const char *path)
{
	struct launch launch = {
		.config = dev->files.app_env,
		.argv = dev->command,
	};
	pid_t pid = fork();
	sigset_t none;

	if (pid != 0)
		return pid;
	sigaction(SIGCHLD, &dev->on_child, NULL);
	sigaction(SIGPIPE, &dev->on_pipe, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	_exit(launch_exec(&launch, path));
}

static int serve(struct dev *dev)
{
	struct launch launch = {.argv = dev->command};
	struct hybridge_error err = {0};
	char *path = NULL;
	pid_t program = 0;
	int status = 0;

	if (dev->command)
		status = launch_check(&launch, &path);
	if (status != 0)
		return status;
	if (start_all(dev, &err) != 0) {
		free(path);
		return command_fail(&err);
	}
	if (dev->command) {
		program = start_program(dev, path);
	} else {
		leave_link(dev);
		print_ready(dev);
	}
	free(path);
	return program < 0 ? LAUNCH_FAILED : wait_for(dev, program);
}

static int parse_mappings(struct dev *dev, int argc, char **argv)
{
	struct hybridge_error err = {0};

	dev->mappings = calloc((size_t)argc + 1, sizeof(*dev->mappings));
	for (int i = 0; dev->mappings && i < argc; i++) {
		if (dev_mapping_parse(argv[i], &dev->mappings[i], &err) != 0)
			return command_fail(&err);
		dev->num_mappings++;
	}
	return dev->num_mappings > 0
		       ? 0
		       : command_usage("dev",
				       "HOST:PORT=TARGET:PORT is needed");
}

/* A blocked signal comes to sigwaitinfo(2) even when it is ignored: nohup(1) means SIGHUP. */
static void take_signals(struct dev *dev)
{
	static const int all[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	const struct sigaction by_default = {.sa_handler = SIG_DFL};
	const struct sigaction ignored = {.sa_handler = SIG_IGN};
	struct sigaction now;

	/* While it is ignored, children end without a word. */
	sigaction(SIGCHLD, &by_default, &dev->on_child);
	/* Who closes our standard output must not have us leave keys behind. */
	sigaction(SIGPIPE, &ignored, &dev->on_pipe);
	sigemptyset(&dev->signals);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i] != SIGHUP || sigaction(SIGHUP, NULL, &now) != 0 ||
		    now.sa_handler != SIG_IGN)
			sigaddset(&dev->signals, all[i]);
	sigprocmask(SIG_BLOCK, &dev->signals, NULL);
}

int dev_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct dev dev = {0};
	int at, option, status, end;

	opterr = 0;
	while (at = optind, (option = getopt_long(argc, argv, "+:hv", options,
						  NULL)) != -1) {
		if (option == 'h')
			return command_help("dev");
		if (option != 'v')
			return command_option("dev", options, argv + at,
					      option == ':');
		dev.verbose = true;
	}
	for (end = optind; end < argc && strcmp(argv[end], "--") != 0; end++)
		;
	if (end < argc - 1)
		dev.command = argv + end + 1;
	status = parse_mappings(&dev, end - optind, argv + optind);
	if (status == 0) {
		take_signals(&dev);
		status = serve(&dev);
		stop_all(&dev);
	}
	for (size_t i = 0; i < dev.num_mappings; i++)
		dev_mapping_free(&dev.mappings[i]);
	free(dev.mappings);
	return status;
}
