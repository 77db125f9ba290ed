/*
 * test_config.c - env file and environment, merged: what comes out, and that
 * the example file tells the truth about it.
 */
#include <regex.h>
#include <sys/stat.h>

#include "config_fixture.h"

#define EXAMPLE "examples/hybridge.env"

static void a_file_gives_connections_in_its_order(void **state)
{
	struct hybridge_config config =
		loaded("\xef\xbb\xbf# comment\r\n"
		       "OTHER=ignored\r\n"
		       "HYBRIDGE_ZED_HOSTS='z.corp:1 *.z.corp:2,3'\r\n"
		       "HYBRIDGE_ZED_CONNECTION=" CS("z") "\r\n"
							  "\n" SQL SQL_HOSTS,
		       NO_ENV, HYBRIDGE_ROLE_SENDER);

	(void)state;
	assert_int_equal(config.num_connections, 2);
	assert_string_equal(config.connections[0].name, "zed");
	assert_string_equal(config.connections[0].relay.entity, "z");
	assert_string_equal(config.connections[1].name, "sql");
	assert_string_equal(config.connections[1].relay.host, "ns.test");
	assert_string_equal(config.connections[1].relay.key, "s3cret=");
	assert_null(config.connections[1].target_host);
	assert_int_equal(config.map.len, 3);
	assert_int_equal(config.map.entries[0].connection, 0);
	assert_int_equal(config.map.entries[1].connection, 0);
	assert_int_equal(config.map.entries[1].kind, HYBRIDGE_MAP_SUFFIX);
	assert_int_equal(config.map.entries[2].connection, 1);
	assert_int_equal(config.map.entries[2].ports[0], 5432);
	assert_memory_equal(config.map.entries[2].host.text, "db.corp", 7);
	assert_string_equal(config.path, path);
	hybridge_config_free(&config);
	assert_null(config.connections);
}

static void settings_have_their_defaults(void **state)
{
	struct hybridge_config config =
		loaded(SQL SQL_HOSTS, NO_ENV, HYBRIDGE_ROLE_SENDER);

	(void)state;
	assert_int_equal(config.range.base, 0x7f400000);
	assert_int_equal(config.range.prefix, 10);
	assert_null(config.socket);
	assert_null(config.ca_file);
	assert_null(config.proxy);
	assert_null(config.no_proxy);
	assert_int_equal(config.connect_timeout_ms, 30000);
	assert_int_equal(config.idle_exit_ms, 600000);
	assert_null(config.status_listen);
	assert_int_equal(config.log_level, HYBRIDGE_LOG_INFO);
	assert_int_equal(config.log_format, HYBRIDGE_LOG_AUTO);
	hybridge_config_free(&config);
}

static void every_setting_is_read(void **state)
{
	struct hybridge_config config =
		loaded(SQL SQL_HOSTS "HYBRIDGE_RANGE=127.1.0.0/16\n"
				     "HYBRIDGE_SOCKET=/run/x.sock\n"
				     "HYBRIDGE_CA_FILE=/etc/ca.pem\n"
				     "HYBRIDGE_PROXY=http://u:p@proxy:3128\n"
				     "HYBRIDGE_CONNECT_TIMEOUT=500ms\n"
				     "HYBRIDGE_IDLE_EXIT=2h\n"
				     "HYBRIDGE_STATUS_LISTEN=[::1]:9471\n"
				     "HYBRIDGE_FAST_CRYPTO=off\n"
				     "HYBRIDGE_HTTP2=off\n"
				     "HYBRIDGE_LOG_LEVEL=debug\n"
				     "HYBRIDGE_LOG_FORMAT=json\n"
				     "HYBRIDGE_SENDER=/x\n"
				     "HYBRIDGE_DEBUG=/y\n"
				     "HYBRIDGE_RELAY_ANYTHING=ignored\n",
		       NO_ENV, HYBRIDGE_ROLE_SENDER);

	(void)state;
	assert_int_equal(config.range.base, 0x7f010000);
	assert_int_equal(config.range.prefix, 16);
	assert_string_equal(config.socket, "/run/x.sock");
	assert_string_equal(config.ca_file, "/etc/ca.pem");
	assert_string_equal(config.proxy, "http://u:p@proxy:3128");
	assert_int_equal(config.connect_timeout_ms, 500);
	assert_int_equal(config.idle_exit_ms, 7200000);
	assert_string_equal(config.status_listen, "[::1]:9471");
	assert_int_equal(config.fast_crypto, HYBRIDGE_FAST_CRYPTO_OFF);
	assert_false(config.http2);
	assert_int_equal(config.log_level, HYBRIDGE_LOG_DEBUG);
	assert_int_equal(config.log_format, HYBRIDGE_LOG_JSON);
	hybridge_config_free(&config);
}

