/*
 * test_config_mistakes.c - what each mistake in the configuration is told, and
 * which are none.
 */
#include <sys/stat.h>

#include <hybridge/file.h>

#include "config_fixture.h"

static const struct {
	const char *text;
	const char *what;
	const char *hint;
} file_mistakes[] = {
	{"\n\nHYBRIDGE_SQL_CONECTION=x\n",
	 "FILE:3: unknown key 'HYBRIDGE_SQL_CONECTION'",
	 "did you mean 'HYBRIDGE_SQL_CONNECTION'?"},
	{"HYBRIDGE_SQL_HOST=x\n", "FILE:1: unknown key 'HYBRIDGE_SQL_HOST'",
	 "did you mean 'HYBRIDGE_SQL_HOSTS'?"},
	{"HYBRIDGE_TARGE=x\n", "FILE:1: unknown key 'HYBRIDGE_TARGE'",
	 "did you mean 'HYBRIDGE_TARGET'?"},
	{"HYBRIDGE_LOGLEVEL=x\n", "FILE:1: unknown key 'HYBRIDGE_LOGLEVEL'",
	 "did you mean 'HYBRIDGE_LOG_LEVEL'?"},
	{"HYBRIDGE_sql_HOSTS=x\n", "FILE:1: unknown key 'HYBRIDGE_sql_HOSTS'",
	 "did you mean 'HYBRIDGE_SQL_HOSTS'?"},
	{"HYBRIDGE_1SQL_HOSTS=x\n", "FILE:1: unknown key 'HYBRIDGE_1SQL_HOSTS'",
	 "NAME in capitals"},
	{"HYBRIDGE_=x\n", "FILE:1: unknown key 'HYBRIDGE_'",
	 "NAME in capitals"},
	{SQL SQL_HOSTS "\n" SQL_HOSTS,
	 "FILE:4: HYBRIDGE_SQL_HOSTS is already given on line 2", "remove one"},
	{SQL "HYBRIDGE_SQL_HOSTS= x:1\n", "FILE:2: a space after '='",
	 "KEY='VALUE'"},
	{"x\n", "FILE:1: no '='", "KEY='VALUE'"},
	{"HYBRIDGE_SQL_CONNECTION=Endpoint=sb://ns.test/\n" SQL_HOSTS,
	 "FILE:1: HYBRIDGE_SQL_CONNECTION stops at "
	 "'Endpoint=sb://ns.test/'",
	 "single quotes"},
	{SQL_HOSTS "HYBRIDGE_SQL_CONNECTION=Endpoint=sb://h/;Foo=x\n",
	 "FILE:2: HYBRIDGE_SQL_CONNECTION: unknown key 'Foo'", "portal"},
	{SQL_HOSTS "HYBRIDGE_SQL_CONNECTION=Endpoint=sb://h/;"
		   "SharedAccessKeyName=n;SharedAccessKey=s3cret\n",
	 "FILE:2: HYBRIDGE_SQL_CONNECTION has no EntityPath",
	 "HYBRIDGE_SQL_ENTITY"},
	{SQL_HOSTS "HYBRIDGE_SQL_CONNECTION=Endpoint=sb://h/;"
		   "EntityPath=e\n",
	 "FILE:2: HYBRIDGE_SQL_CONNECTION has no SharedAccessKey",
	 "shared access policy"},
	{SQL_HOSTS "HYBRIDGE_SQL_CONNECTION=Endpoint=ws://relay.test/;"
		   "SharedAccessKeyName=n;SharedAccessKey=s3cret;"
		   "EntityPath=e\n",
	 "FILE:2: HYBRIDGE_SQL_CONNECTION: 'relay.test' would get the "
	 "key without encryption",
	 "127.0.0.1"},
	{SQL SQL_HOSTS "HYBRIDGE_SQL_ENTITY=other\n",
	 "FILE:3: HYBRIDGE_SQL_ENTITY: 'other' is not the connection "
	 "string's EntityPath, 'sql'",
	 "remove HYBRIDGE_SQL_ENTITY"},
	{SQL SQL_HOSTS "HYBRIDGE_SQL_ENTITY=/\n",
	 "FILE:3: HYBRIDGE_SQL_ENTITY: '/' is not a hybrid "
	 "connection's path",
	 ""},
	{SQL_HOSTS,
	 "FILE:1: HYBRIDGE_SQL_HOSTS: the connection has no connection "
	 "string",
	 "set HYBRIDGE_SQL_CONNECTION or HYBRIDGE_SQL_CONNECTION_FILE"},
	{"HYBRIDGE_HOSTS=a:1\n",
	 "FILE:1: HYBRIDGE_HOSTS: the connection has no connection "
	 "string",
	 "set HYBRIDGE_CONNECTION or HYBRIDGE_CONNECTION_FILE"},
	{SQL SQL_HOSTS "HYBRIDGE_SQL_CONNECTION_FILE=/x\n",
	 "FILE:3: HYBRIDGE_SQL_CONNECTION_FILE: "
	 "HYBRIDGE_SQL_CONNECTION is set as well",
	 "remove one"},
	{SQL_HOSTS "HYBRIDGE_SQL_CONNECTION_FILE=/nonexistent\n",
	 "FILE:2: HYBRIDGE_SQL_CONNECTION_FILE: cannot read "
	 "'/nonexistent': No such file or directory",
	 ""},
	{SQL "HYBRIDGE_SQL_HOSTS='a:1 b c:2'\n",
	 "FILE:2: HYBRIDGE_SQL_HOSTS: 'b' at character 5: no ':' and "
	 "port after the host",
	 "db.corp:5432"},
	{SQL "HYBRIDGE_SQL_HOSTS='  '\n",
	 "FILE:2: HYBRIDGE_SQL_HOSTS names no host", ""},
	{SQL SQL_HOSTS "HYBRIDGE_SQL_TARGET=db.corp\n",
	 "FILE:3: HYBRIDGE_SQL_TARGET: 'db.corp': port is missing",
	 "db.corp:5432"},
	{SQL SQL_HOSTS "HYBRIDGE_SQL_TARGET=db.corp:0\n",
	 "FILE:3: HYBRIDGE_SQL_TARGET: 'db.corp:0': port is not 1 to "
	 "65535",
	 ""},
	{SQL SQL_HOSTS "HYBRIDGE_SQL_TARGET=db.corp:65536\n",
	 "FILE:3: HYBRIDGE_SQL_TARGET: 'db.corp:65536': port is not 1 "
	 "to 65535",
	 ""},
	{SQL SQL_HOSTS "HYBRIDGE_IDLE_EXIT=10 s\n",
	 "FILE:3: HYBRIDGE_IDLE_EXIT: '10 s' is not a duration", "500ms"},
	{SQL SQL_HOSTS "HYBRIDGE_CONNECT_TIMEOUT=0\n",
	 "FILE:3: HYBRIDGE_CONNECT_TIMEOUT: '0' is not a duration",
	 "more than 0"},
	{SQL SQL_HOSTS "HYBRIDGE_RANGE=127.0.0.1/8\n",
	 "FILE:3: HYBRIDGE_RANGE: '127.0.0.1/8' is not a block of IPv4 "
	 "addresses",
	 "127.64.0.0/10"},
	{SQL SQL_HOSTS "HYBRIDGE_SOCKET=sender.sock\n",
	 "FILE:3: HYBRIDGE_SOCKET: 'sender.sock' is not an absolute "
	 "path of less than 108 bytes",
	 ""},
	{SQL SQL_HOSTS "HYBRIDGE_STATUS_LISTEN=9471\n",
	 "FILE:3: HYBRIDGE_STATUS_LISTEN: '9471': port is missing",
	 "127.0.0.1:9471"},
	{SQL SQL_HOSTS "HYBRIDGE_HTTP2=1\n",
	 "FILE:3: HYBRIDGE_HTTP2: '1' is not on or off", ""},
	{SQL SQL_HOSTS "HYBRIDGE_FAST_CRYPTO=1\n",
	 "FILE:3: HYBRIDGE_FAST_CRYPTO: '1' is not auto, on or off", ""},
	{SQL SQL_HOSTS "HYBRIDGE_LOG_LEVEL=loud\n",
	 "FILE:3: HYBRIDGE_LOG_LEVEL: 'loud' is not error, warning, "
	 "info or debug",
	 ""},
	{SQL SQL_HOSTS "HYBRIDGE_LOG_FORMAT=xml\n",
	 "FILE:3: HYBRIDGE_LOG_FORMAT: 'xml' is not auto, text, logfmt "
	 "or json",
	 ""},
	{SQL SQL_HOSTS "HYBRIDGE_PROXY=https://u:s3cret@p:1\n",
	 "FILE:3: HYBRIDGE_PROXY: only http:// proxies are supported",
	 "http://proxy.corp:3128"},
	{SQL SQL_HOSTS "HYBRIDGE_PROXY=http://u:s3cret@p:x\n",
	 "FILE:3: HYBRIDGE_PROXY: port is not a number", ""},
	{SQL SQL_HOSTS "HYBRIDGE_PROXY=http://u:s3/cret@p:1\n",
	 "FILE:3: HYBRIDGE_PROXY: user and password must be percent-encoded, "
	 "as in a URL",
	 ""},
	{SQL SQL_HOSTS "HYBRIDGE_PROXY=http://u:s3#cret@p:1\n",
	 "FILE:3: HYBRIDGE_PROXY: user and password must be percent-encoded, "
	 "as in a URL",
	 ""},
	{SQL SQL_HOSTS "HYBRIDGE_PROXY=http://u:s3cret%@p:1\n",
	 "FILE:3: HYBRIDGE_PROXY: user and password must be percent-encoded, "
	 "as in a URL",
	 ""},
	{SQL SQL_HOSTS "HYBRIDGE_ALLOW_OPEN_FILES=yes\n",
	 "FILE:3: HYBRIDGE_ALLOW_OPEN_FILES: 'yes' is not 0 or 1", ""},
	{SQL "HYBRIDGE_SQL_TARGET=h:1\n",
	 "FILE: no connection has a HYBRIDGE_*_HOSTS", "HYBRIDGE_NAME_HOSTS="},
	{SQL SQL_HOSTS
	 "HYBRIDGE_CONNECTION=" CS("sql") "\n"
					  "HYBRIDGE_HOSTS=x.corp:1\n",
	 "FILE:3: HYBRIDGE_CONNECTION: two connections are called "
	 "'sql'",
	 "NAME of its own"},
	{SQL SQL_HOSTS "HYBRIDGE_B_CONNECTION=" CS(
		 "b") "\n"
		      "HYBRIDGE_B_HOSTS='DB.Corp.:1,5432'\n",
	 "FILE:4: HYBRIDGE_B_HOSTS: 'db.corp:5432' is in the hosts of "
	 "'sql' as well, on line 2",
	 "one of the two"},
	{SQL "HYBRIDGE_SQL_HOSTS='*.corp:* 10.0.0.0/8:1'\n"
	     "HYBRIDGE_B_CONNECTION=" CS("b") "\n"
					      "HYBRIDGE_B_HOSTS='*.CORP:*'\n",
	 "FILE:4: HYBRIDGE_B_HOSTS: '*.corp:*' is in the hosts of 'sql' "
	 "as well, on line 2",
	 "one of the two"},
};

