/*
 * test_cli_preflight.c - which programs the shim cannot be preloaded into.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../cli/preflight.h"

#define NOBODY        65534
#define ROOTS_PROGRAM "/usr/bin/passwd" /* setuid */

struct image {
	Elf64_Ehdr header;
	Elf64_Phdr segments[2];
};

/* A 64-bit program for this machine, as its own header says. */
static struct image dynamic_image(void)
{
	struct image image = {0};
	FILE *self = fopen("/proc/self/exe", "re");

	assert_non_null(self);
	assert_int_equal(fread(&image.header, sizeof(image.header), 1, self),
			 1);
	fclose(self);
	image.header.e_phoff = offsetof(struct image, segments);
	image.header.e_phnum = 2;
	image.segments[0].p_type = PT_LOAD;
	image.segments[1].p_type = PT_INTERP;
	return image;
}

static enum preflight_result judge(const struct image *image, size_t len)
{
	char loader[PATH_MAX];

	return preflight_elf((const uint8_t *)image, len, loader);
}

static void a_program_with_an_interpreter_is_fine(void **state)
{
	struct image image = dynamic_image();

	(void)state;
	assert_int_equal(judge(&image, sizeof(image)), PREFLIGHT_OK);
}

static void a_program_without_one_is_static(void **state)
{
	struct image image = dynamic_image();

	(void)state;
	image.segments[1].p_type = PT_NOTE;
	assert_int_equal(judge(&image, sizeof(image)), PREFLIGHT_STATIC);
}

static void other_machines_and_word_sizes_are_foreign(void **state)
{
	struct image image = dynamic_image();

	(void)state;
	image.header.e_machine = EM_S390;
	assert_int_equal(judge(&image, sizeof(image)), PREFLIGHT_FOREIGN);
	image = dynamic_image();
	image.header.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(judge(&image, sizeof(image)), PREFLIGHT_FOREIGN);
}

static void no_truncation_or_wild_offset_reads_outside(void **state)
{
	struct image image = dynamic_image();
	char loader[PATH_MAX];

	(void)state;
	for (size_t len = 0; len < sizeof(image); len++) {
		uint8_t *copy = malloc(len ? len : 1);

		assert_non_null(copy);
		memcpy(copy, &image, len);
		assert_int_not_equal(preflight_elf(copy, len, loader),
				     PREFLIGHT_OK);
		free(copy);
	}
	image.header.e_phoff = UINT64_MAX - 8;
	assert_int_equal(judge(&image, sizeof(image)), PREFLIGHT_STATIC);
	image = dynamic_image();
	image.segments[1].p_offset = UINT64_MAX - 2;
	image.segments[1].p_filesz = 100;
	assert_int_equal(judge(&image, sizeof(image)), PREFLIGHT_OK);
	image.header.e_shoff = UINT64_MAX - 8;
	image.header.e_shnum = UINT16_MAX;
	assert_int_equal(judge(&image, sizeof(image)), PREFLIGHT_OK);
	image.header.e_shoff = offsetof(struct image, segments);
	image.header.e_shstrndx = UINT16_MAX;
	assert_int_equal(judge(&image, sizeof(image)), PREFLIGHT_OK);
}

/* The same with a table of one section's name. */
struct named_image {
	struct image image;
	Elf64_Shdr sections[2];
	char names[32];
};

static void a_program_of_go_is_told_by_its_build_information(void **state)
{
	struct named_image named = {.image = dynamic_image()};
	char loader[PATH_MAX];

	(void)state;
	named.image.header.e_shoff = offsetof(struct named_image, sections);
	named.image.header.e_shnum = 2;
	named.image.header.e_shstrndx = 0;
	named.sections[0].sh_offset = offsetof(struct named_image, names);
	named.sections[1].sh_name = 1;
	snprintf(named.names, sizeof(named.names), "%c.go.buildinf", 0);
	assert_int_equal(
		preflight_elf((uint8_t *)&named, sizeof(named), loader),
		PREFLIGHT_OK);
	snprintf(named.names, sizeof(named.names), "%c.go.buildinfo", 0);
	assert_int_equal(
		preflight_elf((uint8_t *)&named, sizeof(named), loader),
		PREFLIGHT_GO);
}

static void check_file(const char *content, mode_t mode,
		       enum preflight_result expected, const char *says)
{
	char path[] = "/tmp/hybridge-preflight-XXXXXX";
	int fd = mkstemp(path);
	struct hybridge_error err = {0};
	struct preflight flight = {0};

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)),
			 (ssize_t)strlen(content));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	assert_int_equal(preflight_check(path, &flight, &err), expected);
	if (says) {
		assert_non_null(strstr(err.what, says));
		assert_true(err.hint[0] != '\0');
	}
	unlink(path);
}

