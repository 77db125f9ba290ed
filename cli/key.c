/*
 * key.c - hybridge key: make keys, sign tokens, look into connection strings.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include <hybridge/config.h>
#include <hybridge/connstr.h>
#include <hybridge/sas.h>

#include "command.h"
#include "secret.h"

#define TTL_DEFAULT_MS    (60u * 60 * 1000)
#define TTL_MIN_MS        1000 /* tokens count in seconds */
#define FINGERPRINT_BYTES 6

/* key new */

/* The place that a connection string names: "sb://HOST[:PORT]/"; ws:// stays. */
static char *endpoint_of(const char *relay, struct hybridge_error *err)
{
	struct hybridge_connstr cs = {0};
	char *string = NULL, *endpoint = NULL;

	if (asprintf(&string, "Endpoint=%s/;EntityPath=any", relay) < 0)
		string = NULL;
	if (string && hybridge_connstr_parse(string, &cs, err) == 0) {
		const char *scheme = cs.plaintext ? "ws" : "sb";
		bool v6 = strchr(cs.host, ':');
		int len = asprintf(
			&endpoint,
			cs.has_port ? "%s://%s%s%s:%u/" : "%s://%s%s%s/",
			scheme, v6 ? "[" : "", cs.host, v6 ? "]" : "", cs.port);

		if (len < 0)
			endpoint = NULL;
	}
	hybridge_connstr_free(&cs);
	free(string);
	return endpoint;
}

/* What the files of one key new have in common. */
struct place {
	const char *dir;
	const char *hc;
	const char *endpoint;
};

enum file { FILE_RULES, FILE_LISTEN, FILE_SEND, NUM_FILES };

static const char *const endings[NUM_FILES] = {
	[FILE_RULES] = ".env",
	[FILE_LISTEN] = "-listen.connection",
	[FILE_SEND] = "-send.connection",
};

/* Owned by the caller; NULL when out of memory. */
static char *path_of(const struct place *place, enum file file)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s%s", place->dir, place->hc,
			endings[file]) < 0
		       ? NULL
		       : path;
}

/* Writes @text, which may be NULL for a lack of memory, and wipes it. */
static int write_file(const struct place *place, enum file file, char *text,
		      struct hybridge_error *err)
{
	char *path = path_of(place, file);
	int ret = -1;

	if (path && text)
		ret = secret_write(path, text, err);
	else
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	free(path);
	secret_free(text);
	return ret;
}

static int write_connection(const struct place *place, enum file file,
			    const char *rule, const char *key,
			    struct hybridge_error *err)
{
	char *text = NULL;

	if (asprintf(&text,
		     "Endpoint=%s;SharedAccessKeyName=%s;SharedAccessKey=%s;"
		     "EntityPath=%s\n",
		     place->endpoint, rule, key, place->hc) < 0)
		text = NULL;
	return write_file(place, file, text, err);
}

static int write_rules(const struct place *place, const char *listen_key,
		       const char *send_key, struct hybridge_error *err)
{
	char *text = NULL;

	if (asprintf(&text,
		     "# Rules of hybrid connection '%s', for "
		     "HYBRIDGE_RELAY_DIR.\n"
		     "HYBRIDGE_RELAY_ENTITY=%s\n"
		     "HYBRIDGE_RULE_LISTENER_NAME=defaultListener\n"
		     "HYBRIDGE_RULE_LISTENER_RIGHTS=listen\n"
		     "HYBRIDGE_RULE_LISTENER_KEY=%s\n"
		     "HYBRIDGE_RULE_SENDER_NAME=defaultSender\n"
		     "HYBRIDGE_RULE_SENDER_RIGHTS=send\n"
		     "HYBRIDGE_RULE_SENDER_KEY=%s\n",
		     place->hc, place->hc, listen_key, send_key) < 0)
		text = NULL;
	return write_file(place, FILE_RULES, text, err);
}

/* All of them or none: keys that only some files have are of no use. */
static int write_files(const struct place *place, const char *listen_key,
		       const char *send_key, struct hybridge_error *err)
{
	int made = 0;

	if (write_rules(place, listen_key, send_key, err) == 0)
		made = FILE_RULES + 1;
	if (made == FILE_LISTEN &&
	    write_connection(place, FILE_LISTEN, "defaultListener", listen_key,
			     err) == 0)
		made = FILE_LISTEN + 1;
	if (made == FILE_SEND &&
	    write_connection(place, FILE_SEND, "defaultSender", send_key,
			     err) == 0)
		return 0;
	while (made-- > 0) {
		char *path = path_of(place, (enum file)made);

		if (path)
			unlink(path);
		free(path);
	}
	return -1;
}

static void print_files(const struct place *place)
{
	for (int i = 0; i < NUM_FILES; i++)
		printf("wrote %s/%s%s (mode 0600)%s\n", place->dir, place->hc,
		       endings[i],
		       i == FILE_RULES ? ": put it into the relay's "
					 "HYBRIDGE_RELAY_DIR"
				       : "");
}

static int make_files(const char *hc, const char *relay, const char *dir)
{
	char listen_key[SECRET_KEY_TEXT], send_key[SECRET_KEY_TEXT];
	struct hybridge_error err = {0};
	char *endpoint = endpoint_of(relay, &err);
	struct place place = {dir, hc, endpoint};
	int ret = -1;

	if (endpoint && secret_make_key(listen_key, &err) == 0 &&
	    secret_make_key(send_key, &err) == 0)
		ret = write_files(&place, listen_key, send_key, &err);
	explicit_bzero(listen_key, sizeof(listen_key));
	explicit_bzero(send_key, sizeof(send_key));
	free(endpoint);
	if (ret != 0)
		return command_fail(&err);
	print_files(&place);
	return 0;
}

