/* test_hostmap.c - reading HOSTS items, and which of them wins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <hybridge/hostmap.h>

#define MAX_ENTRIES 16

static struct hybridge_span span(const char *text)
{
	return (struct hybridge_span){text, strlen(text)};
}

/* Parses a whole HOSTS value; entry.connection counts the items. */
static struct hybridge_map parse(const char *text,
				 struct hybridge_map_entry *entries)
{
	struct hybridge_map map = {.entries = entries};
	struct hybridge_span rest = span(text);
	const char *why = NULL;

	for (uint16_t i = 0; i < MAX_ENTRIES; i++)
		entries[i].connection = i;
	while (map.len < MAX_ENTRIES) {
		int got =
			hybridge_map_parse_item(&rest, &entries[map.len], &why);
		if (got < 0)
			fail_msg("%s: %s", text, why);
		if (got == 0)
			break;
		map.len++;
	}
	return map;
}

static void items_are_read_with_host_and_ports(void **state)
{
	static const struct {
		const char *item;
		enum hybridge_map_kind kind;
		unsigned int prefix;
		const char *host;
		unsigned int num_ports;
		unsigned int last_port;
	} cases[] = {
		{"db.corp:5432", HYBRIDGE_MAP_NAME, 0, "db.corp", 1, 5432},
		{"DB.corp.:1", HYBRIDGE_MAP_NAME, 0, "DB.corp", 1, 1},
		{"db:*", HYBRIDGE_MAP_NAME, 0, "db", 0, 0},
		{"mail:25,587", HYBRIDGE_MAP_NAME, 0, "mail", 2, 587},
		{"my_db-1:65535", HYBRIDGE_MAP_NAME, 0, "my_db-1", 1, 65535},
		{"a:1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", HYBRIDGE_MAP_NAME,
		 0, "a", 16, 16},
		{"*.corp:443", HYBRIDGE_MAP_SUFFIX, 0, "corp", 1, 443},
		{"10.1.2.3:80", HYBRIDGE_MAP_BLOCK, 32, "10.1.2.3", 1, 80},
		{"10.0.0.0/8:80", HYBRIDGE_MAP_BLOCK, 8, "10.0.0.0", 1, 80},
		{"[2001:db8::1]:443", HYBRIDGE_MAP_BLOCK, 128, "2001:db8::1", 1,
		 443},
		{"[fd00::]/9:*", HYBRIDGE_MAP_BLOCK, 9, "fd00::", 0, 0},
		{"[::ffff:10.1.2.3]:80", HYBRIDGE_MAP_BLOCK, 32,
		 "::ffff:10.1.2.3", 1, 80},
		{"[::ffff:10.1.2.0]/120:80", HYBRIDGE_MAP_BLOCK, 24,
		 "::ffff:10.1.2.0", 1, 80},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_map_entry got = {.connection = 7};
		struct hybridge_span text = span(cases[i].item);
		const char *why = NULL;

		print_message("case: %s\n", cases[i].item);
		assert_int_equal(hybridge_map_parse_item(&text, &got, &why), 1);
		assert_int_equal(text.len, 0);
		assert_int_equal(got.kind, cases[i].kind);
		assert_int_equal(got.host.len, strlen(cases[i].host));
		assert_memory_equal(got.host.text, cases[i].host, got.host.len);
		assert_int_equal(got.prefix, cases[i].prefix);
		assert_int_equal(got.num_ports, cases[i].num_ports);
		if (got.num_ports > 0)
			assert_int_equal(got.ports[got.num_ports - 1],
					 cases[i].last_port);
		assert_int_equal(got.connection, 7);
	}
}

static void wrong_items_are_refused_where_they_stand(void **state)
{
	static const char *const cases[] = {
		"db",
		"db:",
		"db:0",
		"db:65536",
		"db:0080",
		"db:x",
		"db:80,",
		"db:80,,81",
		"db:1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
		":80",
		"a..b:80",
		".a:80",
		"*:80",
		"*.:80",
		"*a.corp:80",
		"a.*.corp:80",
		"a b:80",
		"d\xc3\xa4.corp:80",
		"http://db.corp:80",
		"db.corp/8:80",
		"10.1.2:80",
		"10.1.2.256:80",
		"010.1.2.3:80",
		"10.0.0.1/8:80",
		"0.0.0.0/0:80",
		"10.0.0.0/33:80",
		"10.0.0.0/:80",
		"2001:db8::1:443",
		"[2001:db8::1]",
		"[2001:db8::1:443",
		"[2001:db8::1]x:443",
		"[10.1.2.3]:80",
		"[2001:db8::1]/129:443",
		"[]:80",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_map_entry got = {.connection = 7};
		struct hybridge_span text = span(cases[i]);
		const char *why = NULL;

		print_message("case: %s\n", cases[i]);
		assert_int_equal(hybridge_map_parse_item(&text, &got, &why),
				 -1);
		assert_ptr_equal(text.text, cases[i]);
		assert_true(why && strlen(why) > 0);
	}
}

