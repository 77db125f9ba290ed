/*
 * secret.c - random keys, private files, and secrets from standard input.
 */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#define KEY_BYTES 32

int secret_make_key(char out[static SECRET_KEY_TEXT],
		    struct hybridge_error *err)
{
	unsigned char random[KEY_BYTES];

	if (RAND_bytes(random, sizeof(random)) != 1) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "no random numbers");
		return -1;
	}
	EVP_EncodeBlock((unsigned char *)out, random, sizeof(random));
	explicit_bzero(random, sizeof(random));
	return 0;
}

/* All of it; -1 with errno. */
static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			text += n;
			left -= (size_t)n;
		}
	}
	return 0;
}

int secret_write(const char *path, const char *text, struct hybridge_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool good = fd >= 0 && write_all(fd, text) == 0;
	int error = errno;

	if (fd >= 0 && close(fd) != 0 && good) {
		good = false;
		error = errno;
	}
	if (good)
		return 0;
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "cannot write '%s': %s", path,
		      strerror(error));
	if (fd >= 0)
		unlink(path);
	else if (error == EEXIST)
		hybridge_hint(err,
			      "move the old file away, or use --dir: a key "
			      "is never overwritten");
	return -1;
}

char *secret_read_line(struct hybridge_error *err)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len = getline(&line, &room, stdin);

	while (len > 0 && strchr(" \t\r\n", line[len - 1]))
		line[--len] = '\0';
	if (len > 0)
		return line;
	free(line);
	hybridge_fail(err, HYBRIDGE_EUSAGE,
		      "no connection string on standard input");
	hybridge_hint(err, "give it as a file: hybridge key ... < FILE");
	return NULL;
}

void secret_free(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}
