/*
 * test_cli_pieces.c - the pure parts of the command line: suggestions, the
 * program's environment, mappings, and the status for people.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../cli/dev.h"
#include "../../cli/environment.h"
#include "../../cli/status_text.h"
#include "../../cli/suggest.h"

static void a_mistyped_command_is_recognised(void **state)
{
	static const char *const words[] = {"run", "dev", "status", "key",
					    NULL};

	(void)state;
	assert_string_equal(suggest("staus", words), "status");
	assert_string_equal(suggest("statsu", words), "status");
	assert_string_equal(suggest("rnu", words), "run");
	assert_null(suggest("frobnicate", words));
	assert_null(
		suggest("a-word-that-is-longer-than-any-command-is", words));
}

static char **sample_environment(void)
{
	static const char *const pairs[][2] = {
		{"HOME", "/home/ana"},
		{"HYBRIDGE_CONNECTION", "secret-1"},
		{"HYBRIDGE_SQL_CONNECTION", "secret-2"},
		{"HYBRIDGE_SQL_CONNECTION_FILE", "/run/secrets/sql"},
		{"HYBRIDGE_SQL_HOSTS", "db.corp:5432"},
		{"LD_PRELOAD", "/usr/lib/libjemalloc.so"},
	};
	static char *const nothing[] = {NULL};
	char **env = environment_copy(nothing);

	assert_non_null(env);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		assert_int_equal(
			environment_set(&env, pairs[i][0], pairs[i][1]), 0);
	return env;
}

static void the_program_never_gets_the_secrets(void **state)
{
	char **env = sample_environment();

	(void)state;
	assert_true(environment_strip_secrets(env));
	assert_null(environment_get(env, "HYBRIDGE_CONNECTION"));
	assert_null(environment_get(env, "HYBRIDGE_SQL_CONNECTION"));
	assert_string_equal(
		environment_get(env, "HYBRIDGE_SQL_CONNECTION_FILE"),
		"/run/secrets/sql");
	assert_string_equal(environment_get(env, "HYBRIDGE_SQL_HOSTS"),
			    "db.corp:5432");
	assert_false(environment_strip_secrets(env));
	environment_free(env);
}

static void what_the_table_calls_secret_stays_out_as_well(void **state)
{
	static const struct {
		const char *name, *value;
		bool secret;
	} cases[] = {
		{"HYBRIDGE_SQL_HEADERS", "X-Api-Key: k", true},
		{"HYBRIDGE_HEADERS", "X-Api-Key: k", true},
		{"HYBRIDGE_SQL_TOKEN_COMMAND", "get --password p", true},
		{"HYBRIDGE_PROXY", "http://ana:p@proxy:3128", true},
		{"HYBRIDGE_PROXY", "http://proxy:3128", false},
		{"HYBRIDGE_PROXY", "", false},
		{"HYBRIDGE_SQL_TOKEN_FILE", "/run/secrets/token", false},
		{"HYBRIDGE_CA_FILE", "/etc/ca.pem", false},
		{"SQL_HEADERS", "X-Api-Key: k", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		static char *const nothing[] = {NULL};
		char **env = environment_copy(nothing);

		print_message("case: %s=%s\n", cases[i].name, cases[i].value);
		assert_int_equal(
			environment_set(&env, cases[i].name, cases[i].value),
			0);
		assert_int_equal(environment_strip_secrets(env),
				 cases[i].secret);
		assert_int_equal(environment_get(env, cases[i].name) == NULL,
				 cases[i].secret);
		environment_free(env);
	}
}

static void the_shim_comes_before_other_preloads(void **state)
{
	struct hybridge_error err = {0};
	char **env = sample_environment();

	(void)state;
	assert_int_equal(environment_preload(&env, "/lib/shim.so", &err), 0);
	assert_string_equal(environment_get(env, "LD_PRELOAD"),
			    "/lib/shim.so:/usr/lib/libjemalloc.so");
	assert_int_equal(environment_set(&env, "LD_PRELOAD", ""), 0);
	assert_int_equal(environment_preload(&env, "/lib/shim.so", &err), 0);
	assert_string_equal(environment_get(env, "LD_PRELOAD"), "/lib/shim.so");
	assert_int_equal(environment_set(&env, "NEW", "1"), 0);
	assert_string_equal(environment_get(env, "NEW"), "1");
	environment_free(env);
}

static void a_path_that_the_loader_would_split_is_refused(void **state)
{
	static const char *const paths[] = {"/my tools/shim.so", "/a:b/shim.so",
					    "/a\tb/shim.so", "/a\nb/shim.so"};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		struct hybridge_error err = {0};
		char **env = sample_environment();

		assert_int_equal(environment_preload(&env, paths[i], &err), -1);
		assert_non_null(strstr(err.what, "/shim.so"));
		assert_true(err.hint[0] != '\0');
		assert_string_equal(environment_get(env, "LD_PRELOAD"),
				    "/usr/lib/libjemalloc.so");
		environment_free(env);
	}
}

static void a_mapping_has_two_sides(void **state)
{
	struct dev_mapping mapping;
	struct hybridge_error err = {0};

	(void)state;
	assert_int_equal(
		dev_mapping_parse("db.corp:5432=[::1]:15432", &mapping, &err),
		0);
	assert_string_equal(mapping.host, "db.corp");
	assert_int_equal(mapping.port, 5432);
	assert_string_equal(mapping.target_host, "::1");
	assert_int_equal(mapping.target_port, 15432);
	dev_mapping_free(&mapping);
}

static void a_wrong_mapping_says_how_it_is_written(void **state)
{
	static const char *const cases[] = {"db.corp:5432",
					    "db.corp=127.0.0.1:1",
					    "db.corp:5432=127.0.0.1",
					    "db.corp:99999=127.0.0.1:1",
					    "=",
					    ""};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dev_mapping mapping;
		struct hybridge_error err = {0};

		print_message("case: '%s'\n", cases[i]);
		assert_int_equal(dev_mapping_parse(cases[i], &mapping, &err),
				 -1);
		assert_true(err.what[0] != '\0');
		assert_true(err.hint[0] != '\0');
	}
}

static void amounts_and_times_read_well(void **state)
{
	char text[64];

	(void)state;
	status_bytes(0, text, sizeof(text));
	assert_string_equal(text, "0 B");
	status_bytes(1023, text, sizeof(text));
	assert_string_equal(text, "1023 B");
	status_bytes(1288490189, text, sizeof(text));
	assert_string_equal(text, "1.2 GiB");
	status_ago(-1, text, sizeof(text));
	assert_string_equal(text, "never");
	status_ago(0, text, sizeof(text));
	assert_string_equal(text, "now");
	status_ago(61, text, sizeof(text));
	assert_string_equal(text, "1 minute ago");
	status_ago(7300, text, sizeof(text));
	assert_string_equal(text, "2 hours ago");
}

static const char answer[] =
	"{\"schema\":1,\"sender\":{\"version\":\"x\",\"pid\":42,\"since_s\":90,"
	"\"socket\":\"/s\",\"config\":\"/app.env\"},\"connections\":["
	"{\"name\":\"idle\",\"hosts\":[\"a.corp:1\"],\"state\":\"idle\","
	"\"open\":0,"
	"\"total\":0,\"failed\":0,\"bytes_in\":0,\"bytes_out\":0,"
	"\"last_used_s\":null,\"last_error\":null},"
	"{\"name\":\"good\",\"hosts\":[\"b.corp:2\"],\"state\":\"ready\","
	"\"open\":1,"
	"\"total\":3,\"failed\":0,\"bytes_in\":2048,\"bytes_out\":5,"
	"\"last_used_s\":0,\"last_error\":null},"
	"{\"name\":\"bad\",\"hosts\":[\"c.corp:3\"],\"state\":\"failing\","
	"\"open\":0,\"total\":0,\"failed\":5,\"bytes_in\":0,\"bytes_out\":0,"
	"\"last_used_s\":61,\"last_error\":{\"text\":\"nobody is listening\","
	"\"hint\":\"start the agent\",\"since_s\":61,\"count\":5}}]}";

static char *render(const char *only, bool *failing)
{
	json_t *root = json_loads(answer, 0, NULL);
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	assert_non_null(root);
	assert_non_null(to);
	*failing = status_text(root, only, to);
	fclose(to);
	json_decref(root);
	return text;
}

static void trouble_comes_first_with_what_to_do(void **state)
{
	bool failing;
	char *text = render(NULL, &failing);

	(void)state;
	assert_true(failing);
	assert_true(strstr(text, "\nbad ") < strstr(text, "\ngood "));
	assert_true(strstr(text, "\ngood ") < strstr(text, "\nidle "));
	assert_non_null(strstr(text, "! bad  nobody is listening"));
	assert_non_null(strstr(text, "-> start the agent"));
	free(text);
}

static void one_connection_can_be_asked_for(void **state)
{
	bool failing;
	char *text = render("good", &failing);

	(void)state;
	assert_false(failing);
	assert_non_null(strstr(text, "2.0 KiB"));
	assert_null(strstr(text, "\nbad "));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mistyped_command_is_recognised),
		cmocka_unit_test(the_program_never_gets_the_secrets),
		cmocka_unit_test(what_the_table_calls_secret_stays_out_as_well),
		cmocka_unit_test(the_shim_comes_before_other_preloads),
		cmocka_unit_test(a_path_that_the_loader_would_split_is_refused),
		cmocka_unit_test(a_mapping_has_two_sides),
		cmocka_unit_test(a_wrong_mapping_says_how_it_is_written),
		cmocka_unit_test(amounts_and_times_read_well),
		cmocka_unit_test(trouble_comes_first_with_what_to_do),
		cmocka_unit_test(one_connection_can_be_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
