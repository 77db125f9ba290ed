/*
 * test_relay_auth.c - who may do what, by which token.
 */
#include "relay_fixture.h"

#include <jansson.h>

#include <hybridge/sas.h>
#include <hybridge/url.h>

#include "../../relay/auth.h"

#define VECTORS "tests/data/sas_vectors.json"
#define NOW     1767225600

static struct entities entities;

static int make_entities(void **state)
{
	(void)state;
	entities = (struct entities){0};
	add_entity(&entities, "", "root", "rootkey",
		   ENTITY_MANAGE | ENTITY_LISTEN | ENTITY_SEND);
	add_entity(&entities, "erp/db", "agent", "akey", ENTITY_LISTEN);
	add_entity(&entities, "web", "app", "wkey", ENTITY_SEND);
	return 0;
}

static int free_entities(void **state)
{
	(void)state;
	entities_free(&entities);
	return 0;
}

static struct auth_result check(const char *path, enum entity_right right,
				const char *token)
{
	static const char *const hosts[] = {"relay.test", "localhost", NULL};
	struct auth_result result;
	const struct auth_place place = {
		.entities = &entities,
		.entity = entities_find(&entities, span_of(path)),
		.path = path,
		.hosts = hosts,
		.right = right,
	};

	assert_non_null(place.entity);
	auth_check(&place, token, NOW, &result);
	return result;
}

static char *sign(const char *audience, const char *name, const char *key,
		  time_t expiry)
{
	char *token = hybridge_sas_make_for(audience, name, key, expiry, NULL);

	assert_non_null(token);
	return token;
}

static void check_decides_by_rule_audience_expiry_and_right(void **state)
{
	static const struct {
		const char *what;
		const char *path;
		enum entity_right right;
		const char *audience;
		const char *name;
		const char *key;
		int ttl;
		enum auth_reason reason;
		int status;
	} cases[] = {
		{"an entity's rule", "erp/db", ENTITY_LISTEN,
		 "http://relay.test/erp/db", "agent", "akey", 60, AUTH_OK, 200},
		{"name in another case", "erp/db", ENTITY_LISTEN,
		 "sb://RELAY.test:8443/ERP/db/", "Agent", "akey", 60, AUTH_OK,
		 200},
		{"the namespace's rule", "erp/db", ENTITY_SEND,
		 "http://relay.test/", "root", "rootkey", 60, AUTH_OK, 200},
		{"a path with more behind the entity", "web/x/y", ENTITY_SEND,
		 "http://localhost/web/x", "app", "wkey", 60, AUTH_OK, 200},
		{"namespace-wide audience, entity's key", "web", ENTITY_SEND,
		 "sb://relay.test", "app", "wkey", 60, AUTH_OK, 200},
		{"the same on another entity", "erp/db", ENTITY_SEND,
		 "sb://relay.test", "app", "wkey", 60, AUTH_SIGNATURE, 401},
		{"a rule that does not exist", "web", ENTITY_SEND,
		 "http://relay.test/web", "nobody", "wkey", 60, AUTH_SIGNATURE,
		 401},
		{"a wrong key", "web", ENTITY_SEND, "http://relay.test/web",
		 "app", "guess", 60, AUTH_SIGNATURE, 401},
		{"expired", "web", ENTITY_SEND, "http://relay.test/web", "app",
		 "wkey", -301, AUTH_EXPIRED, 401},
		{"expired within the skew of clocks", "web", ENTITY_SEND,
		 "http://relay.test/web", "app", "wkey", -299, AUTH_OK, 200},
		{"another host", "web", ENTITY_SEND, "http://evil.test/web",
		 "app", "wkey", 60, AUTH_AUDIENCE, 401},
		{"another path", "web", ENTITY_SEND, "http://relay.test/we",
		 "app", "wkey", 60, AUTH_AUDIENCE, 401},
		{"send key to listen", "web", ENTITY_LISTEN,
		 "http://relay.test/web", "app", "wkey", 60, AUTH_RIGHT, 403},
		{"listen key to send", "erp/db", ENTITY_SEND,
		 "http://relay.test/erp", "agent", "akey", 60, AUTH_RIGHT, 403},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *token = sign(cases[i].audience, cases[i].name,
				   cases[i].key, NOW + cases[i].ttl);
		struct auth_result result =
			check(cases[i].path, cases[i].right, token);

		print_message("%s\n", cases[i].what);
		assert_int_equal(result.reason, cases[i].reason);
		assert_int_equal(auth_reason_status(result.reason),
				 cases[i].status);
		assert_string_equal(result.key_name, cases[i].name);
		assert_int_equal(result.expiry, NOW + cases[i].ttl);
		assert_int_equal(result.err.code == HYBRIDGE_OK,
				 result.reason == AUTH_OK);
		assert_null(strstr(result.err.what, cases[i].key));
		free(token);
	}
}