static void a_mistake_in_the_ports_leaves_the_host_without_any(void **state)
{
	static const struct {
		const char *text, *host;
	} cases[] = {
		{"db.corp", "db.corp"},
		{"db.corp:", "db.corp"},
		{"db.corp:5x", "db.corp"},
		{"db.corp:1,70000", "db.corp"},
		{"*.sub.corp:0", "sub.corp"},
		{"10.1.2.0/24", "10.1.2.0"},
		{"[2001:db8::1]", "2001:db8::1"},
		{"db.corp:1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
		 "db.corp"},
		{"db.corp,web.corp:5", ""},
		{"http://db.corp:5", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_map_entry got = {.connection = 7};
		struct hybridge_span text = span(cases[i].text);
		const char *why = NULL;

		print_message("case: %s\n", cases[i].text);
		assert_int_equal(hybridge_map_parse_item(&text, &got, &why),
				 -1);
		assert_int_equal(got.host.len, strlen(cases[i].host));
		if (got.host.len == 0)
			continue;
		assert_memory_equal(got.host.text, cases[i].host, got.host.len);
		assert_int_equal(got.num_ports, 1);
		assert_int_equal(got.ports[0], 0);
	}
}

static void a_comma_between_hosts_is_called_one(void **state)
{
	struct hybridge_span text = span("a.corp:1,b.corp:2");
	struct hybridge_map_entry got = {0};
	const char *why = NULL;

	(void)state;
	assert_int_equal(hybridge_map_parse_item(&text, &got, &why), -1);
	assert_non_null(strstr(why, "blanks separate items"));
}

static void names_longer_than_dns_allows_are_refused(void **state)
{
	char text[300];
	struct hybridge_map_entry got = {0};
	struct hybridge_span rest = {text, 66};
	const char *why = NULL;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[64] = ':';
	text[65] = '1';
	assert_int_equal(hybridge_map_parse_item(&rest, &got, &why), -1);
	rest = (struct hybridge_span){text + 1, 65};
	assert_int_equal(hybridge_map_parse_item(&rest, &got, &why), 1);

	memset(text, 'a', sizeof(text));
	for (size_t i = 50; i < 254; i += 51)
		text[i] = '.';
	text[254] = ':';
	text[255] = '1';
	rest = (struct hybridge_span){text, 256};
	assert_int_equal(hybridge_map_parse_item(&rest, &got, &why), -1);
	rest = (struct hybridge_span){text + 1, 255};
	assert_int_equal(hybridge_map_parse_item(&rest, &got, &why), 1);
}

static void items_are_separated_by_blanks(void **state)
{
	struct hybridge_map_entry entries[MAX_ENTRIES] = {0};

	(void)state;
	assert_int_equal(parse(" a:1  b:2\tc:3\r\n", entries).len, 3);
	assert_int_equal(parse("", entries).len, 0);
	assert_int_equal(parse("  ", entries).len, 0);
}

static void the_most_specific_entry_for_a_name_wins(void **state)
{
	static const struct {
		const char *name;
		int entry;
		uint16_t port;
		bool known;
	} cases[] = {
		{"db.corp", 2, 5432, true},
		{"DB.Corp.", 2, 5432, true},
		{"db.corp", 1, 443, true},
		{"db.corp", -1, 80, true},
		{"db.corp", 2, 0, true},
		{"x.corp", 1, 443, true},
		{"x.eu.corp", 0, 443, true},
		{"x.eu.corp.", 0, 443, true},
		{"eu.corp", 1, 443, true},
		{"corp", -1, 443, false},
		{".corp", -1, 443, false},
		{"xcorp", -1, 443, false},
		{"db.corp.org", -1, 5432, false},
		{"db.corp..", -1, 5432, false},
		{"x.corp..", -1, 443, false},
		{"", -1, 443, false},
		{".", -1, 443, false},
		{"10.1.2.3", 4, 80, true},
		{"::ffff:10.1.2.3", 4, 80, true},
		{"10.1.2.4", 3, 80, true},
		{"twice", 5, 1, true},
		{"twice", 6, 2, true},
	};
	struct hybridge_map_entry entries[MAX_ENTRIES] = {0};
	struct hybridge_map map =
		parse("*.eu.corp:443 *.corp:443 db.corp:5432 10.0.0.0/8:80 "
		      "10.1.2.3:80 twice:1 twice:1,2",
		      entries);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct hybridge_map_entry *got;
		bool known = !cases[i].known;

		print_message("case: %s %d\n", cases[i].name, cases[i].port);
		got = hybridge_map_find_name(&map, span(cases[i].name),
					     cases[i].port, &known);
		assert_int_equal(got ? got->connection : -1, cases[i].entry);
		assert_int_equal(known, cases[i].known);
	}
	assert_non_null(hybridge_map_find_name(&map, span("db.corp"), 0, NULL));
}

