/*
 * daemon.c - what the three daemons have in common: options, signals, readiness.
 */
#include <hybridge/daemon.h>

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* One per process, as are signals. */
static struct {
	struct hybridge_source source;
	struct hybridge_loop *loop;
	const struct hybridge_daemon_ops *ops;
	void *owner;
	bool stopping;
} signals = {.source = {.fd = -1}};

/* Without --activated and --one-run, which our own programs give to the sender. */
static void print_help(const char *prog, const char *about)
{
	printf("Usage: %s [-f FILE] [--ready-fd N]\n\n%s\n\n"
	       "  -f, --config FILE  read this env file (default: "
	       "$HYBRIDGE_ENV)\n"
	       "      --ready-fd N   write one line to descriptor N when "
	       "ready\n"
	       "  -h, --help         show this\n"
	       "  -V, --version      show the version\n\n"
	       "Exit status: 0 after SIGTERM or SIGINT, 64 wrong command line, "
	       "71 the system\n"
	       "refused, 75 (of a sender) another has the socket, 78 wrong "
	       "configuration.\n",
	       prog, about);
}

const char *hybridge_daemon_config(void)
{
	const char *path = getenv("HYBRIDGE_ENV");

	return path && *path ? path : NULL;
}

static int parse_fd(const char *text, int *out)
{
	char *end;
	long fd = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || fd < 0 || fd > 1 << 20)
		return -1;
	*out = (int)fd;
	return 0;
}

int hybridge_daemon_parse(int argc, char **argv, const char *about,
			  struct hybridge_daemon_options *out,
			  struct hybridge_error *err)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'f'},
		{"ready-fd", required_argument, NULL, 'r'},
		{"activated", no_argument, NULL, 'a'},
		{"one-run", no_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int at, option;

	*out = (struct hybridge_daemon_options){
		.config = hybridge_daemon_config(),
		.ready_fd = -1,
	};
	opterr = 0;
	while (at = optind, (option = getopt_long(argc, argv, "+f:hV", options,
						  NULL)) != -1) {
		switch (option) {
		case 'f':
			out->config = optarg;
			break;
		case 'r':
			if (parse_fd(optarg, &out->ready_fd) == 0)
				break;
			hybridge_fail(err, HYBRIDGE_EUSAGE,
				      "'%s' is not a descriptor", optarg);
			return -1;
		case 'a':
			out->activated = true;
			break;
		case 'o':
			out->one_run = true;
			break;
		case 'h':
			print_help(program_invocation_short_name, about);
			exit(0);
		case 'V':
			printf("%s %s\n", program_invocation_short_name,
			       HYBRIDGE_VERSION);
			exit(0);
		default:
			hybridge_fail(
				err, HYBRIDGE_EUSAGE,
				"'%s' is not an option, or lacks its value",
				argv[at]);
			hybridge_hint(err, "see %s --help",
				      program_invocation_short_name);
			return -1;
		}
	}
	if (optind < argc) {
		hybridge_fail(err, HYBRIDGE_EUSAGE, "unexpected argument '%s'",
			      argv[optind]);
		hybridge_hint(err, "see %s --help",
			      program_invocation_short_name);
		return -1;
	}
	return 0;
}

static void on_signal(struct hybridge_source *source, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		if (signals.ops->reload)
			signals.ops->reload(signals.owner);
	} else if (signals.stopping || !signals.ops->stop) {
		hybridge_loop_stop(signals.loop);
	} else {
		signals.stopping = true;
		signals.ops->stop(signals.owner);
	}
}

/* As many descriptors as the administrator allows: each stream takes two. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int hybridge_daemon_signals(struct hybridge_loop *loop,
			    const struct hybridge_daemon_ops *ops, void *owner,
			    struct hybridge_error *err)
{
	sigset_t mask;

	signals.loop = loop;
	signals.ops = ops;
	signals.owner = owner;
	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	hybridge_loop_hold_log(loop);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals.source.ready = on_signal;
	signals.source.fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals.source.fd >= 0 &&
	    hybridge_loop_watch_level(loop, &signals.source) == 0)
		return 0;
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "cannot receive signals: %s",
		      strerror(errno));
	return -1;
}

void hybridge_daemon_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = path ? strlen(path) : 0;
	bool is_news = strncmp(state, "STATUS=", strlen("STATUS=")) == 0;
	int fd;

	if (len == 0 || len >= sizeof(addr.sun_path) ||
	    (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = '\0'; /* abstract: unix(7) */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* A service manager that is not listening is not our failure. */
	(void)sendto(fd, state, strlen(state),
		     MSG_NOSIGNAL | (is_news ? MSG_DONTWAIT : 0),
		     (struct sockaddr *)&addr,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

void hybridge_daemon_ready(struct hybridge_daemon_options *options,
			   const char *text)
{
	hybridge_daemon_notify("READY=1");
	if (options->ready_fd < 0)
		return;
	dprintf(options->ready_fd, "ready %s\n", text);
	close(options->ready_fd);
	options->ready_fd = -1;
}
