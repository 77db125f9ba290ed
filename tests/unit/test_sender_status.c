/*
 * test_sender_status.c - the answer to STATUS, and the metrics.
 */
#include "sender_fixture.h"

#include <time.h>

#include <jansson.h>

#include "../../sender/status.h"

static json_t *read_status(struct sender_fixture *sf)
{
	char *text = status_json(sf->sender, "/x/s.sock");
	json_t *root;

	assert_non_null(text);
	root = json_loads(text, 0, NULL);
	assert_non_null(root);
	free(text);
	return root;
}

static const json_t *connection_of(const json_t *root)
{
	const json_t *list = json_object_get(root, "connections");

	assert_int_equal(json_array_size(list), 1);
	return json_array_get(list, 0);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	assert_non_null(text);
	return text;
}

static json_int_t number_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static void status_tells_the_sender_and_its_connections(void **state)
{
	static const char *const hosts[] = {"db.corp:5432", "db.corp:5433",
					    "*.wild.corp:*", "10.9.0.0/16:80"};
	struct sender_fixture sf;
	const json_t *sender, *connection, *list;
	json_t *root;

	(void)state;
	sender_setup_with(&sf, "30s");
	root = read_status(&sf);
	sender = json_object_get(root, "sender");
	connection = connection_of(root);
	list = json_object_get(connection, "hosts");
	assert_int_equal(number_of(root, "schema"), 1);
	assert_string_equal(text_of(sender, "version"), HYBRIDGE_VERSION);
	assert_int_equal(number_of(sender, "pid"), getpid());
	assert_int_equal(number_of(sender, "since_s"), 0);
	assert_string_equal(text_of(sender, "socket"), "/x/s.sock");
	assert_int_equal(number_of(sender, "waiting"), 0);
	assert_int_equal(number_of(sender, "early"), 0);
	assert_true(json_is_null(json_object_get(sender, "config")));
	assert_string_equal(text_of(connection, "name"), "db");
	assert_string_equal(text_of(connection, "relay"),
			    sf.sender->plan->routes[0].host_header);
	assert_string_equal(text_of(connection, "entity"), "a b/c");
	assert_string_equal(text_of(connection, "state"), "idle");
	assert_true(json_is_null(json_object_get(connection, "last_used_s")));
	assert_true(json_is_null(json_object_get(connection, "last_error")));
	assert_int_equal(json_array_size(list), 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(json_string_value(json_array_get(list, i)),
				    hosts[i]);
	json_decref(root);
	sender_teardown(&sf);
}

static void
a_connection_that_fails_says_why_and_never_shows_the_key(void **state)
{
	struct hybridge_error err = {HYBRIDGE_EREFUSED, "no \"agent\"",
				     "start it"};
	struct sender_fixture sf;
	const json_t *connection, *error;
	json_t *root;
	char *text;

	(void)state;
	sender_setup_with(&sf, "30s");
	route_failed(&sf.sender->plan->routes[0], sf.sender->since_us, &err);
	route_failed(&sf.sender->plan->routes[0], sf.sender->since_us, &err);
	root = read_status(&sf);
	connection = connection_of(root);
	error = json_object_get(connection, "last_error");
	assert_string_equal(text_of(connection, "state"), "failing");
	assert_int_equal(number_of(connection, "failed"), 2);
	assert_string_equal(text_of(error, "text"), "no \"agent\"");
	assert_string_equal(text_of(error, "hint"), "start it");
	assert_int_equal(number_of(error, "count"), 2);
	assert_int_equal(number_of(error, "since_s"), 0);
	text = json_dumps(root, 0);
	assert_null(strstr(text, "abc"));
	free(text);
	json_decref(root);
	sender_teardown(&sf);
}

static void a_stream_that_is_open_is_counted_with_its_bytes(void **state)
{
	struct sender_fixture sf;
	const json_t *connection;
	struct held held;
	char head[4096];
	char buf[3];
	json_t *root;
	int fd;

	(void)state;
	sender_setup_with(&sf, "30s");
	held = sender_held(&sf, "db.corp", 5432);
	fd = relay_accept(&sf);
	relay_read_head(&sf, fd, head);
	relay_upgrade_answer(fd, head);
	assert_int_equal(sender_result(&sf, held.app), 0);
	assert_int_equal(send(fd, "\x82\x03yes", 5, MSG_NOSIGNAL), 5);
	FIXTURE_UNTIL(sf.fx, recv(held.app, buf, sizeof(buf), 0) == 3);
	root = read_status(&sf);
	connection = connection_of(root);
	assert_string_equal(text_of(connection, "state"), "ready");
	assert_int_equal(number_of(connection, "open"), 1);
	assert_int_equal(number_of(connection, "total"), 1);
	assert_int_equal(number_of(connection, "bytes_in"), 3);
	assert_int_equal(number_of(connection, "bytes_out"), 0);
	assert_int_equal(number_of(connection, "last_used_s"), 0);
	json_decref(root);
	close(fd);
	close(held.app);
	sender_teardown(&sf);
}

static char *read_page(struct sender_fixture *sf, bool *ready)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(to);
	if (ready)
		*ready = status_ops.ready(sf->sender, to);
	else
		status_ops.metrics(sf->sender, to);
	fclose(to);
	return text;
}

