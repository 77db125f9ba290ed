/*
 * dev_files.c - the files of one run of hybridge dev.
 */
#include <errno.h>
#include <ftw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hybridge/config.h>

#include "dev.h"
#include "secret.h"

#define WALK_FDS 16
#define FOLDER   "hybridge-dev-" /* six more: mkdtemp(3) */

const char *const dev_daemons[DEV_DAEMONS] = {
	"hybridge-relay", "hybridge-agent", "hybridge-sender"};

/* The keys of one hybrid connection live here between the files. */
struct rule_keys {
	char listen[SECRET_KEY_TEXT];
	char send[SECRET_KEY_TEXT];
};

int dev_mapping_parse(const char *text, struct dev_mapping *out,
		      struct hybridge_error *err)
{
	struct dev_mapping mapping = {0};
	const char *equals = strchr(text, '=');
	char *left = equals ? strndup(text, (size_t)(equals - text)) : NULL;
	int ret = -1;

	if (!left) {
		hybridge_fail(err, HYBRIDGE_EUSAGE, "'%s' has no '='", text);
	} else if (hybridge_parse_host_port(left, &mapping.host, &mapping.port,
					    err) == 0 &&
		   hybridge_parse_host_port(equals + 1, &mapping.target_host,
					    &mapping.target_port, err) == 0) {
		*out = mapping;
		mapping = (struct dev_mapping){0}; /* handed to the caller */
		ret = 0;
	}
	if (ret != 0) {
		err->code = HYBRIDGE_EUSAGE; /* no file is to blame */
		hybridge_hint(err, "write HOST:PORT=TARGET:PORT, for example "
				   "db.corp:5432=127.0.0.1:5432");
	}
	dev_mapping_free(&mapping);
	free(left);
	return ret;
}

void dev_mapping_free(struct dev_mapping *mapping)
{
	free(mapping->host);
	free(mapping->target_host);
	*mapping = (struct dev_mapping){0};
}

char *dev_env_path(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char *path = NULL;

	if (!runtime || !*runtime ||
	    asprintf(&path, "%s/hybridge/dev.env", runtime) < 0)
		return NULL;
	return path;
}

char *dev_env_running(void)
{
	char *path = dev_env_path();

	if (path && access(path, R_OK) == 0)
		return path;
	free(path);
	return NULL;
}

static int memory(struct hybridge_error *err)
{
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

static char *in_dir(const char *dir, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

char *dev_folder(const char *file)
{
	char *path = realpath(file, NULL);
	char *slash = path ? strrchr(path, '/') : NULL;
	const char *name;

	if (slash)
		*slash = '\0';
	name = slash ? strrchr(path, '/') : NULL;
	if (name && strncmp(name + 1, FOLDER, strlen(FOLDER)) == 0)
		return path;
	free(path);
	return NULL;
}

char *dev_log(const char *dir, const char *daemon)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s.log", dir, daemon) < 0 ? NULL : path;
}

/* Rule file of hybrid connection number @i, and its keys for later. */
static int write_rules(const char *dir, size_t i, struct hybridge_error *err)
{
	struct rule_keys keys;
	char *path = NULL, *text = NULL;
	int ret = -1;

	if (secret_make_key(keys.listen, err) != 0 ||
	    secret_make_key(keys.send, err) != 0)
		return -1;
	if (asprintf(&path, "%s/relay.d/hc%zu.env", dir, i + 1) < 0)
		path = NULL;
	if (asprintf(&text,
		     "HYBRIDGE_RELAY_ENTITY=hc%zu\n"
		     "HYBRIDGE_RULE_LISTENER_NAME=defaultListener\n"
		     "HYBRIDGE_RULE_LISTENER_RIGHTS=listen\n"
		     "HYBRIDGE_RULE_LISTENER_KEY=%s\n"
		     "HYBRIDGE_RULE_SENDER_NAME=defaultSender\n"
		     "HYBRIDGE_RULE_SENDER_RIGHTS=send\n"
		     "HYBRIDGE_RULE_SENDER_KEY=%s\n",
		     i + 1, keys.listen, keys.send) < 0)
		text = NULL;
	ret = path && text ? secret_write(path, text, err) : memory(err);
	explicit_bzero(&keys, sizeof(keys));
	secret_free(text);
	free(path);
	return ret;
}

/* Reads a key back from a rule file: the one place where it is kept. */
static int read_key(const char *dir, size_t i, const char *name,
		    char out[static SECRET_KEY_TEXT])
{
	char *path, line[200];
	FILE *file;
	int ret = -1;

	if (asprintf(&path, "%s/relay.d/hc%zu.env", dir, i + 1) < 0)
		return -1;
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		size_t len = strlen(name);

		if (strncmp(line, name, len) != 0 || line[len] != '=')
			continue;
		snprintf(out, SECRET_KEY_TEXT, "%.*s", SECRET_KEY_TEXT - 1,
			 line + len + 1);
		ret = 0;
	}
	explicit_bzero(line, sizeof(line));
	if (file)
		fclose(file);
	free(path);
	return ret;
}

static int write_relay(const struct dev_files *files,
		       struct hybridge_error *err)
{
	char *text;
	int ret;

