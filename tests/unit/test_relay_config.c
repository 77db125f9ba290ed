/*
 * test_relay_config.c - the relay's own settings, and its example file.
 */
#include "relay_fixture.h"

#include <sched.h>

#include "../../relay/config.h"

#define EXAMPLE "examples/relay.env"
#define MINIMUM                             \
	"HYBRIDGE_RELAY_LISTEN=0.0.0.0:0\n" \
	"HYBRIDGE_RELAY_DIR=/etc/hybridge/relay.d\n"

#define NO_ENV ((char *const[]){NULL})

static struct relay_config loaded(const char *text, char *const *env)
{
	struct relay_config config;
	struct hybridge_error err = {0};

	put_file("relay.env", text, 0600);
	if (relay_config_load(in_folder("relay.env"), env, &config, &err) != 0)
		fail_msg("%s -> %s", err.what, err.hint);
	return config;
}

static bool has_host(const struct relay_config *config, const char *name)
{
	for (size_t i = 0; config->hosts[i]; i++)
		if (strcmp(config->hosts[i], name) == 0)
			return true;
	return false;
}

static void load_fills_in_defaults(void **state)
{
	struct relay_config config = loaded(MINIMUM, NO_ENV);

	(void)state;
	assert_string_equal(config.listen_host, "0.0.0.0");
	assert_string_equal(config.listen_port, "0");
	assert_null(config.cert);
	assert_null(config.public_host);
	assert_null(config.status_listen);
	assert_int_equal(config.drain_ms, 10000);
	assert_int_equal(config.max_streams, 5000);
	assert_int_equal(config.ping_ms, 30000);
	assert_int_equal(config.recycle_ms, 0);
	assert_int_equal(config.log_level, HYBRIDGE_LOG_INFO);
	assert_true(has_host(&config, "0.0.0.0"));
	assert_true(has_host(&config, "localhost"));
	assert_true(has_host(&config, "127.0.0.1"));
	relay_config_free(&config);
	assert_null(config.dir);
}

static void load_reads_every_setting(void **state)
{
	struct relay_config config =
		loaded("HYBRIDGE_RELAY_LISTEN='[::1]:8443'\n"
		       "HYBRIDGE_RELAY_DIR=/d\n"
		       "HYBRIDGE_RELAY_HOSTS='a.test  b.test:443'\n"
		       "HYBRIDGE_RELAY_PUBLIC=pub.test:8443\n"
		       "HYBRIDGE_RELAY_DRAIN=500ms\n"
		       "HYBRIDGE_RELAY_MAX_STREAMS=7\n"
		       "HYBRIDGE_RELAY_WORKERS=3\n"
		       "HYBRIDGE_RELAY_PING=250ms\n"
		       "HYBRIDGE_RELAY_RECYCLE=24h\n"
		       "HYBRIDGE_STATUS_LISTEN=127.0.0.1:0\n"
		       "HYBRIDGE_FAST_CRYPTO=off\n"
		       "HYBRIDGE_HTTP2=off\n"
		       "HYBRIDGE_LOG_LEVEL=debug\n"
		       "HYBRIDGE_LOG_FORMAT=json\n",
		       NO_ENV);

	(void)state;
	assert_string_equal(config.listen_host, "::1");
	assert_string_equal(config.listen_port, "8443");
	assert_string_equal(config.public_host, "pub.test:8443");
	assert_int_equal(config.drain_ms, 500);
	assert_int_equal(config.max_streams, 7);
	assert_int_equal(config.workers, 3);
	assert_int_equal(config.ping_ms, 250);
	assert_int_equal(config.recycle_ms, 86400000);
	assert_string_equal(config.status_listen, "127.0.0.1:0");
	assert_int_equal(config.fast_crypto, HYBRIDGE_FAST_CRYPTO_OFF);
	assert_false(config.http2);
	assert_int_equal(config.log_level, HYBRIDGE_LOG_DEBUG);
	assert_int_equal(config.log_format, HYBRIDGE_LOG_JSON);
	assert_true(has_host(&config, "a.test"));
	assert_true(has_host(&config, "b.test"));
	assert_true(has_host(&config, "pub.test"));
	assert_true(has_host(&config, "::1"));
	relay_config_free(&config);
}