static int key_new(int argc, char **argv)
{
	static const struct option options[] = {
		{"hc", required_argument, NULL, 'c'},
		{"relay", required_argument, NULL, 'r'},
		{"dir", required_argument, NULL, 'd'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *hc = NULL, *relay = "sb://localhost", *dir = ".";
	int at, option;

	while (at = optind,
	       (option = getopt_long(argc, argv, "+:h", options, NULL)) != -1) {
		if (option == 'h')
			return command_help("key");
		if (option == 'c')
			hc = optarg;
		else if (option == 'r')
			relay = optarg;
		else if (option == 'd')
			dir = optarg;
		else
			return command_option("key", options, argv + at,
					      option == ':');
	}
	if (optind < argc || !hc || !*hc)
		return command_usage("key", "new needs --hc NAME");
	if (hc[0] == '.' || hc[strspn(hc, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					  "abcdefghijklmnopqrstuvwxyz"
					  "0123456789._-")] != '\0')
		return command_usage("key", "new: NAME may hold letters, "
					    "digits, '.', '_' and '-'");
	return make_files(hc, relay, dir);
}

/* key token, key inspect */

static int read_connection(struct hybridge_connstr *cs)
{
	struct hybridge_error err = {0};
	char *line = secret_read_line(&err);
	int ret = line ? hybridge_connstr_parse(line, cs, &err) : -1;

	secret_free(line);
	return ret == 0 ? 0 : command_fail(&err);
}

static void warn_about_open_file(void)
{
	struct stat info;

	if (fstat(STDOUT_FILENO, &info) == 0 && S_ISREG(info.st_mode) &&
	    (info.st_mode & S_IRWXO))
		fputs("hybridge: warning: standard output is a file that "
		      "others can read\n  -> umask 077\n",
		      stderr);
}

static int print_token(const struct hybridge_connstr *cs, uint32_t ttl_ms)
{
	struct hybridge_error err = {0};
	time_t expiry = time(NULL) + (time_t)(ttl_ms / 1000);
	char text[32];
	struct tm utc;
	char *token = NULL;

	if (cs->key)
		token = hybridge_sas_make(cs->host,
					  cs->entity ? cs->entity : "",
					  cs->key_name, cs->key, expiry, &err);
	else
		hybridge_fail(&err, HYBRIDGE_ECONFIG,
			      "the connection string has no SharedAccessKey to "
			      "sign with");
	if (!token)
		return command_fail(&err);
	warn_about_open_file();
	if (puts(token) < 0 || fflush(stdout) != 0)
		hybridge_fail(&err, HYBRIDGE_ESYSTEM,
			      "cannot write the token: %s", strerror(errno));
	secret_free(token);
	if (err.code != HYBRIDGE_OK)
		return command_fail(&err);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ",
		 gmtime_r(&expiry, &utc));
	fprintf(stderr, "expires %s\n", text);
	return 0;
}

static int key_token(int argc, char **argv)
{
	static const struct option options[] = {
		{"ttl", required_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct hybridge_connstr cs = {0};
	uint32_t ttl_ms = TTL_DEFAULT_MS;
	int at, option, status;

	while (at = optind,
	       (option = getopt_long(argc, argv, "+:h", options, NULL)) != -1) {
		if (option == 'h')
			return command_help("key");
		if (option != 't')
			return command_option("key", options, argv + at,
					      option == ':');
		if (hybridge_parse_duration(optarg, &ttl_ms) != 0 ||
		    ttl_ms < TTL_MIN_MS)
			return command_usage("key", "token takes --ttl with a "
						    "time such as 10m or 1h");
	}
	if (optind < argc)
		return command_usage("key", "token reads standard input: a "
					    "secret does not belong into the "
					    "command line");
	status = read_connection(&cs);
	if (status == 0)
		status = print_token(&cs, ttl_ms);
	hybridge_connstr_free(&cs);
	return status;
}

static void print_fingerprint(const char *key)
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (EVP_Digest(key, strlen(key), digest, NULL, EVP_sha256(), NULL) != 1)
		return;
	fputs("key       sha256:", stdout);
	for (int i = 0; i < FINGERPRINT_BYTES; i++)
		printf("%02x", digest[i]);
	putchar('\n');
}

static bool is_help(const char *text)
{
	return strcmp(text, "-h") == 0 || strcmp(text, "--help") == 0;
}

static int key_inspect(int argc, char **argv)
{
	struct hybridge_connstr cs = {0};
	int status;

	if (argc == 2 && is_help(argv[1]))
		return command_help("key");
	if (argc > 1)
		return command_usage("key", "inspect reads standard input: a "
					    "secret does not belong into the "
					    "command line");
	status = read_connection(&cs);
	if (status != 0)
		return status;
	printf("endpoint  %s://%s:%u\nentity    %s\nrule      %s\n",
	       cs.plaintext ? "ws" : "wss", cs.host, cs.port,
	       cs.entity ? cs.entity : "(none: a whole namespace)",
	       cs.key_name ? cs.key_name : "(none)");
	if (cs.key)
		print_fingerprint(cs.key);
	else
		printf("key       %s\n",
		       cs.signature ? "(a ready-made token)" : "(none)");
	hybridge_connstr_free(&cs);
	return 0;
}

int key_main(int argc, char **argv)
{
	opterr = 0;
	if (argc > 1 && is_help(argv[1]))
		return command_help("key");
	if (argc > 1 && strcmp(argv[1], "new") == 0)
		return key_new(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "token") == 0)
		return key_token(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "inspect") == 0)
		return key_inspect(argc - 1, argv + 1);
	return command_usage("key", "one of new, token, inspect is needed");
}