	if (asprintf(&text,
		     "HYBRIDGE_RELAY_LISTEN=127.0.0.1:0\n"
		     "HYBRIDGE_RELAY_HOSTS=localhost\n"
		     "HYBRIDGE_RELAY_CERT=%s/cert.pem\n"
		     "HYBRIDGE_RELAY_KEY=%s/key.pem\n"
		     "HYBRIDGE_RELAY_DIR=%s/relay.d\n",
		     files->dir, files->dir, files->dir) < 0)
		return memory(err);
	ret = secret_write(files->relay_env, text, err);
	free(text);
	return ret;
}

static int make_dir(struct dev_files *files, struct hybridge_error *err)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	char *rules;
	int ret;

	if (!base || access(base, W_OK) != 0)
		base = getenv("TMPDIR");
	if (!base || !*base)
		base = "/tmp";
	files->dir = in_dir(base, FOLDER "XXXXXX");
	if (!files->dir || !mkdtemp(files->dir)) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM,
			      "cannot make a folder in %s: %s", base,
			      strerror(errno));
		free(files->dir);
		files->dir = NULL;
		return -1;
	}
	rules = in_dir(files->dir, "relay.d");
	files->relay_env = in_dir(files->dir, "relay.env");
	files->agent_env = in_dir(files->dir, "agent.env");
	files->app_env = in_dir(files->dir, "app.env");
	ret = rules && files->relay_env && files->agent_env && files->app_env &&
			      mkdir(rules, 0700) == 0
		      ? 0
		      : memory(err);
	free(rules);
	return ret;
}

int dev_files_make(struct dev_files *out, size_t num_mappings,
		   struct hybridge_error *err)
{
	struct dev_files files = {0};

	if (make_dir(&files, err) != 0 ||
	    dev_certificate_make(files.dir, err) != 0 ||
	    write_relay(&files, err) != 0)
		goto fail;
	for (size_t i = 0; i < num_mappings; i++)
		if (write_rules(files.dir, i, err) != 0)
			goto fail;
	*out = files;
	return 0;
fail:
	dev_files_remove(&files);
	return -1;
}

/* The lines of one connection, on the agent's or on the program's side. */
static int print_connection(FILE *to, const struct dev_files *files, size_t i,
			    const char *relay,
			    const struct dev_mapping *mapping, bool agent)
{
	const char *port = strrchr(relay, ':');
	char key[SECRET_KEY_TEXT];

	if (!port || read_key(files->dir, i,
			      agent ? "HYBRIDGE_RULE_LISTENER_KEY"
				    : "HYBRIDGE_RULE_SENDER_KEY",
			      key) != 0)
		return -1;
	fprintf(to,
		"HYBRIDGE_HC%zu_CONNECTION='Endpoint=sb://localhost%s/;"
		"SharedAccessKeyName=%s;SharedAccessKey=%s;EntityPath=hc%zu'\n",
		i + 1, port, agent ? "defaultListener" : "defaultSender", key,
		i + 1);
	if (agent)
		fprintf(to,
			strchr(mapping->target_host, ':')
				? "HYBRIDGE_HC%zu_TARGET=[%s]:%u\n"
				: "HYBRIDGE_HC%zu_TARGET=%s:%u\n",
			i + 1, mapping->target_host, mapping->target_port);
	else
		fprintf(to,
			strchr(mapping->host, ':')
				? "HYBRIDGE_HC%zu_HOSTS=[%s]:%u\n"
				: "HYBRIDGE_HC%zu_HOSTS=%s:%u\n",
			i + 1, mapping->host, mapping->port);
	explicit_bzero(key, sizeof(key));
	return 0;
}

static int write_side(const struct dev_files *files, const char *relay,
		      const struct dev_mapping *mappings, size_t num_mappings,
		      bool agent, struct hybridge_error *err)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	int ret = 0;

	if (!to)
		return memory(err);
	fprintf(to, "HYBRIDGE_CA_FILE=%s/ca.pem\n", files->dir);
	if (!agent)
		fprintf(to, "HYBRIDGE_SOCKET=%s/sender.sock\n", files->dir);
	for (size_t i = 0; i < num_mappings && ret == 0; i++)
		ret = print_connection(to, files, i, relay, &mappings[i],
				       agent);
	if (fclose(to) != 0 || ret != 0)
		ret = memory(err);
	else
		ret = secret_write(agent ? files->agent_env : files->app_env,
				   text, err);
	secret_free(text);
	return ret;
}

int dev_files_connect(const struct dev_files *files, const char *relay,
		      const struct dev_mapping *mappings, size_t num_mappings,
		      struct hybridge_error *err)
{
	return write_side(files, relay, mappings, num_mappings, true, err) == 0
		       ? write_side(files, relay, mappings, num_mappings, false,
				    err)
		       : -1;
}

static int remove_one(const char *path, const struct stat *info, int kind,
		      struct FTW *where)
{
	(void)info;
	(void)kind;
	(void)where;
	/* Going on removes the rest. */
	(void)!remove(path);
	return 0;
}

void dev_files_remove(struct dev_files *files)
{
	if (files->dir)
		nftw(files->dir, remove_one, WALK_FDS, FTW_DEPTH | FTW_PHYS);
	free(files->dir);
	free(files->relay_env);
	free(files->agent_env);
	free(files->app_env);
	*files = (struct dev_files){0};
}
