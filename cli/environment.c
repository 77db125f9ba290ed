/*
 * environment.c - the environment of the program that is run.
 */
#include "environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hybridge/config.h>

static size_t length(char *const *env)
{
	size_t len = 0;

	while (env[len])
		len++;
	return len;
}

char **environment_copy(char *const *env)
{
	size_t len = length(env);
	char **copy = calloc(len + 1, sizeof(*copy));

	for (size_t i = 0; copy && i < len; i++) {
		copy[i] = strdup(env[i]);
		if (!copy[i]) {
			environment_free(copy);
			return NULL;
		}
	}
	return copy;
}

static void wipe(char *entry)
{
	explicit_bzero(entry, strlen(entry));
	free(entry);
}

void environment_free(char **env)
{
	for (size_t i = 0; env && env[i]; i++)
		wipe(env[i]);
	free(env);
}

/* Index of NAME's entry; the length of @env when there is none. */
static size_t find(char *const *env, const char *name)
{
	size_t len = strlen(name);
	size_t i = 0;

	while (env[i] &&
	       (strncmp(env[i], name, len) != 0 || env[i][len] != '='))
		i++;
	return i;
}

const char *environment_get(char *const *env, const char *name)
{
	const char *entry = env[find(env, name)];

	return entry ? entry + strlen(name) + 1 : NULL;
}

int environment_set(char ***env, const char *name, const char *value)
{
	size_t at = find(*env, name);
	char **grown;
	char *entry;

	if (asprintf(&entry, "%s=%s", name, value) < 0)
		return -1;
	if ((*env)[at]) {
		wipe((*env)[at]);
		(*env)[at] = entry;
		return 0;
	}
	grown = reallocarray(*env, at + 2, sizeof(*grown));
	if (!grown) {
		wipe(entry);
		return -1;
	}
	grown[at] = entry;
	grown[at + 1] = NULL;
	*env = grown;
	return 0;
}

static bool ends_in(struct hybridge_span name, const char *suffix)
{
	size_t len = strlen(suffix);

	return name.len >= len &&
	       memcmp(name.text + name.len - len, suffix, len) == 0;
}

/*
 * A connection string is one even without a key in it, or where its name is wrong;
 * of all others the table knows: a proxy's address is a secret only with a password.
 */
static bool is_secret(const char *entry)
{
	struct hybridge_span name = {entry, strcspn(entry, "=")};
	struct hybridge_span star;
	size_t key;

	if (strncmp(entry, "HYBRIDGE_", strlen("HYBRIDGE_")) != 0 ||
	    entry[name.len] != '=')
		return false;
	return ends_in(name, "CONNECTION") ||
	       (hybridge_settings_find_key(&hybridge_config_table, name, &key,
					   &star) &&
		hybridge_config_table.secret(key, entry + name.len + 1));
}

bool environment_strip_secrets(char **env)
{
	size_t kept = 0;
	bool found = false;

	for (size_t i = 0; env[i]; i++) {
		if (is_secret(env[i])) {
			wipe(env[i]);
			found = true;
		} else {
			env[kept++] = env[i];
		}
	}
	env[kept] = NULL;
	return found;
}

void environment_wipe_secrets(char **env)
{
	for (size_t i = 0; env[i]; i++) {
		char *value = strchr(env[i], '=');

		if (value && is_secret(env[i]))
			explicit_bzero(value + 1, strlen(value + 1));
	}
}

/* ld.so(8): blanks and colons separate libraries, and nothing quotes them. */
static bool splits(const char *path)
{
	return path[strcspn(path, ": \t\n\v\f\r")] != '\0';
}

int environment_preload(char ***env, const char *shim,
			struct hybridge_error *err)
{
	const char *others = environment_get(*env, "LD_PRELOAD");
	bool alone = !others || !*others;
	char *value = NULL;
	int ret = -1;

	if (splits(shim)) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "the library's path '%s' has a blank or a colon, "
			      "where the loader would split it",
			      shim);
		hybridge_hint(err, "install hybridge at a path without them");
		return -1;
	}
	if (asprintf(&value, "%s%s%s", shim, alone ? "" : ":",
		     alone ? "" : others) < 0)
		value = NULL;
	if (value)
		ret = environment_set(env, "LD_PRELOAD", value);
	if (ret != 0)
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	free(value);
	return ret;
}