static void the_environment_wins_and_is_unquoted(void **state)
{
	char hosts[] = "HYBRIDGE_SQL_HOSTS='other.corp:1'";
	char level[] = "HYBRIDGE_LOG_LEVEL=\"debug\"";
	char twice[] = "HYBRIDGE_LOG_LEVEL=error";
	char more[] = "HYBRIDGE_B_HOSTS=b.corp:1";
	char more_string[] = "HYBRIDGE_B_CONNECTION=" CS("b");
	char other[] = "PATH=/bin";
	char no_equals[] = "HYBRIDGE_SQL_TARGET";
	char relay[] = "HYBRIDGE_RELAY_LISTEN=x";
	char *const env[] = {other, hosts,       level,     twice, more,
			     relay, more_string, no_equals, NULL};
	struct hybridge_config config =
		loaded(SQL SQL_HOSTS "HYBRIDGE_LOG_LEVEL=warning\n", env,
		       HYBRIDGE_ROLE_SENDER);

	(void)state;
	assert_int_equal(config.num_connections, 2);
	assert_string_equal(config.connections[0].hosts, "other.corp:1");
	assert_string_equal(config.connections[1].name, "b");
	assert_int_equal(config.log_level, HYBRIDGE_LOG_DEBUG);
	hybridge_config_free(&config);
}

static void what_kubernetes_tells_of_services_is_no_setting(void **state)
{
	char *const env[] = {
		(char[]){"HYBRIDGE_AGENT_SERVICE_HOST=10.0.0.7"},
		(char[]){"HYBRIDGE_AGENT_SERVICE_PORT=443"},
		(char[]){"HYBRIDGE_AGENT_SERVICE_PORT_HTTPS=443"},
		(char[]){"HYBRIDGE_AGENT_PORT=tcp://10.0.0.7:443"},
		(char[]){"HYBRIDGE_AGENT_PORT_443_TCP=tcp://10.0.0.7:443"},
		(char[]){"HYBRIDGE_AGENT_PORT_443_TCP_ADDR=10.0.0.7"},
		NULL,
	};
	struct hybridge_config config =
		loaded(SQL SQL_HOSTS, env, HYBRIDGE_ROLE_SENDER);

	(void)state;
	assert_int_equal(config.num_connections, 1);
	hybridge_config_free(&config);
}

static void the_environment_alone_is_enough(void **state)
{
	char string[] = "HYBRIDGE_CONNECTION=" CS("erp");
	char hosts[] = "HYBRIDGE_HOSTS=erp.corp:443";
	char *const env[] = {string, hosts, NULL};
	struct hybridge_config config;
	struct hybridge_error err = {0};

	(void)state;
	assert_int_equal(hybridge_config_load(NULL, env, HYBRIDGE_ROLE_SENDER,
					      &config, &err),
			 0);
	assert_int_equal(config.num_connections, 1);
	assert_string_equal(config.connections[0].name, "erp");
	assert_null(config.path);
	hybridge_config_free(&config);
}

