/* program.c - finds the sender's program: configured, or beside the library. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "start.h"
#include "sys.h"

#define PATH_SIZE 4096

/* One line of /proc/self/maps: "START-END rwxp ... PATH". */
struct mapping {
	uintptr_t start;
	uintptr_t end;
	const char *path; /* or NULL */
};

static const char *parse_hex(const char *text, uintptr_t *out)
{
	*out = 0;
	for (;; text++) {
		if (*text >= '0' && *text <= '9')
			*out = *out << 4 | (uintptr_t)(*text - '0');
		else if (*text >= 'a' && *text <= 'f')
			*out = *out << 4 | (uintptr_t)(*text - 'a' + 10);
		else
			return text;
	}
}

static struct mapping parse_mapping(const char *line, size_t len)
{
	struct mapping m = {0};
	const char *at = parse_hex(line, &m.start);

	if (*at == '-')
		parse_hex(at + 1, &m.end);
	m.path = memchr(line, '/', len);
	return m;
}

/* Whether @line, NUL-terminated, maps this very code; then copies its path. */
static bool is_ours(const char *line, size_t len, char *out)
{
	uintptr_t here = (uintptr_t)&shim_start_program;
	struct mapping m = parse_mapping(line, len);
	size_t path_len;

	if (here < m.start || here >= m.end || !m.path)
		return false;
	path_len = len - (size_t)(m.path - line);
	if (path_len >= PATH_SIZE)
		return false;
	memcpy(out, m.path, path_len);
	out[path_len] = '\0';
	return true;
}

/*
 * The library's own path.  The loader may know it by a relative name, and the
 * program may have changed its directory since: the kernel knows better.
 */
static int find_library(char out[static PATH_SIZE])
{
	char buf[2 * PATH_SIZE] = "";
	size_t len = 0;
	int ret = -ENOENT;
	int fd = sys_above_stdio(sys_openat(AT_FDCWD, "/proc/self/maps",
					    O_RDONLY | O_CLOEXEC, 0));

	if (fd < 0)
		return fd;
	while (ret == -ENOENT) {
		long got = sys_read(fd, buf + len, sizeof(buf) - 1 - len);
		char *line = buf, *end;

		if (got <= 0)
			break;
		len += (size_t)got;
		while ((end = memchr(line, '\n', len - (size_t)(line - buf)))) {
			*end = '\0';
			if (is_ours(line, (size_t)(end - line), out))
				ret = 0;
			line = end + 1;
		}
		len -= (size_t)(line - buf);
		memmove(buf, line, len);
	}
	sys_close(fd);
	return ret;
}

int shim_start_program(const struct shim_config *config, char out[static 4096])
{
	static const char *const places[] = {
		"hybridge-sender",
		"../hybridge-sender",
		"../../sbin/hybridge-sender",
		"../../bin/hybridge-sender",
		"../../../sbin/hybridge-sender",
	};
	char library[PATH_SIZE];
	size_t dir_len;
	int ret;

	if (config->sender) {
		dir_len = strlen(config->sender);
		if (dir_len >= PATH_SIZE)
			return -ENAMETOOLONG;
		memcpy(out, config->sender, dir_len + 1);
		return sys_faccessat(AT_FDCWD, out, X_OK);
	}
	ret = find_library(library);
	if (ret < 0)
		return ret;
	dir_len = strlen(library);
	while (dir_len > 0 && library[dir_len - 1] != '/')
		dir_len--;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		size_t len = strlen(places[i]);

		if (dir_len + len >= PATH_SIZE)
			continue;
		memcpy(out, library, dir_len);
		memcpy(out + dir_len, places[i], len + 1);
		if (sys_faccessat(AT_FDCWD, out, X_OK) == 0)
			return 0;
	}
	return -ENOENT;
}