static void mistakes_in_the_file_are_told_with_their_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(file_mistakes) / sizeof(file_mistakes[0]);
	     i++) {
		write_text(path, file_mistakes[i].text);
		expect_failure(NO_ENV, HYBRIDGE_ROLE_SENDER,
			       file_mistakes[i].what, file_mistakes[i].hint);
	}
}

static void mistakes_in_the_environment_say_so(void **state)
{
	static const struct {
		const char *variable;
		const char *what;
		const char *hint;
	} cases[] = {
		{"HYBRIDGE_SQL_CONNECTION=Endpoint=sb://ns.test/",
		 "environment: HYBRIDGE_SQL_CONNECTION stops at "
		 "'Endpoint=sb://ns.test/'",
		 "a shell cut it at the first ';'"},
		{"HYBRIDGE_SQL_CONECTION=x",
		 "environment: unknown key 'HYBRIDGE_SQL_CONECTION'",
		 "did you mean 'HYBRIDGE_SQL_CONNECTION'?"},
		{"HYBRIDGE_SQL_TOKEN_FILE=/x",
		 "environment: HYBRIDGE_SQL_TOKEN_FILE: the connection string "
		 "has a key of its own",
		 "remove SharedAccessKeyName"},
		{"HYBRIDGE_SQL_MODE=bridge",
		 "environment: HYBRIDGE_SQL_MODE: 'bridge' is not raw or "
		 "azbridge",
		 ""},
		{"HYBRIDGE_SQL_PORT_NAME=x",
		 "environment: HYBRIDGE_SQL_PORT_NAME means something with "
		 "azbridge's preamble only",
		 "HYBRIDGE_SQL_MODE=azbridge"},
		{"HYBRIDGE_SQL_PORT=5432",
		 "environment: unknown key 'HYBRIDGE_SQL_PORT'", ""},
		{"HYBRIDGE_LOG_LEVEL=loud",
		 "environment: HYBRIDGE_LOG_LEVEL: 'loud' is not error, "
		 "warning, info or debug",
		 ""},
		{"https_proxy=https://u:s3cret@p/",
		 "environment: HTTPS_PROXY: only http:// proxies are supported",
		 "HYBRIDGE_PROXY="},
	};

	(void)state;
	write_text(path, SQL SQL_HOSTS);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *variable = strdup(cases[i].variable);
		char *const env[] = {variable, NULL};

		expect_failure(env, HYBRIDGE_ROLE_SENDER, cases[i].what,
			       cases[i].hint);
		free(variable);
	}
	write_text(path, SQL SQL_HOSTS);
	expect_failure(NO_ENV, HYBRIDGE_ROLE_AGENT,
		       "FILE: no connection has a HYBRIDGE_*_TARGET",
		       "HYBRIDGE_NAME_TARGET=");
}