static void the_longest_block_for_an_address_wins(void **state)
{
	static const struct {
		const char *ip;
		int entry;
		uint16_t port;
		bool known;
	} cases[] = {
		{"10.9.9.9", 1, 80, true},     {"10.127.255.255", 1, 80, true},
		{"10.128.0.0", 0, 80, true},   {"10.64.0.1", 2, 80, true},
		{"10.64.0.1", 1, 81, true},    {"10.64.0.1", -1, 9, true},
		{"11.0.0.1", -1, 80, false},   {"2001:db8::1", 3, 1, true},
		{"2001:db8::2", 4, 1, true},   {"2001:db9::2", -1, 1, false},
		{"2001:dbc::2", -1, 1, false}, {"a00::", -1, 80, false},
	};
	struct hybridge_map_entry entries[MAX_ENTRIES] = {0};
	struct hybridge_map map =
		parse("10.0.0.0/8:80 10.0.0.0/9:80,81 10.64.0.1:80 "
		      "[2001:db8::1]:* [2001:db8::]/32:* name:*",
		      entries);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct hybridge_map_entry *got;
		bool known = !cases[i].known;
		struct hybridge_ip ip;

		print_message("case: %s %d\n", cases[i].ip, cases[i].port);
		assert_true(hybridge_ip_parse(span(cases[i].ip), &ip));
		got = hybridge_map_find_ip(&map, &ip, cases[i].port, &known);
		assert_int_equal(got ? got->connection : -1, cases[i].entry);
		assert_int_equal(known, cases[i].known);
	}
}

static void addresses_are_read_as_inet_pton_reads_them(void **state)
{
	static const struct {
		const char *text;
		uint8_t bytes[16];
	} cases[] = {
		{"::", {0}},
		{"::1", {[15] = 1}},
		{"1::", {[1] = 1}},
		{"2001:DB8::a:b",
		 {0x20, 1, 0x0d, 0xb8, [13] = 0x0a, [15] = 0x0b}},
		{"1:2:3:4:5:6:7:8",
		 {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8}},
		{"1:2:3:4:5:6:7::",
		 {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 0}},
		{"::ffff:1.2.3.4",
		 {[10] = 0xff, [11] = 0xff, [12] = 1, 2, 3, 4}},
		{"1:2:3:4:5:6:1.2.3.4",
		 {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 1, 2, 3, 4}},
	};
	struct hybridge_ip ip;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		print_message("case: %s\n", cases[i].text);
		assert_true(hybridge_ip_parse(span(cases[i].text), &ip));
		assert_int_equal(ip.family, 6);
		assert_memory_equal(ip.bytes, cases[i].bytes, 16);
	}
	assert_true(hybridge_ip_parse(span("192.0.2.255"), &ip));
	assert_int_equal(ip.family, 4);
	assert_memory_equal(ip.bytes, "\xc0\x00\x02\xff", 4);
}

static void what_is_not_an_address_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"1",
		"1.2.3",
		"1.2.3.4.5",
		"1.2.3.4.",
		".1.2.3.4",
		"1.2.3.256",
		"1.2.3.04",
		"1.2.3.x",
		" 1.2.3.4",
		"1.2.3.4 ",
		"0x1.2.3.4",
		":",
		":::",
		"1::2::3",
		"1:2:3:4:5:6:7",
		":1::",
		"1::2:",
		"12345::",
		"1:2:3:4:5:6:7:8:9",
		"::g",
		"fe80::1%1",
		"1.2.3.4::",
		"1:2:3:4:5:6:7:1.2.3.4",
		"1:2:3:4::5:6:7:8",
		"::1.2.3",
	};
	struct hybridge_ip ip;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		print_message("case: %s\n", cases[i]);
		assert_false(hybridge_ip_parse(span(cases[i]), &ip));
	}
}

static void names_are_equal_without_case_and_last_dot(void **state)
{
	(void)state;
	assert_true(hybridge_name_equal(span("a.B"), span("A.b.")));
	assert_true(hybridge_name_equal(span("a."), span("a.")));
	assert_false(hybridge_name_equal(span("a.."), span("a")));
	assert_false(hybridge_name_equal(span("a"), span("ab")));
	assert_false(hybridge_name_equal(span("a@"), span("a`")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_are_read_with_host_and_ports),
		cmocka_unit_test(wrong_items_are_refused_where_they_stand),
		cmocka_unit_test(
			a_mistake_in_the_ports_leaves_the_host_without_any),
		cmocka_unit_test(a_comma_between_hosts_is_called_one),
		cmocka_unit_test(names_longer_than_dns_allows_are_refused),
		cmocka_unit_test(items_are_separated_by_blanks),
		cmocka_unit_test(the_most_specific_entry_for_a_name_wins),
		cmocka_unit_test(the_longest_block_for_an_address_wins),
		cmocka_unit_test(addresses_are_read_as_inet_pton_reads_them),
		cmocka_unit_test(what_is_not_an_address_is_refused),
		cmocka_unit_test(names_are_equal_without_case_and_last_dot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