static void check_takes_either_key_of_a_rule(void **state)
{
	struct entity *web = entities.table;
	char *first = sign("http://relay.test/web", "app", "wkey", NOW);
	char *second = sign("http://relay.test/web", "app", "next", NOW);

	(void)state;
	while (strcmp(web->path, "web") != 0)
		web = web->hh.next;
	assert_int_equal(check("web", ENTITY_SEND, second).reason,
			 AUTH_SIGNATURE);
	web->rules[0].key2 = strdup("next");
	assert_int_equal(check("web", ENTITY_SEND, first).reason, AUTH_OK);
	assert_int_equal(check("web", ENTITY_SEND, second).reason, AUTH_OK);
	free(first);
	free(second);
}

static void check_tells_missing_from_malformed(void **state)
{
	(void)state;
	assert_int_equal(check("web", ENTITY_SEND, NULL).reason, AUTH_MISSING);
	assert_int_equal(check("web", ENTITY_SEND, "").reason, AUTH_MISSING);
	assert_int_equal(
		check("web", ENTITY_SEND, "Bearer eyJh.eyJp.c2ln").reason,
		AUTH_MALFORMED);
}

static void check_takes_a_token_behind_the_word_bearer(void **state)
{
	char *token = sign("http://relay.test/web", "app", "wkey", NOW);
	char *bearer = NULL;

	(void)state;
	assert_true(asprintf(&bearer, "bearer  %s", token) > 0);
	assert_int_equal(check("web", ENTITY_SEND, bearer).reason, AUTH_OK);
	free(bearer);
	free(token);
}

static enum auth_reason check_vector(const json_t *vector)
{
	static const char *const hosts[] = {"contoso.servicebus.windows.net",
					    NULL};
	const struct auth_place place = {
		.entities = &entities,
		.entity = entities_get(&entities, "hyco"),
		.path = "hyco",
		.hosts = hosts,
		.right = ENTITY_SEND,
	};
	struct auth_result result;

	print_message("%s\n", json_string_value(json_object_get(vector, "id")));
	auth_check(&place, json_string_value(json_object_get(vector, "token")),
		   NOW, &result);
	return result.reason;
}

static void check_agrees_with_the_recorded_tokens(void **state)
{
	json_t *vectors = json_load_file(VECTORS, 0, NULL);
	const json_t *vector;
	size_t i;

	(void)state;
	assert_non_null(vectors);
	add_entity(&entities, "hyco", "k1",
		   json_string_value(json_object_get(vectors, "k1_key")),
		   ENTITY_SEND);
	json_array_foreach(json_object_get(vectors, "accept_cases"), i, vector)
		assert_int_equal(check_vector(vector), AUTH_OK);
	assert_true(i > 0);
	json_array_foreach(json_object_get(vectors, "reject_cases"), i, vector)
		assert_int_not_equal(check_vector(vector), AUTH_OK);
	assert_true(i > 0);
	json_decref(vectors);
}