static void
load_lets_the_environment_win_and_skips_other_programs_keys(void **state)
{
	char *const env[] = {(char[]){"HYBRIDGE_RELAY_LISTEN='127.0.0.1:1'"},
			     (char[]){"HYBRIDGE_SQL_HOSTS=db:1"},
			     (char[]){"HYBRIDGE_NO_SUCH=x"},
			     (char[]){"HYBRIDGE_LOG_LEVEL=error"}, NULL};
	struct relay_config config =
		loaded(MINIMUM "HYBRIDGE_SQL_TARGET=db:1\nOTHER=1\n", env);

	(void)state;
	assert_string_equal(config.listen_host, "127.0.0.1");
	assert_string_equal(config.listen_port, "1");
	assert_int_equal(config.log_level, HYBRIDGE_LOG_ERROR);
	relay_config_free(&config);
}

static void load_says_where_a_mistake_is_and_what_to_do(void **state)
{
	static const struct {
		const char *text;
		const char *what;
		const char *hint;
	} cases[] = {
		{"", "relay.env: HYBRIDGE_RELAY_LISTEN is missing",
		 "for example"},
		{"HYBRIDGE_RELAY_LISTEN=localhost:0\n",
		 "HYBRIDGE_RELAY_DIR is missing", "folder"},
		{MINIMUM "HYBRIDGE_RELAY_DIRR=x\n",
		 "relay.env:3: unknown key 'HYBRIDGE_RELAY_DIRR'",
		 "did you mean 'HYBRIDGE_RELAY_DIR'?"},
		{MINIMUM "HYBRIDGE_LOGLEVEL=info\n",
		 "relay.env:3: unknown key 'HYBRIDGE_LOGLEVEL'",
		 "did you mean 'HYBRIDGE_LOG_LEVEL'?"},
		{MINIMUM "HYBRIDGE_RELAY_TARGET=db:1\n",
		 "relay.env:3: unknown key 'HYBRIDGE_RELAY_TARGET'", "LISTEN"},
		{MINIMUM "HYBRIDGE_NO_SUCH=x\n",
		 "relay.env:3: unknown key 'HYBRIDGE_NO_SUCH'", "LISTEN"},
		{MINIMUM "HYBRIDGE_RELAY_DIR=y\n", "already given on line 2",
		 "remove"},
		{"HYBRIDGE_RELAY_LISTEN=8443\n",
		 ":1: HYBRIDGE_RELAY_LISTEN: "
		 "'8443' is not HOST:PORT",
		 "for example"},
		{"HYBRIDGE_RELAY_LISTEN=a:65536\n", "is not HOST:PORT", ""},
		{"HYBRIDGE_RELAY_LISTEN=::1:80\n", "is not HOST:PORT", "[::]"},
		{"HYBRIDGE_RELAY_LISTEN=a:1:2\n", "is not HOST:PORT", ""},
		{MINIMUM "HYBRIDGE_RELAY_CERT=/c\n",
		 "HYBRIDGE_RELAY_CERT is given without HYBRIDGE_RELAY_KEY",
		 "both"},
		{MINIMUM "HYBRIDGE_RELAY_KEY=/c\n",
		 "HYBRIDGE_RELAY_KEY is given without HYBRIDGE_RELAY_CERT",
		 "both"},
		{MINIMUM "HYBRIDGE_RELAY_PUBLIC=https://x\n",
		 "HYBRIDGE_RELAY_PUBLIC", "relay.example:443"},
		{MINIMUM "HYBRIDGE_RELAY_HOSTS='a b/c'\n", "'b/c'", "blanks"},
		{MINIMUM "HYBRIDGE_RELAY_DRAIN=soon\n",
		 "'soon' is not a duration", "10s"},
		{MINIMUM "HYBRIDGE_RELAY_PING=often\n",
		 "'often' is not a duration", "10s"},
		{MINIMUM "HYBRIDGE_RELAY_PING=99ms\n",
		 ":3: HYBRIDGE_RELAY_PING is less than 100 ms", "late"},
		{MINIMUM "HYBRIDGE_RELAY_RECYCLE=daily\n",
		 "'daily' is not a duration", "10s"},
		{MINIMUM "HYBRIDGE_RELAY_MAX_STREAMS=0\n", "is not a number",
		 ""},
		{MINIMUM "HYBRIDGE_RELAY_WORKERS=some\n",
		 "'some' is neither auto nor a number from 0 to 64", ""},
		{MINIMUM "HYBRIDGE_RELAY_WORKERS=65\n", "'65' is neither", ""},
		{MINIMUM "HYBRIDGE_RELAY_WORKERS=-1\n", "'-1' is neither", ""},
		{MINIMUM "HYBRIDGE_HTTP2=1\n", "'1' is not on or off", ""},
		{MINIMUM "HYBRIDGE_FAST_CRYPTO=1\n",
		 "'1' is not auto, on or off", ""},
		{MINIMUM "HYBRIDGE_LOG_LEVEL=loud\n",
		 "'loud' is not error, warning, info or debug", ""},
		{MINIMUM "HYBRIDGE_LOG_FORMAT=xml\n",
		 "'xml' is not auto, text, logfmt or json", ""},
		{MINIMUM "HYBRIDGE_ALLOW_OPEN_FILES=yes\n", "is not 0 or 1",
		 ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct relay_config config = {0};
		struct hybridge_error err = {0};

		print_message("%s\n", cases[i].what);
		put_file("relay.env", cases[i].text, 0600);
		assert_int_equal(relay_config_load(in_folder("relay.env"),
						   NO_ENV, &config, &err),
				 -1);
		assert_int_equal(err.code, HYBRIDGE_ECONFIG);
		if (!strstr(err.what, cases[i].what) ||
		    !strstr(err.hint, cases[i].hint))
			fail_msg("%s -> %s", err.what, err.hint);
		assert_null(config.dir);
	}
}

static void load_skips_what_kubernetes_tells_of_services(void **state)
{
	char *const env[] = {
		(char[]){"HYBRIDGE_RELAY_SERVICE_HOST=10.0.0.7"},
		(char[]){"HYBRIDGE_RELAY_PORT=tcp://10.0.0.7:443"},
		NULL,
	};
	struct relay_config config = {0};
	struct hybridge_error err = {0};

	(void)state;
	put_file("relay.env", MINIMUM, 0600);
	assert_int_equal(
		relay_config_load(in_folder("relay.env"), env, &config, &err),
		0);
	relay_config_free(&config);
}

static void load_knows_no_other_key_of_its_own_in_the_environment(void **state)
{
	char *const env[] = {(char[]){"HYBRIDGE_RELAY_DRIAN=1s"}, NULL};
	struct relay_config config = {0};
	struct hybridge_error err = {0};

	(void)state;
	put_file("relay.env", MINIMUM, 0600);
	assert_int_equal(
		relay_config_load(in_folder("relay.env"), env, &config, &err),
		-1);
	assert_string_equal(err.what,
			    "environment: unknown key 'HYBRIDGE_RELAY_DRIAN'");
	assert_string_equal(err.hint, "did you mean 'HYBRIDGE_RELAY_DRAIN'?");
}

static void load_refuses_a_private_key_that_others_can_read(void **state)
{
	struct relay_config config = {0};
	struct hybridge_error err = {0};
	char text[512];

	(void)state;
	put_file("tls.key", "secret", 0644);
	snprintf(text, sizeof(text),
		 MINIMUM "HYBRIDGE_RELAY_CERT=/c\nHYBRIDGE_RELAY_KEY=%s\n",
		 in_folder("tls.key"));
	put_file("relay.env", text, 0600);
	assert_int_equal(relay_config_load(in_folder("relay.env"), NO_ENV,
					   &config, &err),
			 -1);
	assert_non_null(strstr(err.what, "readable by everyone"));
	assert_int_equal(chmod(in_folder("tls.key"), 0600), 0);
	config = loaded(text, NO_ENV);
	relay_config_free(&config);
}

static void example_names_every_key_and_no_other(void **state)
{
	static char text[16384];
	static char active[16384];
	struct hybridge_error err = {0};
	struct relay_config config;
	char *to = active;
	FILE *file = fopen(EXAMPLE, "r");

	(void)state;
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	for (size_t i = 0; relay_config_keys[i].name; i++) {
		char line[96];
		bool there;

		print_message("%s\n", relay_config_keys[i].name);
		snprintf(line, sizeof(line), "\n%s='",
			 relay_config_keys[i].name);
		there = strstr(text, line);
		snprintf(line, sizeof(line), "\n#%s='",
			 relay_config_keys[i].name);
		assert_true(there || strstr(text, line));
	}
	/* Every line put in force, but for files that are not there. */
	for (const char *from = text; *from;) {
		if (strncmp(from, "#HYBRIDGE_", 10) == 0)
			from++;
		if (strncmp(from, "HYBRIDGE_RELAY_CERT=", 20) == 0 ||
		    strncmp(from, "HYBRIDGE_RELAY_KEY=", 19) == 0)
			*to++ = '#';
		while (*from && *from != '\n')
			*to++ = *from++;
		if (*from)
			*to++ = *from++;
	}
	*to = '\0';
	put_file("relay.env", active, 0600);
	if (relay_config_load(in_folder("relay.env"), NO_ENV, &config, &err) !=
	    0)
		fail_msg("%s", err.what);
	relay_config_free(&config);
}

static void automatic_workers_are_for_more_than_two_cpus(void **state)
{
	cpu_set_t all, one;
	struct relay_config config;
	int num;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	num = CPU_COUNT(&all);
	config = loaded(MINIMUM "HYBRIDGE_RELAY_WORKERS=auto\n", NO_ENV);
	assert_int_equal(config.workers, num > 2 ? num : 0);
	relay_config_free(&config);
	CPU_ZERO(&one);
	for (size_t cpu = 0; CPU_COUNT(&one) == 0; cpu++)
		if (CPU_ISSET(cpu, &all))
			CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	config = loaded(MINIMUM, NO_ENV);
	assert_int_equal(config.workers, 0);
	relay_config_free(&config);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

static void example_shows_the_defaults(void **state)
{
	static char text[16384];
	char line[96];
	struct relay_config config = loaded(MINIMUM, NO_ENV);
	FILE *file = fopen(EXAMPLE, "r");

	(void)state;
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	snprintf(line, sizeof(line), "\nHYBRIDGE_RELAY_MAX_STREAMS='%u'\n",
		 config.max_streams);
	assert_non_null(strstr(text, line));
	snprintf(line, sizeof(line), "\nHYBRIDGE_RELAY_DRAIN='%us'\n",
		 config.drain_ms / 1000);
	assert_non_null(strstr(text, line));
	snprintf(line, sizeof(line), "\nHYBRIDGE_RELAY_PING='%us'\n",
		 config.ping_ms / 1000);
	assert_non_null(strstr(text, line));
	snprintf(line, sizeof(line), "\nHYBRIDGE_RELAY_RECYCLE='%u'\n",
		 config.recycle_ms);
	assert_non_null(strstr(text, line));
	assert_non_null(strstr(text, "\nHYBRIDGE_RELAY_WORKERS='auto'\n"));
	relay_config_free(&config);
}

#define IN_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(load_fills_in_defaults),
		IN_FOLDER(load_reads_every_setting),
		IN_FOLDER(
			load_lets_the_environment_win_and_skips_other_programs_keys),
		IN_FOLDER(load_says_where_a_mistake_is_and_what_to_do),
		IN_FOLDER(load_skips_what_kubernetes_tells_of_services),
		IN_FOLDER(
			load_knows_no_other_key_of_its_own_in_the_environment),
		IN_FOLDER(load_refuses_a_private_key_that_others_can_read),
		IN_FOLDER(example_names_every_key_and_no_other),
		IN_FOLDER(automatic_workers_are_for_more_than_two_cpus),
		IN_FOLDER(example_shows_the_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