static void the_short_form_is_named_after_its_entity(void **state)
{
	static const struct {
		const char *text;
		const char *name;
	} cases[] = {
		{"HYBRIDGE_CONNECTION=" CS("MyHyco") "\nHYBRIDGE_TARGET=h:1\n",
		 "myhyco"},
		{"HYBRIDGE_CONNECTION=" CS("my-hyco") "\nHYBRIDGE_TARGET=h:1\n",
		 "default"},
		{"HYBRIDGE_CONNECTION=" CS("a/b") "\nHYBRIDGE_TARGET=h:1\n",
		 "default"},
		{"HYBRIDGE_CONNECTION=" CS("1a") "\nHYBRIDGE_TARGET=h:1\n",
		 "default"},
		{"HYBRIDGE_CONNECTION=" CS("") "\nHYBRIDGE_TARGET=h:1\n"
					       "HYBRIDGE_ENTITY=/E1/\n",
		 "e1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_config config;

		print_message("case: %s\n", cases[i].name);
		config = loaded(cases[i].text, NO_ENV, HYBRIDGE_ROLE_AGENT);
		assert_int_equal(config.num_connections, 1);
		assert_string_equal(config.connections[0].name, cases[i].name);
		hybridge_config_free(&config);
	}
}

static void a_role_gets_the_connections_it_can_use(void **state)
{
	static const char text[] = SQL SQL_HOSTS "HYBRIDGE_ERP_CONNECTION=" CS(
		"erp") "\n"
		       "HYBRIDGE_ERP_TARGET='[2001:db8::1]:8443'\n"
		       "HYBRIDGE_NIX_HOSTS=''\n"
		       /* Left out by the agent, so nobody looks for this file. */
		       "HYBRIDGE_X_CONNECTION_FILE=/nonexistent\n";
	struct hybridge_config config;

	(void)state;
	config = loaded(text, NO_ENV, HYBRIDGE_ROLE_SENDER);
	assert_int_equal(config.num_connections, 1);
	assert_string_equal(config.connections[0].name, "sql");
	hybridge_config_free(&config);

	config = loaded(text, NO_ENV, HYBRIDGE_ROLE_AGENT);
	assert_int_equal(config.num_connections, 1);
	assert_string_equal(config.connections[0].name, "erp");
	assert_string_equal(config.connections[0].target_host, "2001:db8::1");
	assert_int_equal(config.connections[0].target_port, 8443);
	assert_int_equal(config.map.len, 0);
	hybridge_config_free(&config);

	config = loaded(SQL SQL_HOSTS "HYBRIDGE_ERP_CONNECTION=" CS("e") "\n",
			NO_ENV, HYBRIDGE_ROLE_CLI);
	assert_int_equal(config.num_connections, 2);
	hybridge_config_free(&config);

	config = loaded("", NO_ENV, HYBRIDGE_ROLE_CLI);
	assert_int_equal(config.num_connections, 0);
	hybridge_config_free(&config);
}

static void a_connection_string_may_stand_in_its_own_file(void **state)
{
	char text[256];
	char *const env[] = {text, NULL};
	struct hybridge_config config;

	(void)state;
	snprintf(text, sizeof(text), "HYBRIDGE_SQL_CONNECTION_FILE=%s", secret);
	write_text(secret, "\n Endpoint=sb://ns.test/;SharedAccessKeyName=n;"
			   "SharedAccessKey=s3cret;EntityPath=from_file \r\n");
	assert_int_equal(chmod(path, 0644), 0);
	config = loaded(SQL_HOSTS, env, HYBRIDGE_ROLE_SENDER);
	assert_string_equal(config.connections[0].relay.entity, "from_file");
	hybridge_config_free(&config);

	/* An editor's byte order mark. */
	write_text(secret, "\xef\xbb\xbf"
			   "Endpoint=sb://ns.test/;SharedAccessKeyName=n;"
			   "SharedAccessKey=s3cret;EntityPath=from_file");
	config = loaded(SQL_HOSTS, env, HYBRIDGE_ROLE_SENDER);
	assert_string_equal(config.connections[0].relay.entity, "from_file");
	assert_string_equal(config.connections[0].relay.key, "s3cret");
	hybridge_config_free(&config);

	assert_int_equal(chmod(secret, 0644), 0);
	expect_failure(
		env, HYBRIDGE_ROLE_SENDER,
		"SECRET: readable by everyone (mode 0644) and holds a key",
		"chmod");
	/* As the parser takes it, so does the check. */
	write_text(secret, "Endpoint=sb://ns.test/;SharedAccessKeyName=n;"
			   "SharedAccessKey =s3cret;EntityPath=e");
	assert_int_equal(chmod(secret, 0644), 0);
	expect_failure(
		env, HYBRIDGE_ROLE_SENDER,
		"SECRET: readable by everyone (mode 0644) and holds a key",
		"chmod");
	write_text(secret, "s3cret");
	expect_failure(env, HYBRIDGE_ROLE_SENDER,
		       "SECRET: connection string has no '=' in the part at "
		       "character 1",
		       "");
	write_bytes(secret, "a\0b", 3);
	expect_failure(env, HYBRIDGE_ROLE_SENDER,
		       "environment: HYBRIDGE_SQL_CONNECTION_FILE: 'SECRET' "
		       "holds a NUL byte",
		       "");
}

static void a_relative_path_starts_at_the_folder_of_its_file(void **state)
{
	char variable[] = "HYBRIDGE_CA_FILE=ca.pem";
	char *const env[] = {variable, NULL};
	char text[256];
	struct hybridge_config config;

	(void)state;
	snprintf(text, sizeof(text),
		 SQL_HOSTS "HYBRIDGE_SQL_CONNECTION_FILE=%s\n"
			   "HYBRIDGE_SQL_TOKEN_FILE=t/token\n"
			   "HYBRIDGE_CA_FILE=../ca.pem\n",
		 strrchr(secret, '/') + 1);
	write_text(secret, "Endpoint=sb://ns.test/;EntityPath=beside");
	config = loaded(text, NO_ENV, HYBRIDGE_ROLE_SENDER);
	assert_string_equal(config.connections[0].relay.entity, "beside");
	assert_string_equal(config.connections[0].token_file, "/tmp/t/token");
	assert_string_equal(config.ca_file, "/tmp/../ca.pem");
	hybridge_config_free(&config);

	config = loaded(SQL SQL_HOSTS, env, HYBRIDGE_ROLE_SENDER);
	assert_string_equal(config.ca_file, "ca.pem");
	hybridge_config_free(&config);
}

static void
the_environments_connection_wins_over_the_files_other_key(void **state)
{
	char string[] = "HYBRIDGE_SQL_CONNECTION=" CS("from_env");
	char *const env[] = {string, NULL};
	struct hybridge_config config =
		loaded(SQL_HOSTS "HYBRIDGE_SQL_CONNECTION_FILE=/nonexistent\n",
		       env, HYBRIDGE_ROLE_SENDER);

	(void)state;
	assert_string_equal(config.connections[0].relay.entity, "from_env");
	hybridge_config_free(&config);
}

static void the_proxy_comes_from_the_first_place_that_has_one(void **state)
{
	static const struct {
		const char *file;
		const char *variables[3];
		const char *proxy;
		const char *no_proxy;
	} cases[] = {
		{"", {NULL}, NULL, NULL},
		{"", {"HTTPS_PROXY=p:3128"}, "http://p:3128", NULL},
		{"", {"https_proxy=HTTP://p/"}, "http://p:80", NULL},
		{"",
		 {"https_proxy=l:1", "HTTPS_PROXY=u:2"},
		 "http://u:2",
		 NULL},
		{"", {"HTTPS_PROXY=", "https_proxy=l:1"}, "http://l:1", NULL},
		{"HYBRIDGE_PROXY=a:1\n",
		 {"HTTPS_PROXY=b:2"},
		 "http://a:1",
		 NULL},
		{"HYBRIDGE_PROXY=\n", {"HTTPS_PROXY=b:2"}, NULL, NULL},
		{"HYBRIDGE_PROXY=a:1\n", {"HYBRIDGE_PROXY="}, NULL, NULL},
		{"",
		 {"HTTPS_PROXY=http://u:p%40@[::1]:8/", "NO_PROXY=a,b"},
		 "http://u:p%40@[::1]:8",
		 "a,b"},
		{"", {"no_proxy=c"}, NULL, "c"},
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *env[4] = {NULL};
		struct hybridge_config config;

		print_message("case: %zu\n", i);
		for (size_t j = 0; j < 3 && cases[i].variables[j]; j++)
			env[j] = strdup(cases[i].variables[j]);
		snprintf(text, sizeof(text), SQL SQL_HOSTS "%s", cases[i].file);
		config = loaded(text, env, HYBRIDGE_ROLE_SENDER);
		if (cases[i].proxy)
			assert_string_equal(config.proxy, cases[i].proxy);
		else
			assert_null(config.proxy);
		if (cases[i].no_proxy)
			assert_string_equal(config.no_proxy, cases[i].no_proxy);
		else
			assert_null(config.no_proxy);
		hybridge_config_free(&config);
		for (size_t j = 0; j < 3; j++)
			free(env[j]);
	}
}

static void durations_are_read_in_every_unit(void **state)
{
	static const struct {
		const char *text;
		int ret;
		uint32_t ms;
	} cases[] = {
		{"500ms", 0, 500},
		{"10s", 0, 10000},
		{"5m", 0, 300000},
		{"2h", 0, 7200000},
		{"7", 0, 7000},
		{"0", 0, 0},
		{"4294967295ms", 0, 4294967295U},
		{"4294967296ms", -1, 0},
		{"1193h", 0, 4294800000U},
		{"1194h", -1, 0},
		{"", -1, 0},
		{"s", -1, 0},
		{"-1s", -1, 0},
		{"1.5s", -1, 0},
		{"1 s", -1, 0},
		{"1S", -1, 0},
		{"1d", -1, 0},
		{"99999999999999999999", -1, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t ms = 0;

		print_message("case: '%s'\n", cases[i].text);
		assert_int_equal(hybridge_parse_duration(cases[i].text, &ms),
				 cases[i].ret);
		assert_int_equal(ms, cases[i].ms);
	}
}

static void host_and_port_are_taken_apart(void **state)
{
	static const struct {
		const char *text;
		const char *host; /* NULL: refused */
		uint16_t port;
	} cases[] = {
		{"db.corp:5432", "db.corp", 5432},
		{"[2001:db8::1]:1", "2001:db8::1", 1},
		{"10.0.0.1:65535", "10.0.0.1", 65535},
		{"db.corp", NULL, 0},
		{"[::1]", NULL, 0},
		{"::1:80", NULL, 0},
		{":80", NULL, 0},
		{"db.corp:", NULL, 0},
		{"db.corp:0", NULL, 0},
		{"db.corp:65536", NULL, 0},
		{"db.corp:80 ", NULL, 0},
		{"db corp:80", NULL, 0},
		{"", NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_error err = {0};
		char *host = NULL;
		uint16_t port = 0;
		int ret = hybridge_parse_host_port(cases[i].text, &host, &port,
						   &err);

		print_message("case: '%s' %s\n", cases[i].text, err.what);
		assert_int_equal(ret, cases[i].host ? 0 : -1);
		assert_int_equal(port, cases[i].port);
		if (cases[i].host)
			assert_string_equal(host, cases[i].host);
		else
			assert_null(host);
		assert_int_equal(err.code != HYBRIDGE_OK, ret < 0);
		free(host);
	}
}

/* The example file, whole; owned by the caller. */
static char *read_example(void)
{
	FILE *file = fopen(EXAMPLE, "r");
	char *text = calloc(1, 65536);

	assert_non_null(file);
	assert_non_null(text);
	assert_true(fread(text, 1, 65535, file) > 1000);
	fclose(file);
	return text;
}

/* Whether a line of @text, commented out or not, gives a key of this form. */
static bool example_gives(const char *text, const char *key)
{
	char pattern[128] = "^#?";
	char *to = pattern + 3;
	regex_t regex;
	bool found;

	for (; *key; key++)
		to = *key == '*' ? stpcpy(to, "[A-Z]+") : (*to = *key, to + 1);
	stpcpy(to, "='");
	assert_int_equal(regcomp(&regex, pattern,
				 REG_EXTENDED | REG_NOSUB | REG_NEWLINE),
			 0);
	found = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return found;
}

static void the_example_shows_every_key(void **state)
{
	char *text = read_example();
	size_t seen = 0;

	(void)state;
	for (const struct hybridge_key *k = hybridge_config_keys; k->name;
	     k++) {
		print_message("case: %s\n", k->name);
		assert_true(example_gives(text, k->name));
		assert_non_null(k->value);
		assert_non_null(k->help);
		assert_int_equal(k->help[strlen(k->help) - 1], '.');
		seen++;
	}
	assert_true(seen >= 18);
	free(text);
}

/* Every line that is a setting but for its '#', with the '#' removed. */
static void uncomment(char *text)
{
	char *hash;

	while ((hash = strstr(text, "\n#HYBRIDGE_")))
		memmove(hash + 1, hash + 2, strlen(hash + 2) + 1);
}

static void the_example_is_valid_and_tells_the_defaults(void **state)
{
	char allow[] = "HYBRIDGE_ALLOW_OPEN_FILES=1";
	char mail[] = "HYBRIDGE_MAIL_CONNECTION=Endpoint=sb://h/;"
		      "SharedAccessKeyName=n;SharedAccessKey=k";
	char *const env[] = {allow, mail, NULL};
	char *text = read_example();
	struct hybridge_config as_is = loaded(text, env, HYBRIDGE_ROLE_SENDER);
	struct hybridge_config all;

	(void)state;
	assert_int_equal(as_is.num_connections, 1);
	assert_null(as_is.proxy);
	uncomment(text);
	all = loaded(text, env, HYBRIDGE_ROLE_SENDER);
	assert_int_equal(all.num_connections, 2);
	assert_string_equal(all.connections[1].relay.entity, "mail");
	assert_int_equal(all.range.base, as_is.range.base);
	assert_int_equal(all.range.prefix, as_is.range.prefix);
	assert_int_equal(all.connect_timeout_ms, as_is.connect_timeout_ms);
	assert_int_equal(all.idle_exit_ms, as_is.idle_exit_ms);
	assert_int_equal(all.log_level, as_is.log_level);
	assert_int_equal(all.log_format, as_is.log_format);
	assert_non_null(all.socket);
	assert_non_null(all.ca_file);
	assert_non_null(all.proxy);
	assert_non_null(all.status_listen);
	hybridge_config_free(&as_is);
	hybridge_config_free(&all);
	all = loaded(text, env, HYBRIDGE_ROLE_AGENT);
	assert_int_equal(all.num_connections, 2);
	assert_int_equal(all.connections[0].target_port, 1433);
	assert_int_equal(all.connections[1].allow.len, 2);
	hybridge_config_free(&all);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(a_file_gives_connections_in_its_order),
		FILE_TEST(settings_have_their_defaults),
		FILE_TEST(every_setting_is_read),
		FILE_TEST(the_environment_wins_and_is_unquoted),
		FILE_TEST(what_kubernetes_tells_of_services_is_no_setting),
		FILE_TEST(the_environment_alone_is_enough),
		FILE_TEST(the_short_form_is_named_after_its_entity),
		FILE_TEST(a_role_gets_the_connections_it_can_use),
		FILE_TEST(a_connection_string_may_stand_in_its_own_file),
		FILE_TEST(a_relative_path_starts_at_the_folder_of_its_file),
		FILE_TEST(
			the_environments_connection_wins_over_the_files_other_key),
		FILE_TEST(the_proxy_comes_from_the_first_place_that_has_one),
		cmocka_unit_test(durations_are_read_in_every_unit),
		cmocka_unit_test(host_and_port_are_taken_apart),
		cmocka_unit_test(the_example_shows_every_key),
		FILE_TEST(the_example_is_valid_and_tells_the_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
