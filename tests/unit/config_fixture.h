/*
 * config_fixture.h - files, loading and expected failures for the tests of the
 * configuration.
 */
#ifndef CONFIG_FIXTURE_H
#define CONFIG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <hybridge/config.h>

#define CS(entity)                                       \
	"'Endpoint=sb://ns.test/;SharedAccessKeyName=n;" \
	"SharedAccessKey=s3cret=;EntityPath=" entity "'"
#define SQL       "HYBRIDGE_SQL_CONNECTION=" CS("sql") "\n"
#define SQL_HOSTS "HYBRIDGE_SQL_HOSTS=db.corp:5432\n"

static char path[64];   /* an env file for the test at hand */
static char secret[64]; /* a second file */

#define NO_ENV ((char *const[]){NULL})

static inline int make_files(void **state)
{
	int a, b;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/hybridge-test-XXXXXX");
	snprintf(secret, sizeof(secret), "/tmp/hybridge-test-XXXXXX");
	a = mkstemp(path);
	b = mkstemp(secret);
	if (a < 0 || b < 0)
		return -1;
	close(a);
	close(b);
	return 0;
}

static inline int remove_files(void **state)
{
	(void)state;
	unlink(path);
	unlink(secret);
	return 0;
}

static inline void write_bytes(const char *to, const char *text, size_t len)
{
	FILE *file = fopen(to, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static inline void write_text(const char *to, const char *text)
{
	write_bytes(to, text, strlen(text));
}

static inline struct hybridge_config loaded(const char *text, char *const *env,
					    enum hybridge_role role)
{
	struct hybridge_config config;
	struct hybridge_error err = {0};

	write_text(path, text);
	if (hybridge_config_load(path, env, role, &config, &err) < 0)
		fail_msg("%s -> %s", err.what, err.hint);
	return config;
}

/* Puts "FILE" where @name stands in @text. */
static inline void hide_path(char *text, const char *name, const char *word)
{
	char *found;

	while ((found = strstr(text, name))) {
		memcpy(found, word, strlen(word));
		memmove(found + strlen(word), found + strlen(name),
			strlen(found + strlen(name)) + 1);
	}
}

/* Loads what is in the file already, which must fail with just these words. */
static inline void expect_failure(char *const *env, enum hybridge_role role,
				  const char *what, const char *hint)
{
	struct hybridge_config config = {.idle_exit_ms = 7};
	struct hybridge_error err = {0};
	int ret = hybridge_config_load(path, env, role, &config, &err);

	hide_path(err.what, path, "FILE");
	hide_path(err.what, secret, "SECRET");
	hide_path(err.hint, path, "FILE");
	print_message("case: %s\n  -> %s\n", err.what, err.hint);
	assert_int_equal(ret, -1);
	assert_int_equal(err.code, HYBRIDGE_ECONFIG);
	assert_string_equal(err.what, what);
	assert_non_null(strstr(err.hint, hint));
	assert_null(strstr(err.what, "s3cret"));
	assert_null(strstr(err.hint, "s3cret"));
	assert_int_equal(config.idle_exit_ms, 7);
}

#define FILE_TEST(f) \
	cmocka_unit_test_setup_teardown(f, make_files, remove_files)

#endif