static void
metrics_have_a_line_for_each_connection_and_no_other_form(void **state)
{
	static const char *const lines[] = {
		"# TYPE hybridge_sender_streams gauge\n",
		"\nhybridge_sender_streams{connection=\"db\"} 0\n",
		"\nhybridge_sender_requests 0\n",
		"\nhybridge_sender_early_total 0\n",
		"\nhybridge_sender_connects_total{connection=\"db\","
		"result=\"refused\"} 0\n",
		"\nhybridge_sender_bytes_total{connection=\"db\","
		"direction=\"in\"} 0\n",
	};
	struct sender_fixture sf;
	char *text, *line, *rest;

	(void)state;
	sender_setup_with(&sf, "30s");
	text = read_page(&sf, NULL);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		print_message("case: %s\n", lines[i]);
		assert_non_null(strstr(text, lines[i]));
	}
	for (line = strtok_r(text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		bool is_comment =
			strncmp(line, "# HELP hybridge_sender_", 23) == 0 ||
			strncmp(line, "# TYPE hybridge_sender_", 23) == 0;

		assert_true(is_comment ||
			    strncmp(line, "hybridge_sender_", 16) == 0);
	}
	free(text);
	sender_teardown(&sf);
}

#define EXPIRY "hybridge_sender_token_expiry_timestamp_seconds{"

/* When the token ends, by the metrics; -1: they have no line of it. */
static long long expiry_told(struct sender_fixture *sf, const char *kind)
{
	char *text = read_page(sf, NULL);
	char line[200];
	const char *at;
	long long expiry = -1;

	snprintf(line, sizeof(line),
		 "\n" EXPIRY "connection=\"db\",token=\"%s\"} ", kind);
	at = strstr(text, line);
	if (at)
		expiry = strtoll(at + strlen(line), NULL, 10);
	else
		assert_null(strstr(text, EXPIRY));
	free(text);
	return expiry;
}

static void the_end_of_a_token_is_told_when_there_is_one(void **state)
{
	struct sender_fixture sf;
	struct held held;
	char head[4096];
	long long expiry;
	int fd;

	(void)state;
	sender_setup_with(&sf, "30s");
	assert_int_equal(expiry_told(&sf, "signed"), -1);
	held = sender_held(&sf, "db.corp", 5432);
	fd = relay_accept(&sf);
	relay_read_head(&sf, fd, head);
	expiry = expiry_told(&sf, "signed") - (long long)time(NULL);
	assert_in_range(expiry, 3590, 3600);
	close(fd);
	close(held.app);
	sender_teardown(&sf);
}

static void the_end_of_a_given_token_is_told_from_the_start(void **state)
{
	struct sender_fixture sf;
	struct hybridge_connstr *relay;

	(void)state;
	sender_setup_with(&sf, "30s");
	relay = &sf.sender->plan->config.connections[0].relay;
	relay->signature =
		strdup("SharedAccessSignature sr=http%3a%2f%2fa%2f"
		       "&sig=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY%3D"
		       "&se=1700000000&skn=send");
	assert_int_equal(expiry_told(&sf, "given"), 1700000000);
	sender_teardown(&sf);
}

static void a_sender_that_stops_is_not_ready(void **state)
{
	struct sender_fixture sf;
	bool ready;

	(void)state;
	sender_setup_with(&sf, "30s");
	free(read_page(&sf, &ready));
	assert_true(ready);
	sender_stop(sf.sender);
	free(read_page(&sf, &ready));
	assert_false(ready);
	sender_teardown(&sf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_tells_the_sender_and_its_connections),
		cmocka_unit_test(
			a_connection_that_fails_says_why_and_never_shows_the_key),
		cmocka_unit_test(
			a_stream_that_is_open_is_counted_with_its_bytes),
		cmocka_unit_test(
			metrics_have_a_line_for_each_connection_and_no_other_form),
		cmocka_unit_test(the_end_of_a_token_is_told_when_there_is_one),
		cmocka_unit_test(
			the_end_of_a_given_token_is_told_from_the_start),
		cmocka_unit_test(a_sender_that_stops_is_not_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
