/*
 * find.c - where our own files and the user's programs are.
 */
#include "find.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *find_own(const char *name, struct hybridge_error *err)
{
	static const char *const places[] = {
		"",
		"../lib/hybridge/",
#if defined(__x86_64__)
		"../lib/x86_64-linux-gnu/hybridge/", /* Debian's LIBDIR */
#elif defined(__aarch64__)
		"../lib/aarch64-linux-gnu/hybridge/",
#endif
		"../sbin/",
		"../bin/"
	};
	char exe[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	exe[len > 0 ? len : 0] = '\0';
	slash = strrchr(exe, '/');
	if (slash)
		slash[1] = '\0';
	for (size_t i = 0; slash && i < sizeof(places) / sizeof(*places); i++) {
		char *path, *real;

		if (asprintf(&path, "%s%s%s", exe, places[i], name) < 0)
			break;
		real = realpath(path, NULL);
		free(path);
		if (real && access(real, R_OK) == 0)
			return real;
		free(real);
	}
	hybridge_fail(err, HYBRIDGE_ESYSTEM,
		      "cannot find %s beside %s or in ../lib/hybridge, ../sbin",
		      name, exe);
	hybridge_hint(err,
		      "install all of hybridge below one prefix, or run it "
		      "from its build folder");
	return NULL;
}

/* 0, or why not; @is_there: whether there is something at all. */
static int runnable(const char *path, bool *is_there)
{
	struct stat info;

	*is_there = stat(path, &info) == 0;
	if (!*is_there)
		return errno;
	if (!S_ISREG(info.st_mode) || access(path, X_OK) != 0)
		return EACCES;
	return 0;
}

char *find_program(const char *name)
{
	const char *path = getenv("PATH");
	int error = ENOENT;
	bool is_there;

	if (strchr(name, '/')) {
		error = runnable(name, &is_there);
		errno = error;
		return error ? NULL : strdup(name);
	}
	for (path = path ? path : "/bin:/usr/bin"; *path;) {
		size_t len = strcspn(path, ":");
		char *candidate;
		int ret;

		if (asprintf(&candidate, "%.*s%s%s", (int)len, path,
			     len > 0 ? "/" : "./", name) < 0)
			return NULL;
		ret = runnable(candidate, &is_there);
		if (ret == 0)
			return candidate;
		free(candidate);
		/* A folder that we may not search is passed over, as by shells. */
		if (ret == EACCES && is_there)
			error = EACCES;
		path += len;
		path += *path == ':';
	}
	errno = error;
	return NULL;
}
