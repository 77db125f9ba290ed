/*
 * completion.c - hybridge completion: prints the script for a shell, where no package has installed it.
 *
 * The files of completion/ are parts of this program: the assembler takes them in as they are.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

#define TAKE_IN(symbol, path)                                            \
	__asm__(".section .rodata\n" #symbol ":\n.incbin \"" path "\"\n" \
		".byte 0\n.previous\n")

TAKE_IN(completion_bash, "completion/hybridge.bash");
TAKE_IN(completion_zsh, "completion/_hybridge");

extern const char completion_bash[] __attribute__((visibility("hidden")));
extern const char completion_zsh[] __attribute__((visibility("hidden")));

static const struct {
	const char *shell;
	const char *script;
} scripts[] = {
	{"bash", completion_bash},
	{"zsh", completion_zsh},
};

int completion_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int at = optind;
	int option;

	opterr = 0;
	option = getopt_long(argc, argv, ":h", options, NULL);
	if (option == 'h')
		return command_help("completion");
	if (option != -1)
		return command_option("completion", options, argv + at, false);
	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
		if (argc - optind != 1 ||
		    strcmp(argv[optind], scripts[i].shell) != 0)
			continue;
		fputs(scripts[i].script, stdout);
		return 0;
	}
	return command_usage("completion", "bash or zsh is needed");
}
