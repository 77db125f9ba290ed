/*
 * command.c - the table of subcommands, their help and their complaints.
 */
#include "command.h"

#include <stdio.h>
#include <string.h>

#include "suggest.h"

#define OPTIONS_MAX 16
#define OPTION_TEXT 64 /* of a mistyped one, for the message */

const struct command commands[] = {
	{"run", "[-f FILE] [-v] [--strict] [--] COMMAND [ARG...]",
	 "run a program with its connections relayed",
	 "  -f FILE      env file (default: $HYBRIDGE_ENV, else a running "
	 "'hybridge dev')\n"
	 "  -v           show what is used for what\n"
	 "  --strict     stop what only might not be relayed: stay as the "
	 "program's parent,\n"
	 "               and kill it unless it loads the library within 2 s\n"
	 "  --no-strict  only warn, even where $CI is set, which means "
	 "--strict\n"
	 "\n"
	 "Exit status: the program's own, or 128 + N when signal N killed it; "
	 "125 hybridge\n"
	 "failed, 126 the program cannot be relayed or run, 127 it was not "
	 "found.\n"
	 "\n"
	 "  hybridge run -f app.env -- psql -h db.corp\n"
	 "  HYBRIDGE_ENV=app.env hybridge run node app.js\n",
	 run_main},
	{"dev", "[-v] HOST:PORT=TARGET:PORT... [-- COMMAND [ARG...]]",
	 "relay, agent and sender on this machine, for one run",
	 "  -v        show what the relay, the agent and the sender log\n"
	 "\n"
	 "Keys and a certificate are made for the run; nothing is left "
	 "behind.\n"
	 "\n"
	 "  hybridge dev db.corp:5432=127.0.0.1:5432\n"
	 "  hybridge dev db.corp:5432=127.0.0.1:5432 -- make "
	 "integration-test\n",
	 dev_main},
	{"status", "[-f FILE] [--json] [NAME]",
	 "what is connected, what is not, since when, why",
	 "  -f FILE   env file that names the sender's socket (default: "
	 "$HYBRIDGE_ENV, else\n"
	 "            a running 'hybridge dev')\n"
	 "  --json    for programs\n"
	 "\n"
	 "Exit status: 0 all is well, 69 something fails, 75 no sender is "
	 "running.\n"
	 "\n"
	 "  hybridge status\n"
	 "  hybridge status --json sql\n",
	 status_main},
	{"doctor", "[-f FILE] [--json] [NAME]",
	 "check each step of a connection, from end to end",
	 "  -f FILE   env file, of a sender or an agent (default: "
	 "$HYBRIDGE_ENV, else a\n"
	 "            running 'hybridge dev')\n"
	 "  --json    for programs\n"
	 "\n"
	 "Where programs are (HOSTS), the last check has the agent connect to "
	 "the service,\n"
	 "and ends that at once; where the agent is (TARGET), it connects to "
	 "the target.\n"
	 "\n"
	 "Exit status: 0 nothing failed, 69 something did, 78 the file is "
	 "wrong.\n"
	 "\n"
	 "  hybridge doctor -f app.env\n"
	 "  hybridge doctor -f agent.env sql\n",
	 doctor_main},
	{"ping",
	 "[-f FILE] [-c COUNT] [-i INTERVAL] [--timeout 10s] [--json] [NAME]",
	 "round trips through the relay to the agent and back",
	 "  -f FILE        env file of a sender (default: $HYBRIDGE_ENV, else "
	 "a "
	 "running\n"
	 "                 'hybridge dev')\n"
	 "  -c COUNT       round trips (4)\n"
	 "  -i INTERVAL    rest between two of them (1s)\n"
	 "  --timeout 10s  how long to wait for an answer at most\n"
	 "  --json         for programs\n"
	 "\n"
	 "hybridge-agent answers itself: the service hears nothing. Another "
	 "listener\n"
	 "connects to the service, is sent nothing, and is not measured.\n"
	 "\n"
	 "Exit status: 0 all came back, or there was nobody to measure; 69 "
	 "nobody is\n"
	 "there, or the stream broke; 75 an answer did not come; 77 the relay "
	 "refuses\n"
	 "the token; 78 the file is wrong.\n"
	 "\n"
	 "  hybridge ping -f app.env\n"
	 "  hybridge ping -f app.env -c 100 -i 10ms sql\n",
	 ping_main},
	{"wait", "[-f FILE] [--timeout 30s] [NAME...]",
	 "return when the services can be reached",
	 "  -f FILE        env file, of a sender or an agent (default: "
	 "$HYBRIDGE_ENV, else\n"
	 "                 a running 'hybridge dev')\n"
	 "  --timeout 30s  how long to wait at most\n"
	 "\n"
	 "Tries once a second, by a connection to the service where programs "
	 "are (HOSTS);\n"
	 "where the agent is (TARGET), until one listens.\n"
	 "\n"
	 "Exit status: 0 they can, 75 not in time, 78 the file is wrong.\n"
	 "\n"
	 "  hybridge wait -f app.env && psql -h db.corp\n"
	 "  hybridge wait -f app.env --timeout 5m sql\n",
	 wait_main},
	{"logs", "[-f FILE] [-F] [-n N] [--since 1h] [--stream ID] [NAME]",
	 "what the daemons of this machine have logged",
	 "  -f FILE       env file that names the sender's socket (default: "
	 "$HYBRIDGE_ENV,\n"
	 "                else a running 'hybridge dev')\n"
	 "  -F, --follow  go on with the lines that come, until Ctrl-C\n"
	 "  -n N          the last N lines (default: 100; with --since: all)\n"
	 "  --since 1h    nothing that is older\n"
	 "  --stream ID   about one stream: session= of a line, or its "
	 "beginning, which is the\n"
	 "                same in the logs of sender, relay and agent\n"
	 "\n"
	 "Shows the log of the sender that a program has started, or those of "
	 "hybridge dev,\n"
	 "and what the units of hybridge have written to the journal.\n"
	 "\n"
	 "Exit status: 0, 64 the command line is wrong, 69 there is nothing to "
	 "show, 78 the\n"
	 "file is wrong.\n"
	 "\n"
	 "  hybridge logs --since 1h sql\n"
	 "  hybridge logs -F --stream 8f14e45f\n",
	 logs_main},
	{"config", "check|show|explain|keys [-f FILE] [HOST:PORT]",
	 "what a configuration means, and whether it is right",
	 "  -f FILE   env file (default: $HYBRIDGE_ENV, else a running "
	 "'hybridge dev')\n"
	 "\n"
	 "  config check              whether a sender, or an agent, would "
	 "take it\n"
	 "  config show [--json]      each setting, and where it comes from; "
	 "no secrets\n"
	 "  config explain HOST:PORT  what becomes of a connect() to it\n"
	 "  config keys               every key that there is\n"
	 "\n"
	 "Exit status: 0, 64 the command line is wrong, 78 the configuration "
	 "is.\n"
	 "\n"
	 "  hybridge config check -f app.env\n"
	 "  hybridge config explain -f app.env db.corp:5432\n",
	 config_main},
	{"key", "new|token|inspect [OPTION...]",
	 "make a key, sign a token, take a connection string apart",
	 "  key new --hc NAME [--relay wss://HOST[:PORT]] [--dir DIR]\n"
	 "            writes NAME-listen.connection, NAME-send.connection and, "
	 "for the\n"
	 "            relay's own configuration, NAME.env\n"
	 "  key token [--ttl 1h]   reads a connection string, prints a token\n"
	 "  key inspect            reads a connection string, shows it without "
	 "its key\n"
	 "\n"
	 "  hybridge key new --hc erp --relay wss://relay.example\n"
	 "  hybridge key token --ttl 10m < erp-send.connection\n",
	 key_main},
	{"completion", "bash|zsh", "the script that completes hybridge's words",
	 "For a shell where no package has installed it; behind compinit in "
	 "zsh.\n"
	 "\n"
	 "  source <(hybridge completion bash)\n"
	 "  hybridge completion zsh > ~/.zsh/functions/_hybridge\n",
	 completion_main},
	{"version", "[--json]", "which hybridge this is",
	 "  --json    for programs\n"
	 "\n"
	 "  hybridge version\n"
	 "  hybridge version --json\n",
	 version_main},
	{NULL, NULL, NULL, NULL, NULL},
};