static void scripts_are_judged_by_their_interpreter(void **state)
{
	(void)state;
	check_file("#!/bin/sh\n", 0755, PREFLIGHT_OK, NULL);
	check_file("#! /usr/bin/env sh\n", 0755, PREFLIGHT_OK, NULL);
	check_file("#!/usr/bin/env -S A=1 sh -e\n", 0755, PREFLIGHT_OK, NULL);
	check_file("#!/usr/bin/env no-such-program\n", 0755, PREFLIGHT_OK,
		   NULL);
	check_file("#! \n", 0755, PREFLIGHT_UNKNOWN, "cannot tell");
	check_file("#!/nonexistent/interpreter\n", 0755, PREFLIGHT_UNKNOWN,
		   "cannot tell");
	check_file("neither\n", 0755, PREFLIGHT_UNKNOWN, "cannot tell");
	check_file("", 0755, PREFLIGHT_UNKNOWN, "cannot tell");
}

static void what_runs_in_the_end_and_its_loader_are_told(void **state)
{
	char path[] = "/tmp/hybridge-preflight-XXXXXX";
	static const char text[] = "#!/usr/bin/env sh\n";
	int fd = mkstemp(path);
	struct hybridge_error err = {0};
	struct preflight flight = {0};

	(void)state;
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	assert_int_equal(preflight_check(path, &flight, &err), PREFLIGHT_OK);
	assert_string_equal(strrchr(flight.program, '/'), "/sh");
	assert_int_equal(access(flight.loader, X_OK), 0);
	unlink(path);
}

/* A copy of this program with those rights, which belongs to @owner and @group. */
static enum preflight_result judge_copy(uid_t owner, gid_t group, mode_t mode)
{
	char path[] = "/tmp/hybridge-preflight-XXXXXX";
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int fd = mkstemp(path);
	struct hybridge_error err = {0};
	struct preflight flight = {0};
	enum preflight_result result;
	char buf[4096];
	ssize_t n = read(from, buf, sizeof(buf));

	assert_true(fd >= 0 && n > 0);
	assert_int_equal(write(fd, buf, (size_t)n), n);
	assert_int_equal(fchown(fd, owner, group), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(from);
	close(fd);
	result = preflight_check(path, &flight, &err);
	assert_int_equal(result == PREFLIGHT_PRIVILEGED,
			 strstr(err.what, "setuid") != NULL);
	unlink(path);
	return result;
}

static void setuid_programs_of_others_are_privileged(void **state)
{
	struct hybridge_error err = {0};
	struct preflight flight = {0};

	(void)state;
	/* Only root can give a file away; for all others this one is root's. */
	if (getuid() != 0) {
		if (access(ROOTS_PROGRAM, R_OK) == 0)
			assert_int_equal(
				preflight_check(ROOTS_PROGRAM, &flight, &err),
				PREFLIGHT_PRIVILEGED);
		return;
	}
	assert_int_equal(judge_copy(NOBODY, getgid(), 04755),
			 PREFLIGHT_PRIVILEGED);
	assert_int_equal(judge_copy(getuid(), NOBODY, 02755),
			 PREFLIGHT_PRIVILEGED);
	assert_int_equal(judge_copy(NOBODY, NOBODY, 0755), PREFLIGHT_OK);
}

static void setuid_programs_of_ours_change_nothing(void **state)
{
	(void)state;
	assert_int_equal(judge_copy(getuid(), getgid(), 04755), PREFLIGHT_OK);
	assert_int_equal(judge_copy(getuid(), getgid(), 02755), PREFLIGHT_OK);
	assert_int_equal(judge_copy(getuid(), getgid(), 06755), PREFLIGHT_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_with_an_interpreter_is_fine),
		cmocka_unit_test(a_program_without_one_is_static),
		cmocka_unit_test(other_machines_and_word_sizes_are_foreign),
		cmocka_unit_test(no_truncation_or_wild_offset_reads_outside),
		cmocka_unit_test(
			a_program_of_go_is_told_by_its_build_information),
		cmocka_unit_test(what_runs_in_the_end_and_its_loader_are_told),
		cmocka_unit_test(scripts_are_judged_by_their_interpreter),
		cmocka_unit_test(setuid_programs_of_others_are_privileged),
		cmocka_unit_test(setuid_programs_of_ours_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