static void token_is_taken_from_the_first_carrier(void **state)
{
	static const struct {
		const char *head;
		const char *query;
		enum auth_carrier carrier;
		const char *token;
	} cases[] = {
		{"ServiceBusAuthorization: one\r\nAuthorization: two\r\n",
		 "sb-hc-token=three", AUTH_CARRIER_SERVICE_BUS, "one"},
		{"Authorization: two\r\n", "x=1&SB-HC-Token=th%2Bree+a%253D",
		 AUTH_CARRIER_QUERY, "th+ree a%3D"},
		{"authorization: SharedAccessSignature sr=%3A\r\n", "x=1",
		 AUTH_CARRIER_AUTHORIZATION, "SharedAccessSignature sr=%3A"},
		{"ServiceBusAuthorization:\r\nAuthorization: two\r\n",
		 "sb-hc-token=three", AUTH_CARRIER_QUERY, "three"},
		{"ServiceBusAuthorization: \r\nAuthorization: two\r\n",
		 "sb-hc-token=", AUTH_CARRIER_AUTHORIZATION, "two"},
		{"ServiceBusAuthorization:\r\nAuthorization:\r\n",
		 "sb-hc-token", AUTH_CARRIER_NONE, NULL},
		{"Host: a\r\n", "", AUTH_CARRIER_NONE, NULL},
		{"Host: a\r\n", "sb-hc-token=%zz", AUTH_CARRIER_NONE, NULL},
		{"Host: a\r\n", "sb-hc-token=a%00b", AUTH_CARRIER_NONE, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_http_head head;
		char text[256];
		char *token;

		print_message("%s?%s\n", cases[i].head, cases[i].query);
		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n%s\r\n",
			 cases[i].head);
		assert_int_equal(
			hybridge_http_parse(span_of(text), false, &head), 0);
		assert_int_equal(
			auth_token(&head, span_of(cases[i].query), &token),
			cases[i].carrier);
		if (cases[i].token)
			assert_string_equal(token, cases[i].token);
		else
			assert_null(token);
		free(token);
	}
}

#define WITH_ENTITIES(test) \
	cmocka_unit_test_setup_teardown(test, make_entities, free_entities)

/* A token that was right before is not signed again to see; all else is looked at. */
static void a_remembered_signature_proves_nothing_else(void **state)
{
	struct entity *web = entities.table;
	char *token = sign("http://relay.test/web", "app", "wkey", NOW + 60);
	char *old = sign("http://relay.test/web", "app", "wkey", NOW - 900);
	char *other = strdup(token);

	(void)state;
	while (strcmp(web->path, "web") != 0)
		web = web->hh.next;
	web->rules[0].number = 7;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(check("web", ENTITY_SEND, token).reason,
				 AUTH_OK);
		assert_int_equal(check("web", ENTITY_SEND, old).reason,
				 AUTH_EXPIRED);
		assert_int_equal(check("web", ENTITY_LISTEN, token).reason,
				 AUTH_RIGHT);
	}
	/* The same signature under another audience, and another expiry. */
	strstr(other, "relay.test")[0] = 'R';
	assert_int_equal(check("web", ENTITY_SEND, other).reason,
			 AUTH_SIGNATURE);
	memcpy(other, token, strlen(token) + 1);
	strstr(other, "se=1")[3] = '2';
	assert_int_equal(check("web", ENTITY_SEND, other).reason,
			 AUTH_SIGNATURE);
	/* A reload that took the key away. */
	web->rules[0].number = 8;
	web->rules[0].key[0] = 'W';
	assert_int_equal(check("web", ENTITY_SEND, token).reason,
			 AUTH_SIGNATURE);
	web->rules[0].number = 7;
	assert_int_equal(check("web", ENTITY_SEND, token).reason, AUTH_OK);
	free(token);
	free(old);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ENTITIES(check_decides_by_rule_audience_expiry_and_right),
		WITH_ENTITIES(check_takes_either_key_of_a_rule),
		WITH_ENTITIES(check_tells_missing_from_malformed),
		WITH_ENTITIES(check_takes_a_token_behind_the_word_bearer),
		WITH_ENTITIES(check_agrees_with_the_recorded_tokens),
		WITH_ENTITIES(a_remembered_signature_proves_nothing_else),
		cmocka_unit_test(token_is_taken_from_the_first_carrier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