const struct command *command_find(const char *name)
{
	for (const struct command *command = commands; command->name; command++)
		if (strcmp(command->name, name) == 0)
			return command;
	return NULL;
}

int command_help(const char *name)
{
	const struct command *command = command_find(name);

	if (command)
		printf("Usage: hybridge %s %s\n\n%s.\n\n%s", command->name,
		       command->args, command->help, command->more);
	return 0;
}

int command_fail(const struct hybridge_error *err)
{
	hybridge_error_print(stderr, err);
	return hybridge_exit_status(err->code);
}

int command_usage(const char *name, const char *what)
{
	struct hybridge_error err = {0};

	hybridge_fail(&err, HYBRIDGE_EUSAGE, "%s: %s", name, what);
	hybridge_hint(&err, "hybridge %s --help", name);
	return command_fail(&err);
}

int command_option(const char *name, const struct option *options,
		   char *const *typed, bool missing)
{
	struct hybridge_error err = {0};
	const char *names[OPTIONS_MAX] = {NULL};
	const char *wrong = missing ? "needs a value" : "is not an option";
	const char *near = NULL;
	char option[OPTION_TEXT];

	/* It passes over what is no option. */
	while (typed[0][0] != '-' || !typed[0][1])
		typed++;
	/* Behind '=' there may be a secret. */
	snprintf(option, sizeof(option), "%.*s", (int)strcspn(*typed, "="),
		 *typed);
	for (size_t i = 0; options[i].name && i + 1 < OPTIONS_MAX; i++)
		names[i] = options[i].name;
	if (!missing && strncmp(option, "--", 2) == 0)
		near = suggest(option + 2, names);
	if (near && strcmp(near, option + 2) == 0) {
		wrong = "takes no value";
		near = NULL;
	}
	hybridge_fail(&err, HYBRIDGE_EUSAGE, "%s: '%s' %s", name, option,
		      wrong);
	if (near)
		hybridge_hint(&err, "did you mean '--%s'?", near);
	else
		hybridge_hint(&err, "hybridge %s --help", name);
	return command_fail(&err);
}
