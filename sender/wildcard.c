/*
 * wildcard.c - the names that a wildcard's addresses were given out for, in memory and in a file.
 *
 * The file has a line "ADDRESS NAME" for each name, added when it is new; "*" stands for names of
 * which nobody can tell which is meant.  Lines that no longer count make it grow; it is written
 * anew when they are most of it.  Names that the configuration does not have (any more) are taken
 * over, too: whoever has their address must not reach another's service.
 */
#include "wildcard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hybridge/hostmap.h>
#include <hybridge/log.h>
#include <hybridge/text.h>

#include "names.h"
#include "sender.h"
#include "socket.h"

#define PATH_LEN  (SOCKET_PATH_MAX + 16)
#define LINE_LEN  300  /* an address, a DNS name */
#define SPARE_MAX 1000 /* lines more than names before it is written anew */
#define BYTES_MAX (32 << 20) /* nobody's but ours would be larger */

#define SHARED "*"

struct wildcard_file {
	int fd;
	unsigned int lines;
	char path[PATH_LEN];
};

static void warn_not_kept(const char *path, int error)
{
	hybridge_log(HYBRIDGE_LOG_WARNING,
		     "names of wildcards are not kept: after a restart their "
		     "addresses are refused until they are resolved again",
		     HYBRIDGE_STR("file", path),
		     HYBRIDGE_STR("error", strerror(error)));
}

/* The names go with us from now on. */
static void give_up(struct sender *sender, int error)
{
	warn_not_kept(sender->wildcard_file->path, error);
	wildcard_close(sender->wildcard_file);
	sender->wildcard_file = NULL;
}

/* What could be a line's end, or torn into two words, is no name. */
static bool is_one_word(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return len > 0 && len < LINE_LEN - INET_ADDRSTRLEN - 2;
}

static size_t format(char line[static LINE_LEN], uint32_t address,
		     const char *name)
{
	struct in_addr in = {htonl(address)};
	char text[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &in, text, sizeof(text));
	return (size_t)snprintf(line, LINE_LEN, "%s %s\n", text, name);
}

/* Writing it anew. */

struct copy {
	FILE *to;
	unsigned int lines;
};

static void copy_line(void *owner, uint32_t address, const char *name)
{
	struct copy *copy = owner;
	char line[LINE_LEN];
	size_t len;

	if (!name)
		name = SHARED;
	if (!is_one_word(name))
		return;
	len = format(line, address, name);
	fwrite(line, 1, len, copy->to);
	copy->lines++;
}

static int open_file(const char *path, int flags)
{
	return open(path,
		    O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW |
			    O_NONBLOCK | flags,
		    S_IRUSR | S_IWUSR);
}

/* Returns 0, or an errno: then the file is as it was. */
static int rewrite(struct wildcard_file *file, const struct names *names)
{
	char path[PATH_LEN + 8];
	struct copy copy = {NULL, 0};
	bool failed;
	int fd;

	snprintf(path, sizeof(path), "%s.new", file->path);
	unlink(path);
	fd = open_file(path, O_EXCL);
	copy.to = fd < 0 ? NULL : fdopen(fd, "a");
	if (!copy.to) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		return error;
	}
	names_each(names, copy_line, &copy);
	failed = fflush(copy.to) != 0 || ferror(copy.to) ||
		 rename(path, file->path) != 0;
	fd = failed ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	fclose(copy.to);
	if (fd < 0) {
		unlink(path);
		return failed ? EIO : EMFILE;
	}
	close(file->fd);
	file->fd = fd;
	file->lines = copy.lines;
	return 0;
}

/* Remembering. */

/* The connection of a name, whatever the port, or NULL. */
static const struct hybridge_map_entry *entry_of(const struct sender *sender,
						 const char *name)
{
	return hybridge_map_find_name(&sender->plan->config.map,
				      hybridge_text_span(name), 0, NULL);
}

/* Whether the address is another name's that goes through another connection. */
static bool clashes(const struct sender *sender, const char *known,
		    const char *name)
{
	const struct hybridge_map_entry *a, *b;

	if (!known || strcasecmp(known, name) == 0)
		return false;
	a = entry_of(sender, known);
	b = entry_of(sender, name);
	return !a || !b || a->connection != b->connection;
}

