/*
 * preflight.c - whether the loader will preload the shim into a program (ld.so(8)).
 */
#include "preflight.h"

#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "find.h"

#define LINE_BYTES  1024 /* of a "#!" line; the kernel takes 256 */
#define SCRIPTS_MAX 4    /* as many #! in a row as the kernel follows */

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#elif defined(__riscv)
#define OUR_MACHINE EM_RISCV
#else
#error "name this machine's ELF number here"
#endif

/* Copies @size bytes from there; false when they are not all in the file. */
static bool take(const uint8_t *buf, size_t len, uint64_t at, void *out,
		 size_t size)
{
	if (at > len || size > len - at)
		return false;
	memcpy(out, buf + at, size);
	return true;
}

static bool find_loader(const uint8_t *buf, size_t len,
			const Elf64_Ehdr *header, char out[static PATH_MAX])
{
	Elf64_Phdr segment;

	for (size_t i = 0; i < header->e_phnum; i++) {
		if (header->e_phoff > len ||
		    !take(buf, len, header->e_phoff + i * sizeof(segment),
			  &segment, sizeof(segment)))
			break;
		if (segment.p_type != PT_INTERP)
			continue;
		if (segment.p_filesz < PATH_MAX &&
		    take(buf, len, segment.p_offset, out, segment.p_filesz))
			out[segment.p_filesz] = '\0';
		return true;
	}
	return false;
}

/* Go's linker always makes this section: debug/buildinfo. */
static bool is_go(const uint8_t *buf, size_t len, const Elf64_Ehdr *header)
{
	static const char wanted[] = ".go.buildinfo";
	Elf64_Shdr names, section;
	char name[sizeof(wanted)];

	if (header->e_shoff > len ||
	    !take(buf, len,
		  header->e_shoff + header->e_shstrndx * sizeof(names), &names,
		  sizeof(names)) ||
	    names.sh_offset > len)
		return false;
	for (size_t i = 0; i < header->e_shnum; i++)
		if (take(buf, len, header->e_shoff + i * sizeof(section),
			 &section, sizeof(section)) &&
		    take(buf, len, names.sh_offset + section.sh_name, name,
			 sizeof(name)) &&
		    memcmp(name, wanted, sizeof(wanted)) == 0)
			return true;
	return false;
}

enum preflight_result preflight_elf(const uint8_t *buf, size_t len,
				    char loader[static PATH_MAX])
{
	Elf64_Ehdr header;

	loader[0] = '\0';
	if (len < EI_NIDENT || memcmp(buf, ELFMAG, SELFMAG) != 0)
		return PREFLIGHT_UNKNOWN;
	if (buf[EI_CLASS] != ELFCLASS64)
		return PREFLIGHT_FOREIGN;
	if (!take(buf, len, 0, &header, sizeof(header)))
		return PREFLIGHT_UNKNOWN;
	if (header.e_machine != OUR_MACHINE)
		return PREFLIGHT_FOREIGN;
	if (is_go(buf, len, &header))
		return PREFLIGHT_GO;
	return find_loader(buf, len, &header, loader) ? PREFLIGHT_OK
						      : PREFLIGHT_STATIC;
}

/* The whole file, to be unmapped by the caller; NULL when that is not possible. */
static uint8_t *map_file(int fd, size_t *len)
{
	struct stat info;
	void *map;

	if (fstat(fd, &info) != 0 || info.st_size <= 0)
		return NULL;
	*len = (size_t)info.st_size;
	map = mmap(NULL, *len, PROT_READ, MAP_PRIVATE, fd, 0);
	return map == MAP_FAILED ? NULL : map;
}

static enum preflight_result judge_rights(int fd)
{
	struct stat info;

