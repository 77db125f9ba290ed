/*
 * key.c - hybridge key: make keys, sign tokens, look into connection strings.
 */
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

static int write_connection(const struct place *place, const char *side,
			    const char *rule, const char *key,
			    struct hybridge_error *err)
{
	char *path = NULL, *text = NULL;
	int ret = -1;

	if (asprintf(&path, "%s/%s-%s.connection", place->dir, place->hc,
		     side) < 0)
		path = NULL;
	if (asprintf(&text,
		     "Endpoint=%s;SharedAccessKeyName=%s;SharedAccessKey=%s;"
		     "EntityPath=%s\n",
		     place->endpoint, rule, key, place->hc) < 0)
		text = NULL;
	if (path && text)
		ret = secret_write(path, text, err);
	else
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	if (ret == 0)
		printf("wrote %s (mode 0600)\n", path);
	free(path);
	secret_free(text);
	return ret;
}

static int write_rules(const char *dir, const char *hc, const char *listen_key,
		       const char *send_key, struct hybridge_error *err)
{
	char *path = NULL, *text = NULL;
	int ret = -1;

	if (asprintf(&path, "%s/%s.env", dir, hc) < 0)
		path = NULL;
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
		     hc, hc, listen_key, send_key) < 0)
		text = NULL;
	if (path && text)
		ret = secret_write(path, text, err);
	else
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	if (ret == 0)
		printf("wrote %s (mode 0600): put it into the relay's "
		       "HYBRIDGE_RELAY_DIR\n",
		       path);
	free(path);
	secret_free(text);
	return ret;
}

static int make_files(const char *hc, const char *relay, const char *dir)
{
	char listen_key[SECRET_KEY_TEXT], send_key[SECRET_KEY_TEXT];
	struct hybridge_error err = {0};
	char *endpoint = endpoint_of(relay, &err);
	struct place place = {dir, hc, endpoint};
	int ret = -1;

	if (endpoint && secret_make_key(listen_key, &err) == 0 &&
	    secret_make_key(send_key, &err) == 0 &&
	    write_rules(dir, hc, listen_key, send_key, &err) == 0 &&
	    write_connection(&place, "listen", "defaultListener", listen_key,
			     &err) == 0)
		ret = write_connection(&place, "send", "defaultSender",
				       send_key, &err);
	explicit_bzero(listen_key, sizeof(listen_key));
	explicit_bzero(send_key, sizeof(send_key));
	free(endpoint);
	return ret == 0 ? 0 : command_fail(&err);
}

static int key_new(int argc, char **argv)
{
	static const struct option options[] = {
		{"hc", required_argument, NULL, 'c'},
		{"relay", required_argument, NULL, 'r'},
		{"dir", required_argument, NULL, 'd'},
		{0},
	};
	const char *hc = NULL, *relay = "sb://localhost", *dir = ".";
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'c')
			hc = optarg;
		else if (option == 'r')
			relay = optarg;
		else if (option == 'd')
			dir = optarg;
		else
			return command_usage("key", "new: unknown option");
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
	puts(token);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ",
		 gmtime_r(&expiry, &utc));
	fprintf(stderr, "expires %s\n", text);
	secret_free(token);
	return 0;
}

static int key_token(int argc, char **argv)
{
	static const struct option options[] = {
		{"ttl", required_argument, NULL, 't'},
		{0},
	};
	struct hybridge_connstr cs = {0};
	uint32_t ttl_ms = TTL_DEFAULT_MS;
	int option, status;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (option != 't' ||
		    hybridge_parse_duration(optarg, &ttl_ms) != 0)
			return command_usage("key", "token takes --ttl with a "
						    "time such as 10m or 1h");
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

static int key_inspect(int argc, char **argv)
{
	struct hybridge_connstr cs = {0};
	int status;

	(void)argv;
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
	if (argc > 1 &&
	    (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0))
		return command_help("key");
	if (argc > 1 && strcmp(argv[1], "new") == 0)
		return key_new(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "token") == 0)
		return key_token(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "inspect") == 0)
		return key_inspect(argc - 1, argv + 1);
	return command_usage("key", "one of new, token, inspect is needed");
}
