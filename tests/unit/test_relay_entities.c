/*
 * test_relay_entities.c - which entity a path belongs to, and the files that
 * define entities.
 */
#include "relay_fixture.h"

#define EXAMPLE "examples/relay.d/demo.env"
#define RULE                              \
	"HYBRIDGE_RULE_A_NAME=n\n"        \
	"HYBRIDGE_RULE_A_RIGHTS=listen\n" \
	"HYBRIDGE_RULE_A_KEY=k\n"

static void find_takes_the_longest_whole_segment_prefix(void **state)
{
	static const struct {
		const char *path;
		const char *entity; /* NULL: none */
	} cases[] = {
		{"erp", "erp"},
		{"ERP", "erp"},
		{"erp/", "erp"},
		{"erp/x/y", "erp"},
		{"erp/DB", "Erp/Db"},
		{"erp/db/x", "Erp/Db"},
		{"erp/dbx", "erp"},
		{"er", NULL},
		{"erpx", NULL},
		{"", NULL},
		{"/", NULL},
		{"//erp//db/", "Erp/Db"},
		{"%65rp/d%62", "Erp/Db"},
		{"erp%2Fdb", NULL},
		{"erp/x%2Fdb", "erp"},
		{"erp%", NULL},
		{"erp/%00", "erp"},
		{"other/erp", NULL},
	};
	struct entities entities = {0};

	(void)state;
	add_entity(&entities, "erp", NULL, NULL, 0);
	add_entity(&entities, "Erp/Db", NULL, NULL, 0);
	add_entity(&entities, "", NULL, NULL, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct entity *found =
			entities_find(&entities, span_of(cases[i].path));

		print_message("'%s'\n", cases[i].path);
		if (!cases[i].entity) {
			assert_null(found);
			continue;
		}
		assert_non_null(found);
		assert_string_equal(found->path, cases[i].entity);
	}
	entities_free(&entities);
}

static void get_wants_the_exact_path_in_any_case(void **state)
{
	struct entities entities = {0};

	(void)state;
	add_entity(&entities, "Erp/Db", NULL, NULL, 0);
	assert_non_null(entities_get(&entities, "eRP/db"));
	assert_null(entities_get(&entities, "erp"));
	assert_null(entities_get(&entities, "erp/db/x"));
	assert_null(entities_get(&entities, ""));
	entities_free(&entities);
}

static void load_reads_every_env_file_of_a_folder(void **state)
{
	struct entities entities = {0};
	struct hybridge_error err = {0};
	const struct entity *db;

	(void)state;
	put_file("db.env",
		 "HYBRIDGE_RELAY_ENTITY='Erp/Db'\n"
		 "HYBRIDGE_RELAY_OPEN_SENDERS=yes\n"
		 "HYBRIDGE_RELAY_USER_METADATA='[{\"key\":\"a\"}]'\n"
		 "HYBRIDGE_RULE_A_NAME=agent\n"
		 "HYBRIDGE_RULE_A_RIGHTS='listen'\n"
		 "HYBRIDGE_RULE_A_KEY=one\n"
		 "HYBRIDGE_RULE_A_KEY2=two\n"
		 "HYBRIDGE_RULE_B2_X_KEY=three\n"
		 "HYBRIDGE_RULE_B2_X_NAME=boss\n"
		 "HYBRIDGE_RULE_B2_X_RIGHTS='Manage'\n",
		 0600);
	put_file("ns.env", RULE, 0640);
	put_file("README", "not for us", 0644);
	put_file(".hidden.env", "neither", 0644);
	if (entities_load(folder, false, &entities, &err) != 0)
		fail_msg("%s", err.what);
	assert_int_equal(HASH_COUNT(entities.table), 1);
	assert_non_null(entities.ns);
	assert_int_equal(entities.ns->num_rules, 1);
	db = entities_get(&entities, "erp/db");
	assert_non_null(db);
	assert_true(db->open_senders);
	assert_string_equal(db->metadata, "[{\"key\":\"a\"}]");
	assert_null(entities.ns->metadata);
	assert_int_equal(db->num_rules, 2);
	assert_string_equal(db->rules[0].name, "agent");
	assert_string_equal(db->rules[0].key, "one");
	assert_string_equal(db->rules[0].key2, "two");
	assert_int_equal(db->rules[0].rights, ENTITY_LISTEN);
	assert_string_equal(db->rules[1].key, "three");
	assert_null(db->rules[1].key2);
	assert_int_equal(db->rules[1].rights,
			 ENTITY_LISTEN | ENTITY_SEND | ENTITY_MANAGE);
	entities_free(&entities);
}