	/* Where nothing changes the loader does preload: AT_SECURE, getauxval(3). */
	if (fstat(fd, &info) == 0 &&
	    (((info.st_mode & S_ISUID) && info.st_uid != getuid()) ||
	     ((info.st_mode & S_ISGID) && info.st_gid != getgid())))
		return PREFLIGHT_PRIVILEGED;
	return fgetxattr(fd, "security.capability", NULL, 0) > 0
		       ? PREFLIGHT_CAPABILITIES
		       : PREFLIGHT_OK;
}

/* Copies the next word of the "#!" line to @out and returns what follows it. */
static const char *next_word(const char *text, char out[static PATH_MAX])
{
	size_t n;

	text += strspn(text, " \t\r");
	n = strcspn(text, " \t\r");
	snprintf(out, PATH_MAX, "%.*s", (int)n, text);
	return text + n;
}

/* What "#!/usr/bin/env" and its arguments find; false when that is not clear. */
static bool find_for_env(const char *arguments, char out[static PATH_MAX])
{
	char word[PATH_MAX];
	char *found;

	do
		arguments = next_word(arguments, word);
	while (word[0] == '-' || strchr(word, '='));
	found = word[0] ? find_program(word) : NULL;
	if (!found)
		return false;
	snprintf(out, PATH_MAX, "%s", found);
	free(found);
	return true;
}

/* Puts what a "#!" line runs into @out; false when there is no such line. */
static bool script_interpreter(const uint8_t *buf, size_t len,
			       char out[static PATH_MAX])
{
	char line[LINE_BYTES + 1];
	const char *arguments, *base;

	if (len < 3 || buf[0] != '#' || buf[1] != '!')
		return false;
	len = len - 2 < LINE_BYTES ? len - 2 : LINE_BYTES;
	memcpy(line, buf + 2, len);
	line[len] = '\0';
	line[strcspn(line, "\n")] = '\0';
	arguments = next_word(line, out);
	if (!out[0])
		return false;
	base = strrchr(out, '/');
	if (base && strcmp(base, "/env") == 0)
		find_for_env(arguments, out);
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
	case PREFLIGHT_GO:
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "cannot relay '%s': it was made with Go, whose "
			      "connections do not go through the C library",
			      path);
		hybridge_hint(err, "what it starts can be relayed: set "
				   "LD_PRELOAD and HYBRIDGE_ENV yourself");
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
			      "cannot relay '%s': it is setuid or setgid, and "
			      "the loader ignores LD_PRELOAD for such programs",
			      path);
		hybridge_hint(err, "run a copy without these rights; with "
				   "sudo: sudo hybridge run ...");
		break;
	case PREFLIGHT_CAPABILITIES:
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "cannot relay '%s': it has file capabilities, "
			      "and the loader ignores LD_PRELOAD for such "
			      "programs",
			      path);
		hybridge_hint(err, "getcap shows them; run a copy without");
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

static enum preflight_result judge(int fd, struct preflight *out,
				   bool *is_script)
{
	enum preflight_result result = PREFLIGHT_UNKNOWN;
	size_t len = 0;
	uint8_t *file = map_file(fd, &len);

	if (!file)
		return result;
	*is_script = script_interpreter(file, len, out->program);
	if (!*is_script)
		result = preflight_elf(file, len, out->loader);
	munmap(file, len);
	return result == PREFLIGHT_OK ? judge_rights(fd) : result;
}

enum preflight_result preflight_check(const char *path, struct preflight *out,
				      struct hybridge_error *err)
{
	enum preflight_result result = PREFLIGHT_UNKNOWN;
	bool is_script = true;

	snprintf(out->program, sizeof(out->program), "%s", path);
	out->loader[0] = '\0';
	for (int i = 0; is_script && i <= SCRIPTS_MAX; i++) {
		int fd = open(out->program, O_RDONLY | O_CLOEXEC);

		/* One may run what one may not read: then there is no telling. */
		if (fd < 0)
			break;
		is_script = false;
		result = judge(fd, out, &is_script);
		close(fd);
	}
	explain(result, out->program, err);
	return result;
}