static void a_nul_or_an_endless_line_is_an_error(void **state)
{
	static const char nul[] = "# fine\nHYBRIDGE_A_HOSTS=a\0b:1\n";
	char *text = malloc(9001);

	(void)state;
	assert_non_null(text);
	write_bytes(path, nul, sizeof(nul) - 1);
	expect_failure(NO_ENV, HYBRIDGE_ROLE_SENDER,
		       "FILE:2: a NUL byte in the line", "");
	memset(text, 'A', 9000);
	write_bytes(path, text, 9000);
	expect_failure(NO_ENV, HYBRIDGE_ROLE_SENDER,
		       "FILE:1: a line of more than 8192 bytes", "");
	free(text);
	unlink(path);
	expect_failure(NO_ENV, HYBRIDGE_ROLE_SENDER,
		       "cannot read 'FILE': No such file or directory", "");
}

static void a_file_with_a_key_must_be_closed_to_others(void **state)
{
	static const struct {
		mode_t mode;
		const char *what; /* NULL: fine */
	} cases[] = {
		{0600, NULL},
		{0400, NULL},
		{0640, NULL},
		{0440, NULL},
		{0644,
		 "FILE: readable by everyone (mode 0644) and holds a key"},
		{0604,
		 "FILE: readable by everyone (mode 0604) and holds a key"},
		{0660,
		 "FILE: writable by others than its owner (mode 0660) and "
		 "holds a key"},
		{0602,
		 "FILE: writable by others than its owner (mode 0602) and "
		 "holds a key"},
	};
	char allow[] = "HYBRIDGE_ALLOW_OPEN_FILES=1";
	char *const env[] = {allow, NULL};
	struct hybridge_config config;
	struct hybridge_error err = {0};

	(void)state;
	write_text(path, SQL SQL_HOSTS);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("case: mode %o\n", cases[i].mode);
		assert_int_equal(chmod(path, cases[i].mode), 0);
		if (cases[i].what)
			expect_failure(NO_ENV, HYBRIDGE_ROLE_SENDER,
				       cases[i].what, "chmod 06");
		assert_int_equal(hybridge_config_load(
					 path, cases[i].what ? env : NO_ENV,
					 HYBRIDGE_ROLE_SENDER, &config, &err),
				 0);
		hybridge_config_free(&config);
	}
}

