/*
 * preflight.c - whether the loader will preload the shim into a program (ld.so(8)).
 */
#include "preflight.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define HEAD_BYTES  4096
#define SCRIPTS_MAX 4 /* as many #! in a row as the kernel follows */

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#elif defined(__riscv)
#define OUR_MACHINE EM_RISCV
#else
#error "name this machine's ELF number here"
#endif

enum preflight_result preflight_elf(const uint8_t *buf, size_t len)
{
	Elf64_Ehdr header;

	if (len < EI_NIDENT || memcmp(buf, ELFMAG, SELFMAG) != 0)
		return PREFLIGHT_UNKNOWN;
	if (buf[EI_CLASS] != ELFCLASS64)
		return PREFLIGHT_FOREIGN;
	if (len < sizeof(header))
		return PREFLIGHT_UNKNOWN;
	memcpy(&header, buf, sizeof(header));
	if (header.e_machine != OUR_MACHINE)
		return PREFLIGHT_FOREIGN;
	for (size_t i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr segment;
		uint64_t at = header.e_phoff + i * sizeof(segment);

		if (header.e_phoff > len || at + sizeof(segment) > len)
			break;
		memcpy(&segment, buf + at, sizeof(segment));
		if (segment.p_type == PT_INTERP)
			return PREFLIGHT_OK;
	}
	return PREFLIGHT_STATIC;
}

static bool is_privileged(int fd)
{
	struct stat info;

	return fstat(fd, &info) == 0 &&
	       ((info.st_mode & (S_ISUID | S_ISGID)) ||
		fgetxattr(fd, "security.capability", NULL, 0) > 0);
}

/* Puts the interpreter of a "#!" line into @out; false when there is none. */
static bool script_interpreter(const uint8_t *buf, size_t len,
			       char out[static PATH_MAX])
{
	const char *text = (const char *)buf;
	size_t at = 2;
	size_t n = 0;

	if (len < 3 || buf[0] != '#' || buf[1] != '!')
		return false;
	while (at < len && (text[at] == ' ' || text[at] == '\t'))
		at++;
	while (at + n < len && !strchr(" \t\r\n", text[at + n]))
		n++;
	if (n == 0 || n >= PATH_MAX)
		return false;
	memcpy(out, text + at, n);
	out[n] = '\0';
	return true;
}

static void explain(enum preflight_result result, const char *path,
		    struct hybridge_error *err)
{
	switch (result) {
	case PREFLIGHT_OK:
		break;
	case PREFLIGHT_STATIC:
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "cannot relay '%s': it is statically linked, so "
			      "nothing can be preloaded",
			      path);
		hybridge_hint(err, "use a dynamically linked build of it");
		break;
	case PREFLIGHT_FOREIGN:
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "cannot relay '%s': it was made for another "
			      "machine or word size than libhybridge.so",
			      path);
		hybridge_hint(err, "use a 64-bit build for this machine");
		break;
	case PREFLIGHT_PRIVILEGED:
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "cannot relay '%s': it is setuid, setgid or has "
			      "file capabilities, and the loader ignores "
			      "LD_PRELOAD for such programs",
			      path);
		hybridge_hint(err, "run a copy without these rights");
		break;
	case PREFLIGHT_UNKNOWN:
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "cannot tell whether '%s' can be relayed: it is "
			      "neither an ELF program nor a script",
			      path);
		hybridge_hint(err, "name the program that runs it");
		break;
	}
}

enum preflight_result preflight_check(const char *path,
				      struct hybridge_error *err)
{
	char next[PATH_MAX];
	enum preflight_result result = PREFLIGHT_UNKNOWN;

	snprintf(next, sizeof(next), "%s", path);
	for (int i = 0; i <= SCRIPTS_MAX; i++) {
		uint8_t head[HEAD_BYTES];
		int fd = open(next, O_RDONLY | O_CLOEXEC);
		ssize_t len;

		/* One may run what one may not read: then there is no telling. */
		if (fd < 0)
			break;
		len = read(fd, head, sizeof(head));
		if (len > 2 && script_interpreter(head, (size_t)len, next)) {
			close(fd);
			continue;
		}
		result = len > 0 ? preflight_elf(head, (size_t)len)
				 : PREFLIGHT_UNKNOWN;
		if (result == PREFLIGHT_OK && is_privileged(fd))
			result = PREFLIGHT_PRIVILEGED;
		close(fd);
		break;
	}
	explain(result, next, err);
	return result;
}