static void load_says_where_a_mistake_is_and_what_to_do(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		const char *what;
		const char *hint;
	} cases[] = {
		{"HYBRIDGE_RELAY_ENTTY=x\n", 0600,
		 "/a.env:1: unknown key 'HYBRIDGE_RELAY_ENTTY'",
		 "did you mean 'HYBRIDGE_RELAY_ENTITY'?"},
		{"HYBRIDGE_RULE_APP_KEY_2=k\n", 0600,
		 "/a.env:1: unknown key 'HYBRIDGE_RULE_APP_KEY_2'",
		 "did you mean 'HYBRIDGE_RULE_APP_KEY2'?"},
		{"HYBRIDGE_SQL_HOSTS=k\n", 0600,
		 "/a.env:1: unknown key 'HYBRIDGE_SQL_HOSTS'",
		 "a file here has"},
		{"HYBRIDGE_RELAY_ENTITY=x\n\nHYBRIDGE_RELAY_ENTITY=y\n", 0600,
		 "/a.env:3: HYBRIDGE_RELAY_ENTITY is already given on line 1",
		 "remove one"},
		{"HYBRIDGE_RELAY_ENTITY = x\n", 0600, "/a.env:1: ", "KEY="},
		{"HYBRIDGE_RULE_a_NAME=x\n", 0600, "unknown key", "_NAME"},
		{"HYBRIDGE_RULE_A_NAME=x\nHYBRIDGE_RULE_A_RIGHTS=send\n", 0600,
		 "the rule lacks HYBRIDGE_RULE_A_KEY", "needs _NAME"},
		{"HYBRIDGE_RULE_A_NAME=x\nHYBRIDGE_RULE_A_RIGHTS=sent\n"
		 "HYBRIDGE_RULE_A_KEY=k\n",
		 0600, "/a.env:2: HYBRIDGE_RULE_A_RIGHTS: 'sent' is no right",
		 "listen, send"},
		{RULE "HYBRIDGE_RULE_B_NAME=N\nHYBRIDGE_RULE_B_RIGHTS=send\n"
		      "HYBRIDGE_RULE_B_KEY=k\n",
		 0600, "/a.env:4: HYBRIDGE_RULE_B_NAME: there is a rule 'N'",
		 ""},
		{RULE, 0644, "readable by everyone", "chmod"},
		{RULE, 0620, "writable by others", "chmod"},
		{"HYBRIDGE_RELAY_ENTITY=a//b\n", 0600, "empty segment",
		 "for example"},
		{"HYBRIDGE_RELAY_ENTITY='a b'\n", 0600, "only letters",
		 "for example"},
		{"HYBRIDGE_RELAY_ENTITY=x\nHYBRIDGE_RELAY_OPEN_SENDERS=1\n",
		 0600, "'1' is not yes or no", ""},
		{"HYBRIDGE_RELAY_OPEN_SENDERS=yes\n", 0600,
		 "belongs to one hybrid connection", "HYBRIDGE_RELAY_ENTITY"},
		{"HYBRIDGE_RELAY_USER_METADATA=x\n", 0600,
		 ":1: HYBRIDGE_RELAY_USER_METADATA belongs to one hybrid "
		 "connection",
		 "HYBRIDGE_RELAY_ENTITY"},
		{"HYBRIDGE_RELAY_ENTITY=x\nHYBRIDGE_RELAY_USER_METADATA=\xff\n",
		 0600, ":2: HYBRIDGE_RELAY_USER_METADATA: no text in UTF-8",
		 "endpoint"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct entities entities = {0};
		struct hybridge_error err = {0};

		print_message("%s\n", cases[i].what);
		put_file("a.env", cases[i].text, cases[i].mode);
		assert_int_equal(entities_load(folder, false, &entities, &err),
				 -1);
		assert_int_equal(err.code, HYBRIDGE_ECONFIG);
		if (!strstr(err.what, cases[i].what) ||
		    !strstr(err.hint, cases[i].hint))
			fail_msg("%s -> %s", err.what, err.hint);
		assert_null(strstr(err.what, "=k"));
		assert_null(entities.table);
	}
}

