/*
 * launch.c - turns this process into the user's program, under the shim.
 */
#include "launch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hybridge/config.h>

#include "command.h"
#include "environment.h"
#include "find.h"
#include "preflight.h"
#include "spawn.h"
#include "supervise.h"

static int fail(const struct hybridge_error *err, int status)
{
	hybridge_error_print(stderr, err);
	return status;
}

/* One line of -v: what is used, and for what. */
static void tell(const struct launch *launch, const char *what,
		 const char *value, const char *more)
{
	if (launch->verbose)
		fprintf(stderr, "hybridge: %s %s%s\n", what, value, more);
}

static void tell_program(const struct launch *launch, const char *found,
			 const struct preflight *flight)
{
	tell(launch, "program", found, "");
	if (strcmp(found, flight->program) != 0)
		tell(launch, "which is run by", flight->program, "");
	if (flight->loader[0])
		tell(launch, "loader", flight->loader,
		     strstr(flight->loader, "/ld-musl-")
			     ? ", of musl: the library works there, too"
			     : "");
}

int launch_check(const struct launch *launch, char **path)
{
	struct hybridge_error err = {0};
	char *found = find_program(launch->argv[0]);
	struct preflight flight = {0};
	enum preflight_result result;

	if (!found) {
		int status = errno == ENOENT ? LAUNCH_NOT_FOUND
					     : LAUNCH_NOT_RUNNABLE;

		hybridge_fail(&err, HYBRIDGE_EUSAGE, "cannot run '%s': %s",
			      launch->argv[0], strerror(errno));
		return fail(&err, status);
	}
	result = preflight_check(found, &flight, &err);
	tell_program(launch, found, &flight);
	if (result == PREFLIGHT_UNKNOWN && !launch->strict) {
		fputs("hybridge: warning: ", stderr);
		fprintf(stderr, "%s\n  -> --strict stops here\n", err.what);
	} else if (result != PREFLIGHT_OK) {
		free(found);
		return fail(&err, LAUNCH_NOT_RUNNABLE);
	}
	*path = found;
	return 0;
}

/* A new folder of our own: the name of one in /tmp must not be foreseen. */
static char *make_socket_folder(char *const *env, struct hybridge_error *err)
{
	const char *runtime = environment_get(env, "XDG_RUNTIME_DIR");
	const char *base = runtime && *runtime ? runtime : "/tmp";
	char *folder = NULL;

	if (asprintf(&folder, "%s/hybridge-run-XXXXXX", base) < 0) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return NULL;
	}
	if (mkdtemp(folder))
		return folder;
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "cannot make a folder in %s: %s",
		      base, strerror(errno));
	free(folder);
	return NULL;
}

/*
 * There are credentials in the environment, where the program must not find
 * them: so the sender is started here, with them, on a socket of its own.
 */
static int start_private_sender(char ***env, const char *config,
				struct hybridge_error *err)
{
	struct spawn_args args = {
		.program = "hybridge-sender",
		.config = config,
		.unseen = true,
		.one_run = true,
	};
	char **with_secrets = environment_copy(environ);
	char *folder = make_socket_folder(*env, err);
	char *socket = NULL;
	char ready[256];
	int ret = -1;

	if (!folder)
		goto out;
	if (asprintf(&socket, "%s/sender.sock", folder) < 0)
		socket = NULL;
	if (!with_secrets || !socket ||
	    environment_set(&with_secrets, "HYBRIDGE_SOCKET", socket) != 0 ||
	    environment_set(env, "HYBRIDGE_SOCKET", socket) != 0 ||
	    /* It shares the program's terminal: only what is really wrong. */
	    (!environment_get(with_secrets, "HYBRIDGE_LOG_LEVEL") &&
	     environment_set(&with_secrets, "HYBRIDGE_LOG_LEVEL", "error") !=
		     0)) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		goto out;
	}
	args.env = with_secrets;
	if (spawn_ready(&args, ready, sizeof(ready), err) > 0)
		ret = 0;
out:
	/* From now on it is the sender's to remove. */
	if (ret != 0 && folder)
		rmdir(folder);
	environment_free(with_secrets);
	free(folder);
	free(socket);
	return ret;
}

/* With its links: the paths in a file start at the folder that it was named in. */
static char *absolute(const char *path)
{
	char *folder = *path == '/' ? strdup("") : getcwd(NULL, 0);
	char *whole = NULL;

	if (folder &&
	    asprintf(&whole, "%s%s%s", folder, *folder ? "/" : "", path) < 0)
		whole = NULL;
	free(folder);
	return whole;
}

static char **make_environment(const struct launch *launch,
			       struct hybridge_error *err)
{
	char *shim = find_own("libhybridge.so", err);
	char **env = shim ? environment_copy(environ) : NULL;
	char *config = NULL;
	bool had_secrets;

	if (!env)
		goto fail;
	had_secrets = environment_strip_secrets(env);
	if (launch->config) {
		config = absolute(launch->config);
		if (!config) {
			hybridge_fail(err, HYBRIDGE_ECONFIG,
				      "cannot read '%s': %s", launch->config,
				      strerror(errno));
			goto fail;
		}
		if (environment_set(&env, "HYBRIDGE_ENV", config) != 0)
			goto fail;
	}
	if (environment_preload(&env, shim, err) != 0 ||
	    (had_secrets && start_private_sender(&env, config, err) != 0))
		goto fail;
	environment_wipe_secrets(environ);
	tell(launch, "configuration",
	     config ? config : "of the environment alone", "");
	tell(launch, "library", shim, "");
	if (had_secrets)
		tell(launch, "sender of its own, at",
		     environment_get(env, "HYBRIDGE_SOCKET"), "");
	free(config);
	free(shim);
	return env;
fail:
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	environment_free(env);
	free(config);
	free(shim);
	return NULL;
}

/* A mistake in the file is better said here than in the shim's silence. */
static int check_config(const struct launch *launch, struct hybridge_error *err)
{
	struct hybridge_config config;

	if (hybridge_config_load(launch->config, environ, HYBRIDGE_ROLE_SENDER,
				 &config, err) != 0)
		return -1;
	hybridge_config_free(&config);
	return 0;
}

int launch_complain(const char *path, const struct probe *probe)
{
	int status = errno == ENOENT ? LAUNCH_NOT_FOUND : LAUNCH_NOT_RUNNABLE;
	struct hybridge_error err = {0};

	hybridge_fail(&err, HYBRIDGE_ESYSTEM, "cannot run '%s': %s", path,
		      strerror(errno));
	probe_give_up(probe);
	return fail(&err, status);
}

int launch_exec(const struct launch *launch, const char *path)
{
	struct hybridge_error err = {0};
	struct probe probe = PROBE_NONE;
	char **env = NULL;
	int status = LAUNCH_FAILED;

	if (check_config(launch, &err) != 0 ||
	    !(env = make_environment(launch, &err)) ||
	    probe_open(&probe, &env, &err) != 0) {
		fail(&err, status);
	} else if (launch->strict) {
		status = supervise(path, launch->argv, env, &probe);
	} else {
		probe_watch(&probe, launch->argv[0], launch->verbose);
		probe_offer(&probe);
		execve(path, launch->argv, env);
		status = launch_complain(path, &probe);
	}
	probe_close(&probe);
	environment_free(env);
	return status;
}