static void an_open_file_without_a_secret_is_fine(void **state)
{
	char string[] = "HYBRIDGE_SQL_CONNECTION=" CS("sql");
	char *const env[] = {string, NULL};
	struct hybridge_config config;

	(void)state;
	assert_int_equal(chmod(path, 0666), 0);
	config = loaded(SQL_HOSTS "HYBRIDGE_PROXY=http://p:1\n", env,
			HYBRIDGE_ROLE_SENDER);
	hybridge_config_free(&config);

	/* The environment's key does not take the one out of the file. */
	write_text(path, SQL SQL_HOSTS);
	expect_failure(env, HYBRIDGE_ROLE_SENDER,
		       "FILE: readable by everyone (mode 0666) and holds a key",
		       "chmod");
	write_text(path, SQL_HOSTS "HYBRIDGE_PROXY=http://u:s3cret@p:1\n");
	expect_failure(env, HYBRIDGE_ROLE_SENDER,
		       "FILE: readable by everyone (mode 0666) and holds a key",
		       "chmod");
}

static void a_strangers_file_with_a_key_is_refused(void **state)
{
	struct hybridge_file file = {.path = "app.env", .mode = 0600};
	struct hybridge_error err = {0};

	(void)state;
	file.uid = geteuid();
	assert_int_equal(hybridge_file_check_private(&file, &err), 0);
	file.uid = geteuid() + 12345;
	assert_int_equal(hybridge_file_check_private(&file, &err), -1);
	assert_non_null(strstr(err.what, "app.env: belongs to user"));
	assert_non_null(strstr(err.hint, "chown"));
}