static void load_refuses_one_path_in_two_files(void **state)
{
	struct entities entities = {0};
	struct hybridge_error err = {0};

	(void)state;
	put_file("a.env", "HYBRIDGE_RELAY_ENTITY=erp\n", 0600);
	put_file("b.env", "HYBRIDGE_RELAY_ENTITY=ERP\n", 0600);
	assert_int_equal(entities_load(folder, false, &entities, &err), -1);
	assert_non_null(strstr(err.what, "b.env: 'ERP' is already defined"));
	assert_non_null(strstr(err.what, "a.env"));
}

static void load_takes_open_files_when_that_is_allowed(void **state)
{
	struct entities entities = {0};
	struct hybridge_error err = {0};

	(void)state;
	put_file("a.env", RULE, 0644);
	assert_int_equal(entities_load(folder, true, &entities, &err), 0);
	entities_free(&entities);
}

static void load_names_a_folder_that_is_not_there(void **state)
{
	struct entities entities = {0};
	struct hybridge_error err = {0};

	(void)state;
	assert_int_equal(entities_load("/nonexistent", false, &entities, &err),
			 -1);
	assert_non_null(strstr(err.what, "/nonexistent"));
}

/* Every key with a star, "HYBRIDGE_RULE_*_KEY", as the example writes it. */
static bool example_has(const char *text, const char *name)
{
	static const char *const starts[] = {"\n", "\n#"};
	const char *star = strchr(name, '*');
	bool found = false;

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		char line[128];

		snprintf(line, sizeof(line), "%s%s%s=", starts[i],
			 star ? "HYBRIDGE_RULE_LISTENER" : "",
			 star ? star + 1 : name);
		found = found || strstr(text, line);
	}
	return found;
}

static void example_names_every_key_and_loads_once_keys_are_set(void **state)
{
	static char text[16384];
	static char filled[20000];
	struct entities entities = {0};
	struct hybridge_error err = {0};
	FILE *file = fopen(EXAMPLE, "r");
	char *to = filled;

	(void)state;
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	for (size_t i = 0; entity_keys[i].name; i++) {
		print_message("%s\n", entity_keys[i].name);
		assert_true(example_has(text, entity_keys[i].name));
	}

	put_file("demo.env", text, 0600);
	assert_int_equal(entities_load(folder, false, &entities, &err), -1);
	assert_non_null(strstr(err.what, "lacks HYBRIDGE_RULE_LISTENER_KEY"));

	for (const char *from = text; *from;) {
		if (strncmp(from, "#HYBRIDGE_", 10) == 0)
			from++;
		if (strncmp(from, "=''", 3) == 0) {
			to = stpcpy(to, "='key'");
			from += 3;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	err = (struct hybridge_error){0};
	put_file("demo.env", filled, 0600);
	if (entities_load(folder, false, &entities, &err) != 0)
		fail_msg("%s", err.what);
	assert_non_null(entities_get(&entities, "demo"));
	entities_free(&entities);
}

#define IN_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(find_takes_the_longest_whole_segment_prefix),
		cmocka_unit_test(get_wants_the_exact_path_in_any_case),
		IN_FOLDER(load_reads_every_env_file_of_a_folder),
		IN_FOLDER(load_says_where_a_mistake_is_and_what_to_do),
		IN_FOLDER(load_refuses_one_path_in_two_files),
		IN_FOLDER(load_takes_open_files_when_that_is_allowed),
		IN_FOLDER(load_names_a_folder_that_is_not_there),
		IN_FOLDER(example_names_every_key_and_loads_once_keys_are_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