/* True when the name is new, or another one than this address had. */
static bool remember(struct sender *sender, uint32_t address, const char *name)
{
	const char *known = names_find(&sender->names, address);
	bool is_new = !known || strcasecmp(known, name) != 0;

	if (names_is_shared(&sender->names, address))
		return false;
	if (clashes(sender, known, name)) {
		hybridge_log(HYBRIDGE_LOG_WARNING,
			     "two names share one address: neither can be "
			     "connected to",
			     HYBRIDGE_STR("host", name),
			     HYBRIDGE_STR("other", known),
			     HYBRIDGE_STR("hint", "change HYBRIDGE_RANGE"));
		names_share(&sender->names, address);
	} else if (is_new && names_remember(&sender->names, address, name)) {
		hybridge_log(HYBRIDGE_LOG_WARNING,
			     "name not remembered: out of memory",
			     HYBRIDGE_STR("host", name));
		return false;
	}
	return is_new;
}

static void keep(struct sender *sender, uint32_t address, const char *name)
{
	struct wildcard_file *file = sender->wildcard_file;
	char line[LINE_LEN];
	size_t len;
	int error = 0;

	if (!is_one_word(name))
		return;
	len = format(line, address, name);
	errno = ENOSPC;
	if (write(file->fd, line, len) != (ssize_t)len)
		error = errno;
	else if (++file->lines > 2 * names_count(&sender->names) + SPARE_MAX)
		error = rewrite(file, &sender->names);
	if (error)
		give_up(sender, error);
}

void wildcard_remember(struct sender *sender, uint32_t address,
		       const char *name)
{
	if (remember(sender, address, name) && sender->wildcard_file)
		keep(sender, address, name);
}

/* Taking over. */

/* A line of the file, its end cut off; false when it is none of ours. */
static bool take_line(struct sender *sender, char *line)
{
	char *blank = strchr(line, ' ');
	struct in_addr in;

	if (!blank)
		return false;
	*blank = '\0';
	if (inet_pton(AF_INET, line, &in) != 1 || !is_one_word(blank + 1))
		return false;
	remember(sender, ntohl(in.s_addr), blank + 1);
	if (strcmp(blank + 1, SHARED) == 0)
		names_share(&sender->names, ntohl(in.s_addr));
	return true;
}

/* Returns 0, or an errno.  What follows a line that was torn by a crash is cut off. */
static int take_over(struct sender *sender, struct wildcard_file *file)
{
	int fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
	FILE *from = fd < 0 ? NULL : fdopen(fd, "r");
	char line[LINE_LEN];
	off_t good = 0;

	if (!from) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		return error;
	}
	while (fgets(line, sizeof(line), from)) {
		size_t len = strlen(line);

		if (len == 0 || line[len - 1] != '\n')
			break;
		line[len - 1] = '\0';
		if (!take_line(sender, line))
			break;
		good += (off_t)len;
		file->lines++;
	}
	fclose(from);
	return ftruncate(file->fd, good) == 0 ? 0 : errno;
}

static int check(const struct wildcard_file *file)
{
	struct stat st;

	if (file->fd < 0 || fstat(file->fd, &st) != 0)
		return errno;
	if (!socket_is_our_file(file->fd))
		return EPERM;
	return st.st_size > BYTES_MAX ? EFBIG : 0;
}

void wildcard_open(struct sender *sender, const char *socket_path)
{
	struct wildcard_file *file = calloc(1, sizeof(*file));
	int error;

	if (!file || !socket_path[0]) {
		free(file);
		return;
	}
	snprintf(file->path, sizeof(file->path), "%s.names", socket_path);
	file->fd = open_file(file->path, 0);
	error = check(file);
	if (!error)
		error = take_over(sender, file);
	if (!error && file->lines > 2 * names_count(&sender->names) + SPARE_MAX)
		error = rewrite(file, &sender->names);
	sender->wildcard_file = file;
	if (error)
		give_up(sender, error);
}

void wildcard_close(struct wildcard_file *file)
{
	if (!file)
		return;
	if (file->fd >= 0)
		close(file->fd);
	free(file);
}