static void names_that_share_an_address_are_refused(void **state)
{
	const struct hybridge_range range = {0x7f010100, 24};
	char text[1024];
	char what[256];
	char name[16];
	uint32_t first =
		hybridge_address_v4(range, (struct hybridge_span){"h0", 2});
	int other = 1;

	(void)state;
	for (;; other++) {
		snprintf(name, sizeof(name), "h%d", other);
		if (hybridge_address_v4(range,
					(struct hybridge_span){
						name, strlen(name)}) == first)
			break;
		assert_true(other < 100000);
	}
	snprintf(text, sizeof(text),
		 "HYBRIDGE_RANGE=127.1.1.0/24\n" SQL
		 "HYBRIDGE_SQL_HOSTS='h0:1 %s:2'\n",
		 name);
	write_text(path, text);
	snprintf(what, sizeof(what),
		 "FILE:3: HYBRIDGE_SQL_HOSTS: '%s' gets the loopback address "
		 "of 'h0', on line 3",
		 name);
	expect_failure(NO_ENV, HYBRIDGE_ROLE_SENDER, what, "HYBRIDGE_RANGE");
}

static void the_same_host_may_stand_twice_where_it_is_no_riddle(void **state)
{
	struct hybridge_config config = loaded(
		SQL
		"HYBRIDGE_SQL_HOSTS='db.corp:1 db.corp:2 DB.corp:1 10.0.0.1:1"
		" db.corp:*'\n"
		"HYBRIDGE_B_CONNECTION=" CS("b") "\n"
						 "HYBRIDGE_B_HOSTS='db.corp:3 "
						 "*.corp:1 10.0.0.0/8:1'\n",
		NO_ENV, HYBRIDGE_ROLE_SENDER);

	(void)state;
	assert_int_equal(config.map.len, 8);
	hybridge_config_free(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(mistakes_in_the_file_are_told_with_their_place),
		FILE_TEST(mistakes_in_the_environment_say_so),
		FILE_TEST(a_nul_or_an_endless_line_is_an_error),
		FILE_TEST(a_file_with_a_key_must_be_closed_to_others),
		FILE_TEST(an_open_file_without_a_secret_is_fine),
		cmocka_unit_test(a_strangers_file_with_a_key_is_refused),
		FILE_TEST(names_that_share_an_address_are_refused),
		FILE_TEST(the_same_host_may_stand_twice_where_it_is_no_riddle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
